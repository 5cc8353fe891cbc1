//! The NOTICE file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::catalogue::Duty;
use crate::reading::{Confidence, Reading, shown};

/// Whom a notice is owed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attribution {
    /// The work: the model, a data set, a program.
    pub work: String,
    /// Its authors as they ask to be named; empty where nobody says.
    pub authors: Vec<String>,
    /// Copyright lines as they stand.
    pub copyright: Vec<String>,
    /// Where it comes from.
    pub url: Option<String>,
    /// Its licence.
    pub reading: Reading,
}

/// The NOTICE text: each work with authors, copyright lines and licence, the texts that licences prescribe, and a list of
/// licences. The same attributions in any order give the same text; there is no date in it.
#[must_use]
pub fn notice(title: &str, attributions: &[Attribution]) -> String {
    let mut entries = BTreeSet::new();
    let mut prescribed = BTreeSet::new();
    let mut licences = BTreeMap::new();
    for one in attributions {
        let mut entry = format!("{}\n", shown(&one.work));
        for author in one.authors.iter().collect::<BTreeSet<_>>() {
            let _ = writeln!(entry, "  by {}", shown(author));
        }
        for line in one.copyright.iter().collect::<BTreeSet<_>>() {
            let _ = writeln!(entry, "  {}", shown(line));
        }
        if let Some(url) = &one.url {
            let _ = writeln!(entry, "  from {}", shown(url));
        }
        let expression = one.reading.expression.as_deref();
        let known = expression.filter(|_| one.reading.is_known());
        let by_name = if known.is_some() && one.reading.confidence == Confidence::Name {
            " (taken from this program's list of names; not stated here)"
        } else {
            ""
        };
        let _ = writeln!(
            entry,
            "  licence: {}{by_name}",
            known.map_or("UNKNOWN: find out before passing this on".into(), shown)
        );
        entries.insert(entry);
        for licence in &one.reading.licences {
            licences.insert(
                licence.id.clone(),
                format!(
                    "{} ({})",
                    licence.name,
                    licence.url.as_deref().unwrap_or("no address")
                ),
            );
            prescribed.extend(
                licence
                    .obligations
                    .iter()
                    .filter(|obligation| obligation.what == Duty::NoticeFile)
                    .filter_map(|obligation| obligation.text.clone()),
            );
        }
    }
    let mut text = format!("NOTICE: {}\n", shown(title));
    for entry in entries {
        let _ = write!(text, "\n{entry}");
    }
    for (heading, lines) in [
        ("Prescribed notices", prescribed.into_iter().collect()),
        (
            "Licences",
            licences
                .into_iter()
                .map(|(id, name)| format!("{id}: {name}"))
                .collect::<Vec<_>>(),
        ),
    ] {
        if !lines.is_empty() {
            let _ = write!(text, "\n{heading}\n");
            for line in lines {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::read;

    #[test]
    fn order_does_not_matter_and_prescribed_lines_are_there() {
        let one = |work: &str, licence| Attribution {
            work: work.into(),
            authors: vec!["B".into(), "A".into()],
            copyright: vec!["Copyright 2024 A".into()],
            url: Some("https://example.org".into()),
            reading: read(licence),
        };
        let a = one("model", "llama2");
        let b = one("data\u{202e}", "nonsense");
        let text = notice("x", &[a.clone(), b.clone()]);
        assert_eq!(text, notice("x", &[b, a]));
        assert!(text.contains("Llama 2 is licensed under the LLAMA 2 Community License"));
        assert!(text.contains("UNKNOWN") && text.contains("data\\u{202e}"));
        let base = Attribution {
            reading: crate::read_base("gpt2", "README.md").expect("is known"),
            ..one("base model gpt2", "mit")
        };
        assert!(notice("x", &[base]).contains("licence: MIT (taken from this program's list"));
        assert!(text.contains("  by A\n  by B\n  Copyright 2024 A\n"));
    }
}
