//! One head of one sequence by AMX: the same sums as `head`, of operands in pairs of bf16 numbers.
//!
//! Sums over queries (dK, dV) would visit C for every block of 32 queries, so p and dS of many blocks
//! are kept, transposed, and one product continues through all of them.

use super::head::{Backward, Forward, Scratch};
use super::{BLOCK, softmax};
use crate::aligned::Aligned;
use crate::gemm::bf16::amx::{SIDE, TILE, WORDS};
use crate::gemm::bf16::pairs::{self, Lines};
use crate::gemm::{EDGE, Elements, Left, Out, Panel, View, cover, words_of};
use crate::{Numerics, Profile};

/// Queries whose p and dS are kept for the sums over queries.
const KEPT: usize = 512;

/// A thread's buffers of operands, and of scores.
#[derive(Default)]
pub(super) struct Operands {
    /// Queries and the output's gradient: rows along the head (A) and across it (B).
    q: Aligned,
    q_across: Aligned,
    d_o: Aligned,
    d_o_across: Aligned,
    /// Keys and values: columns along the head (B of scores) and across it.
    k: Aligned,
    k_across: Aligned,
    v: Aligned,
    v_across: Aligned,
    /// Scores of a block of queries in f32, and as A.
    p: Aligned,
    dp: Aligned,
    p_rows: Aligned,
    /// p and dS of kept queries, transposed.
    p_turned: Aligned,
    dp_turned: Aligned,
    out: Aligned,
    dk: Aligned,
    dv: Aligned,
}

#[cfg(test)]
impl Operands {
    /// Elements of all buffers.
    pub(super) fn held(&self) -> usize {
        let Self {
            q,
            q_across,
            d_o,
            d_o_across,
            k,
            k_across,
            v,
            v_across,
            p,
            dp,
            p_rows,
            p_turned,
            dp_turned,
            out,
            dk,
            dv,
        } = self;
        let all = [
            q, q_across, d_o, d_o_across, k, k_across, v, v_across, p, dp, p_rows, p_turned,
            dp_turned, out, dk, dv,
        ];
        let own: usize = all.iter().map(|buffer| buffer.len()).sum();
        own
    }
}

/// Lengths of a head's operands.
#[derive(Clone, Copy)]
struct Lengths {
    numerics: Numerics,
    /// Tokens of the sequence, and to whole blocks.
    tokens: usize,
    whole: usize,
    /// Keys, in whole blocks, that a row of B has room for.
    room: usize,
    /// Elements of the head, and to whole blocks of terms.
    width: usize,
    columns: usize,
}

impl Lengths {
    fn new(numerics: Numerics, head: &View) -> Self {
        Self::of(numerics, head.rows(), head.cols())
    }

    fn of(numerics: Numerics, tokens: usize, width: usize) -> Self {
        Self {
            numerics,
            tokens,
            whole: tokens.next_multiple_of(BLOCK),
            room: tokens.next_multiple_of(BLOCK),
            width,
            columns: width.next_multiple_of(Profile::Bf16V1.depth_unit()),
        }
    }

    /// Elements from one row of scores to the next, and from one row of words of B to the next where
    /// its columns are keys: a cache line more than whole blocks, so that rows fall into different sets
    /// of the cache.
    fn key_stride(keys: usize) -> usize {
        keys + EDGE
    }

