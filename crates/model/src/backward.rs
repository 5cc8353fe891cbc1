//! The backward pass.

use crate::engine::blocks;
use crate::{Engine, ModelError, Parameters};
use glasswork_kernels::gemm::{Start, View, gemm};
use glasswork_kernels::{Pool, attention, cross_entropy, embedding, rms_norm, rope, swiglu};
use std::ops::Range;

impl Engine {
    /// Forward and backward over a micro-batch, continuing the chains in `gradients`.
    ///
    /// `tokens` is `[sequences, sequence + 1]`: inputs and, one to the right, targets. `scale` is
    /// `f32(1 ÷ N)` for the N targets of the whole step. Writes each target's loss (nats) to
    /// `losses` `[sequences · sequence]`.
    ///
    /// # Errors
    /// [`ModelError::Token`].
    ///
    /// # Panics
    /// When the buffers' lengths do not fit.
    pub fn accumulate(
        &mut self,
        weights: &Parameters,
        tokens: &[u32],
        scale: f32,
        gradients: &mut Parameters,
        losses: &mut [f32],
    ) -> Result<(), ModelError> {
        let sequence = self.config.sequence;
        assert_eq!(
            tokens.len() % (sequence + 1),
            0,
            "whole sequences and their last target"
        );
        let rows = || tokens.chunks_exact(sequence + 1);
        let inputs: Vec<u32> = rows().flat_map(|row| &row[..sequence]).copied().collect();
        let targets: Vec<u32> = rows().flat_map(|row| &row[1..]).copied().collect();
        self.check_tokens(&inputs)?;
        self.check_tokens(&targets)?;
        self.gradients.resize(&self.config, inputs.len());
        self.forward(weights, &inputs, sequence);
        self.head_backward(weights, &targets, scale, gradients, losses);
        for layer in (0..self.config.layers).rev() {
            self.layer_backward(weights, layer, gradients);
        }
        let table = &mut gradients.data[self.layout.embedding.clone()];
        embedding::backward(
            &self.pool,
            table,
            &self.gradients.dx,
            &inputs,
            self.config.hidden,
        );
        Ok(())
    }

    /// Loss, and the gradients of the head, the last norm and the last layer's output.
    fn head_backward(
        &mut self,
        weights: &Parameters,
        targets: &[u32],
        scale: f32,
        gradients: &mut Parameters,
        losses: &mut [f32],
    ) {
        let (d, vocabulary) = (self.config.hidden, self.config.vocabulary);
        let head = self.layout.head.clone();
        for rows in blocks(targets.len()) {
            let count = self.logits_of(weights, rows.clone());
            let pool = &*self.pool;
            let logits = &mut self.activations.logits[..count];
            let (losses, targets) = (&mut losses[rows.clone()], &targets[rows.clone()]);
            cross_entropy::forward_backward(pool, logits, losses, targets, vocabulary, scale);
            let range = rows.start * d..rows.end * d;
            let h = &self.activations.h[range.clone()];
            let dw = &mut gradients.data[head.clone()];
            weight_gradient(pool, dw, logits, h, rows.len(), d, vocabulary);
            let (dh, w) = (&mut self.gradients.dh[range], &weights.data[head.clone()]);
            input_gradient(pool, dh, logits, w, rows.len(), d, vocabulary, Start::Zero);
        }
        let (acts, grads) = (&self.activations, &mut self.gradients);
        grads.dx.fill(0.0);
        let norm = Norm {
            gain: self.layout.norm.clone(),
            x: &acts.x,
            r: &acts.r,
        };
        norm.backward(&self.pool, weights, gradients, &mut grads.dx, &grads.dh);
    }

