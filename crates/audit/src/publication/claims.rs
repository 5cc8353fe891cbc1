//! Claims about a publication: the sentences that a decision rests on, each with status, rung and evidence.
//!
//! Every id of [`PUBLICATION_CLAIM_IDS`] is always there. What nobody looked at, or what has nothing to be looked at, is
//! *missing*: a publication of one file contradicts nothing, and that speaks for nothing.

use std::collections::{BTreeMap, BTreeSet};

use glasswork_published::{Evaluation, MetricKind, Score};

use super::Subject;
use super::components::{Component, ComponentState};
use super::detectors::{configuration, series};
use super::evidence;
use super::finding::{Finding, Severity};
use super::licences::Licences;
use super::lines::{lines, main_line};
use super::trajectory::Trajectory;
use crate::claims::{Claim, Evidence, Param, Params, Rung, Status};
use crate::measured::Measurements;

mod licences;
mod measured;

/// Every claim about a publication, in the order of the page.
pub const PUBLICATION_CLAIM_IDS: &[&str] = &[
    "pub_weights_readable",
    "pub_weights_match_config",
    "pub_checkpoints_distinct",
    "pub_checkpoints_in_order",
    "pub_cadence_complete",
    "pub_initialisation",
    "pub_optimizer_state",
    "pub_tokens_add_up",
    "pub_data_published",
    "pub_order_published",
    "pub_code_published",
    "pub_model_licence",
    "pub_data_licences",
    "pub_licences_compatible",
    "pub_references_alive",
    "pub_evaluations_published",
    "pub_evaluations_confirmed",
    "pub_loss_confirmed",
    "pub_training_uneventful",
    "pub_own_documents",
    "pub_safety_evaluated",
];

/// What claims are made from.
pub(crate) struct Grounds<'a> {
    pub(crate) of: Subject<'a>,
    pub(crate) findings: &'a [Finding],
    pub(crate) components: &'a [Component],
    pub(crate) licences: &'a Licences,
    pub(crate) measured: &'a Measurements,
}

/// All claims, in the order of [`PUBLICATION_CLAIM_IDS`].
#[must_use]
pub(crate) fn claims(grounds: &Grounds<'_>) -> Vec<Claim> {
    PUBLICATION_CLAIM_IDS
        .iter()
        .map(|id| match *id {
            "pub_weights_readable" => weights_readable(grounds),
            "pub_weights_match_config" => weights_match_config(grounds),
            "pub_checkpoints_distinct" => checkpoints_distinct(grounds),
            "pub_checkpoints_in_order" => checkpoints_in_order(grounds),
            "pub_cadence_complete" => cadence_complete(grounds),
            "pub_initialisation" => initialisation(grounds),
            "pub_optimizer_state" => optimizer_state(grounds),
            "pub_tokens_add_up" => tokens_add_up(grounds),
            "pub_data_published" => component(grounds, id, "datasets"),
            "pub_order_published" => order_published(grounds),
            "pub_code_published" => component(grounds, id, "training_code"),
            "pub_model_licence" => licences::model_licence(grounds),
            "pub_data_licences" => licences::data_licences(grounds),
            "pub_licences_compatible" => licences::licences_compatible(grounds),
            "pub_references_alive" => references_alive(grounds),
            "pub_evaluations_published" => evaluations_published(grounds),
            "pub_training_uneventful" => training_uneventful(grounds),
            _ => measured::claim(grounds, id),
        })
        .collect()
}

/// A claim that nothing speaks for or against.
fn missing(id: &str) -> Claim {
    Claim {
        id: id.into(),
        status: Status::Missing,
        rung: None,
        params: Params::new(),
        evidence: Vec::new(),
    }
}

fn judged(id: &str, rung: Rung, holds: bool) -> Claim {
    Claim {
        status: if holds { Status::Holds } else { Status::Fails },
        rung: Some(rung),
        ..missing(id)
    }
}

/// Additions to a claim.
trait Told: Sized {
    fn with(self, name: &str, value: impl Into<Param>) -> Self;
    fn on(self, evidence: impl IntoIterator<Item = Evidence>) -> Self;
}

