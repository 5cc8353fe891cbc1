//! Recomputes segments of a training run from its release and says whether the bits agree.
//!
//! **Owns** the replay of a segment (the steps between two checkpoints) and its verdict.
//!
//! **Promises** to believe nothing of the release but what it compares: the segment's first
//! checkpoint against its digests (the initialisation is recomputed too), each step's batch against
//! the recorded digest, each step's loss, norm, rate and state digest bit for bit, and the final
//! state tensor by tensor. It goes on after a difference, so that the report names all it can.
//!
//! **Costs** what training the segment cost; memory as for training.

mod error;
mod inputs;
mod segment;
mod verdict;

pub use error::ReplayError;
pub use segment::{Segment, replay, segments};
pub use verdict::{Outcome, statement};
