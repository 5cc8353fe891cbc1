//! Decoders over `glasswork-kernels`: the Llama that is trained here, and published models to score.
//!
//! **Owns** the architectures: tensor names and shapes, initialisation, the forward and the backward
//! pass of the Llama decoder (Touvron et al., arXiv 2302.13971; [`Engine`]); one description of four
//! families ([`Decoder`]), the folders that they are published in ([`Checkpoint`]), their forward
//! pass, layer by layer, and greedy generation ([`Scorer`]); the Hugging Face folder that other programs load.
//!
//! **Promises** the bits of the numerics profile: the gradient of a batch is the same however it is
//! cut into micro-batches, because every weight's gradient is one chain over the batch's tokens
//! that a later micro-batch continues.
//!
//! A sequence's score is the same alone and in any batch, whatever it shares with others; a generated token is
//! the one that scoring the whole text anew would give.
//!
//! **Costs** the activations of one micro-batch; logits exist for one block of tokens at a time.

mod activations;
mod backward;
mod config;
mod decoder;
mod engine;
mod error;
mod hugging_face;
mod init;
mod layer;
mod packed;
mod parameters;
pub mod scoring;
mod weights;

pub use config::ModelConfig;
pub use decoder::{Activation, Architecture, Decoder, Factors, NormKind, Placement, Rotation};
pub use engine::Engine;
pub use error::ModelError;
pub use hugging_face::{config_json, generation_config_json};
pub use init::initialise;
pub use parameters::{Layout, Parameters, TensorSlot};
pub use scoring::Scorer;
pub use weights::{Bytes, Checkpoint, TorchTensor, torch_tensors};
