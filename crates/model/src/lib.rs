//! The Llama decoder over the kernels: forward, backward, weight names, Hugging Face export.
