//! The last norm, the head and the loss, block by block of rows.

use super::block::norm_rows;
use super::buffers::Buffers;
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

/// What is called with logits: the first one's row in the block, the rows, two numbers a row beside them.
type Then<'t> = &'t (dyn Fn(usize, &mut [f32], [&mut [f32]; 2]) + Sync);

impl<'a> Head<'a> {
    /// The head by matrices that are packed.
    pub(super) fn new(
        checkpoint: &'a Checkpoint,
        (pool, profile): (&'a Pool, Profile),
        product: &'a Product,
        (buffers, most): (&'a mut Buffers, usize),
    ) -> Self {
        let mut norm = NormWeights::default();
        norm.load(checkpoint, pool.isa(), &checkpoint.tensors().norm);
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

    /// Packs the head's matrices.
    pub(super) fn pack(product: &mut Product, checkpoint: &Checkpoint, numerics: (&Pool, Profile)) {
        let tensors = &checkpoint.tensors().head;
        product.load(checkpoint, numerics, tensors, &mut Vec::new());
    }

    /// The tensors that are worth reading ahead.
    pub(super) fn matrices(checkpoint: &Checkpoint) -> impl Iterator<Item = &str> {
        let parts = checkpoint.tensors().head.parts.iter();
        parts.map(|part| part.weight.as_str())
    }

    /// `done(losses, greedy)` for block after block of `rows` of the stream, which predict `targets`; 1 where
    /// greedy choice would have taken the target.
    pub(super) fn losses(
        &mut self,
        stream: &[f32],
        rows: &[usize],
        targets: &[u32],
        mut done: impl FnMut(&[f32], &[f32]),
    ) {
        let (isa, vocabulary) = (self.pool.isa(), self.decoder.vocabulary);
        let most = self.most;
        let room = most.min(rows.len());
        let (mut losses, mut greedy) = (vec![0.0; room], vec![0.0; room]);
        for (rows, targets) in rows.chunks(most).zip(targets.chunks(most)) {
            let (losses, greedy) = (&mut losses[..rows.len()], &mut greedy[..rows.len()]);
            let beside = [&mut *losses, &mut *greedy];
            self.block(stream, rows, beside, &|first, logits, [losses, greedy]| {
                let targets = &targets[first..first + losses.len()];
                cross_entropy::forward_choice_rows(
                    isa, logits, losses, greedy, targets, vocabulary,
                );
            });
            done(losses, greedy);
        }
    }

    /// `then(number, logits)` for each of the rows `rows` of the stream.
    pub(super) fn logits(
        &mut self,
        stream: &[f32],
        rows: &[usize],
        mut then: impl FnMut(usize, &[f32]),
    ) {
        let (vocabulary, most) = (self.decoder.vocabulary, self.most);
        let mut nothing = [0; 2].map(|_| vec![0.0; most.min(rows.len())]);
        let mut number = 0;
        for rows in rows.chunks(most) {
            let beside = nothing.each_mut().map(|nothing| &mut nothing[..rows.len()]);
            self.block(stream, rows, beside, &|_, _, _| {});
            for logits in self.buffers.wide[..rows.len() * vocabulary].chunks_exact(vocabulary) {
                then(number, logits);
                number += 1;
            }
        }
    }

    /// `then(first row, logits, the same rows of beside)` for the logits of some rows.
    fn block(&mut self, stream: &[f32], rows: &[usize], beside: [&mut [f32]; 2], then: Then) {
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
            beside.map(|rows| Beside::new(rows, 1)),
            |first, logits, beside| {
                if factor != 1.0 {
                    elementwise::scale_rows(isa, logits, factor);
                }
                then(first, logits, beside);
            },
        );
    }
}
