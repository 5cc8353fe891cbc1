//! The obligations sheet: who owes what, when, by which clause, and where the licence is stated.

use serde::Serialize;

use crate::catalogue::{Duty, Kind, Trigger};
use crate::reading::{Origin, Reading};
use crate::words::{Words, words};

/// What the reader means to do with the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IntendedUse {
    /// Use it commercially.
    pub commercial: bool,
    /// Change it (fine-tune, merge, quantise).
    pub modify: bool,
    /// Pass it on.
    pub distribute: bool,
    /// Offer it as a service.
    pub serve: bool,
    /// Train other models with it or its output.
    pub train_others: bool,
    /// Users a month; `None` where nobody knows.
    pub users: Option<u64>,
}

impl IntendedUse {
    /// Whether that use sets the obligation off.
    #[must_use]
    pub fn sets_off(&self, trigger: Trigger) -> bool {
        match trigger {
            Trigger::Always | Trigger::Use => true,
            Trigger::Commercial => self.commercial,
            Trigger::Distribute => self.distribute,
            Trigger::DistributeModified => self.distribute && self.modify,
            Trigger::Serve => self.serve,
            Trigger::TrainOthers => self.train_others,
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `None` for the model, else the data source's name.
    pub source: Option<String>,
    /// What is owed.
    pub what: Duty,
    /// When.
    pub when: Trigger,
    /// Whether the intended use sets it off; what is owed by the publisher is always set off.
    pub applies: bool,
    /// `you` for the model's terms, `publisher` for those of the data it was trained on.
    pub owes: &'static str,
    /// The licence's id, or what was stated where it is unknown.
    pub licence: String,
    /// The clause.
    pub clause: String,
    /// Whether the clause was looked up.
    pub verified: bool,
    /// Where the licence's text stands.
    pub url: Option<String>,
    /// The prescribed text, the beginning of prescribed names (`Llama…`), the list of forbidden uses or the number of users.
    pub detail: Option<String>,
    /// Where the licence is stated.
    pub origin: Origin,
    /// The duty for a reader.
    pub text: Words,
    /// The trigger for a reader.
    pub trigger: Words,
}

/// The sheet: the model's rows first, then each source's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    /// What it was made for.
    pub intended: IntendedUse,
    /// The lines.
    pub rows: Vec<Row>,
    /// How many of the statements (model and sources) are unknown.
    pub unknown: usize,
    /// How many lines rest on a clause that was not looked up.
    pub unverified: usize,
}

/// Makes the sheet. The licence of a source binds who made the model from it; whether it reaches the model's users is a
/// question for [`conflicts`](crate::conflicts).
#[must_use]
pub fn sheet(model: &Reading, sources: &[(String, Reading)], intended: &IntendedUse) -> Sheet {
    let mut rows = rows(None, model, intended);
    for (name, reading) in sources {
        rows.extend(self::rows(Some(name), reading, intended));
    }
    let all = std::iter::once(model).chain(sources.iter().map(|(_, reading)| reading));
    Sheet {
        intended: *intended,
        unknown: all.filter(|reading| !reading.is_known()).count(),
        unverified: rows.iter().filter(|row| !row.verified).count(),
        rows,
    }
}

fn rows(source: Option<&String>, reading: &Reading, intended: &IntendedUse) -> Vec<Row> {
    let owes = if source.is_some() { "publisher" } else { "you" };
    let mut rows = Vec::new();
    for licence in &reading.licences {
        for obligation in &licence.obligations {
            rows.push(Row {
                source: source.cloned(),
                what: obligation.what,
                when: obligation.when,
                applies: source.is_some() || intended.sets_off(obligation.when),
                owes,
                licence: licence.id.clone(),
                clause: obligation.clause.clone(),
                verified: obligation.verified,
                url: licence.url.clone(),
                detail: obligation
                    .text
                    .clone()
                    .or_else(|| {
                        obligation
                            .prefix
                            .as_ref()
                            .map(|prefix| format!("{prefix}…"))
                    })
                    .or_else(|| obligation.link.clone())
                    .or_else(|| obligation.users.map(|users| users.to_string())),
                origin: reading.origin.clone(),
                text: words("obligation", key_of(obligation.what)),
                trigger: words("trigger", trigger_key(obligation.when)),
            });
        }
    }
    for unknown in &reading.unknown {
        rows.push(Row {
            source: source.cloned(),
            what: Duty::FindOut,
            when: Trigger::Always,
            applies: true,
            owes: "you",
            licence: unknown.clone(),
            clause: String::new(),
            verified: false,
            url: None,
            detail: None,
            origin: reading.origin.clone(),
            text: words("obligation", key_of(Duty::FindOut)),
            trigger: words("trigger", trigger_key(Trigger::Always)),
        });
    }
    rows
}

/// The key of a duty in the words file.
pub(crate) fn key_of(duty: Duty) -> &'static str {
    match duty {
        Duty::Attribution => "attribution",
        Duty::LicenceText => "licence-text",
        Duty::NoticeFile => "notice-file",
        Duty::StateChanges => "state-changes",
        Duty::ShareAlike => "share-alike",
        Duty::SourceAccess => "source-access",
        Duty::Naming => "naming",
        Duty::UseRestrictions => "use-restrictions",
        Duty::PassOnTerms => "pass-on-terms",
        Duty::UserThreshold => "user-threshold",
        Duty::NonCommercial => "non-commercial",
        Duty::ResearchOnly => "research-only",
        Duty::NoDerivatives => "no-derivatives",
        Duty::NoTrainingOthers => "no-training-others",
        Duty::HostingPermission => "hosting-permission",
        Duty::PatentTermination => "patent-termination",
        Duty::Termination => "termination",
        Duty::FindOut => "find-out",
    }
}

