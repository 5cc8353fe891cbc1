//! What can go wrong between the sources and the sequence; remedies stand apart in [`Error::hint`].

use std::path::{Path, PathBuf};

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One variant per broken invariant, with the values that broke it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The release directory could not be read or written.
    #[error(transparent)]
    Release(#[from] glasswork_release::Error),
    /// A file named by the run could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A lock file is not what cargo writes, or leaves a package unpinned.
    #[error("{path}: {reason}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A package of the lock has no archive on this machine.
    #[error("no archive of {package} under {searched}")]
    ArchiveMissing {
        /// `name-version`.
        package: String,
        /// The directory whose subdirectories were searched.
        searched: PathBuf,
    },
    /// An archive is not the one that the lock pins.
    #[error("{path} has SHA-256 {found}, the lock pins {expected}")]
    ArchiveMismatch {
        /// The archive.
        path: PathBuf,
        /// The lock's checksum.
        expected: String,
        /// The file's.
        found: String,
    },
    /// An archive breaks a rule that every published crate keeps.
    #[error("{package}: {reason}")]
    Archive {
        /// `name-version`.
        package: String,
        /// The broken rule.
        reason: String,
    },
    /// A line of a pins file cannot be read.
    #[error("{path}, line {line}: {reason}")]
    Pins {
        /// The pins file.
        path: PathBuf,
        /// From 1; 0 speaks of the whole file.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A page or a licence's evidence that the run names is not on this machine.
    #[error("the run needs {path}, which is missing")]
    PinnedMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A pinned documentation file has other content.
    #[error("{path} has SHA-256 {found}, the pins say {expected}")]
    PinnedMismatch {
        /// The file.
        path: PathBuf,
        /// The pin.
        expected: String,
        /// The file's digest.
        found: String,
    },
    /// The run file lacks what a source of this kind needs.
    #[error("source `{id}` ({kind}) needs `{key}`")]
    SourceKey {
        /// The source.
        id: String,
        /// Its kind.
        kind: &'static str,
        /// The missing key.
        key: &'static str,
    },
    /// A licence in the run file is no SPDX expression.
    #[error("`{expression}` ({place}) is no SPDX licence expression: {reason}")]
    Licence {
        /// Where it stands.
        place: String,
        /// What stands there.
        expression: String,
        /// What the parser says.
        reason: String,
    },
    /// Gates and filters left nothing to train on.
    #[error(
        "source `{id}` ({kind}) has no training document left: {seen} seen, {rejected} rejected{rules}, {held_out} held out"
    )]
    NoDocuments {
        /// The source.
        id: String,
        /// Its kind.
        kind: &'static str,
        /// Documents found.
        seen: u64,
        /// Of these, rejected by a rule or as duplicates.
        rejected: u64,
        /// The rules that rejected them, with counts, in parentheses; empty when none did.
        rules: String,
        /// Of these, held out.
        held_out: u64,
    },
    /// The text has too few repeated pairs to fill the vocabulary.
    #[error("the training text yields {reached} tokens, the run asks for a vocabulary of {asked}")]
    Vocabulary {
        /// `model.vocabulary`.
        asked: usize,
        /// What merging every repeated pair gives.
        reached: usize,
    },
    /// A source cannot fill one row.
    #[error("source `{id}` has {tokens} training tokens; one row needs {needed} (sequence + 1)")]
    SequenceTooLong {
        /// The source.
        id: String,
        /// Tokens of its training stream.
        tokens: u64,
        /// `model.sequence + 1`.
        needed: u64,
    },
    /// A mixture has no meaning, or `mixture.json` contradicts itself.
    #[error("mixture: {0}")]
    Mixture(String),
    /// A tokenizer cannot be built or read.
    #[error("{path}: {reason}")]
    Tokenizer {
        /// The file, or what was being built.
        path: PathBuf,
        /// What the library says.
        reason: String,
    },
    /// The directory already holds data made from something else.
    #[error("{path} was prepared from other inputs and training has begun on it")]
    OtherRun {
        /// The release directory.
        path: PathBuf,
    },
    /// Data of a release contradicts other data of the same release.
    #[error("{path}: {reason}")]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        reason: String,
    },
    /// A step or row that the run does not have.
    #[error("step {step} does not exist: the run has steps 1 to {steps}")]
    NoStep {
        /// The step asked for.
        step: u64,
        /// The last one.
        steps: u64,
    },
    /// A document that the release does not have, or whose text it does not carry.
    #[error("document {doc}: {reason}")]
    NoDocument {
        /// Its ordinal.
        doc: u64,
        /// Why there is no text.
        reason: String,
    },
}

impl Error {
    /// What a person may do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Release(error) => return error.hint(),
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "check the path; those in a run file are relative to it".into()
            }
            Self::ArchiveMissing { .. } => "fetch the pinned crates first: `cargo fetch --locked --manifest-path \
                 <the lock's directory>/Cargo.toml`"
                .into(),
            Self::ArchiveMismatch { path, .. } => {
                format!("delete {} and fetch it again; if it comes back the same, somebody changed the lock or the crate", path.display())
            }
            Self::PinnedMissing { .. } => {
                "install the documentation of the pinned toolchain: `rustup component add rust-docs`".into()
            }
            Self::PinnedMismatch { .. } => "the pins belong to the toolchain in rust-toolchain.toml: run there, or `rustup component \
                 remove rust-docs` and `rustup component add rust-docs` to restore the files"
                .into(),
            Self::Licence { .. } => "write SPDX identifiers, for example `MIT OR Apache-2.0`".into(),
            Self::NoDocuments { .. } => "allow more licences under [gate], add text to the source, or lower split.held_out"
                .into(),
            Self::Vocabulary { reached, .. } => {
                format!("set model.vocabulary to {reached} or less, or add training text")
            }
            Self::SequenceTooLong { .. } => "shorten model.sequence or add text to the source".into(),
            Self::OtherRun { .. } => "give the changed run a new directory; released data never changes in place".into(),
            _ => return None,
        })
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Read {
            path: path.into(),
            source,
        }
    }
}
