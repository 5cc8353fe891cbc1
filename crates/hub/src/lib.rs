//! A small client of the Hugging Face Hub: listings, ranged reads, resumed downloads, a cache.
//!
//! Owns every connection that this program opens, and the cache on disk, in the layout of `huggingface_hub`.
//!
//! It promises:
//!
//! * **No other host.** Requests go to the endpoint, and for the public Hub to its own file servers; an answer that
//!   points elsewhere is an error and nothing is sent there. The token goes to the endpoint only. Offline, no
//!   connection can be opened: there is nothing that could.
//! * **The server is untrusted.** Pages, counts, names, lengths and ranges are bounded and checked; a digest that is
//!   listed is checked over the whole file.
//! * **Nothing outside the cache.** Names are checked before they are joined, no link is followed when writing, files
//!   are synced and renamed. What breaks off goes on from there.
//!
//! It costs one request for a page of a listing or a stretch of a file (one more where the Hub redirects), none for
//! what the cache has; SHA-256 as bytes come; at most 64 MiB for a page of JSON, and the stretch asked for.

// A test that panics with the error in hand says enough.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod cache;
mod deadline;
mod error;
mod fetch;
mod hub;
mod listing;
mod origin;
mod repo;
mod settings;
mod wire;

pub use error::{Error, Result};
pub use fetch::{Unwatched, Watch};
pub use hub::Hub;
pub use listing::{Named, Refs, RemoteFile};
pub use repo::{Commit, Repo, RepoKind};
pub use settings::{HUGGING_FACE, Settings, Timeouts};
pub use wire::Traffic;
