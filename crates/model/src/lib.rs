//! The Llama decoder (Touvron et al., arXiv 2302.13971) over `glasswork-kernels`.
//!
//! **Owns** the architecture: tensor names and shapes, initialisation, the forward and the backward
//! pass, and the Hugging Face folder that other programs load.
//!
//! **Promises** the bits of the numerics profile: the gradient of a batch is the same however it is
//! cut into micro-batches, because every weight's gradient is one chain over the batch's tokens
//! that a later micro-batch continues.
//!
//! **Costs** the activations of one micro-batch; logits exist for one block of tokens at a time.

mod activations;
mod backward;
mod config;
mod engine;
mod hugging_face;
mod init;
mod layer;
mod packed;
mod parameters;

pub use config::{ModelConfig, ModelError};
pub use engine::Engine;
pub use hugging_face::{config_json, generation_config_json};
pub use init::initialise;
pub use parameters::{Layout, Parameters, TensorSlot};
