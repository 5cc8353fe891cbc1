//! Training: from a prepared run directory to a sealed release, one deterministic step at a time.
//!
//! **Owns** the step (gradient, clip, AdamW), the learning-rate schedule, the training state with its
//! digest, and the run: checkpoints, metrics, ledger, resume.
//!
//! **Promises** that state after step s is a function of the run directory's data and configuration
//! alone. A run that was killed, resumed, moved to other threads or another micro-batch ends in the
//! same bits. Whatever was interrupted, the directory holds the last whole checkpoint.
//!
//! **Costs** three copies of the weights (weights, two moments), one gradient per level of the
//! reduction tree, the activations of one micro-batch; a state digest per step.

mod error;
mod memory;
mod run;
mod schedule;
mod state;
mod step;

pub use error::TrainError;
pub use memory::{Cut, Memory, fit};
pub use run::{NON_FINITE, Summary, Watch, checkpoint_config, train};
pub use schedule::learning_rate;
pub use state::{TENSOR_PREFIXES, TrainState};
pub use step::{StepOutcome, Stepper};
