//! Attention of tokens whose keys and values are kept with those of all before them: what generation computes,
//! a token at a time. As [`continued`](super::continued()), with another place for what came before.

use super::continued::{GATHERED, Gathered, assert_disjoint};
use super::head::Forward;
use super::{SCRATCH, Shape};
use crate::gemm::View;
use crate::{Pool, Profile, shared::Shared};
use rayon::prelude::*;
use std::ops::Range;

/// A sequence's keys and values, head by head: each head's lie together, as they are read for every token.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Of each key-value head its keys, then of each its values, `[tokens, width]`.
    heads: Vec<Vec<f32>>,
    tokens: usize,
}

impl Kept {
    /// Room for so many tokens.
    pub fn new(shape: Shape, capacity: usize) -> Self {
        let heads = (0..2 * shape.kv_heads).map(|_| Vec::with_capacity(capacity * shape.width));
        Self {
            heads: heads.collect(),
            tokens: 0,
        }
    }

    /// Adds those of a row of queries, keys and values.
    pub fn add(&mut self, shape: Shape, row: &[f32]) {
        let heads = row[shape.key_column(0)..shape.row()].chunks_exact(shape.width);
        for (kept, head) in self.heads.iter_mut().zip(heads) {
            kept.extend_from_slice(head);
        }
        self.tokens += 1;
    }

    /// Keys (0) or values (1) of a head, `[tokens, width]`.
    fn view(&self, shape: Shape, which: usize, kv_head: usize) -> View<'_> {
        let head = &self.heads[which * shape.kv_heads + kv_head];
        View::new(head, self.tokens, shape.width)
    }
}

/// Writes the given rows of `o` `[n, heads · width]`: those of the last tokens of each kept sequence, whose queries
/// are the same rows of `qkv`. `shape.sequence` is not read.
///
/// # Panics
/// When a buffer is too short, rows overlap, or there are more rows than kept tokens.
pub fn after_kept(
    pool: &Pool,
    profile: Profile,
    shape: Shape,
    o: &mut [f32],
    qkv: &[f32],
    sequences: &[(&Kept, Range<usize>)],
) {
    assert_disjoint(sequences.iter().map(|(_, rows)| rows));
    let o = Shared::new(o);
    let task = |task: usize| {
        let ((kept, rows), head) = (&sequences[task / shape.heads], task % shape.heads);
        if rows.is_empty() {
            return;
        }
        let kv_head = shape.kv_head(head);
        let queries = &qkv[rows.start * shape.row() + head * shape.width..];
        let forward = Forward {
            numerics: pool.numerics(profile),
            scale: shape.scale,
            q: View::strided(queries, rows.len(), shape.width, shape.row()),
            k: kept.view(shape, 0, kv_head),
            v: kept.view(shape, 1, kv_head),
            packed: 0,
            longest: kept.tokens,
        };
        GATHERED.with_borrow_mut(|Gathered { m, l, .. }| {
            let (m, l) = (m.at_least(rows.len()), l.at_least(rows.len()));
            SCRATCH.with_borrow_mut(|scratch| {
                forward.run(scratch, m, l, |query, values| {
                    let start = (rows.start + query) * shape.out_row() + head * shape.width;
                    // SAFETY: this task alone owns this head of these rows, which no other sequence has.
                    let out = unsafe { o.slice(start, shape.width) };
                    out.copy_from_slice(values);
                });
            });
        });
    };
    pool.run(|| {
        (0..sequences.len() * shape.heads)
            .into_par_iter()
            .for_each(task);
    });
}
