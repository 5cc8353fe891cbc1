//! Causal attention over whole rows: no online rescaling, so a row's bits do not depend on tiling.
//!
//! For query i of a head of width w: `s_j = scale · (q·k_j)`, `m = max_j≤i s_j`,
//! `p_j = exp(s_j − m)`, `l = lanes(p)`, `o = (p·v) ÷ l`. Sums over keys run from key 0
//! to the end of the block of [`BLOCK`] keys that holds i; keys after i enter with p = +0, keys beyond
//! the sequence with v = +0.
//! The gradient recomputes `p = exp(s − m) ÷ l`; `D = lanes(dO∘O)`,
//! `dS = (p · (dP − D)) · scale`. Sums over queries (dK, dV) start at the block that holds the
//! key. Query heads that share a key-value head have sums of their own, added in head order.
//!
//! One task computes one head of one sequence: its keys and values are packed once and stay in cache.
//! Queries, keys and values lie in one buffer of rows `[queries | keys | values]`. Sequences that continue
//! the same tokens can share those tokens' keys and values ([`continued()`]); generation keeps them ([`Kept`]).

mod continued;
mod head;
mod kept;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod room;
mod softmax;

use crate::gemm::View;
use crate::{Pool, Profile, shared::Shared};
pub use continued::{Siblings, continued};
use head::{Backward, Forward, Scratch};
pub use kept::{Kept, after_kept};
use rayon::prelude::*;
pub use room::{continued_scratch_bytes, scratch_bytes, training_scratch_bytes};
use std::cell::RefCell;

/// Keys and queries are taken in blocks of this many.
pub const BLOCK: usize = 32;

/// Shape of one attention.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Tokens of a sequence.
    pub sequence: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; divides `heads`.
    pub kv_heads: usize,
    /// Elements of a head.
    pub width: usize,
    /// Factor of `q·k`.
    pub scale: f32,
}

impl Shape {
    /// The shape with the usual factor, `f32(1 ÷ sqrt(width))`.
    pub fn new(sequence: usize, heads: usize, kv_heads: usize, width: usize) -> Self {
        Self {
            sequence,
            heads,
            kv_heads,
            width,
            scale: (1.0 / (width as f64).sqrt()) as f32,
        }
    }

    /// Elements of a row of queries, keys and values.
    pub fn row(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.width
    }

    /// Elements of a row of outputs: all query heads.
    pub fn out_row(&self) -> usize {
        self.heads * self.width
    }

    fn kv_head(&self, head: usize) -> usize {
        head / (self.heads / self.kv_heads)
    }

    /// Column of a row at which the keys of a key-value head start.
    fn key_column(&self, kv_head: usize) -> usize {
        (self.heads + kv_head) * self.width
    }

    fn value_column(&self, kv_head: usize) -> usize {
        (self.heads + self.kv_heads + kv_head) * self.width
    }

    /// One head's columns of one sequence's rows of `data`.
    fn rows<'a>(&self, data: &'a [f32], stride: usize, sequence: usize, column: usize) -> View<'a> {
        let start = sequence * self.sequence * stride + column;
        View::strided(&data[start..], self.sequence, self.width, stride)
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Writes `o` `[n, heads · width]` and, for [`backward`], `m` and `l` `[n / sequence, heads,
/// sequence]`, from `qkv` `[n, (heads + 2 · kv_heads) · width]`. `n` is a whole number of sequences; a
/// sequence may have any length here.
///
/// # Panics
/// When a buffer is too short.
pub fn forward(
    pool: &Pool,
    profile: Profile,
    shape: Shape,
    o: &mut [f32],
    m: &mut [f32],
    l: &mut [f32],
    qkv: &[f32],
) {
    let sequences = qkv.len() / (shape.row() * shape.sequence);
    let o = Shared::new(o);
    pool.run(|| {
        m.par_chunks_mut(shape.sequence)
            .zip(l.par_chunks_mut(shape.sequence))
            .take(sequences * shape.heads)
            .enumerate()
            .for_each(|(task, (m, l))| {
                let (sequence, head) = (task / shape.heads, task % shape.heads);
                let rows = |column| shape.rows(qkv, shape.row(), sequence, column);
                let forward = Forward {
                    numerics: pool.numerics(profile),
                    scale: shape.scale,
                    q: rows(head * shape.width),
                    k: rows(shape.key_column(shape.kv_head(head))),
                    v: rows(shape.value_column(shape.kv_head(head))),
                    packed: 0,
                    longest: shape.sequence,
                };
                let stride = shape.out_row();
                let start = sequence * shape.sequence * stride + head * shape.width;
                SCRATCH.with_borrow_mut(|scratch| {
                    forward.run(scratch, m, l, |row, values| {
                        // SAFETY: this task alone owns this head of this sequence.
                        let out = unsafe { o.slice(start + row * stride, shape.width) };
                        out.copy_from_slice(values);
                    });
                });
            });
    });
}

