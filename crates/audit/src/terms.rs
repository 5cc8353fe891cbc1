//! What an SPDX expression asks for: of an `OR` the freer side, of an `AND` both.
//!
//! Expressions in a release were normalised when the data was prepared; they are read again here because a release is
//! untrusted. Anything that is not a plain expression of known ids is of unknown class.

use glasswork_release::licence::{LicenceTerms, terms};

/// The most licence ids in one expression; longer ones are of unknown class.
const MAX_IDS: usize = 256;

/// The terms of an expression; of unknown class where it cannot be read.
#[must_use]
pub fn expression_terms(expression: &str) -> LicenceTerms {
    let mut reader = Reader::new(expression);
    match reader.alternatives(0) {
        Some(found) if reader.at == reader.words.len() => found,
        _ => terms(""),
    }
}

/// Whether the expression can be met with the licences of `allowed` alone; `X WITH Y` must stand there as such.
pub(crate) fn allowed_by(expression: &str, allowed: &[String]) -> bool {
    // The same grammar, with "allowed" in place of terms: a licence that is allowed is free, another is unknown.
    let mut reader = Reader::new(expression);
    reader.allowed = Some(allowed);
    match reader.alternatives(0) {
        Some(found) if reader.at == reader.words.len() => found == terms("0BSD"),
        _ => false,
    }
}

struct Reader<'a> {
    words: Vec<&'a str>,
    at: usize,
    allowed: Option<&'a [String]>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let mut words = Vec::new();
        for mut word in text.split_ascii_whitespace() {
            while let Some(cut) = word.find(['(', ')']) {
                if cut > 0 {
                    words.push(&word[..cut]);
                }
                words.push(&word[cut..=cut]);
                word = &word[cut + 1..];
            }
            if !word.is_empty() {
                words.push(word);
            }
        }
        if words.len() > 4 * MAX_IDS {
            words = vec!["("];
        }
        Self {
            words,
            at: 0,
            allowed: None,
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }

    /// `all OR all OR …`
    fn alternatives(&mut self, depth: usize) -> Option<LicenceTerms> {
        let mut best = self.all(depth)?;
        while self.take("OR") {
            let next = self.all(depth)?;
            if next.class < best.class {
                best = next;
            }
        }
        Some(best)
    }

    /// `one AND one AND …`
    fn all(&mut self, depth: usize) -> Option<LicenceTerms> {
        let mut sum = self.one(depth)?;
        while self.take("AND") {
            let next = self.one(depth)?;
            sum = LicenceTerms {
                class: sum.class.max(next.class),
                attribution: sum.attribution || next.attribution,
                share_alike: sum.share_alike || next.share_alike,
                notice: sum.notice || next.notice,
            };
        }
        Some(sum)
    }

    /// `(…)`, `X`, or `X WITH Y`.
    fn one(&mut self, depth: usize) -> Option<LicenceTerms> {
        if depth > 32 {
            return None;
        }
        if self.take("(") {
            let inside = self.alternatives(depth + 1)?;
            return self.take(")").then_some(inside);
        }
        let id = *self.words.get(self.at)?;
        if matches!(id, ")" | "OR" | "AND" | "WITH") {
            return None;
        }
        self.at += 1;
        let exception = if self.take("WITH") {
            let exception = *self.words.get(self.at)?;
            self.at += 1;
            Some(exception)
        } else {
            None
        };
        match self.allowed {
            None => Some(terms(id)),
            Some(allowed) => {
                let whole =
                    exception.map_or(id.to_owned(), |exception| format!("{id} WITH {exception}"));
                Some(terms(if allowed.contains(&whole) { "0BSD" } else { "" }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use glasswork_release::licence::LicenceClass;

    use super::*;

    #[test]
    fn or_takes_the_freer_side_and_needs_both() {
        for (expression, class) in [
            ("MIT", LicenceClass::Permissive),
            ("MIT OR GPL-3.0-only", LicenceClass::Permissive),
            ("MIT AND GPL-3.0-only", LicenceClass::StrongCopyleft),
            (
                "(MIT OR Apache-2.0) AND CC-BY-SA-4.0",
                LicenceClass::ShareAlike,
            ),
            ("MIT OR (Apache-2.0 AND CC0-1.0)", LicenceClass::Permissive),
            (
                "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
                LicenceClass::Permissive,
            ),
            ("Unlicense OR MIT", LicenceClass::PublicDomain),
        ] {
            assert_eq!(expression_terms(expression).class, class, "{expression}");
        }
    }

    #[test]
    fn what_is_no_expression_is_unknown() {
        let deep = format!("{}MIT{}", "(".repeat(4000), ")".repeat(4000));
        for bad in [
            "",
            "MIT OR",
            "OR",
            "(MIT",
            "MIT)",
            "MIT MIT",
            "See LICENSE",
            "MIT WITH",
            &deep,
        ] {
            assert_eq!(expression_terms(bad).class, LicenceClass::Unknown, "{bad}");
            assert!(!allowed_by(bad, &["MIT".into()]), "{bad}");
        }
    }

    #[test]
    fn the_allow_list_is_met_as_the_gate_meets_it() {
        let allow = ["MIT", "Apache-2.0 WITH LLVM-exception"].map(String::from);
        assert!(allowed_by("MIT OR GPL-3.0-only", &allow));
        assert!(!allowed_by("MIT AND GPL-3.0-only", &allow));
        assert!(allowed_by("Apache-2.0 WITH LLVM-exception", &allow));
        assert!(!allowed_by("Apache-2.0", &allow));
        assert!(!allowed_by("CC0-1.0", &allow));
    }
}