impl Told for Claim {
    fn with(mut self, name: &str, value: impl Into<Param>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    /// At most eight files: more are a list, not evidence that somebody follows.
    fn on(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        let room = 8_usize.saturating_sub(self.evidence.len());
        self.evidence.extend(evidence.into_iter().take(room));
        self
    }
}

impl Grounds<'_> {
    /// Findings of these detectors, of at least this severity.
    fn against(&self, detectors: &[&str], severity: Severity) -> Vec<&Finding> {
        self.findings
            .iter()
            .filter(|finding| {
                finding.severity >= severity && detectors.contains(&finding.detector.as_str())
            })
            .collect()
    }

    /// A claim that fails by these findings; `None` where there are none.
    fn broken(&self, id: &str, found: &[&Finding]) -> Option<Claim> {
        Some(told(judged(id, Rung::Consistent, false), found)).filter(|_| !found.is_empty())
    }

    /// A claim that contradictions break, and that doubts leave without enough evidence; `None` where there are neither.
    fn questioned(&self, id: &str, detectors: &[&str]) -> Option<Claim> {
        let broken = self.broken(id, &self.against(detectors, Severity::Contradiction));
        let doubts = self.against(detectors, Severity::Doubt);
        broken.or_else(|| Some(told(missing(id), &doubts)).filter(|_| !doubts.is_empty()))
    }
}

/// A claim with what was found against it.
fn told(claim: Claim, found: &[&Finding]) -> Claim {
    let Some(first) = found.first() else {
        return claim;
    };
    claim
        .with("findings", found.len())
        .with("reason", first.reason.as_str())
        .with("subject", first.subject.as_str())
        .on(found.iter().flat_map(|finding| finding.evidence.clone()))
}

fn weights_readable(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_weights_readable";
    let all = &grounds.of.inventory.checkpoints;
    let with_weights = all.iter().filter(|one| !one.weights.is_empty()).count();
    if with_weights == 0 {
        return missing(id);
    }
    // A doubt of this detector is a file that could not be read.
    if let Some(questioned) = grounds.questioned(id, &["pickles", "shards"]) {
        return questioned;
    }
    let read = all.iter().filter(|one| !one.tensors.is_empty()).count();
    let rung = if read == with_weights {
        Rung::Consistent
    } else {
        Rung::Present
    };
    judged(id, rung, true)
        .with("checkpoints", with_weights)
        .with("read", read)
        .on(all.iter().rev().take(1).map(evidence::weights))
}

fn weights_match_config(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_weights_match_config";
    let compared: Vec<_> = grounds
        .of
        .inventory
        .checkpoints
        .iter()
        .filter(|one| configuration::comparable(one))
        .collect();
    if let Some(broken) = grounds.broken(
        id,
        &grounds.against(&["configuration"], Severity::Contradiction),
    ) {
        return broken;
    }
    if compared.is_empty() {
        return missing(id);
    }
    judged(id, Rung::Consistent, true)
        .with("checkpoints", compared.len())
        .on(compared.into_iter().rev().take(1).map(evidence::weights))
}

fn checkpoints_distinct(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_checkpoints_distinct";
    if let Some(questioned) = grounds.questioned(id, &["duplicates"]) {
        return questioned;
    }
    // Two that are the same for a good reason are still the same.
    let same: Vec<&Finding> = grounds
        .against(&["duplicates"], Severity::Note)
        .into_iter()
        .filter(|finding| finding.reason.starts_with("same_"))
        .collect();
    if !same.is_empty() {
        return told(missing(id), &same);
    }
    let checkpoints = &grounds.of.inventory.checkpoints;
    // Two that can be compared by digest, or two that can be by values.
    let digests = checkpoints
        .iter()
        .filter(|one| {
            !one.weights.is_empty() && one.weights.iter().all(|file| file.sha256.is_some())
        })
        .count();
    let sampled = grounds.of.samples.values.iter().flatten().count();
    if checkpoints.len() < 2 || digests.max(sampled) < 2 {
        return missing(id);
    }
    judged(id, Rung::Consistent, true)
        .with("checkpoints", checkpoints.len())
        .with("compared", digests.max(sampled))
}