    /// A of rows of the head.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn left(self, buffer: &mut Aligned, head: &View) {
        let words = self.columns / 2;
        let out = words_of(buffer.at_least(self.whole * words));
        pairs::left_rows(out, words, Lines::of(head), (self.tokens, self.width));
    }

    /// B whose columns are rows of the head, from row `packed` on: keys to be scored.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn columns(self, buffer: &mut Aligned, head: &View, packed: usize) {
        let shape = (Self::key_stride(self.room), self.columns / 2);
        let out = &mut words_of(buffer.at_least(shape.0 * shape.1))[packed..];
        let lines = Lines::of(head).below(packed);
        pairs::right_rows(out, shape, lines, (self.tokens - packed, self.width));
    }

    /// B whose terms are rows of the head, from row `packed` on: values to be weighted.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn across(self, buffer: &mut Aligned, head: &View, packed: usize) {
        let out = words_of(buffer.at_least(self.columns * self.whole / 2));
        let out = &mut out[packed / 2 * self.columns..];
        let shape = (self.columns, (self.whole - packed) / 2);
        let lines = Lines::of(head).below(packed);
        pairs::right_across(out, shape, lines, (self.tokens - packed, self.width));
    }

    /// `C = A·B` for the block of queries that `a` begins with, against `keys` keys.
    fn scores(self, c: &mut [f32], a: &[f32], b: &Aligned, keys: usize) {
        let (stride, words) = (Self::key_stride(keys), self.columns / 2);
        assert!(c.len() >= BLOCK * stride && a.len() >= BLOCK * words);
        assert!(b.len() >= Self::key_stride(self.room) * words && keys <= self.room);
        // SAFETY: in range by the assertions, whole tiles.
        unsafe {
            cover(
                self.numerics,
                (BLOCK, keys, self.columns),
                left(a, words),
                panel(b, Self::key_stride(self.room)),
                Out {
                    pointer: c.as_mut_ptr(),
                    row: stride,
                },
                true,
            );
        }
    }

    /// `C = P·B`: a block of queries, as A in `p`, against all `keys` rows of B.
    fn weighted(self, c: &mut [f32], p: &[f32], b: &Aligned, keys: usize) {
        assert!(c.len() >= BLOCK * self.columns && p.len() >= BLOCK * keys / 2);
        assert!(b.len() >= keys / 2 * self.columns);
        // SAFETY: as above.
        unsafe {
            cover(
                self.numerics,
                (BLOCK, self.columns, keys),
                left(p, keys / 2),
                panel(b, self.columns),
                Out {
                    pointer: c.as_mut_ptr(),
                    row: self.columns,
                },
                true,
            );
        }
    }

    /// `C += Pᵀ·B` for the kept queries `kept`, block of keys after block of keys: each sum begins with
    /// the block of queries that holds its key.
    fn gathered(self, c: &mut [f32], turned: &Aligned, b: &Aligned, kept: (usize, usize)) {
        let (start, end) = kept;
        assert!(c.len() >= end * self.columns && turned.len() >= end * KEPT / 2);
        assert!(b.len() >= end / 2 * self.columns);
        for key in (0..end).step_by(BLOCK) {
            let first = key.max(start);
            let step = (first - start) / BLOCK;
            // SAFETY: as above.
            unsafe {
                cover(
                    self.numerics,
                    (BLOCK, self.columns, end - first),
                    left(&turned[key * (KEPT / 2) + step * TILE..], KEPT / 2),
                    panel(&b[first / 2 * self.columns..], self.columns),
                    Out {
                        pointer: c[key * self.columns..].as_mut_ptr(),
                        row: self.columns,
                    },
                    key >= start,
                );
            }
        }
    }
}

/// Elements of the buffers of [`Forward`], and of [`Backward`] and both.
pub(super) fn room(numerics: Numerics, tokens: usize, width: usize) -> (usize, usize) {
    let lengths = Lengths::of(numerics, tokens, width);
    let (whole, columns) = (lengths.whole, lengths.columns);
    let rows = whole * columns / 2;
    let keys = Lengths::key_stride(whole) * columns / 2;
    let p = BLOCK * Lengths::key_stride(whole);
    let forward = 2 * rows + keys + p + BLOCK * whole / 2 + BLOCK * columns;
    // q and k across, dO along and across, v along; dP, both kept, both sums.
    let backward = 4 * rows + keys + p + whole * KEPT + 2 * whole * columns;
    (forward, forward + backward)
}

fn left(a: &[f32], words: usize) -> Left {
    Left {
        pointer: a.as_ptr(),
        row: words,
        term: 1,
        tile: None,
    }
}

fn panel(b: &[f32], stride: usize) -> Panel {
    Panel {
        pointer: b.as_ptr(),
        term: stride,
        next: None,
    }
}

/// Scores of a block of queries as A.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn score_rows<'a>(buffer: &'a mut Aligned, p: &[f32], rows: usize, keys: usize) -> &'a [f32] {
    let out = buffer.at_least(BLOCK * keys / 2);
    let stride = Lengths::key_stride(keys);
    let data = Elements::F32(p);
    let lines = Lines { data, stride };
    pairs::left_rows(words_of(out), keys / 2, lines, (rows, keys));
    out
}

/// Keeps scores of the block number `step` of kept queries, transposed, as A.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn keep(buffer: &mut Aligned, p: &[f32], step: usize, keys: usize) {
    let out = &mut words_of(buffer.at_least(keys * KEPT / 2))[step * TILE..];
    let stride = Lengths::key_stride(keys);
    let data = Elements::F32(p);
    let lines = Lines { data, stride };
    pairs::left_across(out, (KEPT / 2, WORDS), lines, (BLOCK, keys));
}

const _: () = assert!(KEPT.is_multiple_of(BLOCK) && BLOCK == 2 * SIDE && BLOCK == 2 * WORDS);

