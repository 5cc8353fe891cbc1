//! The configuration as it is written: types are right, values are not checked, defaults are not filled in.

use serde::Deserialize;

use super::SourceKind;

#[derive(Deserialize)]
pub(super) struct RawConfig {
    pub(super) format: u64,
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) profile: Option<String>,
    pub(super) model: RawModel,
    pub(super) tokenizer: Option<RawTokenizer>,
    pub(super) source: Vec<RawSource>,
    pub(super) gate: RawGate,
    pub(super) split: Option<RawSplit>,
    pub(super) training: RawTraining,
    pub(super) optimizer: RawOptimizer,
    pub(super) evaluation: Option<RawEvaluation>,
}

#[derive(Deserialize)]
pub(super) struct RawModel {
    pub(super) architecture: Option<String>,
    pub(super) vocabulary: usize,
    pub(super) hidden: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: Option<usize>,
    pub(super) mlp: usize,
    pub(super) sequence: usize,
    pub(super) rope_theta: Option<f64>,
    pub(super) norm_eps: Option<f64>,
    pub(super) initial_std: Option<f64>,
    pub(super) tied_head: Option<bool>,
    pub(super) licence: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawTokenizer {
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawSource {
    pub(super) id: String,
    pub(super) kind: SourceKind,
    pub(super) weight: u64,
    pub(super) reference: String,
    pub(super) lock: Option<String>,
    pub(super) pins: Option<String>,
    pub(super) licence: Option<String>,
    pub(super) licence_evidence: Option<String>,
    pub(super) attribution: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawGate {
    pub(super) allow: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct RawSplit {
    pub(super) held_out: Option<f64>,
    pub(super) eval_bytes: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct RawTraining {
    pub(super) steps: u64,
    pub(super) batch: usize,
    pub(super) reduction_groups: Option<usize>,
    pub(super) checkpoint_steps: Option<Vec<u64>>,
    pub(super) checkpoint_every: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct RawOptimizer {
    pub(super) kind: Option<String>,
    pub(super) learning_rate: f64,
    pub(super) final_learning_rate: Option<f64>,
    pub(super) warm_up_steps: Option<u64>,
    pub(super) beta1: Option<f64>,
    pub(super) beta2: Option<f64>,
    pub(super) epsilon: Option<f64>,
    pub(super) weight_decay: Option<f64>,
    pub(super) clip: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct RawEvaluation {
    pub(super) prompts: Option<Vec<String>>,
    pub(super) sample_tokens: Option<usize>,
}
