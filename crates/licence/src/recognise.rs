//! Licence files, known by telling phrases.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::catalogue::{Class, Licence, catalogue};
use crate::reading::{Confidence, Origin, Reading, shown};
use crate::texts::{self, words};

/// The most bytes of a file that are looked at; licence texts are shorter.
const MAX_TEXT: usize = 256 << 10;

/// What turns a free licence into another one, made of words that its text may hold as well.
const FORBIDS: [&str; 6] = [
    "commons clause",
    "commercial use is",
    "not for commercial",
    "you may not use this work",
    "you may not use this software",
    "you may not use the software",
];
/// Added words that are shown.
const SHOWN_WORDS: usize = 8;

/// Each licence's phrases as texts are compared, one space around each word.
static PHRASES: LazyLock<BTreeMap<&str, Vec<String>>> = LazyLock::new(|| {
    catalogue()
        .licences()
        .iter()
        .filter(|licence| !licence.phrases.is_empty())
        .map(|licence| {
            let phrases = licence.phrases.iter().map(|phrase| spaced(phrase));
            (licence.id.as_str(), phrases.collect())
        })
        .collect()
});

/// The licence whose every telling phrase stands in the text. Two licences in one text, none, or one with
/// words beyond its text are unknown: nothing is guessed from likeness.
#[must_use]
pub fn recognise(text: &str, file: &str) -> Reading {
    let first = text
        .lines()
        .enumerate()
        .find(|(_, line)| !line.trim().is_empty());
    let place = first.map_or(String::new(), |(at, _)| (at + 1).to_string());
    let line = first.map_or("", |(_, line)| line.trim());
    recognise_at(text, Origin::new(file, &place, line))
}

pub(crate) fn recognise_at(text: &str, origin: Origin) -> Reading {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let plain = spaced(&text[..end]);
    let found = candidates(&plain);
    let whole = |licence: &&Licence| {
        texts::known(&licence.id)
            && has_all(licence, text)
            && texts::added(&licence.id, &licence.name, text).is_empty()
    };
    let one = match found[..] {
        [licence] => Some(licence),
        // A text that holds another's phrases, as those of BSD do: it is the one that has all of its words.
        _ => {
            let mut whole = found.iter().copied().filter(whole);
            whole.next().filter(|_| whole.next().is_none())
        }
    };
    match one {
        Some(licence) if has_more(licence, text, &plain) => {
            let added = texts::added(&licence.id, &licence.name, text);
            let mut reading = Reading::unknown(origin);
            let first = added[..added.len().min(SHOWN_WORDS)].join(" ");
            reading.unknown = vec![shown(&format!(
                "{} with added text ({} words: {first})",
                licence.id,
                added.len()
            ))];
            reading
        }
        Some(licence) if !has_all(licence, text) => {
            let mut reading = Reading::unknown(origin);
            reading.unknown = vec![format!("{} without all of its text", licence.id)];
            reading
        }
        Some(licence) => {
            let confidence = Confidence::Phrases {
                found: licence.phrases.len(),
            };
            Reading::of_licence(origin, licence.clone(), confidence)
        }
        None if found.is_empty() => Reading::unknown(origin),
        None => {
            let mut reading = Reading::unknown(origin);
            reading.unknown = found.iter().map(|licence| licence.id.clone()).collect();
            reading
        }
    }
}

/// Licences all of whose phrases stand there, without those whose phrases are some of another's.
fn candidates(plain: &str) -> Vec<&'static Licence> {
    let phrases = |licence: &Licence| PHRASES.get(licence.id.as_str());
    let found: Vec<&'static Licence> = catalogue()
        .licences()
        .iter()
        .filter(|licence| {
            phrases(licence).is_some_and(|all| all.iter().all(|one| plain.contains(one.as_str())))
        })
        .collect();
    let within = |one: &Licence, other: &Licence| match (phrases(one), phrases(other)) {
        (Some(one), Some(other)) => {
            one.len() < other.len() && one.iter().all(|phrase| other.contains(phrase))
        }
        _ => false,
    };
    let is_whole = |one: &&&Licence| !found.iter().any(|other| within(one, other));
    found.iter().filter(is_whole).copied().collect()
}

/// Whether nearly all of a free licence's text is there. Others ask for more than their phrases could be hiding.
fn has_all(licence: &Licence, text: &str) -> bool {
    licence.class > Class::Permissive || texts::is_whole(&licence.id, text)
}

/// Whether the text says more than the licence: terms that nobody read, or that forbid what a free licence allows.
fn has_more(licence: &Licence, text: &str, plain: &str) -> bool {
    let free = licence.class <= Class::Permissive;
    text.len() > MAX_TEXT
        || !texts::added(&licence.id, &licence.name, text).is_empty()
        || free && FORBIDS.iter().any(|forbids| plain.contains(forbids))
}

