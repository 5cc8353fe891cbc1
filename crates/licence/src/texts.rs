//! What a licence's text holds, to tell words that somebody added.

use std::collections::BTreeMap;
use std::sync::LazyLock;

type Counts = BTreeMap<String, usize>;

static TEXTS: LazyLock<BTreeMap<String, Counts>> = LazyLock::new(|| {
    let file: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(include_str!("../data/texts.toml")).expect("the embedded file is tested");
    let counts = |by_count: BTreeMap<String, String>| {
        by_count
            .iter()
            .flat_map(|(count, words)| {
                let count = count.parse().expect("the embedded file is tested");
                words.split(' ').map(move |word| (word.into(), count))
            })
            .collect()
    };
    file.into_iter()
        .map(|(id, by_count)| (id, counts(by_count)))
        .collect()
});

/// Words by which a line that names an author, or a title, would say more than that.
const TERMS: [&str; 20] = [
    "not",
    "no",
    "only",
    "without",
    "except",
    "commercial",
    "commercially",
    "noncommercial",
    "prohibited",
    "forbidden",
    "restricted",
    "use",
    "used",
    "may",
    "must",
    "shall",
    "clause",
    "notwithstanding",
    "sell",
    "sold",
];
/// The most words of a line that names an author.
const MAX_LINE: usize = 24;

/// Whether the words of this licence are known.
#[cfg(test)]
pub(crate) fn known(id: &str) -> bool {
    TEXTS.contains_key(id)
}

/// The words of `text` that licence `id` does not have, or not so often; lines that only name an author are left out.
/// Empty for a licence whose text is not known.
pub(crate) fn added(id: &str, text: &str) -> Vec<String> {
    let Some(known) = TEXTS.get(id) else {
        return Vec::new();
    };
    let mut left = known.clone();
    let mut added = Vec::new();
    for line in text.lines() {
        let line: Vec<String> = words(line).collect();
        if names_an_author(&line) || is_title(&line, id) {
            continue;
        }
        for word in line {
            match left.get_mut(&word) {
                Some(count) if *count > 0 => *count -= 1,
                _ => added.push(word),
            }
        }
    }
    added
}

fn names_an_author(line: &[String]) -> bool {
    let opens = line
        .first()
        .is_some_and(|word| matches!(word.as_str(), "copyright" | "c" | "spdxlicenseidentifier"))
        || line.join(" ") == "all rights reserved";
    opens
        && line.len() <= MAX_LINE
        // Languages without spaces could say anything in one word.
        && line.iter().all(|word| word.is_ascii() && !TERMS.contains(&word.as_str()))
}

fn is_title(line: &[String], id: &str) -> bool {
    let id: Vec<String> = id.split('-').flat_map(words).collect();
    line.len() <= 6
        && line
            .iter()
            .all(|word| id.contains(word) || matches!(word.as_str(), "the" | "license" | "version"))
}

/// Letters and digits of each word in lower case: punctuation and line breaks differ between copies.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().filter_map(|word| {
        let word: String = word
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        let word = match word.strip_prefix("https") {
            Some(rest) => format!("http{rest}"),
            None => word,
        };
        (!word.is_empty()).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const APACHE: &str = include_str!("../../../LICENSE");

    #[test]
    fn the_whole_text_has_nothing_beyond_it() {
        assert_eq!(added("Apache-2.0", APACHE), Vec::<String>::new());
        let headed = format!("# The Apache License\nCopyright (c) 2015 Some One\n{APACHE}");
        assert_eq!(added("Apache-2.0", &headed), Vec::<String>::new());
        assert!(TEXTS.values().all(|counts| counts.len() > 50));
    }

    #[test]
    fn attack_terms_in_an_authors_line_are_words_beyond_the_text() {
        for line in [
            "Copyright 2024 X. Commercial use prohibited.",
            "Copyright 2024 某社 商用利用を禁ずる",
            "SPDX-License-Identifier: Apache-2.0 WITH no-commercial clause",
        ] {
            assert!(
                !added("Apache-2.0", &format!("{APACHE}\n{line}")).is_empty(),
                "{line}"
            );
        }
    }
}
