//! Statements of a licence, and what they were read as.

use serde::Serialize;

use crate::catalogue::{Class, Licence, catalogue};
use crate::expression::{Term, parse};
use crate::recognise::recognise_at;

/// The longest statement that is read as an expression; longer text is looked at as a licence file.
const MAX_STATEMENT: usize = 2048;
/// The most bytes of a statement that are kept for showing.
const MAX_SHOWN: usize = 300;

/// Where a licence is stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The file; empty where the caller gave none.
    pub file: String,
    /// The line (`12`) or key (`license`) in it; empty for the whole file.
    pub place: String,
    /// What stands there: at most 300 bytes, control and direction characters escaped.
    pub text: String,
}

impl Origin {
    pub(crate) fn new(file: &str, place: &str, text: &str) -> Self {
        Self {
            file: shown(file),
            place: shown(place),
            text: shown(text),
        }
    }
}

/// How sure the reading is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum Confidence {
    /// An expression of known ids, or a Hub identifier.
    Exact,
    /// Read laxly: `/` for `OR`, operators in lower case, a licence's name in place of its id.
    Lax,
    /// A licence text, known by telling phrases; whether every word is the original's was not compared.
    Phrases {
        /// How many phrases were found; all that the licence has.
        found: usize,
    },
    /// The `license_link` leads to a known licence text.
    Link,
    /// A base model's name says it.
    Name,
    /// Nothing was made of it.
    None,
}

/// What one statement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Where it stands.
    pub origin: Origin,
    /// The expression in catalogue ids, unknown ones as they stand; `None` where it is no expression.
    pub expression: Option<String>,
    /// The licences that hold: of alternatives the freest, which is a choice that the reader may make otherwise.
    pub licences: Vec<Licence>,
    /// Whether there was a choice.
    pub chosen_among: usize,
    /// Ids, names or exceptions that nobody knows.
    pub unknown: Vec<String>,
    /// The class: of licences that hold together the strictest.
    pub class: Class,
    /// How sure.
    pub confidence: Confidence,
}

impl Reading {
    pub(crate) fn unknown(origin: Origin) -> Self {
        let unknown = vec![origin.text.clone()];
        Self {
            origin,
            expression: None,
            licences: Vec::new(),
            chosen_among: 0,
            unknown,
            class: Class::Unknown,
            confidence: Confidence::None,
        }
    }

    pub(crate) fn of_licence(origin: Origin, licence: Licence, confidence: Confidence) -> Self {
        Self {
            origin,
            expression: Some(licence.id.clone()),
            chosen_among: 1,
            unknown: Vec::new(),
            class: licence.class,
            licences: vec![licence],
            confidence,
        }
    }

    /// Whether everything in it is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.class != Class::Unknown
    }

    /// Whether both state the same text: `GPL-3.0-only` and `GPL-3.0-or-later` have one, which a file alone cannot tell
    /// apart.
    #[must_use]
    pub fn same_text(&self, other: &Self) -> bool {
        let texts = |reading: &Self| {
            let expression = reading.expression.as_deref()?;
            let ids: Vec<String> = expression.split(' ').map(|id| text_of(id).into()).collect();
            Some(ids)
        };
        texts(self).is_some() && texts(self) == texts(other)
    }
}

/// The id without what the text of a licence does not say of itself.
pub(crate) fn text_of(id: &str) -> &str {
    id.trim_end_matches("-only").trim_end_matches("-or-later")
}

/// Reads a statement that stands nowhere in particular.
#[must_use]
pub fn read(text: &str) -> Reading {
    read_at(text, "", "")
}

/// Reads a statement: an SPDX expression, a Hub identifier, a licence's name, or the text of a licence.
#[must_use]
pub fn read_at(text: &str, file: &str, place: &str) -> Reading {
    let stated = text.trim();
    let origin = Origin::new(file, place, stated);
    if stated.len() > MAX_STATEMENT || stated.contains('\n') {
        return recognise_at(stated, origin);
    }
    if stated.is_empty() || stated.chars().any(is_hidden) {
        return Reading::unknown(origin);
    }
    if let Some(licence) = catalogue().find(stated) {
        let exact = licence.id == stated || catalogue().hub_ids().contains(stated);
        let confidence = if exact {
            Confidence::Exact
        } else {
            Confidence::Lax
        };
        let mut reading = Reading::of_licence(origin, licence, confidence);
        if !reading.is_known() {
            reading.unknown.push(shown(stated));
        }
        return reading;
    }
    for (lax, confidence) in [(false, Confidence::Exact), (true, Confidence::Lax)] {
        if let Some(alternatives) = parse(stated, lax) {
            return choose(origin, &alternatives, confidence);
        }
    }
    match spdx::imprecise_license_id(stated) {
        Some((id, length)) if length == stated.len() => match catalogue().find(id.name) {
            Some(licence) => Reading::of_licence(origin, licence, Confidence::Lax),
            None => Reading::unknown(origin),
        },
        _ => Reading::unknown(origin),
    }
}

