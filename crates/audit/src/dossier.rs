//! Everything that a report shows about a release, in plain types.
//!
//! These are also the shapes of the report's data block (`web/src/report.ts` has the same, in TypeScript): `None` is
//! missing and is shown so, never as 0. Digests are 64 lower-case hexadecimal digits.

use std::collections::BTreeMap;

pub use glasswork_release::annex::{Divergence, Program, ReplayVerdict, Sample, Verbatim};
use glasswork_release::licence::LicenceClass;
use serde::{Deserialize, Serialize};

/// What was read of a release.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dossier {
    /// Which release it is.
    pub release: Release,
    /// Whether the reader vouches for the replay and drill records: made here, by them. Records carry no signature,
    /// so anybody can write one; those of nobody known are hearsay ([`crate::Rung::Declared`]).
    pub own_replays: bool,
    /// What the check of the files said.
    pub check: Check,
    /// How the model was trained.
    pub run: Run,
    /// Whether the configuration is the one that the ledger names; `None` where one of them is missing.
    pub configuration_agrees: Option<bool>,
    /// Sources, in the order of the configuration.
    pub sources: Vec<Source>,
    /// Source and licence, with what training consumed.
    pub licences: Vec<LicenceRow>,
    /// Packages with their licences.
    pub packages: Vec<Package>,
    /// Documents that a stage turned away.
    pub rejections: Vec<Rejection>,
    /// Documents against the sequence that training consumed; `None` where they could not be compared.
    pub consumption: Option<Consumption>,
    /// Values of every step.
    pub metrics: Option<Metrics>,
    /// Checkpoints, by step.
    pub checkpoints: Vec<Checkpoint>,
    /// Stretches between checkpoints, by step; `None` where the ledger cannot be read.
    pub segments: Option<Vec<Segment>>,
    /// Held-out scores, by step.
    pub evaluations: Vec<Evaluation>,
    /// Samples, by step.
    pub samples: Vec<Samples>,
    /// Replays of this release.
    pub replays: Vec<Replay>,
    /// The fault drill.
    pub fault_drill: Option<FaultDrill>,
    /// Incidents of the ledger.
    pub incidents: Vec<Incident>,
    /// Every file: core files as `core.json` names them, then annexes.
    pub files: Vec<ReleaseFile>,
    /// Annexes that support nothing, and why.
    pub refused: Vec<RefusedAnnex>,
}

impl Dossier {
    /// The digest of a file of the release, where one is known.
    #[must_use]
    pub fn digest(&self, path: &str) -> Option<&str> {
        self.files
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.digest.as_str())
    }

    /// The replays whose verdict is "bitwise equal", as distinct segments.
    #[must_use]
    pub fn segments_with(&self, verdict: ReplayVerdict) -> usize {
        self.segments
            .iter()
            .flatten()
            .filter(|segment| segment.verdict == Some(verdict))
            .count()
    }
}

/// Whether the reader named the root by which the publisher is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publisher {
    /// No root was named.
    #[default]
    NotPinned,
    /// The release has that root.
    Matches,
    /// It has another.
    Differs,
}

/// Which release it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// Whether `core.json` is written.
    pub sealed: bool,
    /// Digest of `core.json`.
    pub root: Option<String>,
    /// Against the root that the reader named.
    pub publisher: Publisher,
}

/// What does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// File.
    pub path: String,
    /// Step.
    pub step: Option<u64>,
    /// Tensor.
    pub tensor: Option<String>,
    /// What was compared.
    pub what: String,
    /// What the rest of the release says.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
}

/// What the check of the files said, at the time the report was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Core files looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What does not agree.
    pub findings: Vec<Finding>,
}

/// How the model was trained.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The run's name.
    pub name: String,
    /// Elements of all model tensors.
    pub parameters: Option<u64>,
    /// Main values of the configuration.
    pub facts: Vec<FactGroup>,
    /// `run.toml`, whole.
    pub toml: String,
    /// The configuration's digest.
    pub digest: Option<String>,
    /// `code.json`: key and value.
    pub code: Vec<(String, String)>,
    /// `execution.toml`, whole.
    pub execution: Option<String>,
}

/// Values of the configuration that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactGroup {
    /// `model`, `training`, `optimizer`, `data`.
    pub group: String,
    /// Key and value as in run.toml.
    pub values: Vec<(String, String)>,
}

