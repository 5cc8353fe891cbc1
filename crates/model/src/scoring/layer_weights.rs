//! One layer's weights in memory: matrices packed for the products, the rest as f32.

use crate::decoder::{LayerTensors, Linear, NormTensors, Orientation, Part, Rows};
use crate::weights::Checkpoint;
use glasswork_kernels::gemm::{Packed, View};
use glasswork_kernels::{Isa, Pool, Profile};
use rayon::prelude::*;

/// A norm's gain and bias.
#[derive(Debug, Default)]
pub(super) struct NormWeights {
    pub(super) gain: Vec<f32>,
    /// Empty where the norm has none.
    pub(super) bias: Vec<f32>,
}

impl NormWeights {
    pub(super) fn load(&mut self, checkpoint: &Checkpoint, isa: Isa, tensors: &NormTensors) {
        self.gain = checkpoint.stored(&tensors.gain).all(isa);
        let bias = tensors.bias.as_ref();
        self.bias = bias.map_or(Vec::new(), |name| checkpoint.stored(name).all(isa));
    }
}

/// A product's right operand, and its bias.
#[derive(Debug, Default)]
pub(super) struct Product {
    pub(super) packed: Packed,
    /// Empty where there is none.
    pub(super) bias: Vec<f32>,
}

impl Product {
    /// Packs the stored matrices side by side and lets go of their pages.
    pub(super) fn load(
        &mut self,
        checkpoint: &Checkpoint,
        (pool, profile): (&Pool, Profile),
        linear: &Linear,
        scratch: &mut Vec<f32>,
    ) {
        let turned = linear
            .parts
            .iter()
            .any(|p| p.orientation == Orientation::InOut);
        let views = linear
            .parts
            .iter()
            .map(|part| view(checkpoint, part, linear.inputs));
        if let Some(views) = views.collect::<Option<Vec<View>>>() {
            self.packed.pack_beside(pool, profile, &views);
        } else if turned {
            self.pack_turned(checkpoint, (pool, profile), linear, scratch);
        } else {
            self.pack_rows(checkpoint, (pool, profile), linear);
        }
        self.bias.clear();
        for part in &linear.parts {
            if let Some(name) = &part.bias {
                let all = checkpoint.stored(name).all(pool.isa());
                let outputs = 0..part.outputs;
                self.bias
                    .extend(outputs.map(|index| all[part.rows.stored(index)]));
            }
        }
        checkpoint.done_with(linear.parts.iter().map(|part| part.weight.as_str()));
    }

    /// Matrices `[out, in]`: row by row, widened on the way.
    fn pack_rows(
        &mut self,
        checkpoint: &Checkpoint,
        (pool, profile): (&Pool, Profile),
        linear: &Linear,
    ) {
        let inputs = linear.inputs;
        let parts: Vec<_> = linear
            .parts
            .iter()
            .map(|part| (part.outputs, part.rows, checkpoint.stored(&part.weight)))
            .collect();
        let shape = (inputs, linear.outputs());
        self.packed.pack_rows(pool, profile, shape, |output, out| {
            let mut index = output;
            for (outputs, rows, stored) in &parts {
                if index < *outputs {
                    stored.read(pool.isa(), rows.stored(index) * inputs, out);
                    return;
                }
                index -= outputs;
            }
        });
    }

    /// Matrices `[in, out]`: the operand as it is, widened into `scratch` first.
    fn pack_turned(
        &mut self,
        checkpoint: &Checkpoint,
        (pool, profile): (&Pool, Profile),
        linear: &Linear,
        scratch: &mut Vec<f32>,
    ) {
        let isa = pool.isa();
        scratch.resize(linear.inputs * linear.outputs(), 0.0);
        let mut rest = &mut scratch[..];
        let mut views = Vec::new();
        for part in &linear.parts {
            let stored = checkpoint.stored(&part.weight);
            let (out, after) = rest.split_at_mut(linear.inputs * part.outputs);
            rest = after;
            pool.run(|| {
                out.par_chunks_mut(part.outputs)
                    .enumerate()
                    .for_each(|(row, out)| stored.read(isa, row * part.outputs, out));
            });
            views.push(View::new(out, linear.inputs, part.outputs));
        }
        self.packed.pack_beside(pool, profile, &views);
    }
}

/// A stored matrix as the right operand `[in, out]`, where it can be read as it lies.
fn view<'c>(checkpoint: &'c Checkpoint, part: &Part, inputs: usize) -> Option<View<'c>> {
    let stored = checkpoint.stored(&part.weight);
    match (part.orientation, part.rows) {
        (Orientation::OutIn, Rows::From(first)) => {
            let view = stored.view(first * inputs, part.outputs, inputs)?;
            Some(view.transposed())
        }
        // Such a matrix is always taken whole.
        (Orientation::InOut, Rows::From(0)) => stored.view(0, inputs, part.outputs),
        _ => None,
    }
}

/// Whether a product's matrices are packed row by row, widened on the way.
pub(super) fn packed_by_row(checkpoint: &Checkpoint, linear: &Linear) -> bool {
    let turned = |part: &Part| part.orientation == Orientation::InOut;
    let mut parts = linear.parts.iter();
    !linear.parts.iter().any(turned)
        && parts.any(|part| view(checkpoint, part, linear.inputs).is_none())
}

/// Everything that a layer's forward pass reads.
#[derive(Debug, Default)]
pub(super) struct LayerWeights {
    pub(super) norms: [NormWeights; 2],
    /// Gains over queries and keys.
    pub(super) qk_norm: Option<[Vec<f32>; 2]>,
    pub(super) qkv: Product,
    pub(super) o: Product,
    pub(super) mlp_in: Product,
    pub(super) down: Product,
}

impl LayerWeights {
    /// Replaces what is held by another layer; takes no new memory where the shapes fit.
    pub(super) fn load(
        &mut self,
        checkpoint: &Checkpoint,
        numerics: (&Pool, Profile),
        tensors: &LayerTensors,
        scratch: &mut Vec<f32>,
    ) {
        let isa = numerics.0.isa();
        for (norm, tensors) in self.norms.iter_mut().zip(&tensors.norms) {
            norm.load(checkpoint, isa, tensors);
        }
        let gains = tensors.qk_norm.as_ref();
        self.qk_norm = gains.map(|names| {
            names
                .each_ref()
                .map(|name| checkpoint.stored(name).all(isa))
        });
        for (product, linear) in [
            (&mut self.qkv, &tensors.qkv),
            (&mut self.o, &tensors.o),
            (&mut self.mlp_in, &tensors.mlp_in),
            (&mut self.down, &tensors.down),
        ] {
            product.load(checkpoint, numerics, linear, scratch);
        }
    }
}

/// The tensors of a layer that are worth reading ahead.
pub(super) fn matrices(tensors: &LayerTensors) -> impl Iterator<Item = &str> {
    let linears = [&tensors.qkv, &tensors.o, &tensors.mlp_in, &tensors.down];
    let parts = linears.into_iter().flat_map(|linear| &linear.parts);
    parts.map(|part| part.weight.as_str())
}
