//! What a licence's text holds, to tell words that somebody added.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::lines::{is_title, names_authors, says_more};

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

/// Where licences leave room for a name: what stands before it and after it.
const SLOTS: [(&str, &str); 9] = [
    ("neither the name of", "nor the names of"),
    ("neither the names of", "nor the names of"),
    ("neither the name", "nor the names of"),
    ("is provided by", "as is"),
    ("is provided by", "asis"),
    ("in no event shall", "be liable"),
    ("as is and", "disclaims all"),
    ("asis and", "disclaims all"),
    ("as is and", "disclaim all"),
];
/// The most words of a name in a slot.
const MAX_SLOT: usize = 16;
/// Sites of the licences themselves: their addresses are in some copies and not in others.
const SITES: [&str; 16] = [
    "apache.org",
    "blueoakcouncil.org",
    "boost.org",
    "cdla.dev",
    "creativecommons.org",
    "fsf.org",
    "gnu.org",
    "mozilla.org",
    "opendatacommons.org",
    "opensource.org",
    "spdx.org",
    "unlicense.org",
    "wiki.creativecommons.org",
    "www.apache.org",
    "www.gnu.org",
    "www.opensource.org",
];

/// Whether the words of this licence are known.
pub(crate) fn known(id: &str) -> bool {
    TEXTS.contains_key(id)
}

/// The words of `text` that licence `id`, called `name`, does not have, or not so often. Lines that only name an author
/// or the licence are left out, and names where the licence leaves room for one. Empty for a licence whose text is not
/// known.
pub(crate) fn added(id: &str, name: &str, text: &str) -> Vec<String> {
    let Some(known) = TEXTS.get(id) else {
        return Vec::new();
    };
    let all: Vec<String> = text
        .lines()
        .filter(|line| !names_authors(line) && !is_title(line, id, name))
        .flat_map(words)
        .collect();
    let mut left: BTreeMap<&str, usize> = known
        .iter()
        .map(|(word, count)| (word.as_str(), *count))
        .collect();
    without_names(&all)
        .into_iter()
        .filter(|word| match left.get_mut(word) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .map(str::to_owned)
        .collect()
}

/// The words without what fills a slot, where that is a name.
fn without_names(words: &[String]) -> Vec<&str> {
    let mut kept = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let slot = SLOTS
            .iter()
            .find_map(|(before, after)| slot_at(&words[at..], before, after));
        let (keep, skip) = slot.unwrap_or((1, 1));
        kept.extend(words[at..at + keep].iter().map(String::as_str));
        at += skip;
    }
    kept
}

/// How many words open a slot that begins here, and after how many it is over.
fn slot_at(words: &[String], before: &str, after: &str) -> Option<(usize, usize)> {
    let starts = |at: usize, what: &str| {
        what.split(' ')
            .enumerate()
            .all(|(i, word)| words.get(at + i).is_some_and(|stands| stands == word))
    };
    if !starts(0, before) {
        return None;
    }
    let opens = before.split(' ').count();
    let end = (opens..=opens + MAX_SLOT).find(|&at| starts(at, after))?;
    let is_name = !words[opens..end].iter().any(|word| says_more(word));
    is_name.then_some((opens, end))
}

/// The words of a text as they are compared. Of an address on a licence's own site nothing is left.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace()
        .map(word)
        .filter(|word| !word.is_empty())
}

/// Letters and digits of a word in lower case: punctuation and line breaks differ between copies.
pub(crate) fn word(stands: &str) -> String {
    let scheme = |before: &str| {
        let before = before.trim_start_matches(|c: char| !c.is_alphanumeric());
        before.eq_ignore_ascii_case("https") || before.eq_ignore_ascii_case("http")
    };
    if let Some((before, address)) = stands.split_once("://")
        && scheme(before)
    {
        let host = address
            .split(|c: char| c == '/' || !(c.is_ascii_alphanumeric() || ".-".contains(c)))
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if SITES.contains(&host.trim_end_matches('.')) {
            return String::new();
        }
    }
    let plain: String = stands
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    let same: Cow<'_, str> = match plain.as_str() {
        "licence" => "license".into(),
        "licences" => "licenses".into(),
        "owner" => "holder".into(),
        "owners" => "holders".into(),
        "sublicence" => "sublicense".into(),
        "acknowledgement" => "acknowledgment".into(),
        other => match other.strip_prefix("https") {
            Some(rest) => format!("http{rest}").into(),
            None => other.into(),
        },
    };
    same.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APACHE: &str = include_str!("../../../LICENSE");

    fn added(id: &str, text: &str) -> Vec<String> {
        super::added(id, "", text)
    }

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
            "https://www.apache.org.example/our-terms",
            "https://example.org/terms?https://www.apache.org/",
            "no-commercial-use:https://www.apache.org/",
        ] {
            assert!(
                !added("Apache-2.0", &format!("{APACHE}\n{line}")).is_empty(),
                "{line}"
            );
        }
        let address = format!("{APACHE}\n<https://www.apache.org/licenses/LICENSE-2.0>");
        assert!(added("Apache-2.0", &address).is_empty());
    }

    #[test]
    fn names_fill_slots_and_terms_do_not() {
        let holder = |name: &str| {
            added(
                "BSD-3-Clause",
                &format!("Neither the name of {name} nor the names of its contributors"),
            )
        };
        assert_eq!(holder("Some Großes Institut, Inc."), Vec::<String>::new());
        assert!(!holder("X, which forbids commercial products,").is_empty());
        assert!(!holder(&"many words of a name ".repeat(4)).is_empty());
    }
}
