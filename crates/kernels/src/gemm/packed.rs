//! The right operand of a product in the order in which tiles read it.

use super::blocks::{Block, blocks, padded};
use super::{Blocking, EDGE, View, pack};
use crate::aligned::Aligned;
use crate::shared::Shared;
use crate::{Numerics, Pool, Profile};
use rayon::prelude::*;

/// The right operand of a product.
#[derive(Clone, Copy, Debug)]
pub enum Right<'a> {
    /// Packed for this product alone.
    View(View<'a>),
    /// Packed before.
    Packed(&'a Packed),
}

impl<'a> From<View<'a>> for Right<'a> {
    fn from(view: View<'a>) -> Self {
        Self::View(view)
    }
}

impl<'a> From<&'a Packed> for Right<'a> {
    fn from(packed: &'a Packed) -> Self {
        Self::Packed(packed)
    }
}

impl Right<'_> {
    /// The inner length.
    pub fn rows(&self) -> usize {
        match self {
            Self::View(view) => view.rows,
            Self::Packed(packed) => packed.segments.iter().sum(),
        }
    }

    /// Columns.
    pub fn cols(&self) -> usize {
        match self {
            Self::View(view) => view.cols,
            Self::Packed(packed) => packed.cols,
        }
    }
}

/// A right operand packed once and used many times: a step's weights. Reusable: packing again takes no
/// new memory for the same shape.
#[derive(Debug, Default)]
pub struct Packed {
    pub(super) data: Aligned,
    pub(super) segments: Vec<usize>,
    pub(super) cols: usize,
    pub(super) made: Option<Made>,
}

/// What an operand is packed for, and the cache blocks that it is packed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) numerics: Numerics,
    pub(super) blocking: Blocking,
}

/// Elements of a row of panels: columns in whole vectors.
pub(super) fn row_length(cols: usize) -> usize {
    cols.next_multiple_of(EDGE)
}

impl Packed {
    /// Nothing packed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that a packed operand of these inner `segments` and `cols` takes.
    pub fn bytes(numerics: Numerics, segments: &[usize], cols: usize) -> usize {
        size_of::<f32>() * Self::words(numerics, segments, cols)
    }

    fn words(numerics: Numerics, segments: &[usize], cols: usize) -> usize {
        let terms = padded(segments, numerics.profile.depth_unit());
        numerics.words(terms) * row_length(cols)
    }

    /// Packs operands of equal inner length side by side: one product then gives the columns of all.
    ///
    /// # Panics
    /// When the inner lengths differ.
    pub fn pack_beside(&mut self, pool: &Pool, profile: Profile, parts: &[View]) {
        let depth = parts.first().map_or(0, |part| part.rows);
        assert!(
            parts.iter().all(|part| part.rows == depth),
            "inner lengths of operands side by side differ"
        );
        let cols = parts.iter().map(|part| part.cols).sum();
        let made = self.shape(pool, profile, [depth], cols);
        let numerics = made.numerics;
        self.each_panel(
            pool,
            made,
            parts.first().map_or(Along::Terms, Along::of),
            |block, column, width, out| {
                let mut start = 0;
                for part in parts {
                    let end = start + part.cols;
                    let (from, to) = (start.max(column), end.min(column + width));
                    if from < to {
                        let at = from - column;
                        pack::panel(numerics, out, at, part, block, from - start..to - start);
                    }
                    start = end;
                }
            },
        );
    }

    /// Packs operands of equal width one below the other: one product then continues each element's sum
    /// through all of them, each inner length padded for itself.
    ///
    /// # Panics
    /// When the widths differ.
    pub fn pack_below(&mut self, pool: &Pool, profile: Profile, parts: &[View]) {
        let cols = parts.first().map_or(0, |part| part.cols);
        assert!(
            parts.iter().all(|part| part.cols == cols),
            "widths of operands one below the other differ"
        );
        let made = self.shape(pool, profile, parts.iter().map(|part| part.rows), cols);
        let numerics = made.numerics;
        self.each_panel(
            pool,
            made,
            parts.first().map_or(Along::Terms, Along::of),
            |block, column, width, out| {
                let line = out.len() / numerics.words(block.padded);
                let mut start = 0;
                for part in parts {
                    // A block may hold terms of several parts.
                    let from = start.max(block.first);
                    let to = (start + part.rows).min(block.first + block.terms);
                    if from < to {
                        let terms = to - from;
                        // A part that another one follows is whole units.
                        let here = Block {
                            first: from - start,
                            terms,
                            padded: terms.next_multiple_of(profile.depth_unit()),
                            before: 0,
                        };
                        let above = numerics.words(from - block.first) * line;
                        let out = &mut out[above..][..numerics.words(here.padded) * line];
                        pack::panel(numerics, out, 0, part, here, column..column + width);
                    }
                    start += part.rows;
                }
            },
        );
    }

