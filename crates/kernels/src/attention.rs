//! Causal attention over whole rows: no online rescaling, so a row's bits do not depend on tiling.
//!
//! For query i of a head of width w: `s_j = scale · (q·k_j)`, `m = max_j≤i s_j`,
//! `p_j = exp(s_j − m)`, `l = lanes(p)`, `o = (chain of p·v) ÷ l`. Chains over keys run from key 0
//! to the end of the block of [`BLOCK`] keys that holds i; keys after i enter with p = +0.
//! The gradient recomputes `p = exp(s − m) ÷ l`; `D = lanes(dO∘O)`,
//! `dS = (p · (dP − D)) · scale`. Chains over queries (dK, dV) start at the block that holds the
//! key. Query heads that share a key-value head have chains of their own, added in head order.

use crate::cross_entropy::max;
use crate::gemm::{Start, View, gemm_serial};
use crate::{Isa, Pool, lanes, math, shared::Shared};
use rayon::prelude::*;
use std::cell::RefCell;

/// Keys and queries are taken in blocks of this many.
pub const BLOCK: usize = 32;

/// Shape of one attention: rows of q are `heads · width` wide, rows of k and v `kv_heads · width`.
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
}

impl Shape {
    fn q_stride(&self) -> usize {
        self.heads * self.width
    }
    fn kv_stride(&self) -> usize {
        self.kv_heads * self.width
    }
    fn scale(&self) -> f32 {
        (1.0 / (self.width as f64).sqrt()) as f32
    }
    /// Start of the first row of `sequence_index` in a buffer of rows of `stride`, at `head`.
    fn offset(&self, sequence_index: usize, stride: usize, head: usize) -> usize {
        sequence_index * self.sequence * stride + head * self.width
    }
}

thread_local! {
    static SCRATCH: RefCell<[Vec<f32>; 4]> = const { RefCell::new([Vec::new(), Vec::new(), Vec::new(), Vec::new()]) };
}

fn sized(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    buffer.clear();
    buffer.resize(length, 0.0);
    &mut buffer[..]
}

per_isa! {
    fn softmax_rows(s: &mut [f32], m: &mut [f32], l: &mut [f32], first: usize, stride: usize, scale: f32) = softmax_text
}

/// Rows of scores to unnormalised p, with m and l per row; row r is query `first + r`.
#[inline(always)]
fn softmax_text(
    s: &mut [f32],
    m: &mut [f32],
    l: &mut [f32],
    first: usize,
    stride: usize,
    scale: f32,
) {
    for (r, row) in s.chunks_exact_mut(stride).take(m.len()).enumerate() {
        let (seen, later) = row.split_at_mut(first + r + 1);
        for x in seen.iter_mut() {
            *x *= scale;
        }
        let top = max(seen);
        for x in seen.iter_mut() {
            *x = math::exp(*x - top);
        }
        later.fill(0.0);
        m[r] = top;
        l[r] = lanes::sum(seen);
    }
}

per_isa! {
    fn divide_rows(o: &mut [f32], l: &[f32], stride: usize, width: usize) = divide_text
}

#[inline(always)]
fn divide_text(o: &mut [f32], l: &[f32], stride: usize, width: usize) {
    for (r, &l) in l.iter().enumerate() {
        for x in &mut o[r * stride..][..width] {
            // A block cut short by the sequence's end has +0 terms left: −0 + 0 is +0.
            *x = (*x + 0.0) / l;
        }
    }
}

per_isa! {
    fn normalised_rows(s: &mut [f32], m: &[f32], l: &[f32], first: usize, stride: usize, scale: f32) = normalised_text
}

#[inline(always)]
fn normalised_text(s: &mut [f32], m: &[f32], l: &[f32], first: usize, stride: usize, scale: f32) {
    for (r, row) in s.chunks_exact_mut(stride).take(m.len()).enumerate() {
        let (seen, later) = row.split_at_mut(first + r + 1);
        for x in seen.iter_mut() {
            *x = math::exp(*x * scale - m[r]) / l[r];
        }
        later.fill(0.0);
    }
}

per_isa! {
    fn score_gradient(dp: &mut [f32], p: &[f32], d: &[f32], first: usize, stride: usize, scale: f32) = score_gradient_text
}

