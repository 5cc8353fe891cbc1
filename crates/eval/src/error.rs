//! What can stop an evaluation.

use thiserror::Error;

/// A broken condition of evaluation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Reading the release or writing the annex failed.
    #[error(transparent)]
    Release(#[from] glasswork_release::Error),
    /// The release's data could not be read.
    #[error(transparent)]
    Data(#[from] glasswork_data::Error),
    /// The model cannot be built or fed.
    #[error(transparent)]
    Model(#[from] glasswork_model::ModelError),
    /// A checkpoint of another model.
    #[error("{path} does not fit the model of the run: {problem}")]
    Foreign {
        /// The checkpoint's file.
        path: std::path::PathBuf,
        /// The first tensor that does not fit.
        problem: glasswork_model::ModelError,
    },
    /// The run has no checkpoint at all.
    #[error("{path} holds no checkpoint")]
    NoCheckpoints {
        /// The run's directory.
        path: std::path::PathBuf,
    },
    /// The run has no such checkpoint.
    #[error("there is no checkpoint at step {step}; there are: {there}")]
    NoCheckpoint {
        /// Step asked for.
        step: u64,
        /// Steps that have one.
        there: String,
    },
}

impl EvalError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Release(error) => error.hint(),
            Self::Data(error) => error.hint(),
            Self::Model(_) => None,
            Self::Foreign { .. } => Some(
                "the checkpoint belongs to another run, or run.toml was edited: restore the one that is wrong"
                    .to_owned(),
            ),
            Self::NoCheckpoints { .. } => Some("run `glasswork train` first".to_owned()),
            Self::NoCheckpoint { .. } => Some("name one of them with `--steps`".to_owned()),
        }
    }
}