/// The words of a text, one space around each, so that a phrase is found as whole words only.
fn spaced(text: &str) -> String {
    let mut plain = String::from(" ");
    for word in words(text) {
        plain.push_str(&word);
        plain.push(' ');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Option<String> {
        recognise(text, "LICENSE").expression
    }

    #[test]
    fn texts_are_known_by_all_their_phrases() {
        assert_eq!(
            id("  LLAMA 3.1 COMMUNITY LICENSE\nAGREEMENT\n…").as_deref(),
            Some("llama3.1")
        );
        let apache = include_str!("../../../LICENSE");
        assert_eq!(id(apache).as_deref(), Some("Apache-2.0"));
        let phrases = "Apache License\nVersion 2.0, January 2004\n3. Grant of Patent License.";
        assert_eq!(id(phrases), None);
        assert_eq!(
            recognise(phrases, "LICENSE").unknown,
            ["Apache-2.0 without all of its text"]
        );
        assert_eq!(id("Apache License\nVersion 2.0, January 2004"), None);
        assert_eq!(
            id("# Gemma Terms of Use\n\"**Gemma Services**\" … Model Derivatives").as_deref(),
            Some("gemma")
        );
        assert_eq!(
            recognise(apache, "LICENSE").confidence,
            Confidence::Phrases { found: 3 }
        );
    }

    #[test]
    fn two_licences_in_one_text_are_unknown() {
        let both = "DeepSeek License Agreement\nBased on:\nMistral AI Research License\n";
        let reading = recognise(both, "LICENSE");
        assert_eq!(reading.unknown, ["deepseek", "mrl"]);
        assert!(!reading.is_known());
    }

    #[test]
    fn added_conditions_do_not_pass_for_a_free_licence() {
        let mit = catalogue().find("MIT").expect("is there");
        let free = &texts::sample("MIT", &mit.phrases);
        assert_eq!(id(free).as_deref(), Some("MIT"));
        let more =
            "Above 100 million monthly users the name must be shown in the interface. ".repeat(20);
        let reading = recognise(&format!("{free}\n{more}"), "LICENSE");
        assert!(!reading.is_known() && reading.unknown[0].starts_with("MIT with added text"));
        assert_eq!(
            id(&format!(
                "{free}\nThe Software shall be used for Good, not Evil."
            )),
            None
        );
    }

    #[test]
    fn one_added_sentence_makes_a_free_licence_unknown() {
        let apache = include_str!("../../../LICENSE");
        assert_eq!(id(apache).as_deref(), Some("Apache-2.0"));
        for added in [
            "Notwithstanding the above, commercial use is prohibited.",
            "\"Commons Clause\" License Condition v1.0",
            "The License does not grant you the right to sell the Software.",
            "For non-commercial use only.",
            "商用利用を禁じます。",
        ] {
            for text in [format!("{added}\n\n{apache}"), format!("{apache}\n{added}")] {
                let reading = recognise(&text, "LICENSE");
                assert!(!reading.is_known(), "{added}");
                assert!(reading.unknown[0].starts_with("Apache-2.0 with added text"));
            }
        }
    }

    #[test]
    fn free_licences_are_told_apart_and_nothing_may_be_added() {
        let free = catalogue()
            .licences()
            .iter()
            .filter(|licence| licence.class <= Class::Permissive && !licence.phrases.is_empty());
        for licence in free {
            // Not their texts: the phrases that tell them, and their other words in no order.
            let text = format!(
                "Copyright (c) 2024 Jürgen Müller\n\n{}\n",
                texts::sample(&licence.id, &licence.phrases)
            );
            assert_eq!(id(&text).as_deref(), Some(licence.id.as_str()));
            let stub = licence.phrases.join("\n");
            assert!(!texts::known(&licence.id) || id(&stub).is_none(), "{stub}");
            for added in [
                "Deployment needs our blessing.",
                "Commons Clause applies.",
                "Copyright 2024 X. Utilisation commerciale interdite.",
                "商用利用を禁じます。",
                "https://example.org/our-terms",
                "Licensed under https://creativecommons.org/licenses/by-nc/4.0/",
                "Copyright 2024 Acme. Exclusively For Research Usage.",
                "Copyright 2024 Acme. Deployment Needs Written Consent.",
                "Copyright 2024 Acme. Nur für die Forschung.",
                "For nonprofit software",
            ] {
                let reading = recognise(&format!("{text}{added}\n"), "LICENSE");
                assert!(!reading.is_known(), "{}: {added}", licence.id);
                assert!(reading.unknown[0].contains("with added text"));
            }
        }
    }

    #[test]
    fn attack_a_large_text_is_cut_on_a_character() {
        let large = "あ".repeat(1 << 20);
        assert!(!recognise(&large, "LICENSE").is_known());
    }
}
