//! Licence files, known by telling phrases.

use crate::catalogue::{Class, Licence, catalogue};
use crate::reading::{Confidence, Origin, Reading, shown};
use crate::texts;

/// The most bytes of a file that are looked at; licence texts are shorter.
const MAX_TEXT: usize = 256 << 10;

/// What turns a free licence into another one.
const FORBIDS: [&str; 5] = [
    "commons clause",
    "commercial use is",
    "non-commercial",
    "noncommercial use",
    "not for commercial",
];
/// Added words that are shown.
const SHOWN_WORDS: usize = 8;

/// The licence whose every telling phrase stands in the text. Two licences in one text, none, or one with
/// words beyond its text are unknown: nothing is guessed from likeness.
#[must_use]
pub fn recognise(text: &str, file: &str) -> Reading {
    let first = text.lines().find(|line| !line.trim().is_empty());
    recognise_at(
        text,
        Origin::new(file, "", first.unwrap_or_default().trim()),
    )
}

pub(crate) fn recognise_at(text: &str, origin: Origin) -> Reading {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let plain = plain(&text[..end]);
    let found: Vec<&Licence> = catalogue()
        .licences()
        .iter()
        .filter(|licence| {
            !licence.phrases.is_empty()
                && licence
                    .phrases
                    .iter()
                    .all(|phrase| plain.contains(phrase.as_str()))
        })
        .collect();
    match found[..] {
        [licence] if has_more(licence, text, &plain) => {
            let added = texts::added(&licence.id, text);
            let mut reading = Reading::unknown(origin);
            let first = added[..added.len().min(SHOWN_WORDS)].join(" ");
            reading.unknown = vec![shown(&format!(
                "{} with added text ({} words: {first})",
                licence.id,
                added.len()
            ))];
            reading
        }
        [licence] => {
            let confidence = Confidence::Phrases {
                found: licence.phrases.len(),
            };
            Reading::of_licence(origin, licence.clone(), confidence)
        }
        [] => Reading::unknown(origin),
        _ => {
            let mut reading = Reading::unknown(origin);
            reading.unknown = found.iter().map(|licence| licence.id.clone()).collect();
            reading
        }
    }
}

/// Whether the text says more than the licence: terms that nobody read, or that forbid what a free licence allows.
fn has_more(licence: &Licence, text: &str, plain: &str) -> bool {
    let free = licence.class <= Class::Permissive;
    text.len() > MAX_TEXT
        || !texts::added(&licence.id, text).is_empty()
        || free && FORBIDS.iter().any(|words| plain.contains(words))
}

/// Lower case, one space between words, no Markdown marks.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let word = word.trim_matches(['*', '#', '_', '"', '“', '”']);
        if word.is_empty() {
            continue;
        }
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.extend(word.chars().flat_map(char::to_lowercase));
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
        let apache = "Apache License\nVersion 2.0, January 2004\n3. Grant of Patent License.";
        assert_eq!(id(apache).as_deref(), Some("Apache-2.0"));
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
        let free = "Permission is hereby granted, free of charge, and to permit persons to whom the Software is \
            furnished to do so, subject to the following conditions: The above copyright notice shall be included in \
            all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED";
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
    fn attack_a_large_text_is_cut_on_a_character() {
        let large = "あ".repeat(1 << 20);
        assert!(!recognise(&large, "LICENSE").is_known());
    }
}
