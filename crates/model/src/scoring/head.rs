//! The last norm, the head and the loss, block by block of rows.

use super::block::norm_rows;
use super::chunk::Buffers;
use super::layer_weights::{NormWeights, Product};
use crate::{Checkpoint, Decoder};
use glasswork_kernels::gemm::{Beside, View, gemm_then};
use glasswork_kernels::{Pool, Profile, cross_entropy, elementwise};
use rayon::prelude::*;

/// The head's weights, and buffers for a block of rows: memory of the layers, which are done.
pub(super) struct Head<'a> {
    pool: &'a Pool,
    profile: Profile,
    decoder: &'a Decoder,
    norm: NormWeights,
    product: &'a Product,
    buffers: &'a mut Buffers,
    /// Rows whose logits are computed together.
    most: usize,
}

/// What is called with logits: the first one's row in the block, the rows, the same rows beside.
type Then<'t> = &'t (dyn Fn(usize, &mut [f32], &mut [f32]) + Sync);

impl<'a> Head<'a> {
    pub(super) fn load(
        checkpoint: &'a Checkpoint,
        (pool, profile): (&'a Pool, Profile),
        product: &'a mut Product,
        (buffers, most): (&'a mut Buffers, usize),
    ) -> Self {
        let tensors = checkpoint.tensors();
        let mut norm = NormWeights::default();
        norm.load(checkpoint, pool.isa(), &tensors.norm);
        product.load(checkpoint, (pool, profile), &tensors.head, &mut Vec::new());
        Self {
            pool,
            profile,
            decoder: checkpoint.decoder(),
            norm,
            product,
            buffers,
            most,
        }
    }

    /// The tensors that are worth reading ahead.
    pub(super) fn matrices(checkpoint: &Checkpoint) -> impl Iterator<Item = &str> {
        let parts = checkpoint.tensors().head.parts.iter();
        parts.map(|part| part.weight.as_str())
    }

    /// `done(losses)` for block after block of `rows` of the stream, which predict `targets`.
    pub(super) fn losses(
        &mut self,
        stream: &[f32],
        rows: &[usize],
        targets: &[u32],
        mut done: impl FnMut(&[f32]),
    ) {
        let (isa, vocabulary) = (self.pool.isa(), self.decoder.vocabulary);
        let most = self.most;
        let mut losses = vec![0.0; most.min(rows.len())];
        for (rows, targets) in rows.chunks(most).zip(targets.chunks(most)) {
            let losses = &mut losses[..rows.len()];
            self.block(stream, rows, losses, &|first, logits, losses| {
                let targets = &targets[first..first + losses.len()];
                cross_entropy::forward_rows(isa, logits, losses, targets, vocabulary);
            });
            done(losses);
        }
    }

    /// Logits of the rows `rows` of the stream.
    pub(super) fn logits(&mut self, stream: &[f32], rows: &[usize]) -> Vec<f32> {
        let vocabulary = self.decoder.vocabulary;
        let most = self.most;
        let mut all = Vec::with_capacity(rows.len() * vocabulary);
        let mut nothing = vec![0.0; most.min(rows.len())];
        for rows in rows.chunks(most) {
            self.block(stream, rows, &mut nothing[..rows.len()], &|_, _, _| {});
            all.extend_from_slice(&self.buffers.wide[..rows.len() * vocabulary]);
        }
        all
    }

    /// `then(first row, logits, the same rows of beside)` for the logits of some rows.
    fn block(&mut self, stream: &[f32], rows: &[usize], beside: &mut [f32], then: Then) {
        let (pool, isa) = (self.pool, self.pool.isa());
        let (decoder, norm) = (self.decoder, &self.norm);
        let (d, vocabulary) = (decoder.hidden, decoder.vocabulary);
        let count = rows.len();
        let Buffers { h, r, wide, .. } = &mut *self.buffers;
        h.resize(count * d, 0.0);
        r.resize(count, 0.0);
        wide.resize(count * vocabulary, 0.0);
        pool.run(|| {
            h.par_chunks_exact_mut(d)
                .zip(r.par_chunks_exact_mut(1))
                .zip(rows)
                .for_each(|((h, r), row)| {
                    norm_rows(isa, decoder, norm, h, r, &stream[row * d..][..d]);
                });
        });
        let factor = decoder.factors.logits;
        gemm_then(
            pool,
            self.profile,
            wide,
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