/// Reads the licence keys of a Hub card: one reading for each entry of `license`, where `other` is looked up by
/// `license_name` and `license_link`. No entry at all is one unknown reading.
#[must_use]
pub fn read_card(
    license: &[String],
    license_name: Option<&str>,
    license_link: Option<&str>,
    file: &str,
) -> Vec<Reading> {
    if license.is_empty() && license_name.is_none() {
        return vec![Reading::unknown(Origin::new(file, "license", ""))];
    }
    let named = || {
        let name = license_name.map(|name| read_at(name, file, "license_name"));
        match name {
            Some(reading) if reading.is_known() => reading,
            _ => license_link
                .and_then(|link| by_link(link, file))
                .or(name)
                .unwrap_or_else(|| Reading::unknown(Origin::new(file, "license", "other"))),
        }
    };
    if license.is_empty() {
        return vec![named()];
    }
    license
        .iter()
        .take(16)
        .map(|entry| {
            if entry.trim().eq_ignore_ascii_case("other") {
                named()
            } else {
                read_at(entry, file, "license")
            }
        })
        .collect()
}

/// The licence whose text stands at that address.
fn by_link(link: &str, file: &str) -> Option<Reading> {
    let plain = |url: &str| {
        url.trim()
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_lowercase()
    };
    let wanted = plain(link);
    let licence = catalogue().licences().iter().find(|licence| {
        licence.class != Class::Unknown && licence.url.as_deref().map(plain) == Some(wanted.clone())
    })?;
    let origin = Origin::new(file, "license_link", link);
    Some(Reading::of_licence(
        origin,
        licence.clone(),
        Confidence::Link,
    ))
}

fn choose(origin: Origin, alternatives: &[Vec<Term>], confidence: Confidence) -> Reading {
    let mut best: Option<(Class, usize, Vec<Licence>, Vec<String>)> = None;
    let mut written = Vec::new();
    for terms in alternatives {
        let mut licences: Vec<Licence> = Vec::new();
        let mut unknown = Vec::new();
        let mut ids = Vec::new();
        for term in terms {
            let found = catalogue().find(&term.id);
            let id = found
                .as_ref()
                .map_or(term.id.clone(), |licence| licence.id.clone());
            if let Some(exception) = &term.exception {
                ids.push(format!("{id} WITH {exception}"));
                if spdx::exception_id(exception).is_none() {
                    unknown.push(exception.clone());
                }
            } else {
                ids.push(id);
            }
            match found {
                Some(licence) if licence.class != Class::Unknown => licences.push(licence),
                _ => unknown.push(term.id.clone()),
            }
        }
        written.push(ids.join(" AND "));
        let strictest = licences
            .iter()
            .map(|licence| licence.class)
            .max()
            .filter(|_| unknown.is_empty())
            .unwrap_or(Class::Unknown);
        let asked: usize = licences.iter().map(|l| l.obligations.len()).sum();
        if best
            .as_ref()
            .is_none_or(|best| (strictest, asked) < (best.0, best.1))
        {
            best = Some((strictest, asked, licences, unknown));
        }
    }
    let Some((class, _, licences, unknown)) = best else {
        return Reading::unknown(origin);
    };
    let several = written.len() > 1;
    for all in &mut written {
        if several && all.contains(" AND ") {
            *all = format!("({all})");
        }
    }
    Reading {
        origin,
        expression: Some(written.join(" OR ")),
        licences,
        chosen_among: alternatives.len(),
        unknown,
        class,
        confidence,
    }
}

/// Characters that a licence's name never holds and that can make one name look like another.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}' | '\u{ad}')
}

