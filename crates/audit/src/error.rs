//! The crate's errors: each variant is an invariant that did not hold, with the values that broke it.

use std::path::PathBuf;

/// `Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The release format refused something that nothing can be said without.
    #[error(transparent)]
    Release(#[from] glasswork_release::Error),
    /// There is no release and no run in that directory.
    #[error("{} holds neither a release nor a run: there is no run.toml and no core.json", path.display())]
    NothingThere {
        /// The directory.
        path: PathBuf,
    },
    /// Two files of a release contradict each other, so that what they say cannot be joined.
    #[error("{}: {problem}", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What contradicts.
        problem: String,
    },
    /// The criteria file is not one.
    #[error("criteria: {problem}")]
    Criteria {
        /// What is wrong with it, with key or id.
        problem: String,
    },
}

impl Error {
    /// What to do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Release(error) => error.hint(),
            Self::Contradiction { .. } => Some("run `glasswork check` on the release".into()),
            Self::NothingThere { .. } => {
                Some("name the directory that holds run.toml and data/".into())
            }
            Self::Criteria { .. } => {
                Some("begin with the default criteria, which every report prints in full".into())
            }
        }
    }
}
