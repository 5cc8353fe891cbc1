//! Where a panel of C is summed.

use super::cover::Out;
use super::{EDGE, bf16::amx, pack::copy as copy_row};
use crate::aligned::Aligned;
use crate::shared::Shared;
use crate::{Isa, Numerics, prefetch};

/// A part of C that one task sums: some columns of some rows. Others may have other columns of the same rows.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    c: &'a Shared,
    start: usize,
    stride: usize,
    rows: usize,
    width: usize,
}

impl<'a> Own<'a> {
    /// `width` columns of `rows` rows that are `stride` elements apart, the first of them at `start`.
    ///
    /// # Safety
    /// Nobody else touches these elements while this lives.
    pub(super) unsafe fn new(
        c: &'a Shared,
        (start, stride): (usize, usize),
        rows: usize,
        width: usize,
    ) -> Self {
        let end = start + (rows - 1) * stride + width;
        assert!(end <= c.length(), "panel of the product out of range");
        Self {
            c,
            start,
            stride,
            rows,
            width,
        }
    }

    fn pointer(&self, row: usize) -> *mut f32 {
        self.c.pointer(self.start + row * self.stride)
    }

    /// # Safety
    /// No other row that this gave is alive.
    #[inline(always)]
    unsafe fn row(&self, row: usize) -> &'a mut [f32] {
        // SAFETY: by the promises of `new` and of the caller.
        unsafe { self.c.slice(self.start + row * self.stride, self.width) }
    }
}

/// A panel of C: where it lies, or, for AMX, a copy of it where tiles would be loaded or reach beyond C: they
/// are whole, and loading one whose rows are a power of two apart falls into one set of the first-level cache.
pub(super) struct Target<'a> {
    c: Own<'a>,
    copy: Option<&'a mut [f32]>,
    isa: Isa,
}

impl<'a> Target<'a> {
    /// The panel `c`; `buffer` is for a copy. One that is written `once`, and not read at this visit, goes without
    /// where its tiles are whole.
    pub(super) fn new(numerics: Numerics, c: Own<'a>, buffer: &'a mut Aligned, once: bool) -> Self {
        let whole = c.rows.is_multiple_of(amx::SIDE) && c.width.is_multiple_of(amx::SIDE);
        let copied = numerics.in_pairs() && !(once && whole);
        let copy = copied.then(|| {
            let rows = c.rows.next_multiple_of(amx::SIDE);
            buffer.at_least(rows * c.width.next_multiple_of(EDGE))
        });
        Self {
            c,
            copy,
            isa: numerics.isa,
        }
    }

    /// Asks for the lines of the next panel, `columns` further on, so that writing there need not wait.
    pub(super) fn expect_next(&self, columns: usize) {
        for row in 0..self.c.rows {
            let next = self.c.pointer(row).wrapping_add(columns);
            prefetch::elements(next, self.c.width);
        }
    }

    /// Takes what C holds.
    pub(super) fn read(&mut self) {
        if let Some(copy) = &mut self.copy {
            take(self.isa, copy, self.c);
        }
    }

    /// Where tiles find it.
    pub(super) fn out(&mut self) -> Out {
        match &mut self.copy {
            Some(copy) => Out {
                pointer: copy.as_mut_ptr(),
                row: self.c.width.next_multiple_of(EDGE),
            },
            None => Out {
                pointer: self.c.pointer(0),
                row: self.c.stride,
            },
        }
    }

    /// Gives C the sums.
    pub(super) fn write(self) {
        if let Some(copy) = self.copy {
            give(self.isa, self.c, copy);
        }
    }
}

per_isa! {
    /// Copies the rows of C.
    fn take(copy: &mut [f32], c: Own) = take_text
}

per_isa! {
    /// Copies rows into C.
    fn give(c: Own, copy: &[f32]) = give_text
}

#[inline(always)]
fn take_text(copy: &mut [f32], c: Own) {
    let rows = copy.chunks_mut(c.width.next_multiple_of(EDGE));
    for (row, copy) in rows.take(c.rows).enumerate() {
        // SAFETY: one row at a time.
        copy_row(copy, unsafe { c.row(row) });
    }
}

#[inline(always)]
fn give_text(c: Own, copy: &[f32]) {
    let rows = copy.chunks(c.width.next_multiple_of(EDGE));
    for (row, copy) in rows.take(c.rows).enumerate() {
        // SAFETY: one row at a time.
        copy_row(unsafe { c.row(row) }, &copy[..c.width]);
    }
}