/// A source of text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Where it comes from, for people.
    pub reference: String,
    /// The file that pins it, the digest of that file and how many archives or pages it pins.
    pub pinned_by: Option<String>,
    /// The licence stated for the whole source, and the file that states it.
    pub licence: Option<String>,
    /// What the licence statement rests on.
    pub licence_evidence: Option<String>,
    /// Whom to name.
    pub attribution: Option<String>,
    /// Whether the release carries its text: it does where there is some and every licence lets it be passed on.
    pub text_included: Option<bool>,
    /// Share of the tokens that training consumed, 0 to 1.
    pub share: Option<f64>,
    /// Integer weight of the mixture.
    pub weight: Option<u64>,
    /// Documents that training could draw from.
    pub documents: Option<u64>,
    /// Their bytes.
    pub bytes: Option<u64>,
    /// Their tokens.
    pub tokens: Option<u64>,
    /// Of these documents: those that training consumed a token of.
    pub used_documents: Option<u64>,
    /// Documents held out.
    pub held_out_documents: Option<u64>,
    /// Documents rejected, duplicates not counted.
    pub rejected_documents: Option<u64>,
    /// Duplicates removed.
    pub duplicate_documents: Option<u64>,
    /// Target tokens that training consumed.
    pub consumed_tokens: Option<u64>,
    /// `consumed_tokens / tokens`.
    pub epochs: Option<f64>,
}

/// Documents of one source under one licence, held-out and never consumed ones too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceRow {
    /// Source id.
    pub source: String,
    /// SPDX expression, or `NOASSERTION`.
    pub licence: String,
    /// Of an `OR` the freer side's, of an `AND` the stricter side's.
    pub class: LicenceClass,
    /// The authors must be named.
    pub attribution: bool,
    /// Notices must be kept.
    pub notice: bool,
    /// Adaptations carry the same licence.
    pub share_alike: bool,
    /// Documents kept.
    pub documents: u64,
    /// Of these: those that training consumed a token of.
    pub used_documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Target tokens that training consumed.
    pub consumed_tokens: Option<u64>,
    /// First update that consumed one.
    pub first_step: Option<u64>,
    /// Last update that consumed one.
    pub last_step: Option<u64>,
}

/// A package that text was taken from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX expression of its manifest.
    pub licence: Option<String>,
    /// The manifest and its digest.
    pub licence_evidence: String,
    /// The rule that refused it.
    pub refused: Option<String>,
    /// SHA-256 of its archive.
    pub sha256: String,
    /// Sources that took text from it.
    pub sources: Vec<String>,
    /// Where its manifest says that it is developed.
    pub repository: Option<String>,
    /// Copyright lines of its licence files; where they have none, the authors that its manifest names.
    pub copyright: Vec<String>,
    /// Licence and notice files in its archive, each with its SHA-256.
    pub licence_files: Vec<String>,
    /// Target tokens that training consumed.
    pub consumed_tokens: Option<u64>,
    /// First update that consumed one.
    pub first_step: Option<u64>,
    /// Last update that consumed one.
    pub last_step: Option<u64>,
}

/// Documents of one source that one rule turned away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// Stage of the preparation.
    pub stage: String,
    /// Source id.
    pub source: String,
    /// The rule.
    pub rule: String,
    /// The licence, where that is what the rule is about.
    pub licence: Option<String>,
    /// Documents.
    pub documents: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Documents against the training sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consumption {
    /// Distinct documents that training consumed.
    pub documents: u64,
    /// Of these: without a licence, or with one of unknown class.
    pub unknown_licence: u64,
    /// Of these: rejected by a stage, or under a licence that the run does not allow.
    pub outside_gate: u64,
    /// Of these: meant to be held out.
    pub leaked: u64,
    /// Documents held out.
    pub held_out: u64,
    /// Target tokens consumed.
    pub tokens: u64,
    /// Classes of the licences consumed, ascending.
    pub classes: Vec<LicenceClass>,
}

/// Values of every step, column by column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Target tokens per step.
    pub batch_tokens: Option<u64>,
    /// Steps, from 1.
    pub step: Vec<u64>,
    /// Target tokens consumed up to and with the step.
    pub tokens: Vec<u64>,
    /// Mean loss of the batch, in nats per token.
    pub loss: Vec<Option<f64>>,
    /// L2 norm of the gradient before clipping.
    pub grad_norm: Vec<Option<f64>>,
    /// Learning rate.
    pub learning_rate: Vec<Option<f64>>,
    /// Loss by source; missing where the batch held none of it.
    pub sources: Vec<SourceCurve>,
}