#[inline(always)]
fn score_gradient_text(
    dp: &mut [f32],
    p: &[f32],
    d: &[f32],
    first: usize,
    stride: usize,
    scale: f32,
) {
    let rows = dp
        .chunks_exact_mut(stride)
        .zip(p.chunks_exact(stride))
        .zip(d);
    for (r, ((dp, p), &d)) in rows.enumerate() {
        let (seen, later) = dp.split_at_mut(first + r + 1);
        for (dp, &p) in seen.iter_mut().zip(p) {
            *dp = (p * (*dp - d)) * scale;
        }
        later.fill(0.0);
    }
}

per_isa! {
    fn row_dot(a: &[f32], b: &[f32]) -> f32 = lanes::dot
}

/// Writes `o` `[n, heads · width]` and, for [`backward`], `m` and `l` `[n / sequence, heads,
/// sequence]`. `n` is a whole number of sequences; a sequence may have any length here.
#[allow(clippy::too_many_arguments, reason = "the operands of one operation")]
pub fn forward(
    pool: &Pool,
    shape: Shape,
    o: &mut [f32],
    m: &mut [f32],
    l: &mut [f32],
    q: &[f32],
    k: &[f32],
    v: &[f32],
) {
    let sequences = q.len() / (shape.q_stride() * shape.sequence);
    let o = Shared::new(o);
    pool.run(|| {
        m.par_chunks_mut(shape.sequence)
            .zip(l.par_chunks_mut(shape.sequence))
            .take(sequences * shape.heads)
            .enumerate()
            .for_each(|(task, (m, l))| {
                let (b, head) = (task / shape.heads, task % shape.heads);
                let kv_head = head / (shape.heads / shape.kv_heads);
                let (qs, ks) = (shape.q_stride(), shape.kv_stride());
                let q = &q[shape.offset(b, qs, head)..];
                let k = &k[shape.offset(b, ks, kv_head)..];
                let v = &v[shape.offset(b, ks, kv_head)..];
                let at = shape.offset(b, qs, head);
                SCRATCH.with_borrow_mut(|[scores, out, ..]| {
                    head_forward(pool.isa(), shape, scores, out, (&o, at), m, l, q, k, v);
                });
            });
    });
}

#[allow(clippy::too_many_arguments, reason = "the operands of one head")]
fn head_forward(
    isa: Isa,
    shape: Shape,
    scores: &mut Vec<f32>,
    out: &mut Vec<f32>,
    (o, at): (&Shared, usize),
    m: &mut [f32],
    l: &mut [f32],
    q: &[f32],
    k: &[f32],
    v: &[f32],
) {
    let (qs, ks, w) = (shape.q_stride(), shape.kv_stride(), shape.width);
    for first in (0..shape.sequence).step_by(BLOCK) {
        let rows = BLOCK.min(shape.sequence - first);
        let keys = first + rows;
        let s = sized(scores, rows * keys);
        let q = View::strided(&q[first * qs..], rows, w, qs);
        gemm_serial(
            isa,
            s,
            keys,
            q,
            View::strided(k, keys, w, ks).transposed(),
            Start::Zero,
        );
        let (m, l) = (&mut m[first..first + rows], &mut l[first..first + rows]);
        softmax_rows(isa, s, m, l, first, keys, shape.scale());
        let out = sized(out, rows * w);
        gemm_serial(
            isa,
            out,
            w,
            View::new(s, rows, keys),
            View::strided(v, keys, w, ks),
            Start::Zero,
        );
        divide_rows(isa, out, l, w, w);
        for (r, row) in out.chunks_exact(w).enumerate() {
            // SAFETY: this task alone owns this head of this sequence.
            let target = unsafe { o.slice(at + (first + r) * qs, w) };
            target.copy_from_slice(row);
        }
    }
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
    pub q: &'a [f32],
    /// Keys.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
}

