//! Annexes: JSON files that anybody may add to a release after it was sealed.
//!
//! This module owns their shapes and nothing else: it reads and writes no file. An annex names the digest of what it
//! speaks of (a checkpoint's state digest, or the release's root), so that a reader can refuse one that was written
//! for another release. Annexes may carry further fields that begin with `x-`; readers here ignore what they do not
//! know. Digests are 64 lower-case hexadecimal digits.
//!
//! | file | type |
//! |---|---|
//! | `evals/<step>/held_out.json` | [`HeldOutFile`] |
//! | `evals/<step>/samples.json` | [`SamplesFile`] |
//! | `attestations/replay-<from>-<to>-<n>.json` | [`Statement`]`<`[`Replay`]`>` |
//! | `attestations/fault-drill.json` | [`Statement`]`<`[`FaultDrill`]`>` |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The format number that every annex of this module carries.
pub const ANNEX_FORMAT: u32 = 1;

/// The task name under which the held-out score of `source` is filed.
pub fn held_out_task(source: &str) -> String {
    format!("held_out_{source}")
}

/// What program wrote an annex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// `glasswork`, or the name of whatever else wrote the file.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of its source, where the program knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<String>,
}

// ---- evaluations ----------------------------------------------------------------------------------------------

/// One source's held-out score, as the evaluator hands it over and as a reader gets it back.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOutScore {
    /// Source id.
    pub source: String,
    /// Negative log2 likelihood of the held-out text divided by its UTF-8 bytes.
    pub bits_per_byte: f64,
    /// UTF-8 bytes scored.
    pub bytes: u64,
    /// Tokens scored.
    pub tokens: u64,
    /// Documents scored.
    pub documents: u64,
}

/// A metric's value: lm-evaluation-harness writes numbers, and text such as `"N/A"` for an error it did not estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Metric {
    /// A number.
    Number(f64),
    /// Text: an alias, or `N/A`.
    Text(String),
}

/// How many samples a task has, and how many were scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleCount {
    /// In the task.
    pub original: u64,
    /// Scored.
    pub effective: u64,
}

/// A task's configuration, as far as the harness's schema needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskConfig {
    /// Task name.
    pub task: String,
    /// Where the text comes from: here always the release's own held-out split.
    pub dataset_path: String,
    /// `loglikelihood_rolling`.
    pub output_type: String,
}

/// What an evaluation speaks of, and sizes that the harness's schema has no place for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSubject {
    /// [`ANNEX_FORMAT`].
    pub format: u32,
    /// Step of the checkpoint.
    pub step: u64,
    /// State digest of the checkpoint that was scored.
    pub state_digest: String,
    /// Who scored.
    pub program: Program,
    /// Per source: what was scored.
    pub sources: BTreeMap<String, ScoredText>,
}

/// How much text a score stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoredText {
    /// UTF-8 bytes.
    pub bytes: u64,
    /// Tokens.
    pub tokens: u64,
    /// Documents.
    pub documents: u64,
}

/// `evals/<step>/held_out.json`: the result schema of lm-evaluation-harness, one task `held_out_<source>` a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldOutFile {
    /// Task → metric → value, e.g. `{"held_out_code": {"bits_per_byte,none": 2.1, …}}`.
    pub results: BTreeMap<String, BTreeMap<String, Metric>>,
    /// Task → its subtasks (none here).
    pub group_subtasks: BTreeMap<String, Vec<String>>,
    /// Task → configuration.
    pub configs: BTreeMap<String, TaskConfig>,
    /// Task → version of the task.
    pub versions: BTreeMap<String, u32>,
    /// Task → examples shown before (none here).
    #[serde(rename = "n-shot")]
    pub n_shot: BTreeMap<String, u32>,
    /// Task → metric → whether more is better.
    pub higher_is_better: BTreeMap<String, BTreeMap<String, bool>>,
    /// Task → samples.
    #[serde(rename = "n-samples")]
    pub n_samples: BTreeMap<String, SampleCount>,
    /// What this file speaks of.
    #[serde(rename = "x-glasswork")]
    pub subject: EvaluationSubject,
}

