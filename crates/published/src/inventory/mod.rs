//! Everything that a look at listings, headers and small files tells: pure data, no handles.

mod card;
mod checkpoint;
mod data;
mod evaluation;
mod metrics;
mod pickle;

pub use card::{Card, FrontMatter, LicenceFile};
pub use checkpoint::{Checkpoint, Tensor, TrainerState};
pub use data::{DataFile, DataKind, DataSample};
pub use evaluation::{Evaluation, Score};
pub use metrics::{MetricKind, MetricSeries};
pub use pickle::Pickle;

use serde::{Deserialize, Serialize};

use crate::store::StoredFile;

/// How a publication is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// As `transformers` saves a model, with or without `checkpoint-500` folders of its trainer.
    HuggingFace,
    /// Checkpoints `ckpt_012` or `CrystalCoder_phase1_checkpoint_001500`.
    Llm360,
    /// Checkpoints `step3000`.
    Pythia,
    /// Checkpoints `stage1-step1000-tokens5B`.
    Olmo,
    /// None of these: nothing that looks like a checkpoint.
    #[default]
    Unknown,
}

/// Something that could not be read, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The file, or the place where a file is missing.
    pub path: String,
    /// The revision that it was found at, on the Hub: the same path is another file in each.
    pub revision: Option<String>,
    /// Why, as a sentence without a subject.
    pub reason: String,
}

/// What a publication consists of.
///
/// Paths are relative to the publication's folder, or to the repository at the revision of the checkpoint that they
/// stand in; lists are in the order of paths, checkpoints in that of stages, steps and names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// The folder, or `hf:owner/name@revision`.
    pub place: String,
    /// How it is laid out.
    pub layout: Layout,
    /// Model cards and data cards.
    pub cards: Vec<Card>,
    /// Checkpoints, ascending.
    pub checkpoints: Vec<Checkpoint>,
    /// Training data.
    pub data: Vec<DataFile>,
    /// Results of evaluations.
    pub evaluations: Vec<Evaluation>,
    /// Logged series, each in the order of its file.
    pub metrics: Vec<MetricSeries>,
    /// Source files and what they need.
    pub code: Vec<StoredFile>,
    /// Licence texts.
    pub licences: Vec<LicenceFile>,
    /// Files that are none of these and belong to no checkpoint: figures, reports, samples.
    pub other: Vec<StoredFile>,
    /// Pickled files that name more than tensors need, of the checkpoints whose headers were read.
    #[serde(default)]
    pub pickles: Vec<Pickle>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

impl Problem {
    /// A problem of the file at `path`, of no revision.
    pub(crate) fn new(path: &str, reason: String) -> Self {
        Self {
            path: path.into(),
            revision: None,
            reason,
        }
    }
}
