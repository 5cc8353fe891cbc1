//! Detectors: each a pure function from what was read to findings, one concept a file.

pub mod cadence;
pub mod configuration;
pub mod duplicates;
pub mod evaluations;
pub mod initialisation;
pub mod licences;
pub mod number_format;
pub mod optimizer_state;
pub mod pickles;
pub mod references;
pub mod series;
pub mod shards;
pub mod step_identity;
pub mod token_totals;
mod weight_values;

use std::collections::BTreeMap;

use super::Subject;
use super::finding::Finding;
use crate::claims::Param;

/// Evidence listed with a finding.
const EVIDENCE: usize = 8;
/// Subjects listed with a finding that speaks of many.
const SUBJECTS: usize = 50;

/// A detector: its id and what it does.
type Detector = (&'static str, fn(&Subject<'_>) -> Vec<Finding>);

/// Every detector, in the order of [`super::finding::DETECTOR_IDS`].
pub const DETECTORS: &[Detector] = &[
    ("step_identity", step_identity::detect),
    ("duplicates", duplicates::detect),
    ("initialisation", initialisation::detect),
    ("cadence", cadence::detect),
    ("configuration", configuration::detect),
    ("optimizer_state", optimizer_state::detect),
    ("token_totals", token_totals::detect),
    ("licences", licences::detect),
    ("references", references::detect),
    ("evaluations", evaluations::detect),
    ("shards", shards::detect),
    ("pickles", pickles::detect),
    ("number_format", number_format::detect),
    ("spikes", series::spikes::detect),
    ("non_finite", series::non_finite::detect),
    ("stall", series::stall::detect),
    ("log_restart", series::log_restart::detect),
    ("log_gap", series::log_gap::detect),
    ("schedule", series::schedule::detect),
];

/// What all of them find, the gravest first; one finding for many subjects where nothing else differs.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = DETECTORS
        .iter()
        .flat_map(|(_, detect)| together(detect(of)))
        .collect();
    // Stable: detectors keep their order.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Findings that say the same of several subjects, as one: `subjects` lists them.
fn together(findings: Vec<Finding>) -> Vec<Finding> {
    let mut joined: Vec<(Finding, Vec<String>)> = Vec::new();
    let mut places = BTreeMap::<String, usize>::new();
    for finding in findings {
        // Which checkpoint it is differs, of course.
        let mut params = finding.params.clone();
        params.remove("checkpoint");
        let says = format!("{} {:?} {params:?}", finding.reason, finding.severity);
        match places.get(&says) {
            Some(place) => {
                let (first, subjects) = &mut joined[*place];
                subjects.push(finding.subject);
                if first.evidence.len() < EVIDENCE {
                    first.evidence.extend(finding.evidence);
                }
            }
            None => {
                places.insert(says, joined.len());
                let subjects = vec![finding.subject.clone()];
                joined.push((finding, subjects));
            }
        }
    }
    joined
        .into_iter()
        .map(|(mut finding, mut subjects)| {
            finding.evidence.dedup();
            finding.evidence.truncate(EVIDENCE);
            if subjects.len() > 1 {
                let all = subjects.len();
                finding.params.remove("checkpoint");
                subjects.truncate(SUBJECTS);
                finding
                    .params
                    .insert("subjects_count".into(), Param::from(all));
                finding
                    .params
                    .insert("subjects".into(), Param::from(subjects));
            }
            finding
        })
        .collect()
}