/// Writes `dq`, `dk`, `dv` (overwritten). The sequence is a whole number of blocks.
///
/// # Panics
/// When the sequence is no multiple of [`BLOCK`].
pub fn backward(
    pool: &Pool,
    shape: Shape,
    dq: &mut [f32],
    dk: &mut [f32],
    dv: &mut [f32],
    saved: Saved,
) {
    assert_eq!(
        shape.sequence % BLOCK,
        0,
        "training sequences are whole blocks"
    );
    let sequences = saved.q.len() / (shape.q_stride() * shape.sequence);
    let (dq, dk, dv) = (Shared::new(dq), Shared::new(dk), Shared::new(dv));
    pool.run(|| {
        (0..sequences * shape.kv_heads)
            .into_par_iter()
            .for_each(|task| {
                let (b, kv_head) = (task / shape.kv_heads, task % shape.kv_heads);
                let share = shape.heads / shape.kv_heads;
                for part in 0..share {
                    let head = kv_head * share + part;
                    HEAD.with_borrow_mut(|[head_dk, head_dv]| {
                        let head_dk = sized(head_dk, shape.sequence * shape.width);
                        let head_dv = sized(head_dv, shape.sequence * shape.width);
                        head_backward(
                            pool.isa(),
                            shape,
                            &dq,
                            head_dk,
                            head_dv,
                            saved,
                            b,
                            head,
                            kv_head,
                        );
                        accumulate(shape, &dk, head_dk, b, kv_head, part == 0);
                        accumulate(shape, &dv, head_dv, b, kv_head, part == 0);
                    });
                }
            });
    });
}

thread_local! {
    static HEAD: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Stores the first query head's gradient of a key-value head, adds the others' in order.
fn accumulate(shape: Shape, target: &Shared, part: &[f32], b: usize, kv_head: usize, first: bool) {
    let stride = shape.kv_stride();
    let at = shape.offset(b, stride, kv_head);
    for (row, part) in part.chunks_exact(shape.width).enumerate() {
        // SAFETY: this task alone owns this key-value head of this sequence.
        let target = unsafe { target.slice(at + row * stride, shape.width) };
        if first {
            target.copy_from_slice(part);
        } else {
            for (a, &b) in target.iter_mut().zip(part) {
                *a += b;
            }
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "the operands of one head")]
fn head_backward(
    isa: Isa,
    shape: Shape,
    dq: &Shared,
    dk: &mut [f32],
    dv: &mut [f32],
    saved: Saved,
    b: usize,
    head: usize,
    kv_head: usize,
) {
    let (qs, ks, w) = (shape.q_stride(), shape.kv_stride(), shape.width);
    let at = shape.offset(b, qs, head);
    let kv_at = shape.offset(b, ks, kv_head);
    let statistics = (b * shape.heads + head) * shape.sequence;
    SCRATCH.with_borrow_mut(|[p, dp, out, d]| {
        for first in (0..shape.sequence).step_by(BLOCK) {
            let keys = first + BLOCK;
            let row_at = at + first * qs;
            let q = View::strided(&saved.q[row_at..], BLOCK, w, qs);
            let d_o = View::strided(&saved.d_o[row_at..], BLOCK, w, qs);
            let k = View::strided(&saved.k[kv_at..], keys, w, ks);
            let v = View::strided(&saved.v[kv_at..], keys, w, ks);
            let (m, l) = (
                &saved.m[statistics + first..][..BLOCK],
                &saved.l[statistics + first..][..BLOCK],
            );
            let p = sized(p, BLOCK * keys);
            gemm_serial(isa, p, keys, q, k.transposed(), Start::Zero);
            normalised_rows(isa, p, m, l, first, keys, shape.scale());
            gemm_serial(
                isa,
                dv,
                w,
                View::new(p, BLOCK, keys).transposed(),
                d_o,
                Start::Continue,
            );
            let dp = sized(dp, BLOCK * keys);
            gemm_serial(isa, dp, keys, d_o, v.transposed(), Start::Zero);
            let d = sized(d, BLOCK);
            for (r, d) in d.iter_mut().enumerate() {
                let row = row_at + r * qs;
                *d = row_dot(isa, &saved.d_o[row..][..w], &saved.o[row..][..w]);
            }
            score_gradient(isa, dp, p, d, first, keys, shape.scale());
            let ds = View::new(dp, BLOCK, keys);
            gemm_serial(isa, dk, w, ds.transposed(), q, Start::Continue);
            let out = sized(out, BLOCK * w);
            gemm_serial(isa, out, w, ds, k, Start::Zero);
            for (r, row) in out.chunks_exact(w).enumerate() {
                // SAFETY: this task alone owns the query heads of this key-value head.
                let target = unsafe { dq.slice(row_at + r * qs, w) };
                target.copy_from_slice(row);
            }
        }
    });
}
