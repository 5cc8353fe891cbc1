//! One layer's forward pass over a chunk of rows, for every decoder.
//!
//! What follows a product row by row runs on each block of rows as soon as the product has it; see
//! `docs/numerics.md` for the order of the operations.

use super::buffers::Buffers;
use super::chunk::{Chunk, Placed};
use super::layer_weights::{LayerWeights, NormWeights, Product};
use crate::decoder::{Activation, Decoder, NormKind, Placement};
use glasswork_kernels::attention::{self, Kept, Shape};
use glasswork_kernels::gemm::{Beside, View, gemm_then};
use glasswork_kernels::operand::RowsMut;
use glasswork_kernels::rope::{self, Angles, Heads};
use glasswork_kernels::{Isa, Pool, Profile, elementwise, gelu, layer_norm, rms_norm, swiglu};
use rayon::prelude::*;

/// What a layer's forward pass reads besides its input.
pub(super) struct Block<'a> {
    pub(super) pool: &'a Pool,
    pub(super) profile: Profile,
    pub(super) decoder: &'a Decoder,
    pub(super) angles: &'a Angles,
    pub(super) weights: &'a LayerWeights,
}

/// Normalises rows; `r` is one float a row, for RMS norms.
pub(super) fn norm_rows(
    isa: Isa,
    decoder: &Decoder,
    norm: &NormWeights,
    out: &mut [f32],
    r: &mut [f32],
    x: &[f32],
) {
    match decoder.norm {
        NormKind::Rms => {
            let out = RowsMut::F32(out);
            rms_norm::forward_rows(isa, out, r, x, &norm.gain, decoder.epsilon);
        }
        NormKind::Layer => {
            layer_norm::forward_rows(isa, out, x, &norm.gain, &norm.bias, decoder.epsilon);
        }
    }
}

/// Keys and values of a layer that stay for later tokens, of each sequence.
pub(super) type Keeping<'k> = Option<&'k mut [Kept]>;

/// The shape of every attention of a decoder; lengths are told with the sequences.
pub(super) fn attention_shape(decoder: &Decoder) -> Shape {
    Shape {
        sequence: 0,
        heads: decoder.heads,
        kv_heads: decoder.kv_heads,
        width: decoder.head_width,
        scale: decoder.factors.attention,
    }
}

fn add_bias(isa: Isa, rows: &mut [f32], product: &Product) {
    if !product.bias.is_empty() {
        elementwise::add_bias_rows(isa, rows, &product.bias);
    }
}