fn checkpoints_in_order(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_checkpoints_in_order";
    if let Some(broken) = grounds.broken(
        id,
        &grounds.against(&["step_identity"], Severity::Contradiction),
    ) {
        return broken;
    }
    let compared: usize = lines(grounds.of.inventory)
        .iter()
        .map(|line| Trajectory::of(line, grounds.of.samples).len())
        .filter(|sampled| *sampled >= 4)
        .sum();
    if compared == 0 {
        return missing(id);
    }
    judged(id, Rung::Consistent, true)
        .with("compared", compared)
        .with("tensors", grounds.of.samples.tensors.clone())
}

fn cadence_complete(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_cadence_complete";
    let Some(line) = main_line(grounds.of.inventory).filter(|line| line.members.len() >= 5) else {
        return missing(id);
    };
    if let Some(broken) = grounds.broken(id, &grounds.against(&["cadence"], Severity::Doubt)) {
        return broken;
    }
    judged(id, Rung::Consistent, true)
        .with("line", line.name)
        .with("checkpoints", line.members.len())
        .with("first", line.members.first().map(|(step, _)| *step))
        .with("last", line.members.last().map(|(step, _)| *step))
}

fn initialisation(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_initialisation";
    if let Some(questioned) = grounds.questioned(id, &["initialisation"]) {
        return questioned;
    }
    let first = lines(grounds.of.inventory).into_iter().find_map(|line| {
        let sampled = line.members.iter().filter(|(_, index)| {
            grounds
                .of
                .samples
                .values
                .get(*index)
                .is_some_and(Option::is_some)
        });
        let (_, index) = line.members.first()?;
        let first = &grounds.of.inventory.checkpoints[*index];
        (first.step == Some(0) && sampled.count() >= 2).then_some(first)
    });
    match first {
        Some(first) => judged(id, Rung::Consistent, true).on([evidence::weights(first)]),
        None => missing(id),
    }
}

fn optimizer_state(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_optimizer_state";
    if let Some(broken) = grounds.broken(
        id,
        &grounds.against(&["optimizer_state"], Severity::Contradiction),
    ) {
        return broken;
    }
    let all = &grounds.of.inventory.checkpoints;
    let with: Vec<_> = all.iter().filter(|one| !one.optimizer.is_empty()).collect();
    if with.is_empty() {
        return missing(id);
    }
    judged(id, Rung::Present, true)
        .with("with", with.len())
        .with("checkpoints", all.len())
        .on(with
            .iter()
            .flat_map(|one| &one.optimizer)
            .map(|file| evidence::stored(file, "checkpoints")))
}

fn tokens_add_up(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_tokens_add_up";
    if let Some(questioned) = grounds.questioned(id, &["token_totals"]) {
        return questioned;
    }
    match super::detectors::token_totals::compared(&grounds.of) {
        0 | 1 => missing(id),
        figures => judged(id, Rung::Consistent, true).with("figures", figures),
    }
}

/// A claim that a component is there.
fn component(grounds: &Grounds<'_>, id: &str, component: &str) -> Claim {
    let Some(found) = grounds.components.iter().find(|one| one.id == component) else {
        return missing(id);
    };
    let claim = match found.state {
        ComponentState::Missing if found.rung.is_none() => return missing(id),
        // Somebody says that it is somewhere.
        ComponentState::Missing => judged(id, Rung::Declared, true),
        ComponentState::Contradictory => judged(id, Rung::Present, false),
        ComponentState::Present => judged(id, Rung::Present, true),
        ComponentState::Consistent => judged(id, Rung::Consistent, true),
    };
    claim
        .with("files", found.evidence.len())
        .on(found.evidence.clone())
}

