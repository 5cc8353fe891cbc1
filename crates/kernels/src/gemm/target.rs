//! Where a panel of C is summed.

use super::cover::Out;
use super::{EDGE, bf16::amx, pack::copy as copy_row};
use crate::Numerics;
use crate::aligned::Aligned;

/// A panel of C: where it lies, or, for AMX, a copy of it. Tiles are whole, and loading one whose rows are
/// a power of two apart would fall into one set of the first-level cache.
pub(super) struct Target<'a> {
    c: &'a mut [f32],
    stride: usize,
    width: usize,
    copy: Option<&'a mut [f32]>,
}

impl<'a> Target<'a> {
    /// The panel of `width` columns and rows `stride` elements apart; `buffer` is for a copy.
    pub(super) fn new(
        numerics: Numerics,
        c: &'a mut [f32],
        stride: usize,
        width: usize,
        buffer: &'a mut Aligned,
    ) -> Self {
        let copy = numerics.in_pairs().then(|| {
            let rows = c.len().div_ceil(stride).next_multiple_of(amx::SIDE);
            buffer.at_least(rows * width.next_multiple_of(EDGE))
        });
        Self {
            c,
            stride,
            width,
            copy,
        }
    }

    /// Takes what C holds.
    pub(super) fn read(&mut self) {
        let copied = self.width.next_multiple_of(EDGE);
        if let Some(copy) = &mut self.copy {
            for (from, to) in self
                .c
                .chunks(self.stride)
                .zip(copy.chunks_exact_mut(copied))
            {
                copy_row(to, &from[..self.width]);
            }
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
        let copied = self.width.next_multiple_of(EDGE);
        if let Some(copy) = self.copy {
            for (to, from) in self
                .c
                .chunks_mut(self.stride)
                .zip(copy.chunks_exact(copied))
            {
                copy_row(to, &from[..self.width]);
            }
        }
    }
}