impl HeldOutFile {
    /// Files `scores` of the checkpoint at `step` under the harness's schema.
    ///
    /// Besides `bits_per_byte` each task gets `byte_perplexity` = 2^bits_per_byte, as the harness defines it. No error
    /// is estimated, which the schema writes as `"N/A"`.
    pub fn new(step: u64, state_digest: String, program: Program, scores: &[HeldOutScore]) -> Self {
        let mut file = Self {
            results: BTreeMap::new(),
            group_subtasks: BTreeMap::new(),
            configs: BTreeMap::new(),
            versions: BTreeMap::new(),
            n_shot: BTreeMap::new(),
            higher_is_better: BTreeMap::new(),
            n_samples: BTreeMap::new(),
            subject: EvaluationSubject {
                format: ANNEX_FORMAT,
                step,
                state_digest,
                program,
                sources: BTreeMap::new(),
            },
        };
        for score in scores {
            let task = held_out_task(&score.source);
            let not_estimated = || Metric::Text("N/A".to_owned());
            let metrics = BTreeMap::from([
                ("alias".to_owned(), Metric::Text(task.clone())),
                (
                    "bits_per_byte,none".to_owned(),
                    Metric::Number(score.bits_per_byte),
                ),
                ("bits_per_byte_stderr,none".to_owned(), not_estimated()),
                (
                    "byte_perplexity,none".to_owned(),
                    Metric::Number(score.bits_per_byte.exp2()),
                ),
                ("byte_perplexity_stderr,none".to_owned(), not_estimated()),
            ]);
            file.results.insert(task.clone(), metrics);
            file.group_subtasks.insert(task.clone(), Vec::new());
            file.configs.insert(
                task.clone(),
                TaskConfig {
                    task: task.clone(),
                    dataset_path: "data/documents.parquet (split = held_out)".to_owned(),
                    output_type: "loglikelihood_rolling".to_owned(),
                },
            );
            file.versions.insert(task.clone(), 1);
            file.n_shot.insert(task.clone(), 0);
            let lower =
                ["bits_per_byte", "byte_perplexity"].map(|metric| (metric.to_owned(), false));
            file.higher_is_better
                .insert(task.clone(), BTreeMap::from(lower));
            file.n_samples.insert(
                task,
                SampleCount {
                    original: score.documents,
                    effective: score.documents,
                },
            );
            let text = ScoredText {
                bytes: score.bytes,
                tokens: score.tokens,
                documents: score.documents,
            };
            file.subject.sources.insert(score.source.clone(), text);
        }
        file
    }

    /// The scores, by source id; a source whose score is absent or not a finite number is left out.
    pub fn scores(&self) -> Vec<HeldOutScore> {
        let mut scores = Vec::new();
        for (source, text) in &self.subject.sources {
            let value = self
                .results
                .get(&held_out_task(source))
                .and_then(|metrics| metrics.get("bits_per_byte,none"));
            if let Some(Metric::Number(bits_per_byte)) = value
                && bits_per_byte.is_finite()
            {
                scores.push(HeldOutScore {
                    source: source.clone(),
                    bits_per_byte: *bits_per_byte,
                    bytes: text.bytes,
                    tokens: text.tokens,
                    documents: text.documents,
                });
            }
        }
        scores
    }
}

/// `evals/<step>/samples.json`: what a checkpoint writes after fixed prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplesFile {
    /// [`ANNEX_FORMAT`].
    pub format: u32,
    /// Step of the checkpoint.
    pub step: u64,
    /// State digest of the checkpoint.
    pub state_digest: String,
    /// Who sampled.
    pub program: Program,
    /// How the next token was chosen: `greedy`.
    pub decoding: String,
    /// One per prompt, in the run file's order.
    pub samples: Vec<Sample>,
    /// The search for training text in the samples; absent where it was not made (commonly all but the last step).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbatim: Option<Verbatim>,
}

