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
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Read {
        /// The file or folder.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A task cannot be read, or asks for what it cannot have.
    #[error("task {task}: {reason}")]
    Task {
        /// Its name or file.
        task: String,
        /// What is wrong.
        reason: String,
    },
    /// A task needs code of its own.
    #[error("task {task} asks for !function {function}, which is not built in")]
    Function {
        /// The task.
        task: String,
        /// Folder of the task file, Python file and function.
        function: String,
    },
    /// A data set is not there, or is no data set.
    #[error("data set {dataset}: {reason}")]
    Dataset {
        /// Its name or file.
        dataset: String,
        /// What is wrong.
        reason: String,
    },
    /// A log of answers holds something else.
    #[error("{path}, line {line}: {reason}")]
    Log {
        /// The log.
        path: std::path::PathBuf,
        /// Its line, 0 for the whole.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A file of samples holds something else.
    #[error("no samples of lm-evaluation-harness: {reason}")]
    Samples {
        /// What is wrong.
        reason: String,
    },
    /// A person's own documents cannot be used.
    #[error("{path}: {reason}")]
    Mine {
        /// The file or folder.
        path: std::path::PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tokenizer names neither a token that begins a text nor one that ends it.
    #[error("the tokenizer names no token that begins or ends a text")]
    NoPrefix,
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
            Self::Function { .. } => Some(
                "nothing of a task is executed: evaluate it with lm-evaluation-harness, or write what it does as a template"
                    .to_owned(),
            ),
            Self::Dataset { .. } => Some(
                "fetch the data set first, or name a folder that has it as OWNER/NAME".to_owned(),
            ),
            Self::Log { .. } => Some("remove the log: its answers are computed anew".to_owned()),
            Self::NoPrefix => Some(
                "tokenizer_config.json beside tokenizer.json names bos_token and eos_token: fetch it too".to_owned(),
            ),
            Self::Read { .. } | Self::Task { .. } | Self::Samples { .. } | Self::Mine { .. } => None,
            Self::NoCheckpoint { .. } => Some("name one of them with `--steps`".to_owned()),
        }
    }
}
