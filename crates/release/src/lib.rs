//! The release format: everything that a Glasswork run leaves behind, and what makes it believable.
//!
//! This crate owns the *text* of the format (paths, field names, digests, canonical JSON) and the only code that
//! writes files into a release. It promises:
//!
//! * **Old or new, never torn.** Every write is staged, synced and renamed ([`atomic`]).
//! * **A release is untrusted.** Sizes are checked before memory is taken, paths are built from validated names,
//!   duplicate keys, unknown fields, links and trailing bytes are refused.
//! * **Nothing hashed depends on the machine**: no clock, no locale, no path, no thread count, no map order.
//!
//! It costs one BLAKE3 pass over the bytes for every digest it states, and holds at most one file in memory.
//!
//! `docs/release-format.md` is the same thing in words, precise enough to write a second implementation from.

// A test that panics with the error in hand says enough.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod annex;
pub mod atomic;
pub mod canonical;
pub mod check;
pub mod checkpoint;
pub mod config;
pub mod core_index;
pub mod digest;
mod error;
pub mod files;
pub mod finding;
pub mod hexfloat;
pub mod layout;
pub mod ledger;
pub mod licence;
pub mod lock;
pub mod metrics;
pub mod npy;
pub mod safetensors;
pub mod seal;
pub mod sequence;
pub mod sources;
pub mod state;
pub mod table;

pub use digest::{Digest, Hasher, sha256_file, sha256_hex};
pub use error::{Error, Result};
pub use finding::Finding;
pub use safetensors::Dtype;
pub use sequence::{batch_digest, sequence_digest};

/// The release format that this version of the program writes, and the only one it reads.
pub const FORMAT: u64 = 1;
