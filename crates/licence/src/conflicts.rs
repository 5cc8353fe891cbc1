//! Licences that contradict one another, questions that nobody has settled, and what is not known.

use serde::Serialize;

use crate::catalogue::{Class, Duty, Licence, Trigger};
use crate::reading::{Origin, Reading, text_of};
use crate::sheet::{IntendedUse, is_code};
use crate::words::{Words, words};

/// How bad it is, from fine to contradiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing against it was found. Never reported as a conflict; the state of an empty list.
    Fine,
    /// The law or the licence does not settle it.
    OpenQuestion,
    /// A licence is not known: as red as a contradiction.
    Unknown,
    /// Two statements cannot both hold.
    Contradiction,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Party {
    /// `model`, `licence file`, `card text`, `base model NAME`, `source NAME`, `intended use`.
    pub who: String,
    /// Its expression, or what it states.
    pub licence: String,
    /// The clauses that matter.
    pub clauses: Vec<String>,
    /// Where it is stated; `None` for the intended use, and where nothing is stated.
    pub origin: Option<Origin>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The rule's key.
    pub rule: &'static str,
    /// How bad.
    pub state: State,
    /// Who.
    pub parties: Vec<Party>,
    /// Why, for a reader.
    pub text: Words,
}

/// Everything that a publication states.
#[derive(Debug, Clone, Default)]
pub struct Statements {
    /// The model's name, for licences that prescribe one.
    pub name: String,
    /// What the card states, one reading an entry.
    pub card: Vec<Reading>,
    /// Licence files beside the weights.
    pub files: Vec<Reading>,
    /// Models that it descends from.
    pub bases: Vec<(String, Reading)>,
    /// Data that it was trained on.
    pub sources: Vec<(String, Reading)>,
    /// Sentences of its cards that close a use, as [`restrictions`](crate::restrictions) finds them.
    pub prose: Vec<Origin>,
}

/// Finds conflicts, in the order of the statements. An empty list says that no rule fired, not that all is allowed.
#[must_use]
pub fn conflicts(statements: &Statements, intended: &IntendedUse) -> Vec<Conflict> {
    let mut found = Vec::new();
    let models: Vec<(&str, &Reading)> = statements
        .card
        .iter()
        .map(|reading| ("model", reading))
        .chain(
            statements
                .files
                .iter()
                .map(|reading| ("licence file", reading)),
        )
        .collect();
    within_publication(statements, &mut found);
    for (who, reading) in &models {
        expression(who, reading, &mut found);
        against_use(who, reading, intended, &mut found);
    }
    against_prose(&statements.prose, &models, &mut found);
    for (name, base) in &statements.bases {
        against_base(statements, name, base, &models, &mut found);
    }
    for (name, source) in &statements.sources {
        against_source(name, source, &models, &mut found);
    }
    between_sources(&statements.sources, &mut found);
    found
}

fn within_publication(statements: &Statements, found: &mut Vec<Conflict>) {
    let card = &statements.card;
    if card.is_empty() && statements.files.is_empty() {
        let nobody = Party {
            who: "model".into(),
            licence: String::new(),
            clauses: Vec::new(),
            origin: None,
        };
        found.push(conflict("licence-unknown", State::Unknown, vec![nobody]));
    }
    for reading in card.iter().filter(|reading| !reading.is_known()) {
        let parties = vec![party("model", reading, &[])];
        found.push(conflict("licence-unknown", State::Unknown, parties));
    }
    // Beside a known card too: what the file adds may forbid what the card allows.
    for file in statements.files.iter().filter(|file| !file.is_known()) {
        let parties = vec![party("licence file", file, &[])];
        found.push(conflict("licence-unknown", State::Unknown, parties));
    }
    for (at, one) in card.iter().enumerate() {
        for other in &card[at + 1..] {
            if one.is_known() && other.is_known() && one.expression != other.expression {
                // With one side closed to uses that the other opens, both cannot hold of the same thing.
                let state = if closed(one) == closed(other) {
                    State::OpenQuestion
                } else {
                    State::Contradiction
                };
                let parties = vec![party("model", one, &[]), party("model", other, &[])];
                found.push(conflict("two-licences", state, parties));
            }
        }
    }
    for file in statements.files.iter().filter(|file| file.is_known()) {
        let known: Vec<_> = card.iter().filter(|one| one.is_known()).collect();
        // Of an expression the file may be any part.
        let same = |one: &&&Reading| {
            one.expression.as_deref().is_some_and(|whole| {
                file.licences.iter().all(|of_file| {
                    whole
                        .split([' ', '(', ')'])
                        .any(|id| text_of(id) == text_of(&of_file.id))
                })
            })
        };
        if !known.is_empty() && known.iter().find(same).is_none() {
            let parties = vec![
                party("model", known[0], &[]),
                party("licence file", file, &[]),
            ];
            found.push(conflict("file-differs", State::Contradiction, parties));
        }
    }
}

