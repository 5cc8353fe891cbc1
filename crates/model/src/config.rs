//! Shapes of a Llama decoder, and what follows from them.

use crate::ModelError;

/// Shapes and constants of a Llama decoder with untied head.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Rows of the embedding table and of the head.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads (grouped-query attention, Ainslie et al., arXiv 2305.13245).
    pub kv_heads: usize,
    /// Width of the SwiGLU layer.
    pub mlp: usize,
    /// Longest sequence, in tokens.
    pub sequence: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// ε of the norms.
    pub norm_eps: f32,
    /// Standard deviation of the initial matrices.
    pub initial_std: f64,
}

impl ModelConfig {
    /// Reads the checked `[model]` section of a run.
    ///
    /// # Errors
    /// [`ModelError::TiedHead`].
    pub fn from_run(run: &glasswork_release::config::RunConfig) -> Result<Self, ModelError> {
        let model = &run.model;
        if model.tied_head {
            return Err(ModelError::TiedHead);
        }
        Ok(Self {
            vocabulary: model.vocabulary,
            hidden: model.hidden,
            layers: model.layers,
            heads: model.heads,
            kv_heads: model.kv_heads,
            mlp: model.mlp,
            sequence: model.sequence,
            rope_theta: model.rope_theta,
            norm_eps: model.norm_eps as f32,
            initial_std: model.initial_std,
        })
    }

    /// Elements of a head.
    pub fn head_width(&self) -> usize {
        self.hidden / self.heads
    }

    /// Width of keys and of values: all key-value heads.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width()
    }

    /// Weights that enter matrix products: all but the embedding table and the norms' gains.
    pub fn matmul_parameters(&self) -> u64 {
        let (d, kv, mlp) = (self.hidden as u64, self.kv_width() as u64, self.mlp as u64);
        self.layers as u64 * (2 * d * d + 2 * d * kv + 3 * d * mlp) + self.vocabulary as u64 * d
    }

    /// Floating-point operations of a training step, per token: `6 · matmul parameters +
    /// 6 · layers · hidden · sequence` (forward and backward; causal attention counted half).
    pub fn training_flops_per_token(&self) -> u64 {
        6 * self.matmul_parameters() + 6 * (self.layers * self.hidden * self.sequence) as u64
    }
}