/// A prompt and what the model wrote after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The prompt.
    pub prompt: String,
    /// The continuation, without the prompt.
    pub continuation: String,
    /// Tokens in the continuation.
    pub tokens: u64,
}

/// Stretches of the samples that stand word for word in the training text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verbatim {
    /// How the search was made, in one sentence.
    pub method: String,
    /// Shorter stretches were not reported.
    pub minimum_tokens: u64,
    /// Longest first.
    pub stretches: Vec<Stretch>,
}

/// One stretch and where it was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Index into [`SamplesFile::samples`].
    pub sample: usize,
    /// First byte of the stretch in that sample's continuation.
    pub start: usize,
    /// The text itself.
    pub text: String,
    /// Its length in tokens.
    pub tokens: u64,
    /// How many places it was found at; `matches` may list fewer.
    pub match_count: u64,
    /// Places, earliest step first.
    pub matches: Vec<Match>,
}

/// A place in the training sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Document ordinal in `documents.parquet`.
    pub doc: u64,
    /// Source id.
    pub source: String,
    /// The document's name within its source.
    pub source_doc_id: String,
    /// SPDX expression of the document.
    pub licence: String,
    /// Step whose batch held it (1-based).
    pub step: u64,
    /// Row of that batch.
    pub slot: u64,
}

// ---- attestations ---------------------------------------------------------------------------------------------

/// Predicate type of [`Replay`] statements.
pub const REPLAY_PREDICATE: &str = "urn:glasswork:replay:1";
/// Predicate type of [`FaultDrill`] statements.
pub const FAULT_DRILL_PREDICATE: &str = "urn:glasswork:fault-drill:1";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// An in-toto Statement, version 1. It is not wrapped in a signed envelope yet: it shows what was claimed, not by whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement<P> {
    /// `https://in-toto.io/Statement/v1`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// What the statement is about.
    pub subject: Vec<Subject>,
    /// [`REPLAY_PREDICATE`] or [`FAULT_DRILL_PREDICATE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What is stated.
    pub predicate: P,
}

/// A named artefact with digests by algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Path in the release.
    pub name: String,
    /// `{"blake3": …}`.
    pub digest: BTreeMap<String, String>,
}

impl<P> Statement<P> {
    /// A statement about the release with root digest `root` (the digest of `core.json`).
    pub fn about_release(root: &str, predicate_type: &str, predicate: P) -> Self {
        let digest = BTreeMap::from([("blake3".to_owned(), root.to_owned())]);
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject: vec![Subject {
                name: "core.json".to_owned(),
                digest,
            }],
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }

    /// The root digest of the release that the statement is about, if it names one.
    pub fn root(&self) -> Option<&str> {
        let core = self
            .subject
            .iter()
            .find(|subject| subject.name == "core.json")?;
        core.digest.get("blake3").map(String::as_str)
    }

    /// Whether the envelope fields are those of an in-toto Statement of the given predicate type.
    pub fn is(&self, predicate_type: &str) -> bool {
        self.kind == STATEMENT_TYPE && self.predicate_type == predicate_type
    }
}

/// The outcome of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayVerdict {
    /// Every tensor of the end state and every metrics row has the same bits.
    BitwiseEqual,
    /// Not the same bits; within the bound that the statement gives.
    WithinBound,
    /// Neither.
    Diverged,
}

/// Where a replay first differed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// Step of the first difference.
    pub step: u64,
    /// The tensor, where one could be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// The file of the release that holds the value differed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What differs, in one sentence.
    pub what: String,
}

