//! Results of evaluations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A file of results, in the schema of lm-evaluation-harness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Where it lies.
    pub path: String,
    /// The name of the checkpoint that it belongs to, by where it lies or by its own name.
    pub checkpoint: Option<String>,
    /// Scores by task and metric, named as in the file (`acc_norm`, `acc_norm,none`).
    pub results: BTreeMap<String, BTreeMap<String, Score>>,
    /// Examples before each question, by task, where the file says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shots: BTreeMap<String, u64>,
    /// The model that it is of, as the file or its folder says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// One score. What is not there is never zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// A number; it may be NaN or infinite.
    Value(#[serde(with = "super::metrics::number")] f64),
    /// `null`.
    Missing,
    /// Words where a number is due: `running…`, `N/A`.
    Failed(String),
}
