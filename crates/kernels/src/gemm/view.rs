//! Matrices to read.

use crate::bf16;
use std::ops::Range;

/// What a matrix is made of; a number is an f32 either way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Elements<'a> {
    F32(&'a [f32]),
    /// bf16 numbers as their bits.
    Bf16(&'a [u16]),
}

impl<'a> Elements<'a> {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::Bf16(x) => x.len(),
        }
    }

    #[inline(always)]
    pub(crate) fn part(self, range: Range<usize>) -> Self {
        match self {
            Self::F32(x) => Self::F32(&x[range]),
            Self::Bf16(x) => Self::Bf16(&x[range]),
        }
    }

    /// From element `start` on.
    #[inline(always)]
    pub(crate) fn from(self, start: usize) -> Self {
        self.part(start..self.len())
    }

    #[inline(always)]
    fn at(self, index: usize) -> f32 {
        match self {
            Self::F32(x) => x[index],
            Self::Bf16(x) => bf16::widen(x[index]),
        }
    }
}

/// A matrix to read: `rows × cols` at any strides (in elements) within `data`. Its elements are f32, or
/// bf16 numbers, which every profile takes as the f32 of the same value.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(super) data: Elements<'a>,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix that fills `data`.
    ///
    /// # Panics
    /// When `data` has fewer than `rows · cols` elements.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// A row-major matrix of bf16 numbers, given as their bits, whose rows start `row_stride` elements
    /// apart.
    ///
    /// # Panics
    /// As [`Self::strided`].
    pub fn bf16(data: &'a [u16], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self::of(Elements::Bf16(data), rows, cols, row_stride)
    }

    /// A row-major matrix whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// When the last element lies outside `data`.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self::of(Elements::F32(data), rows, cols, row_stride)
    }

    fn of(data: Elements<'a>, rows: usize, cols: usize, row_stride: usize) -> Self {
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

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// One row of a row-major matrix of f32.
    ///
    /// # Panics
    /// When it is another matrix.
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        debug_assert_eq!(self.col_stride, 1);
        let Elements::F32(data) = self.data else {
            panic!("a matrix of f32");
        };
        &data[row * self.row_stride..][..self.cols]
    }

    #[inline(always)]
    pub(super) fn at(&self, row: usize, col: usize) -> f32 {
        let index = row * self.row_stride + col * self.col_stride;
        self.data.at(index)
    }
}