fn order_published(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_order_published";
    let inventory = grounds.of.inventory;
    let files: Vec<Evidence> = evidence::paths(inventory)
        .into_iter()
        .filter(|path| {
            let path = path.to_ascii_lowercase();
            let name = path.rsplit('/').next().unwrap_or(&path);
            [
                "order",
                "index_map",
                "indexmap",
                "shuffle",
                "global_indices",
                "batch_indices",
            ]
            .iter()
            .any(|word| name.contains(word))
                && !name.ends_with(".md")
        })
        .map(|path| evidence::file(path, None, "data"))
        .collect();
    if !files.is_empty() {
        return judged(id, Rung::Present, true).on(files);
    }
    // Chunks that are numbered as training went say what came when, but not in which order within.
    let chunks: Vec<&glasswork_published::DataFile> = inventory
        .data
        .iter()
        .filter(|file| file.path.bytes().any(|byte| byte.is_ascii_digit()))
        .collect();
    if chunks.len() < 2 {
        return missing(id);
    }
    judged(id, Rung::Declared, true)
        .with("chunks", chunks.len())
        .on(chunks
            .iter()
            .map(|file| evidence::file(&file.path, file.sha256.as_deref(), "data")))
}

fn references_alive(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_references_alive";
    if let Some(broken) = grounds.broken(id, &grounds.against(&["references"], Severity::Doubt)) {
        return broken;
    }
    let cards = &grounds.of.inventory.cards;
    let all: std::collections::BTreeSet<&str> = cards
        .iter()
        .flat_map(|card| card.links.iter().chain(&card.front_matter.datasets))
        .map(String::as_str)
        .collect();
    if all.is_empty() {
        return missing(id);
    }
    let asked = all
        .iter()
        .filter(|link| grounds.of.reachable.contains_key(**link))
        .count();
    let rung = if asked > 0 {
        Rung::Consistent
    } else {
        Rung::Present
    };
    judged(id, rung, true)
        .with("references", all.len())
        .with("asked", asked)
        .on(cards
            .iter()
            .map(|card| evidence::file(&card.path, None, "cards")))
}

fn evaluations_published(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_evaluations_published";
    let all = &grounds.of.inventory.evaluations;
    let impossible = grounds.against(&["evaluations"], Severity::Contradiction);
    if let Some(broken) = grounds.broken(id, &impossible) {
        return broken;
    }
    // One that never finished does not undo the others.
    let is_score = |score: &Score| matches!(score, Score::Value(value) if value.is_finite());
    let scored = |one: &&Evaluation| {
        one.results
            .values()
            .flat_map(BTreeMap::values)
            .any(is_score)
    };
    let with_scores: Vec<&Evaluation> = all.iter().filter(scored).collect();
    if with_scores.is_empty() {
        return missing(id);
    }
    let tasks: BTreeSet<&String> = with_scores
        .iter()
        .flat_map(|one| one.results.keys())
        .collect();
    judged(id, Rung::Present, true)
        .with("files", with_scores.len())
        .with("tasks", tasks.len())
        .with(
            "doubts",
            grounds.against(&["evaluations"], Severity::Doubt).len(),
        )
        .on(with_scores
            .iter()
            .map(|one| evidence::file(&one.path, None, "evaluations")))
}

fn training_uneventful(grounds: &Grounds<'_>) -> Claim {
    let id = "pub_training_uneventful";
    let detectors = ["spikes", "non_finite", "stall", "log_restart"];
    if let Some(broken) = grounds.broken(id, &grounds.against(&detectors, Severity::Doubt)) {
        return broken;
    }
    let losses: Vec<_> = series::of_kind(grounds.of.inventory, MetricKind::Loss).collect();
    let points: usize = losses.iter().map(|one| one.points.len()).sum();
    // Spikes need a full window before them, and a stall something to stall from.
    if points < 256 || !series::stall::decidable(&grounds.of) {
        return missing(id);
    }
    judged(id, Rung::Consistent, true)
        .with("values", points)
        .on(losses
            .iter()
            .map(|one| evidence::file(&one.path, None, "metrics")))
}
