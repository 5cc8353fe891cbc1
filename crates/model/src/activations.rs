//! Buffers of one micro-batch, made once and reused for every step.

use crate::ModelConfig;

/// A normed residual stream of n rows.
#[derive(Debug, Default)]
pub(crate) struct Normed {
    /// Factors of the norm, `[n]`.
    pub(crate) r: Vec<f32>,
    /// `[n, d]`.
    pub(crate) h: Vec<f32>,
}

/// What the forward pass of one layer leaves for the backward pass besides its input; n rows each.
#[derive(Debug, Default)]
pub(crate) struct LayerActivations {
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

/// All buffers of a micro-batch.
///
/// The first `recomputed + 1` layers share one place: the forward pass leaves there what the last of
/// them made, and the backward pass makes the others' again from their inputs.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    /// Layers whose activations the backward pass makes again.
    pub(crate) recomputed: usize,
    /// By place.
    pub(crate) layers: Vec<LayerActivations>,
    /// The layers' inputs, normed, by place; then the last layer's output.
    pub(crate) normed: Vec<Normed>,
    /// The layers' inputs, then the last layer's output, `[n, d]` each.
    pub(crate) x: Vec<Vec<f32>>,
    /// Logits of one block of tokens, `[HEAD_ROWS, vocabulary]`.
    pub(crate) logits: Vec<f32>,
}

/// The activations around the head.
pub(crate) struct Head<'a> {
    /// Output of the last layer, `[n, d]`.
    pub(crate) x: &'a [f32],
    /// The same, normed.
    pub(crate) normed: &'a Normed,
    /// Logits of one block of tokens.
    pub(crate) logits: &'a mut [f32],
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
    /// The place of `layer`; of the last layer's output for the number of layers.
    pub(crate) fn place(&self, layer: usize) -> usize {
        layer.saturating_sub(self.recomputed)
    }

    /// What the head and the norm before it read, and where logits go.
    pub(crate) fn head(&mut self) -> Head<'_> {
        let filled = "the forward pass was run";
        Head {
            x: self.x.last().expect(filled),
            normed: self.normed.last().expect(filled),
            logits: &mut self.logits,
        }
    }

    /// Makes all buffers as long as `rows` tokens need.
    pub(crate) fn resize(&mut self, config: &ModelConfig, rows: usize) {
        let (d, kv, mlp) = (config.hidden, config.kv_width(), config.mlp);
        let kept = config.layers - self.recomputed;
        self.layers.resize_with(kept, LayerActivations::default);
        for layer in &mut self.layers {
            for buffer in [&mut layer.o, &mut layer.x2, &mut layer.h2] {
                buffer.resize(rows * d, 0.0);
            }
            layer.qkv.resize(rows * (d + 2 * kv), 0.0);
            layer.gate_up.resize(rows * 2 * mlp, 0.0);
            layer.act.resize(rows * mlp, 0.0);
            for buffer in [&mut layer.m, &mut layer.l] {
                buffer.resize(rows * config.heads, 0.0);
            }
            layer.r2.resize(rows, 0.0);
        }
        self.normed.resize_with(kept + 1, Normed::default);
        for normed in &mut self.normed {
            normed.h.resize(rows * d, 0.0);
            normed.r.resize(rows, 0.0);
        }
        self.x.resize_with(config.layers + 1, Vec::new);
        for x in &mut self.x {
            x.resize(rows * d, 0.0);
        }
        self.logits
            .resize(HEAD_ROWS.min(rows) * config.vocabulary, 0.0);
    }

    /// Bytes that [`Self::resize`] and [`Gradients::resize`] take for `rows` tokens.
    pub(crate) fn bytes(config: &ModelConfig, rows: u64, recomputed: usize) -> u64 {
        let (d, kv, mlp) = (
            config.hidden as u64,
            config.kv_width() as u64,
            config.mlp as u64,
        );
        let kept = (config.layers - recomputed) as u64;
        let layer = 5 * d + 2 * kv + 3 * mlp + 2 * config.heads as u64 + 2;
        let stream = (config.layers as u64 + 1) * d;
        let gradients = 3 * d + 2 * kv + mlp;
        let logits = rows.min(HEAD_ROWS as u64) * config.vocabulary as u64;
        4 * (rows * (kept * layer + stream + d + 1 + gradients) + logits)
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