impl Block<'_> {
    /// Takes the rows `x` `[n, d]` of a chunk through the layer, in place. Where keys and values are kept, the
    /// rows' own are added to them; a chunk that says nothing of what its rows continue continues those.
    pub(super) fn run(&self, buffers: &mut Buffers, chunk: &Chunk, x: &mut [f32], kept: Keeping) {
        buffers.resize(self.decoder, chunk.len());
        match self.decoder.placement {
            Placement::Before => self.norms_before(buffers, chunk, x, kept),
            Placement::After => self.norms_after(buffers, chunk, x, kept),
            Placement::Parallel => self.parallel(buffers, chunk, x, kept),
        }
    }

    fn norms_before(&self, buffers: &mut Buffers, chunk: &Chunk, x: &mut [f32], kept: Keeping) {
        let (isa, d) = (self.pool.isa(), self.decoder.hidden);
        self.norm(&self.weights.norms[0], buffers, x);
        let h = std::mem::take(&mut buffers.h);
        self.attention(buffers, chunk, &h, kept);
        buffers.h = h;
        let Buffers {
            h, middle, r, o, ..
        } = buffers;
        let stream = &*x;
        self.product(
            middle,
            o,
            &self.weights.o,
            [Beside::new(h, d), Beside::new(r, 1)],
            |first, middle, [h, r]| {
                elementwise::add_rows(isa, middle, &stream[first * d..][..middle.len()]);
                norm_rows(isa, self.decoder, &self.weights.norms[1], h, r, middle);
            },
        );
        let h = std::mem::take(&mut buffers.h);
        self.mlp_in(buffers, &h);
        buffers.h = h;
        let middle = &buffers.middle;
        self.product(
            x,
            self.act(buffers),
            &self.weights.down,
            [],
            |first, x, []| {
                elementwise::add_rows(isa, x, &middle[first * d..][..x.len()]);
            },
        );
    }

    fn norms_after(&self, buffers: &mut Buffers, chunk: &Chunk, x: &mut [f32], kept: Keeping) {
        let (isa, d) = (self.pool.isa(), self.decoder.hidden);
        self.attention(buffers, chunk, x, kept);
        let Buffers {
            h, middle, r, o, ..
        } = buffers;
        let stream = &*x;
        self.product(
            middle,
            o,
            &self.weights.o,
            [Beside::new(h, d), Beside::new(r, 1)],
            |first, middle, [h, r]| {
                norm_rows(isa, self.decoder, &self.weights.norms[0], h, r, middle);
                elementwise::sum_rows(isa, middle, h, &stream[first * d..][..h.len()]);
            },
        );
        let stream = std::mem::take(&mut buffers.middle);
        self.mlp_in(buffers, &stream);
        buffers.middle = stream;
        let mut h = std::mem::take(&mut buffers.h);
        let mut r = std::mem::take(&mut buffers.r);
        let middle = &buffers.middle;
        self.product(
            x,
            self.act(buffers),
            &self.weights.down,
            [Beside::new(&mut h, d), Beside::new(&mut r, 1)],
            |first, x, [h, r]| {
                norm_rows(isa, self.decoder, &self.weights.norms[1], h, r, x);
                elementwise::sum_rows(isa, x, h, &middle[first * d..][..h.len()]);
            },
        );
        (buffers.h, buffers.r) = (h, r);
    }

    fn parallel(&self, buffers: &mut Buffers, chunk: &Chunk, x: &mut [f32], kept: Keeping) {
        let (isa, d) = (self.pool.isa(), self.decoder.hidden);
        self.norm(&self.weights.norms[0], buffers, x);
        let h = std::mem::take(&mut buffers.h);
        self.attention(buffers, chunk, &h, kept);
        buffers.h = h;
        let Buffers { middle, o, .. } = buffers;
        self.product(middle, o, &self.weights.o, [], |_, _, []| {});
        self.norm(&self.weights.norms[1], buffers, x);
        let mut h = std::mem::take(&mut buffers.h);
        self.mlp_in(buffers, &h);
        let middle = &buffers.middle;
        self.product(
            &mut h,
            self.act(buffers),
            &self.weights.down,
            [Beside::new(x, d)],
            |first, h, [x]| {
                elementwise::add_rows(isa, h, &middle[first * d..][..h.len()]);
                elementwise::add_rows(isa, x, h);
            },
        );
        buffers.h = h;
    }

    /// `y = input·Wᵀ + b`, then `then` for each finished block of rows.
    fn product<const N: usize>(
        &self,
        y: &mut [f32],
        input: &[f32],
        product: &Product,
        beside: [Beside; N],
        then: impl Fn(usize, &mut [f32], [&mut [f32]; N]) + Sync,
    ) {
        let isa = self.pool.isa();
        let width = glasswork_kernels::gemm::Right::from(&product.packed).rows();
        let input = View::new(input, input.len() / width, width);
        let packed = &product.packed;
        gemm_then(
            self.pool,
            self.profile,
            y,
            input,
            packed,
            beside,
            |first, y, beside| {
                add_bias(isa, y, product);
                then(first, y, beside);
            },
        );
    }

    /// `h = norm(x)`.
    fn norm(&self, norm: &NormWeights, buffers: &mut Buffers, x: &[f32]) {
        let (isa, d) = (self.pool.isa(), self.decoder.hidden);
        let block = (buffers.r.len() / (self.pool.threads() * 4)).max(16);
        self.pool.run(|| {
            buffers
                .h
                .par_chunks_mut(block * d)
                .zip(buffers.r.par_chunks_mut(block))
                .zip(x.par_chunks(block * d))
                .for_each(|((h, r), x)| norm_rows(isa, self.decoder, norm, h, r, x));
        });
    }

    /// From `input` to attention's output in `o`.
    fn attention(&self, buffers: &mut Buffers, chunk: &Chunk, input: &[f32], mut kept: Keeping) {
        let (decoder, isa) = (self.decoder, self.pool.isa());
        let (row, q, kv) = (
            decoder.qkv_width(),
            decoder.query_width(),
            decoder.kv_width(),
        );
        let heads = Heads {
            count: decoder.heads + decoder.kv_heads,
            width: decoder.head_width,
            layout: decoder.rotation.layout,
        };
        let scratch = q * usize::from(decoder.qk_norm);
        let Buffers { qkv, turned, r, .. } = buffers;
        self.product(
            qkv,
            input,
            &self.weights.qkv,
            [Beside::new(turned, scratch), Beside::new(r, 1)],
            |first, qkv, [turned, r]| {
                if let Some([of_queries, of_keys]) = &self.weights.qk_norm {
                    for (row, (turned, r)) in qkv
                        .chunks_exact_mut(row)
                        .zip(turned.chunks_exact_mut(q).zip(r.chunks_exact_mut(1)))
                    {
                        let (queries, rest) = row.split_at_mut(q);
                        for (x, gain) in [(queries, of_queries), (&mut rest[..kv], of_keys)] {
                            let normed = &mut turned[..x.len()];
                            let out = RowsMut::F32(&mut *normed);
                            rms_norm::forward_rows(isa, out, r, x, gain, decoder.epsilon);
                            x.copy_from_slice(normed);
                        }
                    }
                }
                let positions = &chunk.positions[first..first + qkv.len() / row];
                rope::rotate_heads(isa, qkv, row, heads, positions, self.angles);
            },
        );
        let shape = attention_shape(decoder);
        let (o, qkv) = (&mut buffers.o[..], &buffers.qkv[..]);
        let (pool, profile) = (self.pool, self.profile);
        if let Some(kept) = kept.as_deref_mut() {
            let mut of: Vec<Option<&Placed>> = vec![None; kept.len()];
            for placed in &chunk.placed {
                of[placed.sequence] = Some(placed);
            }
            pool.run(|| {
                kept.par_iter_mut().zip(of).for_each(|(kept, placed)| {
                    for index in placed.into_iter().flat_map(|placed| placed.rows(0)) {
                        kept.add(shape, &qkv[index * row..][..row]);
                    }
                });
            });
        }
        match kept {
            Some(kept) if chunk.siblings.is_empty() => {
                let last = |placed: &Placed| {
                    let rows = placed.path.iter().cloned();
                    rows.map(|rows| (&kept[placed.sequence], rows)).next()
                };
                let sequences: Vec<_> = chunk.placed.iter().filter_map(last).collect();
                attention::after_kept(pool, profile, shape, o, qkv, &sequences);
            }
            _ => attention::continued(pool, profile, shape, o, qkv, &chunk.siblings),
        }
    }

    /// From `input` to the second half's activations.
    fn mlp_in(&self, buffers: &mut Buffers, input: &[f32]) {
        let (isa, mlp) = (self.pool.isa(), self.decoder.mlp);
        let Buffers { wide, act, .. } = buffers;
        let act_width = act.len() / self.rows(input);
        self.product(
            wide,
            input,
            &self.weights.mlp_in,
            [Beside::new(act, act_width)],
            |_, wide, [act]| match self.decoder.activation {
                Activation::SwiGlu => swiglu::forward_rows(isa, RowsMut::F32(act), wide, mlp),
                Activation::GeluErf => gelu::erf_rows(isa, wide),
                Activation::GeluTanh => gelu::tanh_rows(isa, wide),
            },
        );
    }

    fn rows(&self, stream: &[f32]) -> usize {
        stream.len() / self.decoder.hidden
    }

    /// What the second half's second product reads.
    fn act<'b>(&self, buffers: &'b Buffers) -> &'b [f32] {
        match self.decoder.activation {
            Activation::SwiGlu => &buffers.act,
            Activation::GeluErf | Activation::GeluTanh => &buffers.wide,
        }
    }
}
