//! What can go wrong in a proof of concept.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line of a training file is no row.
    #[error("{path}, byte {place}: no row of token ids: {problem}")]
    NoRow {
        /// The file.
        path: String,
        /// Byte at which the line begins.
        place: u64,
        /// What is wrong.
        problem: String,
    },
    /// Rows and log that say nothing of one another.
    #[error(
        "{checkpoint}: no whole batch of its rows was logged, and too few rows were found for a mean"
    )]
    NothingToCompare {
        /// Its name.
        checkpoint: String,
    },
    /// A model whose losses are no numbers.
    #[error(
        "{checkpoint}: the loss of a row is {loss}: its weights or logits are no finite numbers"
    )]
    NotFinite {
        /// Its name.
        checkpoint: String,
        /// What came out.
        loss: String,
    },
    /// A checkpoint that cannot be opened as a model.
    #[error("{checkpoint} has no config.json")]
    NoConfig {
        /// Its name.
        checkpoint: String,
    },
    /// From the tokenizer.
    #[error(transparent)]
    Data(#[from] glasswork_data::Error),
    /// From the evaluation.
    #[error(transparent)]
    Eval(#[from] glasswork_eval::EvalError),
    /// From the publication.
    #[error(transparent)]
    Published(#[from] glasswork_published::Error),
    /// From the model.
    #[error(transparent)]
    Model(#[from] glasswork_model::ModelError),
}

impl Error {
    /// What to do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRow { .. } => Some("compare the file with where it came from".to_owned()),
            Self::NoConfig { .. } | Self::NotFinite { .. } | Self::NothingToCompare { .. } => None,
            Self::Data(error) => error.hint(),
            Self::Eval(error) => error.hint(),
            Self::Published(error) => error.hint(),
            Self::Model(error) => error.hint(),
        }
    }
}

/// A result with an error of this crate.
pub type Result<T> = std::result::Result<T, Error>;
