//! The crate's errors: each variant is an invariant that did not hold, with the values that broke it.
//!
//! No variant ever carries the token, a signed address or text that a server wrote; [`Error::hint`] holds the remedy.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong between this machine's cache and the Hub.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name, revision, commit, path or address that is not allowed.
    #[error("{name:?} is not a valid {what}: {problem}")]
    BadName {
        /// The kind of name.
        what: &'static str,
        /// The name, cut to 200 characters.
        name: String,
        /// The rule it breaks.
        problem: &'static str,
    },
    /// A token that cannot stand in a header. Its text is not repeated here.
    #[error("the access token holds characters that no token has")]
    BadToken,
    /// A proxy's address that cannot be used. Its text may hold a password and is not repeated here.
    #[error("the proxy's address cannot be used")]
    BadProxy,
    /// An endpoint without encryption that is not on this machine.
    #[error("{endpoint} is not encrypted and not on this machine")]
    NotEncrypted {
        /// The endpoint.
        endpoint: String,
    },
    /// Asked to answer without the network, and the cache does not know.
    #[error("{what} is not in the cache")]
    NotCached {
        /// What was asked for.
        what: String,
    },
    /// The Hub knows no such thing, or does not show it to everybody.
    #[error("the Hub does not know {what}, or does not show it without a token")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The publisher shows this only to accounts that accepted its conditions.
    #[error(
        "the Hub refuses {what} (status {status}): its publisher wants conditions accepted, or it is private"
    )]
    Gated {
        /// What was asked for.
        what: String,
        /// 401 or 403.
        status: u16,
    },
    /// Too many requests, or a service that is down: still so after the last retry, or for longer than we wait.
    #[error("the Hub is busy (status {status}){}; asked for {what}", after.map(|a| format!(" and wants us to wait {} s", a.as_secs())).unwrap_or_default())]
    Busy {
        /// What was asked for.
        what: String,
        /// 429 or 503.
        status: u16,
        /// What its `Retry-After` says.
        after: Option<Duration>,
    },
    /// Any other status.
    #[error("the Hub answers status {status} to {what}")]
    Status {
        /// What was asked for.
        what: String,
        /// The status.
        status: u16,
    },
    /// No connection.
    #[error("cannot reach {host}: {problem}")]
    Unreachable {
        /// The host and port.
        host: String,
        /// Why.
        problem: String,
    },
    /// A connection that broke.
    #[error("the connection to {host} broke: {problem}")]
    Interrupted {
        /// The host and port.
        host: String,
        /// How.
        problem: String,
    },
    /// A connection on which nothing came for too long.
    #[error("{host} stalled: {problem}")]
    Stalled {
        /// The host and port.
        host: String,
        /// Which wait ran out.
        problem: String,
    },
    /// An answer that points at a host with no business here. Nothing was sent there.
    #[error(
        "{from} points {what} at {to}, which is not one of its own hosts; nothing was sent there"
    )]
    Elsewhere {
        /// The host that answered.
        from: String,
        /// What was asked for.
        what: String,
        /// The host (or scheme and host) that it names.
        to: String,
    },
    /// More redirects than anybody needs.
    #[error("{what} was redirected more than {limit} times")]
    TooManyRedirects {
        /// What was asked for.
        what: String,
        /// The limit.
        limit: u32,
    },
    /// An answer that is not what was asked for.
    #[error("the Hub's answer to {what} cannot be used: {problem}")]
    BadAnswer {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An answer larger than its kind may be.
    #[error("the Hub's answer to {what} exceeds {limit} {unit}")]
    TooLarge {
        /// What was asked for.
        what: String,
        /// The limit.
        limit: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// A stretch of a file that the file does not have.
    #[error("{path} has {size} bytes; {start}..{end} is not within it")]
    BadRange {
        /// The file.
        path: String,
        /// Its length.
        size: u64,
        /// First byte.
        start: u64,
        /// One past the last byte.
        end: u64,
    },
    /// Bytes that are not the ones the listing names. They were removed.
    #[error(
        "{path}: the listing says SHA-256 {expected}, the bytes received are {found}; they were removed"
    )]
    Mismatch {
        /// The file.
        path: String,
        /// The digest listed.
        expected: String,
        /// The digest of what came.
        found: String,
    },
    /// Something in the cache that is not what the layout says (a link, a directory, a link elsewhere).
    #[error("{} in the cache is not {expected}; it was left alone", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
    /// The operating system refused an operation on a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A write of the release crate that failed.
    #[error(transparent)]
    Write(#[from] glasswork_release::Error),
}

impl Error {
    /// What the user can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::BadToken => "copy the token again, whole and on one line".into(),
            Self::NotEncrypted { .. } => "use an https:// address".into(),
            Self::NotCached { .. } => "not in the cache; run once without --offline".into(),
            Self::NotFound { .. } => {
                "check the spelling (hf:owner/name@revision); for something private, set HF_TOKEN".into()
            }
            Self::Gated { .. } => {
                "open its page on the Hub, accept the conditions there, make a read token and set HF_TOKEN; one that is set already may \
                 have expired".into()
            }
            Self::Busy { .. } => "wait, then run the same command again; a token (HF_TOKEN) raises the limits".into(),
            Self::Unreachable { .. } => {
                "check the network, or run with --offline to use what is in the cache".into()
            }
            Self::Interrupted { .. } | Self::Stalled { .. } => {
                "run the same command again: what was received is kept and the download goes on from there".into()
            }
            Self::Elsewhere { .. } => {
                "a proxy or a portal may stand between; if the endpoint is a mirror, it must serve its files itself".into()
            }
            Self::Mismatch { .. } => {
                "run the same command again; if it happens twice, the file and the listing disagree: tell the publisher".into()
            }
            Self::Foreign { .. } => "move it out of the cache, or name another cache folder".into(),
            Self::Write(error) => return error.hint(),
            _ => return None,
        })
    }

    /// Whether the same request may succeed a moment later.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Interrupted { .. } | Self::Stalled { .. } | Self::Busy { .. } => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }

    pub(crate) fn bad_name(what: &'static str, name: &str, problem: &'static str) -> Self {
        Self::BadName {
            what,
            name: name.chars().take(200).collect(),
            problem,
        }
    }

    pub(crate) fn bad_answer(what: &str, problem: impl Into<String>) -> Self {
        Self::BadAnswer {
            what: what.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }
}
