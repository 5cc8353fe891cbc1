//! Claims about licences: the model's, the data's, and whether they can stand together.

use super::{Grounds, Told, judged, missing};
use crate::claims::{Claim, Param, Rung};
use crate::publication::finding::{Finding, Severity};

pub(super) fn model_licence(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_model_licence";
    let found: Vec<&Finding> = grounds
        .against(&["licences"], Severity::Contradiction)
        .into_iter()
        .filter(|finding| finding.reason != "licences_conflict" || rule(finding, "base-model"))
        .collect();
    let Some(model) = &grounds.licences.model else {
        return missing(id);
    };
    let unread = unread_bases(grounds);
    // A file that nobody recognised may say something else than the card.
    let files = &grounds.licences.files_unknown;
    // So may a sentence of the card.
    let prose = closing_sentences(grounds);
    let open = || {
        let all_read = unread.is_empty() && files.is_empty() && prose.is_empty();
        (model.known && !all_read).then(|| {
            missing(id)
                .with("bases_unknown", unread.clone())
                .with("files_unknown", files.clone())
                .with("prose_restricts", prose.clone())
        })
    };
    let claim = grounds.broken(id, &found).or_else(open).unwrap_or_else(|| {
        let rung = if grounds.licences.file_agrees {
            Rung::Consistent
        } else {
            Rung::Declared
        };
        // "Unknown" is no licence: what may be done is then not known.
        judged(id, rung, model.known)
    });
    claim
        .with("licence", model.expression.as_str())
        .with("classes", vec![model.class.clone()])
        .on(model.evidence.clone())
}

fn rule(finding: &Finding, name: &str) -> bool {
    finding.params.get("rule") == Some(&Param::from(name))
}

/// Base models whose licence nobody read.
fn unread_bases(grounds: &Grounds<'_>) -> Vec<String> {
    let bases = grounds.licences.bases.iter().filter(|base| !base.known);
    bases.map(|base| base.of.clone()).collect()
}

/// Sentences of cards that close a use which the stated licence leaves open.
fn closing_sentences(grounds: &Grounds<'_>) -> Vec<String> {
    grounds
        .against(&["licences"], Severity::Doubt)
        .into_iter()
        .filter(|finding| rule(finding, "prose-restricts"))
        .filter_map(|finding| finding.evidence.last())
        .filter_map(|sentence| sentence.detail.clone())
        .collect()
}

pub(super) fn data_licences(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_data_licences";
    let sources = &grounds.licences.sources;
    if sources.is_empty() {
        return missing(id);
    }
    let unknown: Vec<String> = sources
        .iter()
        .filter(|source| !source.known)
        .map(|source| source.of.clone())
        .collect();
    // What somebody states and nobody knows is red; what nobody states is missing.
    let silent = sources
        .iter()
        .filter(|source| source.expression.is_empty())
        .count();
    let claim = if silent > 0 && silent == unknown.len() {
        missing(id)
    } else {
        judged(id, Rung::Declared, unknown.is_empty())
    };
    claim
        .with("sources", sources.len())
        .with("unknown", unknown)
        .on(sources.iter().flat_map(|source| source.evidence.clone()))
}

pub(super) fn licences_compatible(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_licences_compatible";
    let found: Vec<&Finding> = grounds
        .against(&["licences"], Severity::Contradiction)
        .into_iter()
        .filter(|finding| finding.reason == "licences_conflict")
        .collect();
    if let Some(broken) = grounds.broken(id, &found) {
        return broken;
    }
    let licences = grounds.licences;
    // What is not known cannot be compared.
    let known = licences
        .model
        .iter()
        .chain(&licences.sources)
        .chain(&licences.bases)
        .all(|one| one.known);
    if licences.model.is_none() || licences.sources.is_empty() || !known {
        let unread = unread_bases(grounds);
        return if unread.is_empty() {
            missing(id)
        } else {
            missing(id).with("bases_unknown", unread)
        };
    }
    let open = grounds.against(&["licences"], Severity::Note).len();
    judged(id, Rung::Consistent, true)
        .with("sources", licences.sources.len())
        .with("open_questions", open)
}
