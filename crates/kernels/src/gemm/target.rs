//! Where a panel of C is summed.

use super::cover::Out;
use super::{EDGE, bf16::amx, pack::copy as copy_row};
use crate::aligned::Aligned;
use crate::{Isa, Numerics};

/// A panel of C: where it lies, or, for AMX, a copy of it. Tiles are whole, and loading one whose rows are
/// a power of two apart would fall into one set of the first-level cache.
pub(super) struct Target<'a> {
    c: &'a mut [f32],
    stride: usize,
    width: usize,
    copy: Option<&'a mut [f32]>,
    isa: Isa,
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
            isa: numerics.isa,
        }
    }

    /// Asks for the lines of the next panel, `columns` further on, so that writing them need not wait.
    pub(super) fn expect_next(&self, columns: usize) {
        #[cfg(target_arch = "x86_64")]
        for row in self.c.chunks(self.stride) {
            for column in (0..self.width).step_by(EDGE) {
                let next = row.as_ptr().wrapping_add(columns + column);
                // SAFETY: a prefetch may go anywhere.
                unsafe {
                    std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(
                        next.cast(),
                    )
                };
            }
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
