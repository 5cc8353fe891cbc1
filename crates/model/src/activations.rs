//! Buffers of one micro-batch, made once and reused for every step.

use crate::ModelConfig;

/// What the forward pass of one layer leaves for the backward pass; n rows each.
#[derive(Debug, Default)]
pub(crate) struct LayerActivations {
    /// Input, `[n, d]`.
    pub(crate) x: Vec<f32>,
    /// Factors of the first norm, `[n]`.
    pub(crate) r1: Vec<f32>,
    /// Normed input, `[n, d]`.
    pub(crate) h1: Vec<f32>,
    /// Rotated queries and keys, and values, `[n, d + 2 kv]`.
    pub(crate) qkv: Vec<f32>,
    /// Row maxima of attention, `[n · heads]`.
    pub(crate) m: Vec<f32>,
    /// Row sums of attention, `[n · heads]`.
    pub(crate) l: Vec<f32>,
    /// Attention's output, `[n, d]`.
    pub(crate) o: Vec<f32>,
    /// Residual stream between the halves, `[n, d]`.
    pub(crate) x2: Vec<f32>,
    /// Factors of the second norm, `[n]`.
    pub(crate) r2: Vec<f32>,
    /// Normed `x2`, `[n, d]`.
    pub(crate) h2: Vec<f32>,
    /// Gate before SiLU and up projection, `[n, 2 mlp]`; their gradients during the backward pass.
    pub(crate) gate_up: Vec<f32>,
    /// SwiGLU's output, `[n, mlp]`.
    pub(crate) act: Vec<f32>,
}

/// All buffers of a micro-batch of at most `rows` tokens.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    pub(crate) layers: Vec<LayerActivations>,
    /// Output of the last layer, `[n, d]`.
    pub(crate) x: Vec<f32>,
    /// Factors of the last norm, `[n]`.
    pub(crate) r: Vec<f32>,
    /// Normed output, `[n, d]`.
    pub(crate) h: Vec<f32>,
    /// Logits of one block of tokens, `[HEAD_ROWS, vocabulary]`.
    pub(crate) logits: Vec<f32>,
}

/// Gradients of activations; one set serves all layers.
#[derive(Debug, Default)]
pub(crate) struct Gradients {
    /// Of the residual stream, `[n, d]`.
    pub(crate) dx: Vec<f32>,
    /// Of a normed input or of attention's output, `[n, d]`.
    pub(crate) dh: Vec<f32>,
    /// Of queries, keys and values, `[n, d + 2 kv]`.
    pub(crate) dqkv: Vec<f32>,
    /// Of SwiGLU's output, `[n, mlp]`.
    pub(crate) dact: Vec<f32>,
}

/// Tokens whose logits exist at one time.
pub(crate) const HEAD_ROWS: usize = 512;

impl Activations {
    /// Makes all buffers long enough for `rows` tokens and sets them to that length.
    pub(crate) fn resize(&mut self, config: &ModelConfig, rows: usize) {
        let (d, kv, mlp) = (config.hidden, config.kv_width(), config.mlp);
        self.layers
            .resize_with(config.layers, LayerActivations::default);
        for layer in &mut self.layers {
            for buffer in [
                &mut layer.x,
                &mut layer.h1,
                &mut layer.o,
                &mut layer.x2,
                &mut layer.h2,
            ] {
                buffer.resize(rows * d, 0.0);
            }
            layer.qkv.resize(rows * (d + 2 * kv), 0.0);
            layer.gate_up.resize(rows * 2 * mlp, 0.0);
            layer.act.resize(rows * mlp, 0.0);
            for buffer in [&mut layer.m, &mut layer.l] {
                buffer.resize(rows * config.heads, 0.0);
            }
            for buffer in [&mut layer.r1, &mut layer.r2] {
                buffer.resize(rows, 0.0);
            }
        }
        self.x.resize(rows * d, 0.0);
        self.h.resize(rows * d, 0.0);
        self.r.resize(rows, 0.0);
        self.logits
            .resize(HEAD_ROWS.min(rows) * config.vocabulary, 0.0);
    }

    /// Bytes that [`Self::resize`] takes for `rows` tokens, gradients of activations included.
    pub(crate) fn bytes(config: &ModelConfig, rows: u64) -> u64 {
        let (d, kv, mlp) = (
            config.hidden as u64,
            config.kv_width() as u64,
            config.mlp as u64,
        );
        let layer = 6 * d + 2 * kv + 3 * mlp + 2 * config.heads as u64 + 2;
        let shared = 2 * d + 1 + (3 * d + 2 * kv + mlp);
        let logits = rows.min(HEAD_ROWS as u64) * config.vocabulary as u64;
        4 * (rows * (config.layers as u64 * layer + shared) + logits)
    }
}

impl Gradients {
    /// Makes all buffers `rows` tokens long.
    pub(crate) fn resize(&mut self, config: &ModelConfig, rows: usize) {
        let (d, kv) = (config.hidden, config.kv_width());
        for buffer in [&mut self.dx, &mut self.dh] {
            buffer.resize(rows * d, 0.0);
        }
        self.dqkv.resize(rows * (d + 2 * kv), 0.0);
        self.dact.resize(rows * config.mlp, 0.0);
    }
}
