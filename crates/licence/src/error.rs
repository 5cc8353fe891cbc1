//! The crate's errors: what was wrong with its data files.

/// `Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A data file that breaks an invariant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not the TOML that was expected.
    #[error("{file}: {problem}")]
    Syntax {
        /// The data file.
        file: &'static str,
        /// What the parser said.
        problem: String,
    },
    /// Two entries answer to one name.
    #[error("{file}: `{name}` is defined twice")]
    Twice {
        /// The data file.
        file: &'static str,
        /// The name.
        name: String,
    },
    /// An entry names something that does not exist.
    #[error("{file}: `{entry}` names `{missing}`, which is not there")]
    Dangling {
        /// The data file.
        file: &'static str,
        /// The entry.
        entry: String,
        /// What it names.
        missing: String,
    },
}

impl Error {
    /// The remedy, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Syntax { .. } => None,
            Self::Twice { .. } => Some("keep one of the two entries"),
            Self::Dangling { .. } => Some("add the entry or correct the name"),
        }
    }
}