impl Forward<'_> {
    /// [`Forward::run`] by AMX.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn run_in_pairs(
        &self,
        scratch: &mut Scratch,
        m: &mut [f32],
        l: &mut [f32],
        mut row: impl FnMut(usize, &[f32]),
    ) {
        let s = &mut scratch.pairs;
        let isa = self.numerics.isa;
        let lengths = Lengths {
            room: self.longest.next_multiple_of(BLOCK),
            ..Lengths::new(self.numerics, &self.k)
        };
        let (columns, words) = (lengths.columns, lengths.columns / 2);
        lengths.columns(&mut s.k, &self.k, self.packed);
        lengths.across(&mut s.v_across, &self.v, self.packed);
        let queries = Lines::of(&self.q);
        let (mut done, mut blocks) = (0, 0);
        while done < self.q.rows() {
            let first = self.from() + done;
            let keys = (first / BLOCK + 1) * BLOCK;
            let count = keys.min(lengths.tokens) - first;
            let stride = Lengths::key_stride(keys);
            // Rows beyond the queries hold anything; nobody reads what they give.
            let q = s.q.at_least(lengths.whole * words);
            let q = &mut q[blocks * BLOCK * words..][..BLOCK * words];
            let lines = queries.below(done);
            pairs::left_rows(words_of(q), words, lines, (count, lengths.width));
            let p = s.p.at_least(BLOCK * stride);
            lengths.scores(p, q, &s.k, keys);
            let (m, l) = (&mut m[done..done + count], &mut l[done..done + count]);
            softmax::unnormalised(isa, p, m, l, first, stride, self.scale);
            let p = score_rows(&mut s.p_rows, p, count, keys);
            let out = s.out.at_least(BLOCK * columns);
            lengths.weighted(out, p, &s.v_across, keys);
            softmax::divide(isa, &mut out[..count * columns], l, columns);
            for (r, values) in out.chunks_exact(columns).take(count).enumerate() {
                row(done + r, &values[..lengths.width]);
            }
            (done, blocks) = (done + count, blocks + 1);
        }
    }
}

impl Backward<'_> {
    /// [`Backward::run`] by AMX.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn run_in_pairs(
        &self,
        scratch: &mut Scratch,
        mut dq: impl FnMut(usize, &[f32]),
        mut dk: impl FnMut(usize, &[f32]),
        mut dv: impl FnMut(usize, &[f32]),
    ) {
        let s = &mut scratch.pairs;
        let isa = self.numerics.isa;
        let lengths = Lengths::new(self.numerics, &self.q);
        let (columns, words) = (lengths.columns, lengths.columns / 2);
        lengths.left(&mut s.q, &self.q);
        lengths.across(&mut s.q_across, &self.q, 0);
        lengths.left(&mut s.d_o, &self.d_o);
        lengths.across(&mut s.d_o_across, &self.d_o, 0);
        lengths.columns(&mut s.k, &self.k, 0);
        lengths.across(&mut s.k_across, &self.k, 0);
        lengths.columns(&mut s.v, &self.v, 0);
        let sum_k = s.dk.at_least(lengths.whole * columns);
        let sum_v = s.dv.at_least(lengths.whole * columns);
        for start in (0..lengths.tokens).step_by(KEPT) {
            let end = lengths.tokens.min(start + KEPT);
            for first in (start..end).step_by(BLOCK) {
                let keys = first + BLOCK;
                let stride = Lengths::key_stride(keys);
                let p = s.p.at_least(BLOCK * stride);
                lengths.scores(p, &s.q[first * words..], &s.k, keys);
                let (m, l) = (&self.m[first..keys], &self.l[first..keys]);
                softmax::normalised(isa, p, m, l, first, stride, self.scale);
                let dp = s.dp.at_least(BLOCK * stride);
                lengths.scores(dp, &s.d_o[first * words..], &s.v, keys);
                let d: [f32; BLOCK] = std::array::from_fn(|r| {
                    softmax::row_dot(isa, self.d_o.row(first + r), self.o.row(first + r))
                });
                softmax::score_gradient(isa, dp, p, &d, first, stride, self.scale);
                let step = (first - start) / BLOCK;
                keep(&mut s.p_turned, p, step, keys);
                keep(&mut s.dp_turned, dp, step, keys);
                let dp = score_rows(&mut s.p_rows, dp, BLOCK, keys);
                let out = s.out.at_least(BLOCK * columns);
                lengths.weighted(out, dp, &s.k_across, keys);
                for (r, values) in out.chunks_exact(columns).enumerate() {
                    dq(first + r, &values[..lengths.width]);
                }
            }
            lengths.gathered(sum_v, &s.p_turned, &s.d_o_across, (start, end));
            lengths.gathered(sum_k, &s.dp_turned, &s.q_across, (start, end));
        }
        for (row, values) in sum_k.chunks_exact(columns).enumerate() {
            dk(row, &values[..lengths.width]);
        }
        for (row, values) in sum_v.chunks_exact(columns).enumerate() {
            dv(row, &values[..lengths.width]);
        }
    }
}
