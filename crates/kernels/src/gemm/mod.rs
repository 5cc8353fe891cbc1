//! Matrix products in which every output element is one chain over k, in order.
//!
//! `C[i][j] = fma(A[i][k], B[k][j], C[i][j])`, k = 0, 1, …, starting at +0 or continuing what C
//! holds. Vector lanes run over j, so no sum is ever split; cache blocks over k store C and load
//! it again, which changes nothing.
//!
//! Blocking follows Goto and van de Geijn (ACM TOMS 34, 2008): B is packed into panels of [`NR`]
//! columns that all threads share, each task packs a block of rows of A and walks the panels.

mod pack;
pub mod reference;
mod tile;

use crate::shared::Shared;
use crate::{Isa, Pool};
use rayon::prelude::*;
use std::cell::RefCell;

/// Columns of a packed panel of B; a whole number of vectors on every instruction set.
pub(crate) const NR: usize = 48;
/// Most rows that any tile has.
const MR_MOST: usize = 8;
/// Columns of the tile that goes where C has too few rows or columns; every instruction set has it.
const EDGE: usize = 16;
/// Depth of a cache block: a panel of `KC × NR` floats stays in the second-level cache.
const KC: usize = 384;
/// Rows of A that one task packs at a time.
const MC: usize = 192;
/// Columns of B that are packed at a time.
const NC: usize = 4080;

/// A matrix to read: `rows × cols` at any strides (in elements) within `data`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix that fills `data`.
    ///
    /// # Panics
    /// When `data` has fewer than `rows · cols` elements.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// A row-major matrix whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// When the last element lies outside `data`.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        if rows > 0 && cols > 0 {
            assert!(
                (rows - 1) * row_stride + cols <= data.len(),
                "matrix view out of range"
            );
        }
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride: 1,
        }
    }

    /// The same matrix transposed; nothing moves.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    #[inline(always)]
    fn at(&self, row: usize, col: usize) -> f32 {
        self.data[row * self.row_stride + col * self.col_stride]
    }
}

/// What a chain begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// +0.
    Zero,
    /// The value that C holds.
    Continue,
}

thread_local! {
    static PACKED_A: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static PACKED_B: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// `C = A·B` or `C += A·B` by chains, on all threads of `pool`. C is row-major,
/// `A.rows × B.cols`, its rows `c_stride` elements apart.
///
/// # Panics
/// When the shapes do not fit each other or `c`.
pub fn gemm(pool: &Pool, c: &mut [f32], c_stride: usize, a: View, b: View, start: Start) {
    let (m, n, k) = check_shapes(c, c_stride, &a, &b);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        return clear(c, c_stride, m, n, start);
    }
    let isa = pool.isa();
    let mut packed = pool
        .packed
        .lock()
        .expect("a product that panicked ends the run");
    let packed = grown(&mut packed, KC.min(k) * n.min(NC).next_multiple_of(NR));
    let rows_a_task = m
        .div_ceil(pool.threads() * 2)
        .min(MC)
        .next_multiple_of(tile::rows(isa));
    let shared = Shared::new(c);
    pool.run(|| {
        for column in (0..n).step_by(NC) {
            let width = NC.min(n - column);
            for depth in (0..k).step_by(KC) {
                let kc = KC.min(k - depth);
                packed[..kc * width.next_multiple_of(NR)]
                    .par_chunks_mut(kc * NR)
                    .enumerate()
                    .for_each(|(panel, out)| {
                        pack::panel(isa, out, &b, depth, kc, column + panel * NR);
                    });
                let packed = &packed[..];
                let first = depth == 0 && start == Start::Zero;
                (0..m.div_ceil(rows_a_task))
                    .into_par_iter()
                    .for_each(|task| {
                        let row = task * rows_a_task;
                        let block = Block {
                            row,
                            rows: rows_a_task.min(m - row),
                            column,
                            width,
                            depth,
                            kc,
                        };
                        PACKED_A.with_borrow_mut(|a_scratch| {
                            block.compute(isa, a_scratch, &a, packed, &shared, c_stride, first);
                        });
                    });
            }
        }
    });
}

