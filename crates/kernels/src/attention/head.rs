//! One head of one sequence.

use super::{BLOCK, softmax};
use crate::aligned::Aligned;
use crate::gemm::{EDGE, Left, Out, Panel, View, cover, transpose};
use crate::{Isa, Numerics, Profile, bf16};

/// Columns of a packed panel of keys or values.
const PANEL: usize = 48;

/// A thread's buffers.
#[derive(Default)]
pub(super) struct Scratch {
    q: Aligned,
    k: Aligned,
    v: Aligned,
    d_o: Aligned,
    k_panels: Aligned,
    v_panels: Aligned,
    p: Aligned,
    dp: Aligned,
    out: Aligned,
    dk: Aligned,
    dv: Aligned,
    #[cfg(target_arch = "x86_64")]
    pub(super) pairs: super::pairs::Operands,
}

#[cfg(test)]
impl Scratch {
    /// Elements of all buffers.
    pub(super) fn held(&self) -> usize {
        let Self {
            q,
            k,
            v,
            d_o,
            k_panels,
            v_panels,
            p,
            dp,
            out,
            dk,
            dv,
            ..
        } = self;
        let all = [q, k, v, d_o, k_panels, v_panels, p, dp, out, dk, dv];
        let own: usize = all.iter().map(|buffer| buffer.len()).sum();
        #[cfg(target_arch = "x86_64")]
        let own = own + self.pairs.held();
        own
    }
}

/// Lengths of a head's buffers.
#[derive(Clone, Copy)]
struct Lengths {
    /// Tokens of the sequence, and to whole blocks.
    tokens: usize,
    whole: usize,
    /// Elements of the head as terms of a sum, padded as the profile asks.
    terms: usize,
    /// Elements of the head as columns, in whole vectors; at least `terms`.
    columns: usize,
}

impl Lengths {
    fn new(profile: Profile, head: &View) -> Self {
        Self::of(profile, head.rows(), head.cols())
    }

    fn of(profile: Profile, tokens: usize, width: usize) -> Self {
        let terms = width.next_multiple_of(profile.depth_unit());
        Self {
            tokens,
            whole: tokens.next_multiple_of(BLOCK),
            terms,
            columns: terms.next_multiple_of(EDGE),
        }
    }

    /// Elements from one row of p to the next: a cache line more than whole blocks, so that rows fall
    /// into different sets of the cache.
    fn p_stride(&self, keys: usize) -> usize {
        keys + EDGE
    }
}

/// Elements of the buffers of [`Forward`], and of [`Backward`] and both.
pub(super) fn room(profile: Profile, tokens: usize, width: usize) -> (usize, usize) {
    let lengths = Lengths::of(profile, tokens, width);
    let rows = lengths.whole * lengths.columns;
    let panels = lengths.whole * lengths.terms;
    let p = BLOCK * lengths.p_stride(lengths.whole);
    let forward = 3 * rows + panels + p + BLOCK * lengths.columns;
    // The output's gradient, values in panels, dP, the sums of keys and values.
    (forward, forward + 3 * rows + panels + p)
}

/// A head's rows from row `packed` on as operands of products: rounded where the profile says so, +0
/// beyond the last, to whole blocks, and beyond the head's width.
fn rows(numerics: Numerics, buffer: &mut Aligned, head: &View, lengths: Lengths, packed: usize) {
    let (tokens, columns) = (head.rows(), lengths.columns);
    let out = buffer.at_least(tokens.next_multiple_of(BLOCK) * columns);
    let (written, beyond) = out.split_at_mut(tokens * columns);
    let written = &mut written[packed * columns..];
    beyond.fill(0.0);
    for (row, out) in written.chunks_exact_mut(columns).enumerate() {
        let source = head.row(packed + row);
        out[..source.len()].copy_from_slice(source);
        out[source.len()..].fill(0.0);
    }
    if numerics.rounds() {
        bf16::round_all(numerics.isa, written);
    }
}

/// The transpose of rows made by [`rows`], in panels `[terms][PANEL]`, the last one narrower; from row
/// `packed` on, which begins a panel.
fn panels(isa: Isa, buffer: &mut Aligned, rows: &[f32], lengths: Lengths, packed: usize) {
    let Lengths {
        whole,
        terms,
        columns,
        ..
    } = lengths;
    let out = buffer.at_least(whole * terms);
    for first in (packed..whole).step_by(PANEL) {
        let width = PANEL.min(whole - first);
        let out = &mut out[first * terms..][..width * terms];
        transpose(
            isa,
            out,
            width,
            (rows, first * columns, columns),
            width,
            terms,
        );
    }
}

