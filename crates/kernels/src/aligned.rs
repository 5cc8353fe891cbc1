//! Buffers whose first element begins a cache line, so that no vector and no tile's row straddles two
//! (`docs/log.md`, 2026-11-25).

use crate::Pool;
use crate::prefetch::LINE;
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

/// Lines that one task clears: two huge pages.
const CLEARED: usize = (4 << 20) / size_of::<Line>();

#[repr(align(64))]
#[derive(Clone, Copy, Debug)]
struct Line {
    _elements: [f32; LINE],
}

const ZERO: Line = Line {
    _elements: [0.0; LINE],
};

/// A growable buffer of f32.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
    length: usize,
}

impl Aligned {
    /// A buffer of no elements.
    pub(crate) const fn new() -> Self {
        Self {
            lines: Vec::new(),
            length: 0,
        }
    }

    /// Makes it `length` elements long; new ones are +0.
    pub(crate) fn resize(&mut self, length: usize) {
        self.lines.resize(length.div_ceil(LINE), ZERO);
        self.length = length;
    }

    /// Makes it `length` elements long, whatever they are; what it held need not be kept while it grows. New memory is
    /// cleared by all threads: a page takes its time when it is written for the first time.
    pub(crate) fn renew(&mut self, pool: &Pool, length: usize) {
        let lines = length.div_ceil(LINE);
        if self.lines.capacity() < lines {
            self.lines = Vec::new();
            self.lines.reserve_exact(lines);
            let new = &mut self.lines.spare_capacity_mut()[..lines];
            pool.run(|| {
                new.par_chunks_mut(CLEARED).for_each(|some| {
                    some.fill(MaybeUninit::new(ZERO));
                });
            });
            // SAFETY: so many were written just now.
            unsafe { self.lines.set_len(lines) };
        }
        self.resize(length);
    }

    /// The first `length` elements, of which there are then at least so many.
    pub(crate) fn at_least(&mut self, length: usize) -> &mut [f32] {
        if self.length < length {
            self.resize(length);
        }
        &mut self[..length]
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: lines are arrays of f32 without gaps, and there are enough of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}