/// [`gemm`] on the calling thread alone, for small products inside a task.
///
/// # Panics
/// As [`gemm`].
pub fn gemm_serial(isa: Isa, c: &mut [f32], c_stride: usize, a: View, b: View, start: Start) {
    let (m, n, k) = check_shapes(c, c_stride, &a, &b);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        return clear(c, c_stride, m, n, start);
    }
    let shared = Shared::new(c);
    PACKED_B.with_borrow_mut(|packed| {
        let packed = grown(packed, KC.min(k) * n.min(NC).next_multiple_of(NR));
        for column in (0..n).step_by(NC) {
            let width = NC.min(n - column);
            for depth in (0..k).step_by(KC) {
                let kc = KC.min(k - depth);
                for (panel, out) in packed[..kc * width.next_multiple_of(NR)]
                    .chunks_exact_mut(kc * NR)
                    .enumerate()
                {
                    pack::panel(isa, out, &b, depth, kc, column + panel * NR);
                }
                let first = depth == 0 && start == Start::Zero;
                let rows_a_block = MC.next_multiple_of(tile::rows(isa));
                for row in (0..m).step_by(rows_a_block) {
                    let block = Block {
                        row,
                        rows: rows_a_block.min(m - row),
                        column,
                        width,
                        depth,
                        kc,
                    };
                    PACKED_A.with_borrow_mut(|a_scratch| {
                        block.compute(isa, a_scratch, &a, packed, &shared, c_stride, first);
                    });
                }
            }
        }
    });
}

fn check_shapes(c: &[f32], c_stride: usize, a: &View, b: &View) -> (usize, usize, usize) {
    assert_eq!(a.cols, b.rows, "inner dimensions of the product differ");
    let (m, n) = (a.rows, b.cols);
    assert!(c_stride >= n, "rows of the product overlap");
    if m > 0 && n > 0 {
        assert!((m - 1) * c_stride + n <= c.len(), "product out of range");
    }
    (m, n, a.cols)
}

/// An empty sum: +0, or what was there.
fn clear(c: &mut [f32], c_stride: usize, m: usize, n: usize, start: Start) {
    if start == Start::Zero {
        for row in 0..m {
            c[row * c_stride..][..n].fill(0.0);
        }
    }
}

fn grown(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..]
}

/// The part of a product that one task computes: some rows, one block of columns, one of depth.
struct Block {
    row: usize,
    rows: usize,
    column: usize,
    width: usize,
    depth: usize,
    kc: usize,
}

impl Block {
    #[allow(clippy::too_many_arguments, reason = "the operands of one product")]
    fn compute(
        &self,
        isa: Isa,
        a_scratch: &mut Vec<f32>,
        a: &View,
        packed_b: &[f32],
        c: &Shared,
        c_stride: usize,
        first: bool,
    ) {
        let mr = tile::rows(isa);
        let kc = self.kc;
        let a_packed = grown(a_scratch, self.rows.next_multiple_of(mr) * kc);
        pack::rows(isa, a_packed, a, self.row, self.rows, self.depth, kc, mr);
        for panel_start in (0..self.width).step_by(NR) {
            let panel = &packed_b[panel_start * kc..][..kc * NR];
            let panel_width = NR.min(self.width - panel_start);
            for (tile_index, row) in (0..self.rows).step_by(mr).enumerate() {
                let height = mr.min(self.rows - row);
                let a_tile = &a_packed[tile_index * mr * kc..][..mr * kc];
                let mut sub = 0;
                while sub < panel_width {
                    let left = panel_width - sub;
                    let start = (self.row + row) * c_stride + self.column + panel_start + sub;
                    let b_tile = &panel[sub..];
                    let whole = tile::columns(isa, left).filter(|_| height == mr);
                    if let Some(width) = whole {
                        // SAFETY: this task alone owns these rows of C.
                        let out = unsafe { c.slice(start, (mr - 1) * c_stride + width) };
                        tile::run(isa, width, kc, a_tile, b_tile, out, c_stride, first);
                        sub += width;
                    } else {
                        let width = left.min(EDGE);
                        self.edge(
                            isa, a_tile, b_tile, c, c_stride, start, height, width, first,
                        );
                        sub += width;
                    }
                }
            }
        }
    }

    /// A tile that C has too few rows or columns for goes through a whole one beside it; what the
    /// padding computes is thrown away.
    #[allow(clippy::too_many_arguments, reason = "the operands of one tile")]
    fn edge(
        &self,
        isa: Isa,
        a_tile: &[f32],
        b_tile: &[f32],
        c: &Shared,
        c_stride: usize,
        start: usize,
        height: usize,
        width: usize,
        first: bool,
    ) {
        let mut whole = [0.0_f32; MR_MOST * EDGE];
        for row in 0..height {
            // SAFETY: this task alone owns these rows of C.
            let out = unsafe { c.slice(start + row * c_stride, width) };
            whole[row * EDGE..][..width].copy_from_slice(out);
        }
        tile::run(isa, EDGE, self.kc, a_tile, b_tile, &mut whole, EDGE, first);
        for row in 0..height {
            // SAFETY: as above.
            let out = unsafe { c.slice(start + row * c_stride, width) };
            out.copy_from_slice(&whole[row * EDGE..][..width]);
        }
    }
}