fn trigger_key(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Always => "always",
        Trigger::Use => "use",
        Trigger::Commercial => "commercial",
        Trigger::Distribute => "distribute",
        Trigger::DistributeModified => "distribute-modified",
        Trigger::Serve => "serve",
        Trigger::TrainOthers => "train-others",
    }
}

/// Whether a reading's licences were written for programs only.
pub(crate) fn is_code(reading: &Reading) -> bool {
    !reading.licences.is_empty() && reading.licences.iter().all(|l| l.kind == Kind::Code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{read, read_at};

    const SERVE: IntendedUse = IntendedUse {
        commercial: true,
        modify: false,
        distribute: false,
        serve: true,
        train_others: false,
        users: None,
    };

    #[test]
    fn a_row_says_who_when_and_where_from() {
        let model = read_at("llama3.2", "README.md", "license");
        let data = read_at("cc-by-sa-4.0", "data/README.md", "license");
        let sheet = sheet(&model, &[("wiki".into(), data)], &SERVE);
        let row = sheet
            .rows
            .iter()
            .find(|row| row.what == Duty::UserThreshold)
            .expect("Llama has a threshold");
        assert!(row.applies && row.owes == "you" && row.verified);
        assert_eq!(row.clause, "section 2");
        assert_eq!(row.detail.as_deref(), Some("700000000"));
        assert_eq!(row.origin.file, "README.md");
        assert!(
            sheet
                .rows
                .iter()
                .any(|row| row.what == Duty::Naming && !row.applies)
        );
        assert!(
            sheet
                .rows
                .iter()
                .any(|row| row.source.as_deref() == Some("wiki")
                    && row.what == Duty::ShareAlike
                    && row.owes == "publisher")
        );
        assert_eq!(sheet.unknown, 0);
    }

    #[test]
    fn unknown_asks_to_find_out() {
        let sheet = sheet(&read("other"), &[("x".into(), read("gibberish"))], &SERVE);
        assert_eq!(sheet.unknown, 2);
        assert!(
            sheet
                .rows
                .iter()
                .all(|row| row.what == Duty::FindOut && row.applies)
        );
        assert_eq!(sheet.rows.len(), 2);
    }
}