/// Licences that are held to be incompatible in one work (Free Software Foundation's list of licences).
fn expression(who: &str, reading: &Reading, found: &mut Vec<Conflict>) {
    let has = |id: &str| reading.licences.iter().any(|licence| licence.id == id);
    if has("GPL-2.0-only") && (has("Apache-2.0") || has("GPL-3.0-only") || has("GPL-3.0-or-later"))
    {
        let parties = vec![party(who, reading, &[Duty::ShareAlike])];
        found.push(conflict("expression-clash", State::Contradiction, parties));
    }
}

fn against_use(who: &str, reading: &Reading, intended: &IntendedUse, found: &mut Vec<Conflict>) {
    for (duty, rule) in [
        (Duty::NonCommercial, "use-commercial"),
        (Duty::NoDerivatives, "use-modify"),
        (Duty::NoTrainingOthers, "use-train"),
        (Duty::HostingPermission, "use-hosting"),
        (Duty::UserThreshold, "use-users"),
        (Duty::ResearchOnly, "use-research"),
    ] {
        let hit = obligations(reading, duty).any(|(_, obligation)| match duty {
            Duty::UserThreshold => obligation
                .users
                .zip(intended.users)
                .is_some_and(|(limit, users)| users > limit),
            // What "research" is nobody can tell from an intended use; commercial or a service is not.
            Duty::ResearchOnly => intended.commercial || intended.serve,
            _ => intended.sets_off(obligation.when),
        });
        if hit {
            let mine = Party {
                who: "intended use".into(),
                licence: String::new(),
                clauses: Vec::new(),
                origin: None,
            };
            let state = if duty == Duty::HostingPermission {
                State::OpenQuestion
            } else {
                State::Contradiction
            };
            found.push(conflict(
                rule,
                state,
                vec![party(who, reading, &[duty]), mine],
            ));
        }
    }
}

/// A card whose text closes what its licence leaves open, or does beside one that nobody knows: which of the two holds
/// nobody but the publisher knows.
fn against_prose(prose: &[Origin], models: &[(&str, &Reading)], found: &mut Vec<Conflict>) {
    let known = |model: &&(&str, &Reading)| model.1.is_known();
    if models.iter().filter(known).any(|(_, model)| closed(model)) {
        return;
    }
    let mine = models.iter().find(known).or(models.first());
    for origin in prose {
        let sentence = Party {
            who: "card text".into(),
            licence: String::new(),
            clauses: Vec::new(),
            origin: Some(origin.clone()),
        };
        let model = mine.map_or_else(
            || Party {
                who: "model".into(),
                licence: String::new(),
                clauses: Vec::new(),
                origin: None,
            },
            |(who, model)| party(who, model, &[]),
        );
        let parties = vec![model, sentence];
        found.push(conflict("prose-restricts", State::Unknown, parties));
    }
}

fn against_base(
    statements: &Statements,
    name: &str,
    base: &Reading,
    models: &[(&str, &Reading)],
    found: &mut Vec<Conflict>,
) {
    let who = format!("base model {name}");
    if !base.is_known() {
        found.push(conflict(
            "licence-unknown",
            State::Unknown,
            vec![party(&who, base, &[])],
        ));
        return;
    }
    let travels = base.licences.iter().any(|licence| {
        licence.custom
            || matches!(
                licence.class,
                Class::ShareAlike
                    | Class::NonCommercial
                    | Class::NoDerivatives
                    | Class::StrongCopyleft
            )
    });
    for (model_who, model) in models.iter().filter(|(_, model)| model.is_known()) {
        let kept = base
            .licences
            .iter()
            .all(|licence| model.licences.iter().any(|mine| mine.id == licence.id));
        if travels && !kept {
            let duties = [
                Duty::LicenceText,
                Duty::PassOnTerms,
                Duty::ShareAlike,
                Duty::NonCommercial,
            ];
            let parties = vec![party(model_who, model, &[]), party(&who, base, &duties)];
            found.push(conflict("base-model", State::Contradiction, parties));
        }
    }
    let short = statements.name.rsplit('/').next().unwrap_or_default();
    let plain = |name: &str| name.to_lowercase().replace([' ', '_'], "-");
    let missing = obligations(base, Duty::Naming)
        .filter(|(_, obligation)| obligation.when == Trigger::DistributeModified)
        .filter_map(|(_, obligation)| obligation.prefix.as_deref())
        .any(|prefix| !plain(short).starts_with(&plain(prefix)));
    if missing && !short.is_empty() {
        let mut mine = party(&who, base, &[Duty::Naming]);
        mine.licence = format!(
            "{} (model name `{}`)",
            mine.licence,
            crate::reading::shown(short)
        );
        found.push(conflict("base-name", State::Contradiction, vec![mine]));
    }
}

