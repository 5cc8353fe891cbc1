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

/// The words of the Apache licence's appendix, which many copies lack, before its notice.
const APPENDIX: &str = "a also and apache apache appendix apply apply appropriate archives as attach be be boilerplate brackets \
    brackets by class comment copyright description dont easier enclosed enclosed fields file file following \
    for for format how identification identifying in include included information license license name notice \
    notice of on or own page printed purpose recommend replaced same should syntax text that the the the the \
    the the the the the the thirdparty to to to to we with with within work work your your your";
/// The words of that notice, which stands alone above some copies; without its line that is a title.
const NOTICE: &str = "a agreed an and any applicable as at basis by compliance conditions copy distributed distributed either \
    except express file for governing implied in in is is kind language law license license license license \
    license limitations may may not obtain of of on or or or permissions required see software specific the \
    the the the the the this to under under unless use warranties with without writing you you";
/// How the appendix begins.
const APPENDIX_BEGINS: &str = "APPENDIX: How to apply the Apache License to your work";
/// How the notice begins, after its title.
const NOTICE_BEGINS: &str = "you may not use this file except in compliance with the License";
/// How much of a text must be there, in hundredths of its words.
const LEAST: usize = 95;
/// The same of Creative Commons' texts: what stands before and after the licence is no part of it and often left out.
const LEAST_CC: usize = 80;

/// What a copy must hold, and may: without an appendix that is not there, its words allow no others.
fn counts(id: &str, text: &str) -> Option<Counts> {
    let mut counts = TEXTS.get(id)?.clone();
    if id == "Apache-2.0" {
        let all: Vec<String> = words(text).collect();
        for (begins, held) in [(APPENDIX_BEGINS, APPENDIX), (NOTICE_BEGINS, NOTICE)] {
            let begins: Vec<String> = words(begins).collect();
            if all.windows(begins.len()).any(|at| at == begins) {
                continue;
            }
            for word in held.split(' ') {
                if let Some(count) = counts.get_mut(word) {
                    *count = count.saturating_sub(1);
                }
            }
        }
    }
    Some(counts)
}

/// Whether nearly all of the licence's words stand in the text. Only counted: their order is not compared.
pub(crate) fn is_whole(id: &str, text: &str) -> bool {
    let Some(counts) = counts(id, text) else {
        return true;
    };
    let mut stands = Counts::new();
    for word in words(text) {
        *stands.entry(word).or_default() += 1;
    }
    // Single letters and digits number conditions, in some copies and not in others.
    let counted = || counts.iter().filter(|(word, _)| word.chars().count() > 1);
    let all: usize = counted().map(|(_, count)| count).sum();
    let there: usize = counted()
        .map(|(word, count)| stands.get(word).map_or(0, |stands| *stands.min(count)))
        .sum();
    let least = if id.starts_with("CC-") {
        LEAST_CC
    } else {
        LEAST
    };
    there * 100 >= all * least
}

/// Addresses on licences' sites that are not this licence's own.
fn others_addresses(id: &str, text: &str) -> Vec<String> {
    let own = id.to_ascii_lowercase();
    let family = own.split('-').next().unwrap_or(&own);
    let is_own = |host: &str, path: &str| {
        let host = host.trim_start_matches("www.").trim_start_matches("wiki.");
        match host {
            "apache.org" => family == "apache",
            "blueoakcouncil.org" => family == "blueoak",
            "boost.org" => family == "bsl",
            "cdla.dev" => family == "cdla",
            "fsf.org" | "gnu.org" => family.ends_with("gpl"),
            "mozilla.org" => family == "mpl",
            "opendatacommons.org" => family == "odbl" || family == "odc",
            "unlicense.org" => family == "unlicense",
            "creativecommons.org" => {
                let deed = |kind: &str| path.strip_prefix(kind).map(str::to_owned);
                match (deed("/licenses/"), deed("/publicdomain/")) {
                    (Some(rest), _) => {
                        let (code, version) = own
                            .strip_prefix("cc-")
                            .and_then(|own| own.rsplit_once('-'))
                            .unwrap_or(("", ""));
                        family == "cc" && rest.starts_with(&format!("{code}/{version}"))
                    }
                    (_, Some(rest)) => family == "cc0" && rest.starts_with("zero"),
                    _ => family.starts_with("cc"),
                }
            }
            // Sites that list the licences of others.
            _ => {
                let last = path.rsplit('/').find(|part| !part.is_empty());
                last.is_none_or(|last| last == "licenses" || last.starts_with(family))
            }
        }
    };
    text.split_whitespace()
        .filter_map(|stands| stands.split_once("://"))
        .filter_map(|(_, address)| {
            let address = address
                .trim_end_matches(|c: char| !c.is_alphanumeric() && c != '/')
                .to_ascii_lowercase();
            let cut = address.find(['/', '?', '#']).unwrap_or(address.len());
            let (host, path) = address.split_at(cut);
            let host = host.trim_end_matches('.');
            let known = SITES.contains(&host);
            (known && !is_own(host, path)).then(|| address.clone())
        })
        .collect()
}

