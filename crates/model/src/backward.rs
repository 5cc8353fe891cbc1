//! The backward pass.

use crate::engine::blocks;
use crate::{Engine, ModelError, Parameters};
use glasswork_kernels::gemm::{Beside, Packed, Start, View, gemm, gemm_stacked, gemm_then};
use glasswork_kernels::operand::{RowsMut, rows_mut};
use glasswork_kernels::rope::{self, Direction};
use glasswork_kernels::{Pool, Profile, attention, cross_entropy, embedding, rms_norm, swiglu};

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
    /// When the buffers' lengths do not fit, or `weights` were not loaded for training.
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
        self.check_tokens(tokens)?;
        let [mut inputs, mut targets] = std::mem::take(&mut self.tokens);
        inputs.clear();
        targets.clear();
        for row in tokens.chunks_exact(sequence + 1) {
            inputs.extend_from_slice(&row[..sequence]);
            targets.extend_from_slice(&row[1..]);
        }
        self.gradients
            .resize(self.profile, &self.config, inputs.len());
        self.forward(weights, &inputs, sequence);
        self.head_backward(weights, &targets, scale, gradients, losses);
        for layer in (0..self.config.layers).rev() {
            if layer < self.activations.recomputed {
                let mut acts = std::mem::take(&mut self.activations);
                self.refill(&mut acts, weights, layer);
                self.activations = acts;
            }
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
        self.tokens = [inputs, targets];
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
        let (pool, profile, isa) = (&*self.pool, self.profile, self.pool.isa());
        let head = self.activations.head();
        let g = &mut self.gradients;
        for rows in blocks(targets.len()) {
            let (count, range) = (rows.len(), rows.start * d..rows.end * d);
            let logits = &mut head.logits[..count * vocabulary];
            let h = head.normed.h.view(rows.clone());
            let targets = &targets[rows.clone()];
            let losses = Beside::new(&mut losses[rows], 1);
            let forward = &self.packed.head.forward;
            let d_logits = if profile.rounds_operands() {
                let beside = [losses, head.d_logits.beside()];
                gemm_then(
                    pool,
                    profile,
                    logits,
                    h,
                    forward,
                    beside,
                    |first, x, [loss, d]| {
                        let RowsMut::Bf16(d) = rows_mut(profile, d) else {
                            unreachable!("the profile rounds operands");
                        };
                        let targets = &targets[first..first + loss.len()];
                        cross_entropy::forward_backward_bf16(
                            isa, d, x, loss, targets, vocabulary, scale,
                        );
                    },
                );
                head.d_logits.view(0..count)
            } else {
                gemm_then(
                    pool,
                    profile,
                    logits,
                    h,
                    forward,
                    [losses],
                    |first, x, [loss]| {
                        let targets = &targets[first..first + loss.len()];
                        cross_entropy::forward_backward_rows(
                            isa, x, loss, targets, vocabulary, scale,
                        );
                    },
                );
                View::new(logits, count, vocabulary)
            };
            let dw = &mut gradients.data[self.layout.head.clone()];
            gemm(
                pool,
                profile,
                dw,
                d,
                d_logits.transposed(),
                h,
                Start::Continue,
            );
            let (dh, head) = (&mut g.dh[range], &self.packed.head.backward);
            gemm(pool, profile, dh, d, d_logits, head, Start::Zero);
        }
        g.dx.fill(0.0);
        let gain = self.layout.norm.clone();
        let dg = &mut gradients.data[gain.clone()];
        rms_norm::backward_gain(pool, dg, &g.dh, head.x, &head.normed.r);
        let gain = &weights.data[gain];
        rms_norm::backward_input(pool, &mut g.dx, &g.dh, head.x, &head.normed.r, gain);
    }

    /// From the gradient of a layer's output in `dx` to that of its input, in place.
    fn layer_backward(&mut self, weights: &Parameters, index: usize, gradients: &mut Parameters) {
        let (d, kv, mlp) = (self.config.hidden, self.config.kv_width(), self.config.mlp);
        let (pool, profile, isa) = (&*self.pool, self.profile, self.pool.isa());
        let (slots, packed) = (&self.layout.layers[index], &self.packed.layers[index]);
        let shape = self.shape(self.config.sequence);
        let place = self.activations.place(index);
        let layer = &self.activations.layers[place];
        let (x, normed) = (&self.activations.x[index], &self.activations.normed[place]);
        let g = &mut self.gradients;
        let rows = normed.r.len();
        let dw = &mut gradients.data;

        // The second half: x + down(silu(gate(h)) · up(h)), h = norm(x).
        let dy = View::new(&g.dx, rows, d);
        gemm_then(
            pool,
            profile,
            &mut g.dact,
            dy,
            &packed.down.backward,
            [g.dgate_up.beside()],
            |first, dact, [d]| {
                let gate_up = &layer.gate_up[first * 2 * mlp..][..2 * dact.len()];
                swiglu::backward_rows(isa, rows_mut(profile, d), gate_up, dact, mlp);
            },
        );
        let act = layer.act.view(0..rows);
        let down = &mut dw[slots.down.clone()];
        gemm(
            pool,
            profile,
            down,
            mlp,
            dy.transposed(),
            act,
            Start::Continue,
        );
        let d_gate_up = g.dgate_up.view(0..rows);
        let h2 = layer.h2.view(0..rows);
        let mut both = dw
            .get_disjoint_mut([slots.gate.clone(), slots.up.clone()])
            .expect("tensors do not overlap");
        gemm_stacked(
            pool,
            profile,
            &mut both,
            d,
            d_gate_up.transposed(),
            h2,
            Start::Continue,
        );
        norm_backward(
            (pool, profile),
            (&mut g.dx, &mut g.dh),
            (d_gate_up, &packed.gate_up.backward),
            (&layer.x2, &layer.r2, &weights.data[slots.norm2.clone()]),
        );
        let dg = &mut dw[slots.norm2.clone()];
        rms_norm::backward_gain(pool, dg, &g.dh, &layer.x2, &layer.r2);

        // The first half: x + o(attention(rope(q(h)), rope(k(h)), v(h))), h = norm(x).
        let dy = View::new(&g.dx, rows, d);
        let (o, dw_o) = (View::new(&layer.o, rows, d), &mut dw[slots.o.clone()]);
        gemm(pool, profile, dw_o, d, dy.transposed(), o, Start::Continue);
        gemm(
            pool,
            profile,
            &mut g.dh,
            d,
            dy,
            &packed.o.backward,
            Start::Zero,
        );
        let saved = attention::Saved {
            d_o: &g.dh,
            o: &layer.o,
            m: &layer.m,
            l: &layer.l,
            qkv: &layer.qkv,
        };
        attention::backward(pool, profile, shape, &mut g.dqkv, saved);
        let width = (d + 2 * kv, d + kv);
        let (angles, way) = (&self.angles, Direction::Backward);
        rope::rotate(pool, &mut g.dqkv, width, shape.sequence, angles, way);
        let dqkv = View::new(&g.dqkv, rows, d + 2 * kv);
        let h1 = normed.h.view(0..rows);
        let mut all = dw
            .get_disjoint_mut([slots.q.clone(), slots.k.clone(), slots.v.clone()])
            .expect("tensors do not overlap");
        gemm_stacked(
            pool,
            profile,
            &mut all,
            d,
            dqkv.transposed(),
            h1,
            Start::Continue,
        );
        norm_backward(
            (pool, profile),
            (&mut g.dx, &mut g.dh),
            (dqkv, &packed.qkv.backward),
            (x, &normed.r, &weights.data[slots.norm1.clone()]),
        );
        let dg = &mut dw[slots.norm1.clone()];
        rms_norm::backward_gain(pool, dg, &g.dh, x, &normed.r);
    }
}

/// Gradient of a normed input, `dh = dy · W`, and through the norm to the residual's: `dx += …`.
fn norm_backward(
    (pool, profile): (&Pool, Profile),
    (dx, dh): (&mut [f32], &mut [f32]),
    (dy, w): (View, &Packed),
    (x, r, gain): (&[f32], &[f32], &[f32]),
) {
    let (d, isa) = (gain.len(), pool.isa());
    let then = |first: usize, dh: &mut [f32], [dx]: [&mut [f32]; 1]| {
        let rows = dh.len() / d;
        let x = &x[first * d..][..dh.len()];
        rms_norm::backward_rows(isa, dx, dh, x, &r[first..first + rows], gain);
    };
    gemm_then(pool, profile, dh, dy, w, [Beside::new(dx, d)], then);
}
