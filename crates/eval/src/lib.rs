//! What a checkpoint knows: held-out bits per byte, greedy samples, what of them is quotation, and benchmarks.
//!
//! **Owns** the evaluation of a release's own checkpoints on its own held-out text, filed as annexes
//! (`evals/<step>/…`) in the result schema of lm-evaluation-harness, and evaluations of published models as
//! that harness makes them ([`harness`]).
//!
//! **Promises** scores that do not depend on batching: a document's likelihood has the same bits
//! alone and among others. A score names the state digest that it was taken of; one that is there
//! for the same state is not computed again.
//!
//! **Costs** one forward pass over the held-out text per checkpoint, one forward pass per sampled
//! token.

mod error;
pub mod harness;
mod rolling;
mod run;
mod sample;
mod verbatim;

pub use error::EvalError;
pub use rolling::{Window, windows};
pub use run::{Evaluation, Watch, evaluate};
pub use sample::continue_prompt;
pub use verbatim::{MINIMUM_TOKENS, find_stretches};
