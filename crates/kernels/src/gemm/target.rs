//! Where a panel of C is summed.

use super::cover::Out;
use super::{EDGE, bf16::amx, pack::copy as copy_row};
use crate::aligned::Aligned;
use crate::{Isa, Numerics, prefetch};

/// A panel of C: where it lies, or, for AMX, a copy of it where tiles would be loaded or reach beyond C: they
/// are whole, and loading one whose rows are a power of two apart falls into one set of the first-level cache.
pub(super) struct Target<'a> {
    c: &'a mut [f32],
    stride: usize,
    width: usize,
    copy: Option<&'a mut [f32]>,
    isa: Isa,
}

impl<'a> Target<'a> {
    /// The panel of `width` columns and rows `stride` elements apart; `buffer` is for a copy. One that is
    /// written `once`, and not read at this visit, goes without where its tiles are whole.
    pub(super) fn new(
        numerics: Numerics,
        c: &'a mut [f32],
        stride: usize,
        width: usize,
        buffer: &'a mut Aligned,
        once: bool,
    ) -> Self {
        let height = c.len().div_ceil(stride);
        let whole = height.is_multiple_of(amx::SIDE) && width.is_multiple_of(amx::SIDE);
        let copied = numerics.in_pairs() && !(once && whole);
        let copy = copied.then(|| {
            let rows = height.next_multiple_of(amx::SIDE);
            buffer.at_least(rows * width.next_multiple_of(EDGE))
        });
        Self {
            c,
            stride,
            width,
            copy,
            isa: numerics.isa,
        }
    }

    /// Asks for the lines of the next panel, `columns` further on, so that writing there need not wait.
    pub(super) fn expect_next(&self, columns: usize) {
        for row in self.c.chunks(self.stride) {
            prefetch::elements(row.as_ptr().wrapping_add(columns), self.width);
        }
    }

    /// Takes what C holds.
    pub(super) fn read(&mut self) {
        if let Some(copy) = &mut self.copy {
            let row = self.width.next_multiple_of(EDGE);
            rows(self.isa, copy, row, self.c, self.stride, self.width);
        }
    }

    /// Where tiles find it.
    pub(super) fn out(&mut self) -> Out {
        match &mut self.copy {
            Some(copy) => Out {
                pointer: copy.as_mut_ptr(),
                row: self.width.next_multiple_of(EDGE),
            },
            None => Out {
                pointer: self.c.as_mut_ptr(),
                row: self.stride,
            },
        }
    }

    /// Gives C the sums.
    pub(super) fn write(self) {
        if let Some(copy) = self.copy {
            let row = self.width.next_multiple_of(EDGE);
            rows(self.isa, self.c, self.stride, copy, row, self.width);
        }
    }
}

per_isa! {
    /// Copies the first `width` elements of each row.
    fn rows(out: &mut [f32], out_row: usize, from: &[f32], from_row: usize, width: usize) = rows_text
}

#[inline(always)]
fn rows_text(out: &mut [f32], out_row: usize, from: &[f32], from_row: usize, width: usize) {
    for (out, from) in out.chunks_mut(out_row).zip(from.chunks(from_row)) {
        copy_row(out, &from[..width]);
    }
}
