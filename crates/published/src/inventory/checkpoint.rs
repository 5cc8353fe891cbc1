//! Checkpoints: their files, configuration and tensors.

use serde::{Deserialize, Serialize};

use crate::store::StoredFile;

/// The weights at one step, and what lies beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The name of its folder or revision: `ckpt_012`, `step3000`; `main` for a repository's or folder's own.
    pub name: String,
    /// Optimizer steps before it, where its name, its trainer or a table of its family says so. LLM360's `ckpt_012`
    /// counts chunks of data, not steps: that is its [`chunk`](Self::chunk). OLMo's later stages count anew.
    pub step: Option<u64>,
    /// LLM360's number: how many chunks of data went before its last one. `main`'s is the one after the highest, where
    /// no number is missing.
    pub chunk: Option<u64>,
    /// Tokens seen, where its name or its trainer says so.
    pub tokens: Option<u64>,
    /// Branch, tag or commit on the Hub.
    pub revision: Option<String>,
    /// The folder of its files, without a `/` at the end; empty for the top.
    pub folder: String,
    /// `config.json`, as it stands there.
    pub config: Option<serde_json::Value>,
    /// Every tensor, by name. Empty where headers were not read or could not be.
    pub tensors: Vec<Tensor>,
    /// Files of weights.
    pub weights: Vec<StoredFile>,
    /// Files of the optimizer's, the schedule's and random generators' state.
    pub optimizer: Vec<StoredFile>,
    /// Files of the tokenizer.
    pub tokenizer: Vec<StoredFile>,
    /// What else lies beside them and is in no other list.
    pub other: Vec<StoredFile>,
    /// What the Hugging Face trainer noted.
    pub trainer_state: Option<TrainerState>,
}

/// A tensor and its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its shape, outermost dimension first.
    pub shape: Vec<u64>,
    /// `F32`, `BF16`, `F16`, …: the names of safetensors.
    pub dtype: String,
    /// The file that holds it.
    pub file: String,
    /// Its first byte in that file; none where it does not lie row by row, such as a transposed view.
    pub start: Option<u64>,
    /// One past its last byte.
    pub end: Option<u64>,
}

/// Parts of `trainer_state.json`. Its log is among the [metrics](crate::MetricSeries).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// Steps done.
    pub global_step: Option<u64>,
    /// Steps of the whole training.
    pub max_steps: Option<u64>,
    /// Sequences a device and step.
    pub train_batch_size: Option<u64>,
    /// Tokens seen, where the trainer counted them.
    pub tokens_seen: Option<u64>,
}
