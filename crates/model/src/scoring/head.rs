//! The last norm, the head and the loss, block by block of rows.

use super::block::norm_rows;
use super::layer_weights::{NormWeights, Product};
use crate::activations::HEAD_ROWS;
use crate::{Checkpoint, Decoder};
use glasswork_kernels::gemm::{Beside, View, gemm_then};
use glasswork_kernels::{Pool, Profile, cross_entropy, elementwise};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// The head's weights, and buffers for a block of rows.
pub(super) struct Head<'a> {
    pool: &'a Pool,
    profile: Profile,
    decoder: &'a Decoder,
    norm: NormWeights,
    product: Product,
    buffers: RefCell<HeadBuffers>,
}

#[derive(Default)]
struct HeadBuffers {
    /// Normed rows, `[rows, d]`.
    h: Vec<f32>,
    /// `[rows]`.
    r: Vec<f32>,
    /// `[rows, vocabulary]`.
    logits: Vec<f32>,
}

/// What is called with logits: the first one's row in the block, the rows, the same rows beside.
type Then<'t> = &'t (dyn Fn(usize, &mut [f32], &mut [f32]) + Sync);

impl<'a> Head<'a> {
    pub(super) fn load(checkpoint: &'a Checkpoint, (pool, profile): (&'a Pool, Profile)) -> Self {
        let tensors = checkpoint.tensors();
        let mut norm = NormWeights::default();
        norm.load(checkpoint, pool.isa(), &tensors.norm);
        let mut product = Product::default();
        let numerics = (pool, profile);
        product.load(checkpoint, numerics, &tensors.head, &mut Vec::new());
        Self {
            pool,
            profile,
            decoder: checkpoint.decoder(),
            norm,
            product,
            buffers: RefCell::default(),
        }
    }

    /// The tensors that are worth reading ahead.
    pub(super) fn matrices(checkpoint: &Checkpoint) -> impl Iterator<Item = &str> {
        let parts = checkpoint.tensors().head.parts.iter();
        parts.map(|part| part.weight.as_str())
    }

    /// Bytes of the buffers.
    pub(super) fn bytes(decoder: &Decoder, rows: usize) -> u64 {
        4 * (rows.min(HEAD_ROWS) * (decoder.hidden + 1 + decoder.vocabulary)) as u64
    }

    /// Loss of `targets`, predicted by the rows `rows` of the stream.
    pub(super) fn losses(&self, stream: &[f32], rows: Range<usize>, targets: &[u32]) -> Vec<f32> {
        let (isa, vocabulary) = (self.pool.isa(), self.decoder.vocabulary);
        let mut losses = vec![0.0; rows.len()];
        for (losses, (first, targets)) in losses
            .chunks_mut(HEAD_ROWS)
            .zip(rows.step_by(HEAD_ROWS).zip(targets.chunks(HEAD_ROWS)))
        {
            let rows = first..first + targets.len();
            let loss = |first: usize, logits: &mut [f32], losses: &mut [f32]| {
                let targets = &targets[first..first + losses.len()];
                cross_entropy::forward_rows(isa, logits, losses, targets, vocabulary);
            };
            self.block(stream, rows, losses, &loss);
        }
        losses
    }

    /// Logits of the rows `rows` of the stream.
    pub(super) fn logits(&self, stream: &[f32], rows: Range<usize>) -> Vec<f32> {
        let mut all = Vec::with_capacity(rows.len() * self.decoder.vocabulary);
        let mut nothing = vec![0.0; HEAD_ROWS];
        for first in rows.clone().step_by(HEAD_ROWS) {
            let rows = first..rows.end.min(first + HEAD_ROWS);
            let beside = &mut nothing[..rows.len()];
            let count = rows.len() * self.decoder.vocabulary;
            self.block(stream, rows, beside, &|_, _, _| {});
            all.extend_from_slice(&self.buffers.borrow().logits[..count]);
        }
        all
    }

    /// `then(first row, logits, the same rows of beside)` for the logits of some rows.
    fn block(&self, stream: &[f32], rows: Range<usize>, beside: &mut [f32], then: Then) {
        let (pool, isa) = (self.pool, self.pool.isa());
        let (decoder, norm) = (self.decoder, &self.norm);
        let (d, vocabulary) = (decoder.hidden, decoder.vocabulary);
        let count = rows.len();
        let mut buffers = self.buffers.borrow_mut();
        let HeadBuffers { h, r, logits } = &mut *buffers;
        h.resize(count * d, 0.0);
        r.resize(count, 0.0);
        logits.resize(count * vocabulary, 0.0);
        let x = &stream[rows.start * d..rows.end * d];
        pool.run(|| {
            h.par_chunks_exact_mut(d)
                .zip(r.par_chunks_exact_mut(1))
                .zip(x.par_chunks_exact(d))
                .for_each(|((h, r), x)| norm_rows(isa, decoder, norm, h, r, x));
        });
        let factor = decoder.factors.logits;
        gemm_then(
            pool,
            self.profile,
            logits,
            View::new(h, count, d),
            &self.product.packed,
            [Beside::new(beside, 1)],
            |first, logits, [beside]| {
                if factor != 1.0 {
                    elementwise::scale_rows(isa, logits, factor);
                }
                then(first, logits, beside);
            },
        );
    }
}
