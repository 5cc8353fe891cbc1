//! Licences that contradict each other: card against file, model against data, licence against the intended use; and
//! licences that nobody states or knows.

use glasswork_licence::{Conflict, State};

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};
use crate::publication::licences;

/// Conflicts as findings: what is unsettled in law is a note, what is unknown a doubt.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    licences::read(of.inventory, &of.intended)
        .conflicts
        .iter()
        .map(finding)
        .collect()
}

fn finding(conflict: &Conflict) -> Finding {
    let severity = match conflict.state {
        State::Fine | State::OpenQuestion => Severity::Note,
        State::Unknown => Severity::Doubt,
        State::Contradiction => Severity::Contradiction,
    };
    let stated = conflict.parties.iter().any(|party| party.origin.is_some());
    let reason = match conflict.rule {
        "file-differs" => "card_against_file",
        "two-licences" => "two_licences",
        "licence-unknown" if stated => "licence_unknown",
        "licence-unknown" => "licence_missing",
        rule if rule.starts_with("use-") => "use_not_allowed",
        _ => "licences_conflict",
    };
    let subject = conflict
        .parties
        .last()
        .map_or("model", |party| party.who.as_str());
    let parties: Vec<String> = conflict
        .parties
        .iter()
        .map(|party| match &party.origin {
            // A sentence of the card states no licence.
            Some(origin) if party.licence.is_empty() => format!("{}: {}", party.who, origin.text),
            _ => format!("{}: {}", party.who, party.licence),
        })
        .collect();
    let clauses: Vec<String> = conflict
        .parties
        .iter()
        .flat_map(|party| party.clauses.clone())
        .collect();
    let mut finding = Finding::new("licences", severity, subject, reason)
        .with("rule", conflict.rule)
        .with("parties", parties)
        .with("clauses", clauses)
        .asking("licence_statement");
    for origin in conflict
        .parties
        .iter()
        .filter_map(|party| party.origin.as_ref())
    {
        let mut file = evidence::file(&origin.file, None, "licences");
        file.detail = Some(format!("{}: {}", origin.place, origin.text));
        finding = finding.on(file);
    }
    finding
}
