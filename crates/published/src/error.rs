//! What can be wrong with a publication as a whole, or with one file of it.

use std::path::PathBuf;

/// Each variant is an invariant that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name of a model that is neither a folder's nor a repository's.
    #[error("`{name}` names no model: {problem}")]
    Place {
        /// What was named.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A folder that is not there, or no folder.
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// More files than a publication may have.
    #[error("{place} has more than {limit} files")]
    TooManyFiles {
        /// Where.
        place: String,
        /// The limit.
        limit: usize,
    },
    /// A file of a name that is not in the listing.
    #[error("{place} has no file {path}")]
    NoFile {
        /// Where.
        place: String,
        /// What was asked for.
        path: String,
    },
    /// A stretch that the file does not have.
    #[error("{path} has {bytes} bytes; {start}..{end} is not within it")]
    Range {
        /// The file.
        path: String,
        /// Its length.
        bytes: u64,
        /// First byte.
        start: u64,
        /// One past the last byte.
        end: u64,
    },
    /// A file that is longer than its kind is read.
    #[error("{path} has {bytes} bytes; at most {limit} are read")]
    TooLong {
        /// The file.
        path: String,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Content that is not what the file's name says.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A checkpoint of a number that the publication does not have.
    #[error("{place} has {there} checkpoints; there is no number {asked}")]
    NoCheckpoint {
        /// Where.
        place: String,
        /// How many there are.
        there: usize,
        /// The number asked for, from 0.
        asked: usize,
    },
    /// A tensor that cannot be sampled.
    #[error("{checkpoint}: `{tensor}` {problem}")]
    Tensor {
        /// The checkpoint.
        checkpoint: String,
        /// The tensor.
        tensor: String,
        /// Why not.
        problem: String,
    },
    /// A place on the Hub, where there is no connection to it.
    #[error("{0} lies on the Hub, and nothing is connected to it")]
    NoHub(String),
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The Hub, or the way to it.
    #[error(transparent)]
    Hub(#[from] glasswork_hub::Error),
}

impl Error {
    /// What the user can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Place { .. } => {
                "name a folder, or a repository of the Hub as hf:owner/name or hf:owner/name@revision".into()
            }
            Self::NotAFolder(_) => "for a model on the Hub, write hf:owner/name".into(),
            Self::TooManyFiles { .. } => "name the folder of the model itself".into(),
            Self::Hub(error) => return error.hint(),
            _ => return None,
        })
    }
}

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;