fn against_source(
    name: &str,
    source: &Reading,
    models: &[(&str, &Reading)],
    found: &mut Vec<Conflict>,
) {
    let who = format!("source {name}");
    if !source.is_known() {
        found.push(conflict(
            "licence-unknown",
            State::Unknown,
            vec![party(&who, source, &[])],
        ));
        return;
    }
    if source.licences.iter().any(|licence| licence.compilation) {
        let parties = vec![party(&who, source, &[])];
        found.push(conflict("compilation", State::OpenQuestion, parties));
    }
    // One model licence is enough: the others were already held against it.
    let Some((model_who, model)) = models.iter().find(|(_, model)| model.is_known()) else {
        return;
    };
    let kept = source
        .licences
        .iter()
        .all(|licence| model.licences.iter().any(|mine| mine.id == licence.id));
    let mut push = |rule, state, duties: &[Duty]| {
        let parties = vec![party(model_who, model, &[]), party(&who, source, duties)];
        found.push(conflict(rule, state, parties));
    };
    let asks = |duty| obligations(source, duty).next().is_some();
    if asks(Duty::ResearchOnly) && obligations(model, Duty::ResearchOnly).next().is_none() {
        push(
            "research-source",
            State::Contradiction,
            &[Duty::ResearchOnly],
        );
    } else if asks(Duty::NonCommercial) && !closed(model) {
        push(
            "non-commercial-source",
            State::Contradiction,
            &[Duty::NonCommercial],
        );
    }
    if asks(Duty::NoDerivatives) {
        push(
            "no-derivatives-source",
            State::OpenQuestion,
            &[Duty::NoDerivatives],
        );
    }
    if asks(Duty::ShareAlike) && !kept {
        let rule = if is_code(source) {
            "copyleft-source"
        } else {
            "share-alike-source"
        };
        push(rule, State::OpenQuestion, &[Duty::ShareAlike]);
    }
    if asks(Duty::UseRestrictions) && !kept && !asks(Duty::ResearchOnly) {
        push(
            "restricted-source",
            State::OpenQuestion,
            &[Duty::UseRestrictions, Duty::PassOnTerms],
        );
    }
}

/// Share-alike content and data of two licences; Creative Commons takes later versions of the same licence.
fn between_sources(sources: &[(String, Reading)], found: &mut Vec<Conflict>) {
    let asking: Vec<_> = sources
        .iter()
        .filter(|(_, source)| !is_code(source))
        .flat_map(|(name, source)| {
            obligations(source, Duty::ShareAlike).map(move |(licence, _)| (name, source, licence))
        })
        .collect();
    for (at, (name, source, licence)) in asking.iter().enumerate() {
        let stem = |id: &str| {
            id.trim_end_matches(|c: char| c.is_ascii_digit() || ".-".contains(c))
                .to_lowercase()
        };
        let clash = asking[..at]
            .iter()
            .find(|(_, _, other)| stem(&other.id) != stem(&licence.id));
        if let Some((other_name, other, _)) = clash {
            let parties = vec![
                party(&format!("source {other_name}"), other, &[Duty::ShareAlike]),
                party(&format!("source {name}"), source, &[Duty::ShareAlike]),
            ];
            found.push(conflict("share-alike-clash", State::OpenQuestion, parties));
        }
    }
}

/// Whether commercial use is closed.
fn closed(reading: &Reading) -> bool {
    obligations(reading, Duty::NonCommercial).next().is_some()
        || obligations(reading, Duty::ResearchOnly).next().is_some()
}

fn obligations(
    reading: &Reading,
    duty: Duty,
) -> impl Iterator<Item = (&Licence, &crate::catalogue::Obligation)> {
    reading.licences.iter().flat_map(move |licence| {
        licence
            .obligations
            .iter()
            .filter(move |obligation| obligation.what == duty)
            .map(move |obligation| (licence, obligation))
    })
}

fn party(who: &str, reading: &Reading, duties: &[Duty]) -> Party {
    let mut clauses = Vec::new();
    for &duty in duties {
        for (licence, obligation) in obligations(reading, duty) {
            let looked_up = if obligation.verified {
                ""
            } else {
                " (not verified)"
            };
            let clause = format!("{}, {}{looked_up}", licence.id, obligation.clause);
            if !clauses.contains(&clause) {
                clauses.push(clause);
            }
        }
    }
    Party {
        who: crate::reading::shown(who),
        licence: reading
            .expression
            .clone()
            .unwrap_or_else(|| reading.origin.text.clone()),
        clauses,
        origin: (!reading.origin.text.is_empty()).then(|| reading.origin.clone()),
    }
}

fn conflict(rule: &'static str, state: State, parties: Vec<Party>) -> Conflict {
    Conflict {
        rule,
        state,
        parties,
        text: words("rule", rule),
    }
}