    /// From the gradient of a layer's output in `dx` to that of its input, in place.
    fn layer_backward(&mut self, weights: &Parameters, index: usize, gradients: &mut Parameters) {
        let (d, kv, mlp) = (self.config.hidden, self.config.kv_width(), self.config.mlp);
        let (pool, slots) = (&*self.pool, &self.layout.layers[index]);
        let shape = self.shape(self.config.sequence);
        let layer = &mut self.activations.layers[index];
        let g = &mut self.gradients;
        let rows = layer.r1.len();
        let w = |range: &Range<usize>| &weights.data[range.clone()];

        // The second half: x + down(silu(gate(h)) · up(h)), h = norm(x).
        input_gradient(
            pool,
            &mut g.dact,
            &g.dx,
            w(&slots.down),
            rows,
            mlp,
            d,
            Start::Zero,
        );
        weight_gradient(
            pool,
            &mut gradients.data[slots.down.clone()],
            &g.dx,
            &layer.act,
            rows,
            mlp,
            d,
        );
        swiglu::backward(pool, &mut g.dact, &mut layer.gate, &layer.up);
        let (dgate, dup) = (&layer.gate, &g.dact);
        weight_gradient(
            pool,
            &mut gradients.data[slots.gate.clone()],
            dgate,
            &layer.h2,
            rows,
            d,
            mlp,
        );
        weight_gradient(
            pool,
            &mut gradients.data[slots.up.clone()],
            dup,
            &layer.h2,
            rows,
            d,
            mlp,
        );
        input_gradient(
            pool,
            &mut g.dh,
            dgate,
            w(&slots.gate),
            rows,
            d,
            mlp,
            Start::Zero,
        );
        input_gradient(
            pool,
            &mut g.dh,
            dup,
            w(&slots.up),
            rows,
            d,
            mlp,
            Start::Continue,
        );
        let norm = Norm {
            gain: slots.norm2.clone(),
            x: &layer.x2,
            r: &layer.r2,
        };
        norm.backward(pool, weights, gradients, &mut g.dx, &g.dh);

        // The first half: x + o(attention(rope(q(h)), rope(k(h)), v(h))), h = norm(x).
        weight_gradient(
            pool,
            &mut gradients.data[slots.o.clone()],
            &g.dx,
            &layer.o,
            rows,
            d,
            d,
        );
        input_gradient(pool, &mut g.dh, &g.dx, w(&slots.o), rows, d, d, Start::Zero);
        let saved = attention::Saved {
            d_o: &g.dh,
            o: &layer.o,
            m: &layer.m,
            l: &layer.l,
            q: &layer.q,
            k: &layer.k,
            v: &layer.v,
        };
        attention::backward(pool, shape, &mut g.dq, &mut g.dk, &mut g.dv, saved);
        rope::backward(pool, &mut g.dq, d, shape.sequence, &self.angles);
        rope::backward(pool, &mut g.dk, kv, shape.sequence, &self.angles);
        let parts = [
            (&g.dq, &slots.q, d),
            (&g.dk, &slots.k, kv),
            (&g.dv, &slots.v, kv),
        ];
        for (part, (dy, slot, width)) in parts.into_iter().enumerate() {
            let start = if part == 0 {
                Start::Zero
            } else {
                Start::Continue
            };
            weight_gradient(
                pool,
                &mut gradients.data[slot.clone()],
                dy,
                &layer.h1,
                rows,
                d,
                width,
            );
            input_gradient(pool, &mut g.dh, dy, w(slot), rows, d, width, start);
        }
        let norm = Norm {
            gain: slots.norm1.clone(),
            x: &layer.x,
            r: &layer.r1,
        };
        norm.backward(pool, weights, gradients, &mut g.dx, &g.dh);
    }
}

/// What a norm's backward pass needs of its forward pass.
struct Norm<'a> {
    gain: Range<usize>,
    x: &'a [f32],
    r: &'a [f32],
}

impl Norm<'_> {
    /// Continues the gain's chain and adds to the residual's gradient `dx`.
    fn backward(
        self,
        pool: &Pool,
        weights: &Parameters,
        gradients: &mut Parameters,
        dx: &mut [f32],
        dy: &[f32],
    ) {
        rms_norm::backward_gain(
            pool,
            &mut gradients.data[self.gain.clone()],
            dy,
            self.x,
            self.r,
        );
        rms_norm::backward_input(pool, dx, dy, self.x, self.r, &weights.data[self.gain]);
    }
}

/// Continues `dW += dyᵀ · x`, `[out, in]`: chains over tokens in order.
fn weight_gradient(
    pool: &Pool,
    dw: &mut [f32],
    dy: &[f32],
    x: &[f32],
    rows: usize,
    width_in: usize,
    width_out: usize,
) {
    let (dy, x) = (View::new(dy, rows, width_out), View::new(x, rows, width_in));
    gemm(pool, dw, width_in, dy.transposed(), x, Start::Continue);
}

/// `dx = dy · W` or its continuation: chains over the output width.
#[allow(clippy::too_many_arguments, reason = "the operands of one product")]
fn input_gradient(
    pool: &Pool,
    dx: &mut [f32],
    dy: &[f32],
    w: &[f32],
    rows: usize,
    width_in: usize,
    width_out: usize,
    start: Start,
) {
    let (dy, w) = (
        View::new(dy, rows, width_out),
        View::new(w, width_out, width_in),
    );
    gemm(pool, dx, width_in, dy, w, start);
}
