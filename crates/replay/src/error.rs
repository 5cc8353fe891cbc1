//! What can keep a replay from reaching a verdict.

use thiserror::Error;

/// A condition under which nothing can be said about a segment.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// Reading the release failed.
    #[error(transparent)]
    Release(#[from] glasswork_release::Error),
    /// The data of the release could not be read.
    #[error(transparent)]
    Data(#[from] glasswork_data::Error),
    /// The model cannot be built or fed.
    #[error(transparent)]
    Model(#[from] glasswork_model::ModelError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] glasswork_train::TrainError),
    /// The ledger's segments leave steps out or overlap.
    #[error(
        "the ledger's segments do not follow each other: one starts at step {found}, the one before ends at {expected}"
    )]
    Gap {
        /// Step at which the segment before ends.
        expected: u64,
        /// Step at which this one starts.
        found: u64,
    },
    /// No such segment.
    #[error("the release has no segment {segment}; it has {count}")]
    NoSegment {
        /// Number asked for.
        segment: usize,
        /// Number there are.
        count: usize,
    },
}

impl ReplayError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Release(error) => error.hint(),
            Self::Data(error) => error.hint(),
            Self::Train(error) => error.hint(),
            Self::Model(_) => None,
            Self::Gap { .. } => Some("`glasswork check` tells what else the ledger contradicts".to_owned()),
            Self::NoSegment { .. } => Some(
                "segments are numbered from 1: number N ends at the N-th checkpoint after the initialisation".to_owned(),
            ),
        }
    }
}
