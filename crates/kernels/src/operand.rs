//! Rows that nothing but products read, stored as they enter them: f32, or, where the profile rounds
//! operands, the bf16 numbers that they are rounded to. Half the bytes, and one rounding for all uses.

use crate::gemm::{Beside, View};
use crate::{Profile, bf16};
use std::ops::Range;

/// A growable matrix of such rows.
#[derive(Debug, Default)]
pub struct Operand {
    words: Vec<f32>,
    rows: usize,
    width: usize,
    rounded: bool,
}

/// Some rows of an [`Operand`], to be written.
#[derive(Debug)]
pub enum RowsMut<'a> {
    /// Rows of f32, one after the other.
    F32(&'a mut [f32]),
    /// Rows of bf16 numbers, each beginning at an even place.
    Bf16(&'a mut [u16]),
}

/// A number as it is stored.
pub(crate) trait Stored: Copy {
    fn of(x: f32) -> Self;
    /// Elements from one row of `width` to the next.
    fn stride(width: usize) -> usize;
}

impl Stored for f32 {
    #[inline(always)]
    fn of(x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn stride(width: usize) -> usize {
        width
    }
}

impl Stored for u16 {
    #[inline(always)]
    fn of(x: f32) -> Self {
        bf16::round(x)
    }

    #[inline(always)]
    fn stride(width: usize) -> usize {
        width.next_multiple_of(2)
    }
}

impl Operand {
    /// Makes it `rows × width` for products of `profile`; what it held is lost.
    pub fn resize(&mut self, profile: Profile, rows: usize, width: usize) {
        self.words.resize(rows * Self::row(profile, width), 0.0);
        self.rows = rows;
        self.width = width;
        self.rounded = profile.rounds_operands();
    }

    /// Words of four bytes of a row of `width` elements.
    fn row(profile: Profile, width: usize) -> usize {
        if profile.rounds_operands() {
            width.div_ceil(2)
        } else {
            width
        }
    }

    /// Bytes of `rows × width` elements.
    pub fn bytes(profile: Profile, rows: usize, width: usize) -> u64 {
        (size_of::<f32>() * rows * Self::row(profile, width)) as u64
    }

    /// Rows to read.
    pub fn view(&self, rows: Range<usize>) -> View<'_> {
        let (count, width) = (rows.len(), self.width);
        let all = &self.words[..];
        if self.rounded {
            // SAFETY: an f32 is two u16, and every bit pattern is a value of both.
            let all = unsafe { std::slice::from_raw_parts(all.as_ptr().cast(), 2 * all.len()) };
            let stride = u16::stride(width);
            View::bf16(&all[rows.start * stride..], count, width, stride)
        } else {
            View::new(&all[rows.start * width..], count, width)
        }
    }

    /// All rows, to be handed out beside those of a product; [`rows_mut`] says what they are.
    pub fn beside(&mut self) -> Beside<'_> {
        let row = self.words.len() / self.rows.max(1);
        Beside::new(&mut self.words, row)
    }

    /// All rows, to be written.
    pub fn all_mut(&mut self) -> RowsMut<'_> {
        split(self.rounded, &mut self.words)
    }
}

/// Rows of an [`Operand`] of `profile`, given as words.
pub fn rows_mut(profile: Profile, words: &mut [f32]) -> RowsMut<'_> {
    split(profile.rounds_operands(), words)
}

fn split(rounded: bool, words: &mut [f32]) -> RowsMut<'_> {
    if !rounded {
        return RowsMut::F32(words);
    }
    let (pointer, length) = (words.as_mut_ptr().cast(), 2 * words.len());
    // SAFETY: as in `view`.
    RowsMut::Bf16(unsafe { std::slice::from_raw_parts_mut(pointer, length) })
}
