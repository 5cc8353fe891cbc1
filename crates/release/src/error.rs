//! The crate's errors: each variant is an invariant that did not hold, with the values that broke it.
//!
//! What to do about it is kept apart, in [`Error::hint`].

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// `Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An invariant of the release format, or of the machine under it, that did not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted ("read", "create", …).
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No space, no quota, or a file size limit.
    #[error("no room to write {} ({needed} bytes needed)", path.display())]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
        /// Bytes that this write needed in all.
        needed: u64,
    },
    /// Something is there that is not a plain file (a link, a device, a pipe, a directory).
    #[error("{} is not a plain file but a {kind}", path.display())]
    NotAPlainFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A file larger than its kind may be.
    #[error("{} has {length} bytes; at most {limit} are allowed", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// Another process works on the same directory.
    #[error("another process is working on {}", path.display())]
    Locked {
        /// The run directory.
        path: PathBuf,
    },
    /// A format number this program does not know.
    #[error("{what} has format {found}; this program reads format {supported}")]
    FutureFormat {
        /// The document.
        what: String,
        /// The number found.
        found: u64,
        /// The number supported.
        supported: u64,
    },
    /// A digest was not 64 lower-case hexadecimal digits.
    #[error("{found:?} is not a digest (64 lower-case hexadecimal digits)")]
    BadDigest {
        /// The text found, cut to 80 characters.
        found: String,
    },
    /// JSON that breaks a rule of the format.
    #[error("{what}: {problem}")]
    Json {
        /// The document.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// JSON that parses but is not in canonical form.
    #[error(
        "{what} is not canonical JSON: bytes differ from the canonical form at offset {offset}"
    )]
    NotCanonical {
        /// The document.
        what: String,
        /// First differing byte.
        offset: usize,
    },
    /// A number that canonical JSON of this format does not carry.
    #[error("canonical JSON carries whole numbers of at most 2^53-1; found {found}")]
    NotCanonicalNumber {
        /// The number.
        found: String,
    },
    /// A value that cannot become JSON.
    #[error("cannot be written as JSON: {problem}")]
    NotJson {
        /// What serde said.
        problem: String,
    },
    /// A name or path of the release that is not allowed.
    #[error("{name:?} is not a valid {what}: {problem}")]
    BadName {
        /// The kind of name.
        what: &'static str,
        /// The name.
        name: String,
        /// The rule it breaks.
        problem: &'static str,
    },
    /// A tensor file that breaks a rule.
    #[error("{}: {problem}", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A tensor that is not in the file, or has another type.
    #[error("{}: tensor {tensor}: {problem}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        problem: String,
    },
    /// A tensor whose bytes are not the ones its manifest names.
    #[error("{}: tensor {tensor}: the manifest says {expected}, the bytes are {found}", path.display())]
    TensorMismatch {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Digest in the manifest.
        expected: Digest,
        /// Digest of the bytes.
        found: Digest,
    },
    /// An array file (`.npy`) that breaks a rule.
    #[error("{}: {problem}", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A table that breaks a rule.
    #[error("{what}: {problem}")]
    Table {
        /// The file or table.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// A checkpoint that contradicts itself.
    #[error("{}: {problem}", path.display())]
    Checkpoint {
        /// The checkpoint's directory or manifest.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A ledger line that breaks the chain or cannot be read.
    #[error("{} line {line}: {problem}", path.display())]
    Ledger {
        /// The ledger.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A run configuration that cannot be used.
    #[error("{}{}: {key}: {problem}", path.display(), line.map(|l| format!(" line {l}")).unwrap_or_default())]
    Config {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where it is known.
        line: Option<usize>,
        /// The key, dotted.
        key: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A run that cannot be sealed, or a directory that is not a release.
    #[error("{} {problem}", path.display())]
    NotARelease {
        /// The directory.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// A file in a release directory that the format has no place for.
    #[error("{} has no place in a release of format 1", path.display())]
    UnknownFile {
        /// The file, relative to the release.
        path: PathBuf,
    },
}

impl Error {
    /// What the user can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::DiskFull { .. } => "free some space on that disk and run the same command again; nothing that was \
                                      complete before is lost"
                .into(),
            Self::Locked { .. } => "wait for the other process to end, or stop it; then run the same command again".into(),
            Self::FutureFormat { .. } => {
                "this was written by a newer version of glasswork: update the program, then try again".into()
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check the path; a release is a directory that holds core.json".into()
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "check who owns the file and whether the directory may be written".into()
            }
            Self::NotAPlainFile { .. } => {
                "copy the release with links resolved (cp -rL), if you trust where it came from".into()
            }
            Self::TensorMismatch { .. }
            | Self::Checkpoint { .. }
            | Self::Tensors { .. }
            | Self::Tensor { .. }
            | Self::Npy { .. }
            | Self::Table { .. }
            | Self::Ledger { .. }
            | Self::NotCanonical { .. } => {
                "the file is damaged or was edited: restore it from where it came; `glasswork check` lists everything \
                 that does not agree"
                    .into()
            }
            Self::BadDigest { .. } => {
                "copy the digest again, whole; `glasswork check` prints the root of a release".into()
            }
            Self::NotARelease { .. } => "name the directory of a release; a run becomes one when `glasswork train` has done its last step".into(),
            Self::UnknownFile { .. } => "move the file out of the run directory, then run the same command again".into(),
            Self::Config { hint, .. } => return hint.clone(),
            _ => return None,
        })
    }

    /// The error for a failed operation; out-of-space conditions become [`Error::DiskFull`].
    pub(crate) fn io(action: &'static str, path: &Path, needed: u64, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull {
                path: path.into(),
                needed,
            },
            _ => Self::Io {
                action,
                path: path.into(),
                source,
            },
        }
    }
}
