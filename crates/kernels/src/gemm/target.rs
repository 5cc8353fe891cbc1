//! Where a panel of C is summed.

use super::cover::Out;
use super::{EDGE, bf16::amx, pack::copy as copy_row, past_caches};
use crate::aligned::Aligned;
use crate::{Numerics, prefetch};

/// How the sums of a panel reach C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// They are made there.
    There,
    /// A copy of whole tiles is written when it is done: for AMX, where tiles would be loaded or reach beyond C, since
    /// loading a tile whose rows are a power of two apart falls into one set of the first-level cache.
    Copied,
    /// That copy is written past the caches.
    PastCaches,
}

/// A panel of C on its way.
pub(super) struct Target<'a> {
    c: &'a mut [f32],
    stride: usize,
    width: usize,
    copy: &'a mut [f32],
    way: Way,
    numerics: Numerics,
}

impl<'a> Target<'a> {
    /// The panel of `width` columns and rows `stride` elements apart; `buffer` is for a copy. `once`: it is written
    /// once, and not read at this visit. `far`: C will be read from memory whatever happens.
    pub(super) fn new(
        numerics: Numerics,
        c: &'a mut [f32],
        (stride, width): (usize, usize),
        buffer: &'a mut Aligned,
        (once, far): (bool, bool),
    ) -> Self {
        let height = c.len().div_ceil(stride);
        let whole = height.is_multiple_of(amx::SIDE) && width.is_multiple_of(amx::SIDE);
        let way = if !numerics.in_pairs() {
            Way::There
        } else if far && past_caches::fits(c, stride, width) {
            Way::PastCaches
        } else if once && whole {
            Way::There
        } else {
            Way::Copied
        };
        let copy = if way == Way::There {
            &mut []
        } else {
            let rows = height.next_multiple_of(amx::SIDE);
            buffer.at_least(rows * width.next_multiple_of(EDGE))
        };
        Self {
            c,
            stride,
            width,
            copy,
            way,
            numerics,
        }
    }

    /// Asks for the lines of the next panel, `columns` further on, so that writing there need not wait.
    pub(super) fn expect_next(&self, columns: usize) {
        // Tiles of fma ask for their rows themselves.
        if !self.numerics.in_pairs() || self.way == Way::PastCaches {
            return;
        }
        for row in self.c.chunks(self.stride) {
            prefetch::elements(row.as_ptr().wrapping_add(columns), self.width);
        }
    }

    /// Elements of a row of the copy.
    fn copy_row(&self) -> usize {
        self.width.next_multiple_of(EDGE)
    }

    /// Takes what C holds.
    pub(super) fn read(&mut self) {
        if self.way != Way::There {
            let (row, isa) = (self.copy_row(), self.numerics.isa);
            rows(isa, self.copy, row, self.c, self.stride, self.width);
        }
    }

    /// Where tiles find it.
    pub(super) fn out(&mut self) -> Out {
        match self.way {
            Way::There => Out {
                pointer: self.c.as_mut_ptr(),
                row: self.stride,
            },
            Way::Copied | Way::PastCaches => Out {
                pointer: self.copy.as_mut_ptr(),
                row: self.copy_row(),
            },
        }
    }

    /// Gives C the sums.
    pub(super) fn write(self) {
        let (row, isa) = (self.copy_row(), self.numerics.isa);
        match self.way {
            Way::There => {}
            Way::Copied => rows(isa, self.c, self.stride, self.copy, row, self.width),
            Way::PastCaches => past_caches::rows(self.c, self.stride, self.copy, row, self.width),
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
