//! The crate's errors: each variant is an invariant that did not hold, with the values that broke it.

/// `Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This program was compiled before the page was built.
    #[error("this program was compiled without its pages (web/dist)")]
    PageNotBuilt,
    /// The page has no place for the data, so it belongs to another version.
    #[error("the page holds {found} places for the data instead of one")]
    PageOfAnotherVersion {
        /// Places found.
        found: usize,
    },
    /// Nothing can be said about the directory.
    #[error(transparent)]
    Audit(#[from] glasswork_audit::Error),
    /// The data cannot be written as JSON.
    #[error("the page's data cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// What to do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::PageNotBuilt | Self::PageOfAnotherVersion { .. } => {
                Some("run `cargo xtask web` (it needs Node 20.19 or later), then build the program again".into())
            }
            Self::Audit(error) => error.hint(),
            Self::Json(_) => None,
        }
    }
}
