//! The layers' forward pass.
//!
//! What follows a product row by row (rotation, residual, norm, SwiGLU, loss) runs on each block of
//! rows as soon as the product has it, while it is in cache.

use crate::activations::{Activations, LayerActivations, Normed};
use crate::packed::LayerWeights;
use crate::{Engine, ModelConfig, Parameters};
use glasswork_kernels::attention::Shape;
use glasswork_kernels::gemm::{Beside, View, gemm_then};
use glasswork_kernels::operand::{Operand, rows_mut};
use glasswork_kernels::rope::{self, Angles, Direction};
use glasswork_kernels::{Pool, Profile, attention, elementwise, embedding, rms_norm, swiglu};

/// Where a residual stream goes, and the norm that reads it first.
struct NormTarget<'a> {
    x: &'a mut [f32],
    normed: &'a mut Normed,
    gain: &'a [f32],
}

/// What a layer's forward pass reads besides its input.
struct LayerPass<'a> {
    pool: &'a Pool,
    profile: Profile,
    config: &'a ModelConfig,
    angles: &'a Angles,
    shape: Shape,
    packed: &'a LayerWeights,
    norm2: &'a [f32],
}

impl LayerPass<'_> {
    /// From the layer's input `x` `[n, d]` and `h1`, that input normed, to all its activations.
    fn activations(&self, layer: &mut LayerActivations, h1: &Operand, x: &[f32]) {
        let (pool, profile, isa) = (self.pool, self.profile, self.pool.isa());
        let (d, kv, mlp) = (self.config.hidden, self.config.kv_width(), self.config.mlp);
        let (rows, sequence) = (layer.r2.len(), self.shape.sequence);
        gemm_then(
            pool,
            profile,
            &mut layer.qkv,
            h1.view(0..rows),
            &self.packed.qkv.forward,
            [],
            |first, qkv, []| {
                let (row, turned) = ((d + 2 * kv), d + kv);
                let at = (first, sequence);
                rope::rotate_rows(isa, qkv, (row, turned), at, self.angles, Direction::Forward);
            },
        );
        attention::forward(
            pool,
            profile,
            self.shape,
            &mut layer.o,
            &mut layer.m,
            &mut layer.l,
            &layer.qkv,
        );
        gemm_then(
            pool,
            profile,
            &mut layer.x2,
            View::new(&layer.o, rows, d),
            &self.packed.o.forward,
            [layer.h2.beside(), Beside::new(&mut layer.r2, 1)],
            |first, x2, [h2, r2]| {
                elementwise::add_rows(isa, x2, &x[first * d..][..x2.len()]);
                let h2 = rows_mut(profile, h2);
                rms_norm::forward_rows(isa, h2, r2, x2, self.norm2, self.config.norm_eps);
            },
        );
        gemm_then(
            pool,
            profile,
            &mut layer.gate_up,
            layer.h2.view(0..rows),
            &self.packed.gate_up.forward,
            [layer.act.beside()],
            |_, gate_up, [act]| {
                swiglu::forward_rows(isa, rows_mut(profile, act), gate_up, mlp);
            },
        );
    }

    /// From the layer's activations to its output, and through the norm that follows.
    fn output(&self, layer: &LayerActivations, next: NormTarget) {
        let (isa, epsilon) = (self.pool.isa(), self.config.norm_eps);
        let d = self.config.hidden;
        let x2 = &layer.x2;
        let Normed { h, r } = next.normed;
        gemm_then(
            self.pool,
            self.profile,
            next.x,
            layer.act.view(0..layer.r2.len()),
            &self.packed.down.forward,
            [h.beside(), Beside::new(r, 1)],
            |first, x, [h, r]| {
                elementwise::add_rows(isa, x, &x2[first * d..][..x.len()]);
                let h = rows_mut(self.profile, h);
                rms_norm::forward_rows(isa, h, r, x, next.gain, epsilon);
            },
        );
    }
}

impl Engine {
    /// Fills `acts` for `inputs`, sequences of `length` tokens.
    pub(crate) fn fill(
        &self,
        acts: &mut Activations,
        weights: &Parameters,
        inputs: &[u32],
        length: usize,
    ) {
        acts.resize(self.profile, &self.config, inputs.len());
        let table = &weights.data[self.layout.embedding.clone()];
        embedding::forward(
            &self.pool,
            &mut acts.x[0],
            table,
            inputs,
            self.config.hidden,
        );
        self.norm_input(acts, weights, 0);
        for layer in 0..self.config.layers {
            let pass = self.layer_pass(weights, layer, length);
            let (place, next) = (acts.place(layer), acts.place(layer + 1));
            let (x, following) = acts.x[layer..].split_at_mut(1);
            pass.activations(&mut acts.layers[place], &acts.normed[place].h, &x[0]);
            let target = NormTarget {
                x: &mut following[0],
                normed: &mut acts.normed[next],
                gain: self.gain_before(weights, layer + 1),
            };
            pass.output(&acts.layers[place], target);
        }
    }

    /// Makes the activations of `layer` again from its input; sequences are of the full length.
    pub(crate) fn refill(&self, acts: &mut Activations, weights: &Parameters, layer: usize) {
        self.norm_input(acts, weights, layer);
        let place = acts.place(layer);
        let pass = self.layer_pass(weights, layer, self.config.sequence);
        pass.activations(
            &mut acts.layers[place],
            &acts.normed[place].h,
            &acts.x[layer],
        );
    }

    fn norm_input(&self, acts: &mut Activations, weights: &Parameters, layer: usize) {
        let place = acts.place(layer);
        let Normed { h, r } = &mut acts.normed[place];
        let gain = self.gain_before(weights, layer);
        let (x, epsilon) = (&acts.x[layer], self.config.norm_eps);
        rms_norm::forward_operand(&self.pool, h, r, x, gain, epsilon);
    }

    /// Gain of the norm that reads the input of `layer`, or the last layer's output.
    fn gain_before<'a>(&self, weights: &'a Parameters, layer: usize) -> &'a [f32] {
        let range = match self.layout.layers.get(layer) {
            Some(at) => &at.norm1,
            None => &self.layout.norm,
        };
        &weights.data[range.clone()]
    }

    fn layer_pass<'a>(
        &'a self,
        weights: &'a Parameters,
        layer: usize,
        length: usize,
    ) -> LayerPass<'a> {
        LayerPass {
            pool: &self.pool,
            profile: self.profile,
            config: &self.config,
            angles: &self.angles,
            shape: self.shape(length),
            packed: self.packed.layers.get(layer).expect("weights are loaded"),
            norm2: &weights.data[self.layout.layers[layer].norm2.clone()],
        }
    }
}
