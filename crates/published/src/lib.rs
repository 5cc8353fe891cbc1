//! Models that others published: where they lie, how they are laid out, what they consist of.
//!
//! **Owns** what a person may name ([`Place`]), where files lie ([`Store`]: a folder, or a revision of the Hub), how
//! publishers lay checkpoints out, and the [`Inventory`]: everything that listings, headers and small files tell.
//!
//! **Promises** that nothing of a publication is executed, that nothing outside it is read, and that every file is
//! taken for hostile: lengths, counts and depth are bounded before memory is taken. What cannot be read becomes a
//! [`Problem`] with its reason, never a guess. Folders are looked at as they were when they were listed.
//!
//! **Costs** the listing, two or three stretches of 128 KiB for a file of weights, whole cards, configurations, results
//! and logs, and the first lines of data, within [`Limits`]. Weights are read only where they are sampled.

// A test that panics with the error in hand says enough.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod card;
mod error;
mod evaluation;
mod gathered;
mod headers;
mod inventory;
mod json;
mod kinds;
mod limits;
mod metrics;
mod names;
mod pickles;
mod place;
mod publication;
mod ranged;
mod references;
mod sample;
mod store;
mod survey;
mod values;

pub use error::{Error, Result};
pub use inventory::{
    Card, Checkpoint, DataFile, DataKind, DataSample, Evaluation, FrontMatter, Inventory, Layout,
    LicenceFile, MetricKind, MetricSeries, Pickle, Problem, Score, Tensor, TrainerState,
};
pub use limits::{Door, Limits};
pub use place::Place;
pub use publication::Publication;
pub use references::{MOST_ASKED, References, ask_references};
pub use store::{FolderStore, HubStore, MOST_FILES, Store, StoredFile};

/// Whether a name is one that checkpoints have: `ckpt_012`, `step3000`, `stage1-step1000-tokens5B`.
#[must_use]
pub fn names_a_checkpoint(name: &str) -> bool {
    names::CheckpointName::parse(name).is_some()
}
