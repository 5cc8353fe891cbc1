//! Buffers of one micro-batch, made once and reused for every step.

use crate::ModelConfig;
use glasswork_kernels::Profile;
use glasswork_kernels::operand::Operand;

/// A normed residual stream of n rows.
#[derive(Debug, Default)]
pub(crate) struct Normed {
    /// Factors of the norm, `[n]`.
    pub(crate) r: Vec<f32>,
    /// `[n, d]`.
    pub(crate) h: Operand,
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
    pub(crate) h2: Operand,
    /// Gate before SiLU and up projection, `[n, 2 mlp]`.
    pub(crate) gate_up: Vec<f32>,
    /// SwiGLU's output, `[n, mlp]`.
    pub(crate) act: Operand,
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
    /// Their gradient where it is stored apart, because products read rounded numbers.
    pub(crate) d_logits: Operand,
}

/// The activations around the head.
pub(crate) struct Head<'a> {
    /// Output of the last layer, `[n, d]`.
    pub(crate) x: &'a [f32],
    /// The same, normed.
    pub(crate) normed: &'a Normed,
    /// Logits of one block of tokens.
    pub(crate) logits: &'a mut [f32],
    /// Their gradient where it is stored apart.
    pub(crate) d_logits: &'a mut Operand,
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
    /// Of gate and up, `[n, 2 mlp]`.
    pub(crate) dgate_up: Operand,
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
            d_logits: &mut self.d_logits,
        }
    }

    /// Makes all buffers as long as `rows` tokens need.
    pub(crate) fn resize(&mut self, profile: Profile, config: &ModelConfig, rows: usize) {
        let (d, kv, mlp) = (config.hidden, config.kv_width(), config.mlp);
        let kept = config.layers - self.recomputed;
        self.layers.resize_with(kept, LayerActivations::default);
        for layer in &mut self.layers {
            for buffer in [&mut layer.o, &mut layer.x2] {
                buffer.resize(rows * d, 0.0);
            }
            layer.h2.resize(profile, rows, d);
            layer.qkv.resize(rows * (d + 2 * kv), 0.0);
            layer.gate_up.resize(rows * 2 * mlp, 0.0);
            layer.act.resize(profile, rows, mlp);
            for buffer in [&mut layer.m, &mut layer.l] {
                buffer.resize(rows * config.heads, 0.0);
            }
            layer.r2.resize(rows, 0.0);
        }
        self.normed.resize_with(kept + 1, Normed::default);
        for normed in &mut self.normed {
            normed.h.resize(profile, rows, d);
            normed.r.resize(rows, 0.0);
        }
        self.x.resize_with(config.layers + 1, Vec::new);
        for x in &mut self.x {
            x.resize(rows * d, 0.0);
        }
        let head_rows = HEAD_ROWS.min(rows);
        self.logits.resize(head_rows * config.vocabulary, 0.0);
        if profile.rounds_operands() {
            self.d_logits.resize(profile, head_rows, config.vocabulary);
        }
    }

    /// Bytes that [`Self::resize`] and [`Gradients::resize`] take for `rows` tokens.
    pub(crate) fn bytes(
        profile: Profile,
        config: &ModelConfig,
        rows: usize,
        recomputed: usize,
    ) -> u64 {
        let (d, kv, mlp) = (config.hidden, config.kv_width(), config.mlp);
        let operand = |width| Operand::bytes(profile, rows, width);
        let plain = |width: usize| 4 * (rows * width) as u64;
        let kept = (config.layers - recomputed) as u64;
        // qkv, o and x2; gate and up; the statistics of attention and of both norms.
        let layer =
            plain(3 * d + 2 * kv + 2 * mlp + 2 * config.heads + 2) + 2 * operand(d) + operand(mlp);
        let stream = plain((config.layers + 1) * d) + operand(d) + plain(1);
        let gradients = plain(3 * d + 2 * kv + mlp) + operand(2 * mlp);
        let head_rows = rows.min(HEAD_ROWS);
        let mut logits = 4 * (head_rows * config.vocabulary) as u64;
        if profile.rounds_operands() {
            logits += Operand::bytes(profile, head_rows, config.vocabulary);
        }
        kept * layer + stream + gradients + logits
    }
}

impl Gradients {
    /// Makes all buffers `rows` tokens long.
    pub(crate) fn resize(&mut self, profile: Profile, config: &ModelConfig, rows: usize) {
        let (d, kv) = (config.hidden, config.kv_width());
        for buffer in [&mut self.dx, &mut self.dh] {
            buffer.resize(rows * d, 0.0);
        }
        self.dqkv.resize(rows * (d + 2 * kv), 0.0);
        self.dact.resize(rows * config.mlp, 0.0);
        self.dgate_up.resize(profile, rows, 2 * config.mlp);
    }
}