/// `C = A·B` for `count` queries and the columns of packed panels: scores against keys.
fn scores(
    numerics: Numerics,
    c: &mut [f32],
    stride: usize,
    a: &[f32],
    panels: &[f32],
    (count, keys): (usize, usize),
    lengths: Lengths,
) {
    assert!(c.len() >= count * stride && stride >= keys && a.len() >= count * lengths.columns);
    assert!(panels.len() >= lengths.whole * lengths.terms && keys <= lengths.whole);
    for first in (0..keys).step_by(PANEL) {
        let whole = PANEL.min(lengths.whole - first);
        // SAFETY: in range by the assertions.
        unsafe {
            cover(
                numerics,
                (count, PANEL.min(keys - first), lengths.terms),
                Left {
                    pointer: a.as_ptr(),
                    row: lengths.columns,
                    term: 1,
                    tile: None,
                },
                Panel {
                    pointer: panels[first * lengths.terms..].as_ptr(),
                    term: whole,
                    next: None,
                },
                Out {
                    pointer: c[first..].as_mut_ptr(),
                    row: stride,
                },
                true,
            );
        }
    }
}

/// `C = P·B`: `count` queries against all `keys` rows of B.
fn weighted(
    numerics: Numerics,
    c: &mut [f32],
    p: &[f32],
    stride: usize,
    b: &[f32],
    (count, keys): (usize, usize),
    lengths: Lengths,
) {
    let columns = lengths.columns;
    assert!(c.len() >= count * columns && b.len() >= keys * columns);
    assert!(p.len() >= count * stride && stride >= keys);
    // SAFETY: in range by the assertions.
    unsafe {
        cover(
            numerics,
            (count, columns, keys),
            Left {
                pointer: p.as_ptr(),
                row: stride,
                term: 1,
                tile: None,
            },
            Panel {
                pointer: b.as_ptr(),
                term: columns,
                next: None,
            },
            Out {
                pointer: c.as_mut_ptr(),
                row: columns,
            },
            true,
        );
    }
}

/// `C += Pᵀ·B`: the keys of a block of queries, continued over the blocks.
fn gathered(
    numerics: Numerics,
    c: &mut [f32],
    p: &[f32],
    stride: usize,
    b: &[f32],
    keys: usize,
    lengths: Lengths,
) {
    let columns = lengths.columns;
    assert!(c.len() >= keys * columns && b.len() >= BLOCK * columns);
    assert!(p.len() >= (BLOCK - 1) * stride + keys);
    // SAFETY: in range by the assertions.
    unsafe {
        cover(
            numerics,
            (keys, columns, BLOCK),
            Left {
                pointer: p.as_ptr(),
                row: 1,
                term: stride,
                tile: None,
            },
            Panel {
                pointer: b.as_ptr(),
                term: columns,
                next: None,
            },
            Out {
                pointer: c.as_mut_ptr(),
                row: columns,
            },
            false,
        );
    }
}

/// Keys that are packed once for several sequences: a whole number of panels, blocks and pairs.
pub(super) const PACKED_UNIT: usize = 2 * PANEL;

const _: () = assert!(PACKED_UNIT.is_multiple_of(BLOCK));

/// A head's forward pass over the last tokens of a sequence, or all.
pub(super) struct Forward<'a> {
    pub(super) numerics: Numerics,
    pub(super) scale: f32,
    /// Queries of the last tokens.
    pub(super) q: View<'a>,
    /// Keys and values of all tokens.
    pub(super) k: View<'a>,
    pub(super) v: View<'a>,
    /// Keys and values, from the first on, that the run before this one packed into the same buffers:
    /// a multiple of [`PACKED_UNIT`].
    pub(super) packed: usize,
    /// Tokens of the longest sequence among this one and those that use what it packs.
    pub(super) longest: usize,
}

impl Forward<'_> {
    /// Position of the first query.
    pub(super) fn from(&self) -> usize {
        self.k.rows() - self.q.rows()
    }

    /// Writes m and l, one a query, and hands each row of the output to `row(query, values)`; queries
    /// are numbered from the first one here.
    pub(super) fn run(
        &self,
        scratch: &mut Scratch,
        m: &mut [f32],
        l: &mut [f32],
        mut row: impl FnMut(usize, &[f32]),
    ) {
        #[cfg(target_arch = "x86_64")]
        if self.numerics.in_pairs() {
            // SAFETY: only where AMX was found, and with it the features.
            return unsafe { self.run_in_pairs(scratch, m, l, row) };
        }
        let Numerics { profile, isa } = self.numerics;
        let lengths = Lengths::new(profile, &self.k);
        rows(self.numerics, &mut scratch.q, &self.q, lengths, 0);
        rows(self.numerics, &mut scratch.k, &self.k, lengths, self.packed);
        rows(self.numerics, &mut scratch.v, &self.v, lengths, self.packed);
        let panels_of = &mut scratch.k_panels;
        panels(isa, panels_of, &scratch.k, lengths, self.packed);
        let mut done = 0;
        while done < self.q.rows() {
            // Queries up to the end of the block of 32 share their last key.
            let first = self.from() + done;
            let keys = (first / BLOCK + 1) * BLOCK;
            let count = keys.min(lengths.tokens) - first;
            let stride = lengths.p_stride(keys);
            let p = scratch.p.at_least(BLOCK * stride);
            let q = &scratch.q[done * lengths.columns..];
            scores(
                self.numerics,
                p,
                stride,
                q,
                &scratch.k_panels,
                (count, keys),
                lengths,
            );
            let (m, l) = (&mut m[done..done + count], &mut l[done..done + count]);
            softmax::unnormalised(isa, p, m, l, first, stride, self.scale);
            if profile == Profile::Bf16V1 {
                bf16::round_all(isa, &mut p[..count * stride]);
            }
            let out = scratch.out.at_least(BLOCK * lengths.columns);
            weighted(
                self.numerics,
                out,
                p,
                stride,
                &scratch.v,
                (count, keys),
                lengths,
            );
            softmax::divide(isa, &mut out[..count * lengths.columns], l, lengths.columns);
            for (r, values) in out.chunks_exact(lengths.columns).take(count).enumerate() {
                row(done + r, &values[..self.q.cols()]);
            }
            done += count;
        }
    }
}

