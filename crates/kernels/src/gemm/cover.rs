//! Covers a part of C with tiles.

use super::{EDGE, bf16::amx, tile};
use crate::Numerics;
use crate::prefetch::{self, LINE};

/// Where tiles find A: at these strides, or, in pairs, as [`amx`] says.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    pub(crate) pointer: *const f32,
    /// Elements from one row to the next.
    pub(crate) row: usize,
    /// Elements from one term to the next.
    pub(crate) term: usize,
    /// Elements from one tile of rows to the next where that is not a tile's number of rows.
    pub(crate) tile: Option<usize>,
}

impl Left {
    /// From row `row` on, which begins a tile.
    #[inline(always)]
    pub(crate) fn at(self, row: usize) -> Self {
        let pointer = self.pointer.wrapping_add(row * self.row);
        Self { pointer, ..self }
    }
}

/// Where tiles find B: terms of consecutive columns, readable to the next multiple of [`EDGE`].
#[derive(Clone, Copy)]
pub(crate) struct Panel {
    pub(crate) pointer: *const f32,
    /// Elements from one term to the next.
    pub(crate) term: usize,
    /// What is read after this panel, to be fetched meanwhile, anywhere; none where all is in cache.
    pub(crate) next: Option<*const f32>,
}

impl Panel {
    /// From column `column` on.
    #[inline(always)]
    pub(crate) fn at(self, column: usize) -> Self {
        let pointer = self.pointer.wrapping_add(column);
        Self { pointer, ..self }
    }
}

/// Where tiles find C.
#[derive(Clone, Copy)]
pub(crate) struct Out {
    pub(crate) pointer: *mut f32,
    /// Elements from one row to the next.
    pub(crate) row: usize,
}

impl Out {
    /// From this row and column on.
    #[inline(always)]
    pub(crate) fn at(self, row: usize, column: usize) -> Self {
        let pointer = self.pointer.wrapping_add(row * self.row + column);
        Self { pointer, ..self }
    }
}

/// Lines of each of A's next rows that are asked for; the processor finds the others.
const A_LINES: usize = 3;

/// Most rows that any tile has.
const MOST_ROWS: usize = 8;

/// Advances `m × n` elements of C by `kc` terms, tile after tile. `first` starts their sums at +0.
///
/// # Safety
/// Every element that the shape and the strides reach lies within its operand, columns of B rounded
/// up to [`EDGE`]; nobody else touches these elements of C. Under `bf16-v1` the operands are rounded
/// and `kc` is a multiple of 32; in pairs, they are as [`amx::cover`] asks.
pub(crate) unsafe fn cover(
    numerics: Numerics,
    (m, n, kc): (usize, usize, usize),
    a: Left,
    b: Panel,
    c: Out,
    first: bool,
) {
    if numerics.in_pairs() {
        // SAFETY: by the contract; only a tested AMX computes in pairs.
        return unsafe { amx::cover((m, n, numerics.words(kc)), a, b, c, first) };
    }
    let mr = tile::rows(numerics);
    let tiles = m.div_ceil(mr);
    let a_step = a.tile.unwrap_or(mr * a.row);
    let mut column = 0;
    while column < n {
        let left = n - column;
        // Two tiles of 32 columns beat 48 and 16.
        let fits = tile::widths(numerics.isa)
            .iter()
            .copied()
            .find(|&width| width <= left && !(width == 48 && left == 64));
        let width = fits.unwrap_or(EDGE);
        let tile_of = |rows| tile::of(numerics, rows, width);
        let whole = tile_of(mr.min(m));
        for (index, row) in (0..m).step_by(mr).enumerate() {
            let height = mr.min(m - row);
            let run = if height == mr { whole } else { tile_of(height) };
            let a_tile = a.pointer.wrapping_add(index * a_step);
            let b_tile = b.pointer.wrapping_add(column);
            let c_tile = c.pointer.wrapping_add(row * c.row + column);
            if let Some(next) = b.next {
                // The next tile's rows; few may be left.
                let height = height.min((m - row).saturating_sub(mr));
                if height > 0 {
                    if a.term == 1 {
                        prefetch::rows(a_tile.wrapping_add(a_step), a.row, height, A_LINES);
                    }
                    prefetch::rows(c_tile.wrapping_add(mr * c.row), c.row, height, width / LINE);
                }
                // Each tile asks for its share of the next panel.
                let next = next.wrapping_add(kc * column);
                prefetch::share(next, kc * width.min(left), index, tiles);
            }
            // SAFETY: by the contract; columns beyond C exist in `beside` only.
            unsafe {
                if fits.is_some() {
                    run(
                        kc, a_tile, a.row, a.term, b_tile, b.term, c_tile, c.row, first,
                    );
                    continue;
                }
                let mut beside = [0.0_f32; MOST_ROWS * EDGE];
                let copy = beside.as_mut_ptr();
                for r in 0..height {
                    let row = c_tile.add(r * c.row);
                    row.copy_to_nonoverlapping(copy.add(r * EDGE), left);
                }
                run(kc, a_tile, a.row, a.term, b_tile, b.term, copy, EDGE, first);
                for r in 0..height {
                    let row = c_tile.add(r * c.row);
                    row.copy_from_nonoverlapping(copy.add(r * EDGE), left);
                }
            }
        }
        column += width.min(left);
    }
}