/// Predicate of `attestations/replay-<from>-<to>-<n>.json`: a segment was recomputed from its first checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// Step of the checkpoint that the replay began from.
    pub from: u64,
    /// Step of the checkpoint it arrived at.
    pub to: u64,
    /// Updates recomputed.
    pub steps: u64,
    /// The outcome.
    pub verdict: ReplayVerdict,
    /// The bound of `within_bound`: largest relative difference allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// Present when diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_divergence: Option<Divergence>,
    /// State digest at `to` that the release records.
    pub expected_state_digest: String,
    /// State digest at `to` that the replay computed.
    pub state_digest: String,
    /// Numerics profile.
    pub profile: String,
    /// Threads used.
    pub threads: u64,
    /// Sequences computed at a time.
    pub micro_batch: u64,
    /// Instruction set used.
    pub isa: String,
    /// Wall time.
    pub seconds: f64,
    /// Tokens recomputed.
    pub tokens: u64,
    /// `tokens / seconds`.
    pub tokens_per_second: f64,
    /// How the segment was chosen: `named` by the person, or `random` from the verifier's own randomness.
    pub chosen: String,
    /// The program that recomputed.
    pub program: Program,
}

/// Predicate of `attestations/fault-drill.json`: on a *copy* of the release one bit was flipped, and found or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultDrill {
    /// What was flipped, in one sentence.
    pub fault: String,
    /// File that was changed.
    pub file: String,
    /// Byte offset in that file.
    pub offset: u64,
    /// Bit of that byte, 0 the lowest.
    pub bit: u32,
    /// Step of the checkpoint that was changed.
    pub step: u64,
    /// Tensor that was changed.
    pub tensor: String,
    /// Whether the check found it.
    pub found: bool,
    /// What the check named: file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_file: Option<String>,
    /// What the check named: step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_step: Option<u64>,
    /// What the check named: tensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_tensor: Option<String>,
    /// How long the check took.
    pub seconds: f64,
    /// The program that checked.
    pub program: Program,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Program {
        Program {
            name: "glasswork".into(),
            version: "0.1.0".into(),
            source_digest: None,
        }
    }

    #[test]
    fn held_out_scores_survive_the_harness_schema() {
        let scores = vec![
            HeldOutScore {
                source: "code".into(),
                bits_per_byte: 1.75,
                bytes: 900,
                tokens: 300,
                documents: 2,
            },
            HeldOutScore {
                source: "prose".into(),
                bits_per_byte: 2.5,
                bytes: 800,
                tokens: 200,
                documents: 3,
            },
        ];
        let file = HeldOutFile::new(7, "ab".repeat(32), program(), &scores);
        let json = serde_json::to_string(&file).expect("serialises");
        assert!(json.contains(r#""n-samples":{"held_out_code":{"original":2,"effective":2}"#));
        assert!(json.contains(r#""bits_per_byte_stderr,none":"N/A""#));
        let back: HeldOutFile = serde_json::from_str(&json).expect("parses");
        assert_eq!(back.scores(), scores);
    }

    #[test]
    fn a_score_that_is_not_a_number_is_missing_and_not_zero() {
        let scores = [HeldOutScore {
            source: "code".into(),
            bits_per_byte: 1.0,
            bytes: 1,
            tokens: 1,
            documents: 1,
        }];
        let mut file = HeldOutFile::new(0, String::new(), program(), &scores);
        let metrics = file.results.get_mut("held_out_code").expect("just filed");
        metrics.insert("bits_per_byte,none".into(), Metric::Text("N/A".into()));
        assert!(file.scores().is_empty());
    }

    #[test]
    fn a_statement_is_in_toto_and_names_its_release() {
        let statement = Statement::about_release("r00t", REPLAY_PREDICATE, 5);
        let json = serde_json::to_value(&statement).expect("serialises");
        assert_eq!(json["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(json["predicateType"], REPLAY_PREDICATE);
        assert_eq!(statement.root(), Some("r00t"));
        assert!(statement.is(REPLAY_PREDICATE) && !statement.is(FAULT_DRILL_PREDICATE));
    }
}
