//! What can stop a training run.

use glasswork_kernels::Profile;
use std::path::PathBuf;
use thiserror::Error;

/// A broken condition of training.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Reading or writing the run directory failed.
    #[error(transparent)]
    Release(#[from] glasswork_release::Error),
    /// The data of the run could not be read.
    #[error(transparent)]
    Data(#[from] glasswork_data::Error),
    /// The model cannot be built or fed.
    #[error(transparent)]
    Model(#[from] glasswork_model::ModelError),
    /// The data was prepared with a vocabulary of another size.
    #[error(
        "the prepared data has a tokenizer of {tokenizer} tokens, model.vocabulary is {vocabulary}"
    )]
    Vocabulary {
        /// Tokens of the tokenizer.
        tokenizer: usize,
        /// Rows of the model's tables.
        vocabulary: usize,
    },
    /// A checkpoint of another model.
    #[error("{path} does not fit the model of the run: {problem}")]
    Checkpoint {
        /// The checkpoint's file.
        path: PathBuf,
        /// The first tensor that does not fit.
        problem: glasswork_model::ModelError,
    },
    /// The data has other rows than the run consumes.
    #[error(
        "the prepared sequence has {found} rows of {found_tokens} tokens; the run needs {needed} rows of {needed_tokens}"
    )]
    Sequence {
        /// Rows found.
        found: u64,
        /// Tokens per row found.
        found_tokens: usize,
        /// Rows needed.
        needed: u64,
        /// Tokens per row needed.
        needed_tokens: usize,
    },
    /// A run directory that was begun with something else.
    #[error("{path} was begun with another {what}: it records {recorded}, this is {found}")]
    Changed {
        /// The run directory.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the run recorded.
        recorded: String,
        /// What is here now.
        found: String,
    },
    /// The state of a checkpoint is not the one that the ledger names.
    #[error("checkpoint {step} holds state {found}, the ledger records {recorded}")]
    State {
        /// Step of the checkpoint.
        step: u64,
        /// Digest that the ledger records.
        recorded: String,
        /// Digest of what is there.
        found: String,
    },
    /// More checkpoints that the ledger does not record than a kill can leave.
    #[error("{path} does not record {count} of the checkpoints that are there")]
    Unrecorded {
        /// The ledger.
        path: PathBuf,
        /// Checkpoints after the last one that it records.
        count: usize,
    },
    /// Metrics rows that are not those that the ledger records.
    #[error("{path}: the rows of steps {} to {to} are not those that the ledger records", from + 1)]
    Metrics {
        /// The metrics file.
        path: PathBuf,
        /// Step before the segment's first.
        from: u64,
        /// The segment's last step.
        to: u64,
    },
    /// A profile that this program does not compute.
    #[error("numerics profile `{0}` is not implemented by this program")]
    Profile(String),
}

impl TrainError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Release(error) => error.hint(),
            Self::Data(error) => error.hint(),
            Self::Model(_) => None,
            Self::Checkpoint { .. } => Some(
                "the checkpoint belongs to another run, or run.toml was edited: restore the one that is wrong"
                    .to_owned(),
            ),
            Self::Vocabulary { .. } | Self::Sequence { .. } => {
                Some("prepare the data again with this run.toml: `glasswork prep RUN.toml`".to_owned())
            }
            Self::Changed { .. } => Some(
                "a run ends with what it began with: go back to that version, or start a new directory with `-o DIR`"
                    .to_owned(),
            ),
            Self::State { .. } => {
                Some("the checkpoint was damaged after it was written: `glasswork check` names the file".to_owned())
            }
            Self::Metrics { .. } => Some("the file was damaged after it was written: restore it, or start a new directory with `-o DIR`".to_owned()),
            Self::Unrecorded { .. } => Some(
                "the ledger was damaged or lost: restore it, or start a new directory with `-o DIR`; nothing was removed"
                    .to_owned(),
            ),
            Self::Profile(_) => {
                let known: Vec<_> = Profile::ALL.iter().map(|known| known.name()).collect();
                Some(format!("this version computes {}", known.join(" and ")))
            }
        }
    }
}
