//! `run.toml`: the semantic configuration of a run, every default that can change a bit written out.
//!
//! The text is parsed once, into [`RunConfig`], whose values are checked. What a run's directory holds is
//! [`RunConfig::to_toml`] of it, and its identity is [`RunConfig::digest`]. Threads, micro-batch, paths of this machine
//! are not in it: they cannot change a bit.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::{canonical, files, hexfloat};

mod document;
mod keys;
mod parse;
mod raw;

/// The numerics profiles that this format knows; the first is what a run without the key gets.
pub const PROFILES: &[&str] = &["f32-v1", "bf16-v1"];

/// The largest configuration that is read: 1 MiB.
const MAX_CONFIG: u64 = 1 << 20;

/// A checked configuration: what can be built with [`RunConfig::parse`] can be trained, if the data suffices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunConfig {
    /// The format number: 1.
    pub format: u64,
    /// The run's name, a valid id.
    pub name: String,
    /// The seed of everything random.
    pub seed: u64,
    /// The numerics profile, one of [`PROFILES`].
    pub profile: String,
    /// The model.
    pub model: Model,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// The sources, at least one, with distinct ids.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
    /// Which licences may enter.
    pub gate: Gate,
    /// What is held out for evaluation.
    pub split: Split,
    /// How long, and with what batches.
    pub training: Training,
    /// The optimizer and its schedule.
    pub optimizer: Optimizer,
    /// What every checkpoint is asked.
    pub evaluation: Evaluation,
}

/// `[model]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// `llama`.
    pub architecture: String,
    /// Size of the vocabulary, 257 to 65,536.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads; divides `hidden`.
    pub heads: usize,
    /// Key-value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width inside the feed-forward network.
    pub mlp: usize,
    /// Tokens per training sequence, a multiple of 32.
    pub sequence: usize,
    /// Base of the rotary embedding's angles.
    pub rope_theta: f64,
    /// Epsilon of the RMS norms.
    pub norm_eps: f64,
    /// Standard deviation of the initial weights.
    pub initial_std: f64,
    /// Whether the output head shares the embedding's weights.
    pub tied_head: bool,
    /// SPDX expression under which the weights are published; the data's licences are another matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

impl Model {
    /// Width of one head: `hidden / heads`, even.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.hidden / self.heads
    }
}

/// `[tokenizer]`; its size is `model.vocabulary`, and `<|endoftext|>` has id 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tokenizer {
    /// `byte-bpe`.
    pub kind: String,
}

/// What a source's documents are and how they are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// `.rs` files of the crates in a lock file.
    CrateCode,
    /// `.md` files and doc comments of the crates in a lock file.
    CrateProse,
    /// Text of HTML pages, each pinned by its SHA-256.
    HtmlDocs,
}

/// One `[[source]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its id, a valid name for files.
    pub id: String,
    /// What it is.
    pub kind: SourceKind,
    /// Its weight in the mixture, at least 1.
    pub weight: u64,
    /// Where it comes from, for people.
    pub reference: String,
    /// The lock file (crates), relative to `run.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// The list of pinned files (HTML), relative to `run.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pins: Option<String>,
    /// The SPDX expression (HTML; crates carry their own).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The file that proves it (HTML).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence_evidence: Option<String>,
    /// Whom to name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<String>,
}

/// `[gate]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// SPDX ids that may enter; a document needs one way through its expression.
    pub allow: Vec<String>,
}

/// `[split]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Split {
    /// Fraction of the documents held out, by content hash; at least 0, below 1.
    pub held_out: f64,
    /// Most bytes per source that are evaluated.
    pub eval_bytes: u64,
}

/// `[training]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Training {
    /// Updates.
    pub steps: u64,
    /// Sequences per update.
    pub batch: usize,
    /// Groups of the gradient sum, a power of two, at most `batch`.
    pub reduction_groups: usize,
    /// Steps with a checkpoint, ascending; begins with 0 and ends with `steps`.
    pub checkpoint_steps: Vec<u64>,
}

/// `[optimizer]`: AdamW, linear warm-up, then a cosine from `learning_rate` to `final_learning_rate`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Optimizer {
    /// `adamw`.
    pub kind: String,
    /// The highest rate.
    pub learning_rate: f64,
    /// The rate of the last step.
    pub final_learning_rate: f64,
    /// Steps of warm-up, at most `training.steps`.
    pub warm_up_steps: u64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest gradient norm.
    pub clip: f64,
}

/// `[evaluation]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    /// Beginnings that every checkpoint continues greedily.
    pub prompts: Vec<String>,
    /// Tokens of each continuation.
    pub sample_tokens: usize,
}

impl RunConfig {
    /// Reads and checks a configuration file of at most 1 MiB.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = files::read(path, MAX_CONFIG)?;
        let text = String::from_utf8(bytes).map_err(|e| Error::Config {
            path: path.into(),
            line: None,
            key: "text".into(),
            problem: format!("is not UTF-8 (byte {})", e.utf8_error().valid_up_to()),
            hint: Some("save the file as UTF-8".into()),
        })?;
        Self::parse(&text, path)
    }

    /// Checks a configuration's text; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        parse::parse(text, path)
    }

    /// The configuration with every field written out; parsing it gives an equal one.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a checked configuration has only values that TOML can write")
    }

    /// The semantic digest: `of_parts("glasswork/config/1", [json])`.
    ///
    /// json is the canonical JSON of the fields as in [`RunConfig::to_toml`], with every float as the 16 hexadecimal
    /// digits of its f64 bits, and the seed as a decimal string.
    #[must_use]
    pub fn digest(&self) -> Digest {
        fn exact(value: &mut Value) {
            match value {
                Value::Number(number) if number.is_f64() => {
                    let float = number.as_f64().expect("just asked");
                    *value = Value::String(hexfloat::hex_f64::to_text(float));
                }
                Value::Array(items) => items.iter_mut().for_each(exact),
                Value::Object(fields) => fields.values_mut().for_each(exact),
                _ => {}
            }
        }
        let mut value =
            serde_json::to_value(self).expect("a checked configuration holds only finite numbers");
        value["seed"] = Value::String(self.seed.to_string());
        exact(&mut value);
        let json = canonical::to_canonical(&value)
            .expect("a checked configuration holds only small integers");
        Digest::of_parts("glasswork/config/1", &[&json])
    }

    /// Target tokens of one update: batch × sequence.
    #[must_use]
    pub fn tokens_per_step(&self) -> u64 {
        self.training.batch as u64 * self.model.sequence as u64
    }

    /// Rows of the training sequence that the run uses: steps × batch.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.training.steps * self.training.batch as u64
    }
}