/// Text made safe for showing: escaped and cut.
pub(crate) fn shown(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        if is_hidden(c) && c != '\n' {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(if c == '\n' { ' ' } else { c });
        }
        if safe.len() >= MAX_SHOWN - 12 {
            safe.push('…');
            break;
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Class {
        read(text).class
    }

    #[test]
    fn statements_are_read() {
        for (text, class_, how) in [
            ("apache-2.0", Class::Permissive, Confidence::Exact),
            ("Apache-2.0", Class::Permissive, Confidence::Exact),
            ("Apache 2.0", Class::Permissive, Confidence::Lax),
            ("MIT/Apache-2.0", Class::Permissive, Confidence::Lax),
            ("MIT OR GPL-3.0-only", Class::Permissive, Confidence::Exact),
            ("mit and gpl-3.0", Class::StrongCopyleft, Confidence::Lax),
            ("llama3.1", Class::UseRestricted, Confidence::Exact),
            (
                "Apache-2.0 AND llama2",
                Class::UseRestricted,
                Confidence::Exact,
            ),
            ("cc-by-nc-4.0", Class::NonCommercial, Confidence::Exact),
            ("CC-BY-ND-4.0", Class::NoDerivatives, Confidence::Exact),
            (
                "Apache-2.0 WITH LLVM-exception",
                Class::Permissive,
                Confidence::Exact,
            ),
        ] {
            let reading = read(text);
            assert_eq!((reading.class, reading.confidence), (class_, how), "{text}");
        }
        let choice = read("GPL-3.0-only OR MIT");
        assert_eq!(choice.licences[0].id, "MIT");
        assert_eq!(choice.chosen_among, 2);
        assert_eq!(choice.expression.as_deref(), Some("GPL-3.0-only OR MIT"));
    }

    #[test]
    fn unknown_is_never_permissive() {
        for text in [
            "",
            "other",
            "unknown",
            "cc",
            "Free for everyone!",
            "MIT AND nonsense",
            "MIT WITH nonsense",
            "LicenseRef-ours",
            "see LICENSE",
            "MIT, Apache-2.0",
        ] {
            assert_eq!(class(text), Class::Unknown, "{text}");
            assert!(!read(text).unknown.is_empty(), "{text}");
        }
        assert_eq!(class("MIT OR nonsense"), Class::Permissive);
    }

    #[test]
    fn cards_are_read() {
        let card = |license: &[&str], name, link| {
            let license: Vec<String> = license.iter().map(|&one| one.into()).collect();
            let ids: Vec<_> = read_card(&license, name, link, "README.md")
                .into_iter()
                .map(|reading| {
                    let known = reading.is_known();
                    reading
                        .expression
                        .filter(|_| known)
                        .unwrap_or_else(|| "?".into())
                })
                .collect();
            ids.join(",")
        };
        assert_eq!(
            card(&["apache-2.0", "odc-by"], None, None),
            "Apache-2.0,ODC-By-1.0"
        );
        assert_eq!(card(&["other"], Some("deepseek"), None), "deepseek");
        assert_eq!(
            card(
                &["other"],
                Some("our-own"),
                Some("https://ai.google.dev/gemma/terms")
            ),
            "gemma"
        );
        assert_eq!(card(&["other"], Some("our-own"), None), "?");
        assert_eq!(card(&[], None, None), "?");
    }

    #[test]
    fn attack_hidden_characters_are_escaped_and_unknown() {
        for bad in [
            "MIT\u{202e}",
            "\u{200b}MIT x",
            "MI\u{7}T",
            "apache\u{ad}-2.0",
        ] {
            let reading = read(bad);
            assert_eq!(reading.class, Class::Unknown);
            assert!(
                !reading.origin.text.chars().any(is_hidden),
                "{:?}",
                reading.origin.text
            );
        }
    }

    #[test]
    fn attack_large_and_deep_statements() {
        let large = "MIT OR ".repeat(150_000);
        let deep = format!("{}MIT{}", "(".repeat(900), ")".repeat(900));
        for bad in [
            large.as_str(),
            &deep,
            "license: &a [*a, *a]",
            "{mit: !!python/object x}",
        ] {
            let reading = read(bad);
            assert_eq!(reading.class, Class::Unknown);
            assert!(reading.origin.text.len() <= MAX_SHOWN + 4);
        }
    }
}