/// A head's backward pass.
pub(super) struct Backward<'a> {
    pub(super) numerics: Numerics,
    pub(super) scale: f32,
    pub(super) q: View<'a>,
    pub(super) k: View<'a>,
    pub(super) v: View<'a>,
    pub(super) o: View<'a>,
    pub(super) d_o: View<'a>,
    pub(super) m: &'a [f32],
    pub(super) l: &'a [f32],
}

impl Backward<'_> {
    /// Hands each row of the gradients to `dq(query, values)`, `dk(key, values)`, `dv(key, values)`.
    pub(super) fn run(
        &self,
        scratch: &mut Scratch,
        mut dq: impl FnMut(usize, &[f32]),
        mut dk: impl FnMut(usize, &[f32]),
        mut dv: impl FnMut(usize, &[f32]),
    ) {
        #[cfg(target_arch = "x86_64")]
        if self.numerics.in_pairs() {
            // SAFETY: as above.
            return unsafe { self.run_in_pairs(scratch, dq, dk, dv) };
        }
        let numerics = self.numerics;
        let Numerics { profile, isa } = numerics;
        let lengths = Lengths::new(profile, &self.q);
        let columns = lengths.columns;
        rows(numerics, &mut scratch.q, &self.q, lengths, 0);
        rows(numerics, &mut scratch.k, &self.k, lengths, 0);
        rows(numerics, &mut scratch.v, &self.v, lengths, 0);
        rows(numerics, &mut scratch.d_o, &self.d_o, lengths, 0);
        panels(isa, &mut scratch.k_panels, &scratch.k, lengths, 0);
        panels(isa, &mut scratch.v_panels, &scratch.v, lengths, 0);
        let sum_k = scratch.dk.at_least(lengths.whole * columns);
        let sum_v = scratch.dv.at_least(lengths.whole * columns);
        sum_k.fill(0.0);
        sum_v.fill(0.0);
        for first in (0..lengths.tokens).step_by(BLOCK) {
            let keys = first + BLOCK;
            let stride = lengths.p_stride(keys);
            let block = first * columns..keys * columns;
            let (q, d_o) = (&scratch.q[block.clone()], &scratch.d_o[block]);
            let p = scratch.p.at_least(BLOCK * stride);
            scores(
                numerics,
                p,
                stride,
                q,
                &scratch.k_panels,
                (BLOCK, keys),
                lengths,
            );
            let (m, l) = (&self.m[first..keys], &self.l[first..keys]);
            softmax::normalised(isa, p, m, l, first, stride, self.scale);
            let dp = scratch.dp.at_least(BLOCK * stride);
            scores(
                numerics,
                dp,
                stride,
                d_o,
                &scratch.v_panels,
                (BLOCK, keys),
                lengths,
            );
            let d: [f32; BLOCK] = std::array::from_fn(|r| {
                softmax::row_dot(isa, self.d_o.row(first + r), self.o.row(first + r))
            });
            softmax::score_gradient(isa, dp, p, &d, first, stride, self.scale);
            if profile == Profile::Bf16V1 {
                bf16::round_all(isa, p);
                bf16::round_all(isa, dp);
            }
            gathered(numerics, sum_v, p, stride, d_o, keys, lengths);
            gathered(numerics, sum_k, dp, stride, q, keys, lengths);
            let out = scratch.out.at_least(BLOCK * columns);
            weighted(
                numerics,
                out,
                dp,
                stride,
                &scratch.k,
                (BLOCK, keys),
                lengths,
            );
            for (r, values) in out.chunks_exact(columns).enumerate() {
                dq(first + r, &values[..self.q.cols()]);
            }
        }
        let width = self.q.cols();
        for (row, values) in sum_k.chunks_exact(columns).enumerate() {
            dk(row, &values[..width]);
        }
        for (row, values) in sum_v.chunks_exact(columns).enumerate() {
            dv(row, &values[..width]);
        }
    }
}