/// What [`forward`] read and wrote, and the gradient of its output.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// Gradient with respect to `o`.
    pub d_o: &'a [f32],
    /// Output.
    pub o: &'a [f32],
    /// Row maxima.
    pub m: &'a [f32],
    /// Row sums.
    pub l: &'a [f32],
    /// Queries, keys and values after rotation.
    pub qkv: &'a [f32],
}

/// Writes the gradient `d_qkv` of queries, keys and values (overwritten). The sequence is a whole number
/// of blocks.
///
/// # Panics
/// When the sequence is no multiple of [`BLOCK`].
pub fn backward(pool: &Pool, profile: Profile, shape: Shape, d_qkv: &mut [f32], saved: Saved) {
    assert_eq!(
        shape.sequence % BLOCK,
        0,
        "training sequences are whole blocks"
    );
    let sequences = saved.qkv.len() / (shape.row() * shape.sequence);
    let share = shape.heads / shape.kv_heads;
    let d_qkv = Shared::new(d_qkv);
    let task = |task: usize| {
        let (sequence, kv_head) = (task / shape.kv_heads, task % shape.kv_heads);
        let target = |column: usize, row: usize| {
            let start = (sequence * shape.sequence + row) * shape.row() + column;
            // SAFETY: this task alone owns this key-value head and its query heads.
            unsafe { d_qkv.slice(start, shape.width) }
        };
        let rows = |column| shape.rows(saved.qkv, shape.row(), sequence, column);
        for part in 0..share {
            let head = kv_head * share + part;
            let statistics = (sequence * shape.heads + head) * shape.sequence;
            let of_output = |data| shape.rows(data, shape.out_row(), sequence, head * shape.width);
            let backward = Backward {
                numerics: pool.numerics(profile),
                scale: shape.scale,
                q: rows(head * shape.width),
                k: rows(shape.key_column(kv_head)),
                v: rows(shape.value_column(kv_head)),
                o: of_output(saved.o),
                d_o: of_output(saved.d_o),
                m: &saved.m[statistics..][..shape.sequence],
                l: &saved.l[statistics..][..shape.sequence],
            };
            let join = |column: usize, row: usize, values: &[f32]| {
                let out = target(column, row);
                if part == 0 {
                    out.copy_from_slice(values);
                } else {
                    for (out, &value) in out.iter_mut().zip(values) {
                        *out += value;
                    }
                }
            };
            SCRATCH.with_borrow_mut(|scratch| {
                backward.run(
                    scratch,
                    |row, dq| target(head * shape.width, row).copy_from_slice(dq),
                    |row, dk| join(shape.key_column(kv_head), row, dk),
                    |row, dv| join(shape.value_column(kv_head), row, dv),
                );
            });
        }
    };
    pool.run(|| {
        (0..sequences * shape.kv_heads)
            .into_par_iter()
            .for_each(task);
    });
}
