//! The one structure that `audit --json`, `compare` and the decision page read.

use std::collections::BTreeMap;

use glasswork_licence::IntendedUse;
use glasswork_published::{Inventory, Layout};
use serde::{Deserialize, Serialize};

use super::Subject;
use super::claims::{Grounds, claims};
use super::components::{Component, OpennessClass, components, openness_class};
use super::detectors::detect;
use super::finding::Finding;
use super::licences::Licences;
use super::samples::Samples;
use super::shown::{Curve, PublishedScore};
use crate::claims::Claim;
use crate::criteria::Criteria;
use crate::decision::{Decision, decide};
use crate::measured::Measurements;

/// Format of an assessment; a reader of another number does not read it.
pub const ASSESSMENT_FORMAT: u64 = 1;

/// Everything that is said about one published model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assessment {
    /// [`ASSESSMENT_FORMAT`].
    pub format: u64,
    /// How the model was named.
    pub place: String,
    /// How it is laid out.
    pub layout: Layout,
    /// The class of openness that follows from the components.
    pub openness: OpennessClass,
    /// What is claimed, in the order of [`super::PUBLICATION_CLAIM_IDS`].
    pub claims: Vec<Claim>,
    /// The seventeen components.
    pub components: Vec<Component>,
    /// What detectors found, the gravest first.
    pub findings: Vec<Finding>,
    /// Licences, the model's apart from the data's.
    pub licences: Licences,
    /// What was measured here.
    pub measured: Measurements,
    /// Scores that the publisher states.
    #[serde(default)]
    pub published_scores: Vec<PublishedScore>,
    /// Scores that are too many to be shown.
    #[serde(default)]
    pub published_scores_left_out: u64,
    /// The log, for its picture.
    #[serde(default)]
    pub curves: Vec<Curve>,
    /// What follows by the reader's criteria.
    pub decision: Decision,
    /// Checkpoints, for the picture of the cadence.
    pub checkpoints: Vec<CheckpointSeen>,
    /// What was read for all this.
    pub checked: Checked,
}

impl Assessment {
    /// The same, judged by other criteria.
    #[must_use]
    pub fn decided_by(mut self, criteria: &Criteria) -> Self {
        self.decision = decide(&self.claims, criteria, &command_place(&self.place));
        self
    }
}

/// What is shown of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSeen {
    /// Its name.
    pub name: String,
    /// Its step, where it is known.
    pub step: Option<u64>,
    /// Tokens it says it saw.
    pub tokens: Option<u64>,
    /// Bytes of its weights.
    pub bytes: u64,
    /// Whether its weights were sampled.
    pub sampled: bool,
    /// Whether optimizer state lies beside it.
    pub optimizer: bool,
}

/// What was read. Counts of the store that fetched; 0 requests for a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// Files of the publication that are known by name and size.
    pub files: u64,
    /// Their bytes.
    pub listed_bytes: u64,
    /// Requests made.
    pub requests: u64,
    /// Bytes fetched.
    pub fetched_bytes: u64,
    /// Checkpoints whose weights were sampled.
    pub sampled_checkpoints: u64,
    /// Tensors sampled in each.
    pub sampled_tensors: Vec<String>,
    /// References that somebody asked for.
    pub references: u64,
    /// Files that could not be read, and why.
    pub unread: Vec<Unread>,
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// The file, or the checkpoint.
    pub path: String,
    /// Why.
    pub why: String,
}

/// What an assessment is made from.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// What lists, headers and small files told.
    pub inventory: &'a Inventory,
    /// Values drawn from the weights; default where none were drawn.
    pub samples: &'a Samples,
    /// Links and repositories that somebody asked for, and whether they answered.
    pub reachable: &'a BTreeMap<String, bool>,
    /// What was measured; default where nothing was.
    pub measured: &'a Measurements,
    /// What the reader means to do with the model; [`super::usual_use`] for one who does not say.
    pub intended: IntendedUse,
    /// Requests and bytes that it took.
    pub traffic: (u64, u64),
}

/// Detects, claims and decides. Pure; costs a pass over the samples for each pair of checkpoints.
#[must_use]
pub fn assess(material: Material<'_>, criteria: &Criteria) -> Assessment {
    let Material {
        inventory,
        samples,
        reachable,
        measured,
        intended,
        traffic,
    } = material;
    let of = Subject {
        inventory,
        samples,
        reachable,
        intended,
    };
    let findings = detect(&of);
    let components = components(&of, &findings);
    let licences = Licences::of(inventory, &intended);
    let grounds = Grounds {
        of,
        findings: &findings,
        components: &components,
        licences: &licences,
        measured,
    };
    let claims = claims(&grounds);
    let decision = decide(&claims, criteria, &command_place(&inventory.place));
    let licensed = licences.model_open;
    let (published_scores, published_scores_left_out) = PublishedScore::shown(inventory);
    Assessment {
        format: ASSESSMENT_FORMAT,
        place: inventory.place.clone(),
        layout: inventory.layout,
        openness: openness_class(&components, licensed),
        claims,
        decision,
        checkpoints: inventory
            .checkpoints
            .iter()
            .enumerate()
            .map(|(index, one)| CheckpointSeen {
                name: one.name.clone(),
                step: one.step,
                tokens: one.tokens,
                bytes: total(one.weights.iter().map(|file| file.bytes)),
                sampled: samples.values.get(index).is_some_and(Option::is_some),
                optimizer: !one.optimizer.is_empty(),
            })
            .collect(),
        checked: checked(&of, traffic),
        components,
        findings,
        licences,
        measured: measured.clone(),
        published_scores,
        published_scores_left_out,
        curves: Curve::all(inventory),
    }
}

fn total(bytes: impl Iterator<Item = u64>) -> u64 {
    bytes.fold(0, u64::saturating_add)
}

fn checked(of: &Subject<'_>, (requests, fetched_bytes): (u64, u64)) -> Checked {
    let inventory = of.inventory;
    let mut unread: Vec<Unread> = inventory
        .problems
        .iter()
        .map(|problem| Unread {
            path: problem.path.clone(),
            why: problem.reason.clone(),
        })
        .collect();
    unread.extend(of.samples.failed.iter().map(|(index, why)| Unread {
        path: inventory.checkpoints[*index].name.clone(),
        why: why.clone(),
    }));
    let stored = inventory
        .checkpoints
        .iter()
        .flat_map(|one| [&one.weights, &one.optimizer, &one.tokenizer, &one.other])
        .flatten()
        .chain(inventory.code.iter().chain(&inventory.other))
        .map(|file| file.bytes)
        .chain(inventory.data.iter().map(|file| file.bytes));
    Checked {
        files: super::evidence::paths(inventory).len() as u64,
        listed_bytes: total(stored),
        requests,
        fetched_bytes,
        sampled_checkpoints: of.samples.values.iter().flatten().count() as u64,
        sampled_tensors: of.samples.tensors.clone(),
        references: of.reachable.len() as u64,
        unread,
    }
}

/// The place where it may stand on a command line as it is; anything else is not pasted into a shell.
fn command_place(place: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    if !place.is_empty() && !place.starts_with('-') && place.bytes().all(plain) {
        place.to_owned()
    } else {
        "MODEL".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_a_hostile_place_is_not_pasted_into_a_command() {
        assert_eq!(command_place("hf:owner/name@main"), "hf:owner/name@main");
        for hostile in ["x; rm -rf ~", "--help", "$(x)", "", "a b"] {
            assert_eq!(command_place(hostile), "MODEL", "{hostile}");
        }
    }
}
