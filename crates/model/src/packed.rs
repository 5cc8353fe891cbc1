//! A step's weights in the order in which the products read them.

use crate::{Layout, ModelConfig, Parameters};
use glasswork_kernels::gemm::{Packed, View};
use glasswork_kernels::{Numerics, Pool, Profile};
use std::ops::Range;

/// Both uses of one linear layer, or of several that read the same input.
#[derive(Debug, Default)]
pub(crate) struct Linear {
    /// `Wᵀ` of each side by side: `y = x · Wᵀ`.
    pub(crate) forward: Packed,
    /// `W` of each one below the other: `dx = dy · W`.
    pub(crate) backward: Packed,
}

/// The weights of one layer's products.
#[derive(Debug, Default)]
pub(crate) struct LayerWeights {
    pub(crate) qkv: Linear,
    pub(crate) o: Linear,
    pub(crate) gate_up: Linear,
    pub(crate) down: Linear,
}

/// All weights of products, packed once a step.
#[derive(Debug, Default)]
pub(crate) struct PackedWeights {
    pub(crate) layers: Vec<LayerWeights>,
    pub(crate) head: Linear,
}

impl PackedWeights {
    /// Packs `weights`; the backward operands only where `training`.
    pub(crate) fn pack(
        &mut self,
        (pool, profile): (&Pool, Profile),
        config: &ModelConfig,
        weights: &Parameters,
        training: bool,
    ) {
        let (d, kv, mlp) = (config.hidden, config.kv_width(), config.mlp);
        let layout: &Layout = &weights.layout;
        let view = |range: &Range<usize>, width_out, width_in| {
            View::new(&weights.data[range.clone()], width_out, width_in)
        };
        let pack = |linear: &mut Linear, parts: &[View], turned: &[View]| {
            if training {
                linear.backward.pack_below(pool, profile, parts);
            }
            linear.forward.pack_beside(pool, profile, turned);
        };
        self.layers
            .resize_with(layout.layers.len(), LayerWeights::default);
        for (layer, at) in self.layers.iter_mut().zip(&layout.layers) {
            let qkv = [view(&at.q, d, d), view(&at.k, kv, d), view(&at.v, kv, d)];
            pack(&mut layer.qkv, &qkv, &qkv.map(View::transposed));
            let o = view(&at.o, d, d);
            pack(&mut layer.o, &[o], &[o.transposed()]);
            let gate_up = [view(&at.gate, mlp, d), view(&at.up, mlp, d)];
            pack(&mut layer.gate_up, &gate_up, &gate_up.map(View::transposed));
            let down = view(&at.down, d, mlp);
            pack(&mut layer.down, &[down], &[down.transposed()]);
        }
        let head = view(&layout.head, config.vocabulary, d);
        pack(&mut self.head, &[head], &[head.transposed()]);
    }

    /// Bytes of the operands of `config`.
    pub(crate) fn bytes(numerics: Numerics, config: &ModelConfig) -> u64 {
        let (d, kv, mlp) = (config.hidden, config.kv_width(), config.mlp);
        let both = |width_in: usize, parts: &[usize]| {
            let forward = Packed::bytes(numerics, &[width_in], parts.iter().sum());
            let backward = Packed::bytes(numerics, parts, width_in);
            (forward + backward) as u64
        };
        let layer = both(d, &[d, kv, kv]) + both(d, &[d]) + both(d, &[mlp, mlp]) + both(mlp, &[d]);
        config.layers as u64 * layer + both(d, &[config.vocabulary])
    }
}