/// Whether the words of this licence are known.
pub(crate) fn known(id: &str) -> bool {
    TEXTS.contains_key(id)
}

/// The words of `text` that licence `id`, called `name`, does not have, or not so often. Lines that only name an author
/// or the licence are left out, and names where the licence leaves room for one. Empty for a licence whose text is not
/// known.
pub(crate) fn added(id: &str, name: &str, text: &str) -> Vec<String> {
    let Some(known) = counts(id, text) else {
        return Vec::new();
    };
    let all: Vec<String> = text
        .lines()
        .filter(|line| !names_authors(line) && !is_title(line, id, name))
        .flat_map(words)
        .collect();
    let addresses = others_addresses(id, text);
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
        .chain(addresses)
        .collect()
}

/// A text that the licence is known by, of all of its words, in no order: for tests.
#[cfg(test)]
pub(crate) fn sample(id: &str, phrases: &[String]) -> String {
    let mut left = TEXTS.get(id).cloned().unwrap_or_default();
    let mut text = phrases.join("\n");
    if id == "Apache-2.0" {
        // Its sample has the appendix.
        text = format!("{text}\n{APPENDIX_BEGINS}\n{NOTICE_BEGINS}");
    }
    for word in words(&text) {
        if let Some(count) = left.get_mut(&word) {
            *count = count.saturating_sub(1);
        }
    }
    text.push('\n');
    for (word, count) in left {
        text.push_str(&format!("{word} ").repeat(count));
    }
    text
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
    fn attack_another_licences_address() {
        for address in [
            "Licensed under https://creativecommons.org/licenses/by-nc/4.0/",
            "https://www.gnu.org/licenses/gpl-3.0.html",
            "<https://opensource.org/licenses/no-sale>",
            "https://spdx.org/licenses/CC-BY-NC-4.0",
        ] {
            let text = format!("{APACHE}\n{address}");
            assert!(!added("Apache-2.0", &text).is_empty(), "{address}");
        }
        assert!(others_addresses("MIT", "https://opensource.org/licenses/MIT.").is_empty());
        assert!(
            others_addresses(
                "CC-BY-4.0",
                "https://creativecommons.org/licenses/by/4.0/legalcode"
            )
            .is_empty()
        );
        assert!(
            !others_addresses(
                "CC-BY-4.0",
                "https://creativecommons.org/licenses/by-nc/4.0/"
            )
            .is_empty()
        );
    }

    #[test]
    fn attack_a_prohibition_of_the_appendixs_words() {
        let without = APACHE.split("APPENDIX").next().expect("the licence");
        assert!(is_whole("Apache-2.0", without) && is_whole("Apache-2.0", APACHE));
        assert_eq!(added("Apache-2.0", without), Vec::<String>::new());
        let more = format!("{without}\nUnless agreed to in writing, you may not use this work.");
        assert!(!added("Apache-2.0", &more).is_empty());
        let half = &without[..without.len() * 9 / 10];
        assert!(!is_whole("Apache-2.0", half));
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
