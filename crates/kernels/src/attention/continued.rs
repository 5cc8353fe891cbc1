//! Attention of sequences that continue tokens whose keys and values are there already: of a text that
//! several sequences share, or of all tokens before the one that is being generated.
//!
//! The definition is that of whole sequences. Keys and values of the tokens before are gathered and packed
//! once for all that continue them; a row has the bits that [`forward`](super::forward) gives it in the
//! whole sequence, as long as values are finite: a key after the query enters with p = +0 and its value, or
//! +0 beyond the sequence, and only an infinite value or a NaN tells the two apart.

use super::head::{Forward, PACKED_UNIT};
use super::{SCRATCH, Shape};
use crate::aligned::Aligned;
use crate::gemm::View;
use crate::{Pool, Profile, shared::Shared};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// Sequences that continue the same tokens; rows are those of `qkv`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Siblings {
    /// The tokens before, piece after piece; none where sequences begin.
    pub past: Vec<Range<usize>>,
    /// What each sequence adds to them.
    pub rows: Vec<Range<usize>>,
}

impl Siblings {
    fn past(&self) -> usize {
        self.past.iter().map(ExactSizeIterator::len).sum()
    }

    fn longest(&self) -> usize {
        let own = self.rows.iter().map(ExactSizeIterator::len).max();
        self.past() + own.unwrap_or(0)
    }
}

/// A thread's buffers: keys and values of a head, past first, and what attention notes of each query.
#[derive(Default)]
pub(super) struct Gathered {
    k: Aligned,
    v: Aligned,
    pub(super) m: Aligned,
    pub(super) l: Aligned,
}

#[cfg(test)]
impl Gathered {
    /// Elements of all buffers.
    pub(super) fn held(&self) -> usize {
        let Self { k, v, m, l } = self;
        [k, v, m, l].iter().map(|buffer| buffer.len()).sum()
    }
}

/// Most elements of [`Gathered`].
pub(super) fn room(tokens: usize, width: usize) -> usize {
    2 * tokens * (width + 1)
}

thread_local! {
    pub(super) static GATHERED: RefCell<Gathered> = RefCell::new(Gathered::default());
}

/// Writes the rows of `o` `[n, heads · width]` that siblings' rows of `qkv` `[n, (heads + 2 · kv_heads) ·
/// width]` stand for; `shape.sequence` is not read. One task computes a head of all `rows` of a
/// [`Siblings`].
///
/// # Panics
/// When a buffer is too short, or rows of siblings overlap.
pub fn continued(
    pool: &Pool,
    profile: Profile,
    shape: Shape,
    o: &mut [f32],
    qkv: &[f32],
    siblings: &[Siblings],
) {
    assert_disjoint(siblings.iter().flat_map(|siblings| &siblings.rows));
    let o = Shared::new(o);
    pool.run(|| {
        (0..siblings.len() * shape.heads)
            .into_par_iter()
            .for_each(|task| {
                let (siblings, head) = (&siblings[task / shape.heads], task % shape.heads);
                let row = |row: usize, values: &[f32]| {
                    let start = row * shape.out_row() + head * shape.width;
                    // SAFETY: this task alone owns this head of these rows, which no other siblings have.
                    let out = unsafe { o.slice(start, shape.width) };
                    out.copy_from_slice(values);
                };
                GATHERED.with_borrow_mut(|gathered| {
                    one_head(pool, profile, shape, qkv, siblings, head, gathered, row);
                });
            });
    });
}

/// Refuses rows that two tasks would write.
pub(super) fn assert_disjoint<'r>(rows: impl Iterator<Item = &'r Range<usize>>) {
    let mut rows: Vec<&Range<usize>> = rows.filter(|rows| !rows.is_empty()).collect();
    rows.sort_unstable_by_key(|rows| rows.start);
    let disjoint = rows.is_sorted_by(|a, b| a.end <= b.start);
    assert!(disjoint, "rows of siblings overlap");
}

#[allow(
    clippy::too_many_arguments,
    reason = "kernels take their operands one by one"
)]
fn one_head(
    pool: &Pool,
    profile: Profile,
    shape: Shape,
    qkv: &[f32],
    siblings: &Siblings,
    head: usize,
    gathered: &mut Gathered,
    mut row: impl FnMut(usize, &[f32]),
) {
    let (width, kv_head) = (shape.width, shape.kv_head(head));
    let columns = [shape.key_column(kv_head), shape.value_column(kv_head)];
    let (past, longest) = (siblings.past(), siblings.longest());
    let Gathered { k, v, m, l } = gathered;
    if past > 0 {
        for (buffer, column) in [&mut *k, &mut *v].into_iter().zip(columns) {
            let mut out = buffer.at_least(longest * width).chunks_exact_mut(width);
            for row in siblings.past.iter().cloned().flatten() {
                if let Some(out) = out.next() {
                    out.copy_from_slice(&qkv[row * shape.row() + column..][..width]);
                }
            }
        }
    }
    let mut packed = 0;
    for rows in siblings.rows.iter().filter(|rows| !rows.is_empty()) {
        let count = rows.len();
        let of = |column: usize| {
            let data = &qkv[rows.start * shape.row() + column..];
            View::strided(data, count, width, shape.row())
        };
        let [mut keys, mut values] = columns.map(of);
        if past > 0 {
            for (buffer, own) in [(&mut *k, &mut keys), (&mut *v, &mut values)] {
                let all = buffer.at_least((past + count) * width);
                let out = all[past * width..].chunks_exact_mut(width);
                for (index, out) in out.enumerate() {
                    out.copy_from_slice(own.row(index));
                }
                *own = View::new(all, past + count, width);
            }
        }
        let forward = Forward {
            numerics: pool.numerics(profile),
            scale: shape.scale,
            q: of(head * width),
            k: keys,
            v: values,
            packed,
            longest,
        };
        let (m, l) = (m.at_least(count), l.at_least(count));
        SCRATCH.with_borrow_mut(|scratch| {
            forward.run(scratch, m, l, |query, values| {
                row(rows.start + query, values);
            });
        });
        packed = past / PACKED_UNIT * PACKED_UNIT;
    }
}