    /// Packs the transpose of a matrix of `cols` rows of `depth` elements, each of which
    /// `row(index, elements)` writes: weights `[out, in]` that are stored in another type.
    pub fn pack_rows(
        &mut self,
        pool: &Pool,
        profile: Profile,
        (depth, cols): (usize, usize),
        row: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let Made { numerics, blocking } = self.shape(pool, profile, [depth], cols);
        let (panel, units) = (blocking.panel, profile.depth_unit());
        let all = Shared::new(&mut self.data);
        pool.run(|| {
            (0..cols.div_ceil(panel)).into_par_iter().for_each_init(
                Vec::new,
                |rows: &mut Vec<f32>, index| {
                    let column = index * panel;
                    let width = panel.min(cols - column);
                    rows.resize(width * depth, 0.0);
                    for (r, out) in rows.chunks_exact_mut(depth.max(1)).enumerate() {
                        row(column + r, out);
                    }
                    let view = View::new(rows, width, depth).transposed();
                    for block in blocks(&[depth], blocking.depth, units) {
                        let words = numerics.words(block.padded);
                        let at = numerics.words(block.before) * row_length(cols) + column * words;
                        // SAFETY: panels are disjoint.
                        let out = unsafe { all.slice(at, row_length(width) * words) };
                        pack::panel(numerics, out, 0, &view, block, 0..width);
                    }
                },
            );
        });
    }

    fn shape(
        &mut self,
        pool: &Pool,
        profile: Profile,
        segments: impl IntoIterator<Item = usize>,
        cols: usize,
    ) -> Made {
        let unit = profile.depth_unit();
        self.segments.clear();
        for length in segments {
            match self.segments.last_mut() {
                // Without padding between them two segments are one.
                Some(last) if last.is_multiple_of(unit) => *last += length,
                _ => self.segments.push(length),
            }
        }
        self.cols = cols;
        let made = Made {
            numerics: pool.numerics(profile),
            blocking: pool.blocking(profile),
        };
        self.made = Some(made);
        let words = Self::words(made.numerics, &self.segments, cols);
        self.data.renew(pool, words);
        made
    }

    /// Calls `fill(block, first column, columns, panel)` for every panel.
    fn each_panel(
        &mut self,
        pool: &Pool,
        Made { numerics, blocking }: Made,
        along: Along,
        fill: impl Fn(Block, usize, usize, &mut [f32]) + Sync,
    ) {
        let unit = numerics.profile.depth_unit();
        let segments = &self.segments;
        panels(
            (pool, numerics),
            along,
            &mut self.data,
            &|| blocks(segments, blocking.depth, unit),
            (self.cols, blocking.panel),
            &fill,
        );
    }
}

/// Panels that are filled together.
const PANELS: usize = 4;

/// How a source is read best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Along {
    /// Its rows run along the terms: all terms of some columns, then the next columns.
    Terms,
    /// They run across them: all columns of some terms, then the next terms.
    Columns,
}

impl Along {
    pub(super) fn of(source: &View) -> Self {
        if source.col_stride == 1 {
            Self::Columns
        } else {
            Self::Terms
        }
    }

    /// Terms that are packed at a time, so that the source is read in runs of some cache lines, not of one.
    fn run(self) -> usize {
        match self {
            Self::Terms => usize::MAX,
            Self::Columns => 32,
        }
    }
}

/// Calls `fill(part of a block, first column, columns, that part of the panel)` until every panel of all
/// `blocks` of an operand of `cols` columns is filled; they lie in `out`.
pub(super) fn panels<I: Iterator<Item = Block>>(
    (pool, numerics): (&Pool, Numerics),
    along: Along,
    out: &mut [f32],
    blocks: &(impl Fn() -> I + Sync),
    (cols, panel): (usize, usize),
    fill: &(impl Fn(Block, usize, usize, &mut [f32]) + Sync),
) {
    let all = Shared::new(out);
    let (row, together) = (row_length(cols), PANELS * panel);
    let (groups, count) = (cols.div_ceil(together), blocks().count());
    let task = |task: usize| {
        let (group, block) = match along {
            Along::Terms => (task / count, task % count),
            Along::Columns => (task % groups, task / groups),
        };
        let block = blocks().nth(block).expect("a block");
        let words = numerics.words(block.padded);
        let first = group * together;
        let start = numerics.words(block.before) * row + first * words;
        // SAFETY: tasks fill disjoint panels.
        let out = unsafe { all.slice(start, together.min(row - first) * words) };
        let run = along.run().min(block.padded);
        for offset in (0..block.padded).step_by(run) {
            let part = Block {
                first: block.first + offset,
                terms: run.min(block.terms.saturating_sub(offset)),
                padded: run.min(block.padded - offset),
                before: 0,
            };
            let start = numerics.words(offset);
            for (column, out) in (first..).step_by(panel).zip(out.chunks_mut(panel * words)) {
                let width = out.len() / words;
                let out = &mut out[start * width..][..numerics.words(part.padded) * width];
                fill(part, column, panel.min(cols - column), out);
            }
        }
    };
    pool.run(|| (0..groups * count).into_par_iter().for_each(task));
}