/// One source's loss by step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceCurve {
    /// Source id.
    pub id: String,
    /// Loss, in nats per token.
    pub loss: Vec<Option<f64>>,
}

/// A checkpoint, as its manifest describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Step.
    pub step: u64,
    /// Target tokens consumed so far.
    pub tokens: Option<u64>,
    /// Digest of the whole state.
    pub state_digest: String,
    /// What it commits to.
    pub commitment: String,
    /// Commitment of the one before.
    pub parent: Option<String>,
    /// Tensors, optimizer included.
    pub tensors: u64,
    /// Bytes of its files.
    pub bytes: Option<u64>,
    /// Whether the optimizer's tensors are among them.
    #[serde(skip)]
    pub has_optimizer: bool,
}

/// The stretch between two checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Place in the list.
    pub index: u64,
    /// Step of the checkpoint before.
    pub from: u64,
    /// Step of the checkpoint after.
    pub to: u64,
    /// Target tokens consumed in between.
    pub tokens: u64,
    /// Commitment at its end.
    pub commitment: String,
    /// Worst verdict of the replays that covered it.
    pub verdict: Option<ReplayVerdict>,
}

/// Held-out scores of one checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Step of the checkpoint.
    pub step: u64,
    /// The annex.
    pub path: String,
    /// Its digest.
    pub digest: Option<String>,
    /// One per source.
    pub scores: Vec<Score>,
}

/// A held-out score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Source id.
    pub source: String,
    /// Bits per UTF-8 byte.
    pub bits_per_byte: f64,
    /// Bytes scored.
    pub bytes: u64,
    /// Tokens scored.
    pub tokens: u64,
    /// Documents scored.
    pub documents: u64,
}

/// Samples of one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// Step of the checkpoint.
    pub step: u64,
    /// The annex.
    pub path: String,
    /// Its digest.
    pub digest: Option<String>,
    /// How the next token was chosen.
    pub decoding: String,
    /// One per prompt.
    pub samples: Vec<Sample>,
    /// Training text in them, where it was searched.
    pub verbatim: Option<Verbatim>,
}

/// A replay that speaks of this release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The annex.
    pub path: String,
    /// Its digest.
    pub digest: Option<String>,
    /// Step it began from.
    pub from: u64,
    /// Step it arrived at.
    pub to: u64,
    /// Updates.
    pub steps: u64,
    /// The outcome.
    pub verdict: ReplayVerdict,
    /// The bound of `within_bound`.
    pub bound: Option<f64>,
    /// Where it first differed.
    pub first_divergence: Option<Divergence>,
    /// Numerics profile.
    pub profile: String,
    /// Threads.
    pub threads: u64,
    /// Sequences at a time.
    pub micro_batch: u64,
    /// Instruction set.
    pub isa: String,
    /// Wall time.
    pub seconds: f64,
    /// Rate.
    pub tokens_per_second: f64,
    /// `named` or `random`.
    pub chosen: String,
    /// What recomputed.
    pub program: Program,
}

/// The fault drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // As in `glasswork_release::annex::FaultDrill`.
pub struct FaultDrill {
    pub path: String,
    pub digest: Option<String>,
    pub fault: String,
    pub file: String,
    pub offset: u64,
    pub bit: u32,
    pub step: u64,
    pub tensor: String,
    pub found: bool,
    pub named_file: Option<String>,
    pub named_step: Option<u64>,
    pub named_tensor: Option<String>,
    pub seconds: f64,
}

/// Something that a reader of the loss curve should know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// The step.
    pub step: u64,
    /// What kind.
    pub kind: String,
    /// In words.
    pub detail: String,
}

/// A file of the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseFile {
    /// Path in the release.
    pub path: String,
    /// Length.
    pub bytes: Option<u64>,
    /// BLAKE3.
    pub digest: String,
    /// Whether the root covers it.
    pub core: bool,
}

/// An annex that supports nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedAnnex {
    /// Path in the release.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Sums `value` over rows by key, in key order.
pub(crate) fn sum_by<T, K: Ord>(
    rows: &[T],
    key: impl Fn(&T) -> K,
    value: impl Fn(&T) -> u64,
) -> BTreeMap<K, u64> {
    let mut sums = BTreeMap::new();
    for row in rows {
        let sum: &mut u64 = sums.entry(key(row)).or_default();
        *sum = sum.saturating_add(value(row));
    }
    sums
}
