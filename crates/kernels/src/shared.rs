//! A pointer that tasks share when their outputs are disjoint but interleaved in memory.

/// A mutable slice handed to several tasks, each of which writes its own elements.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    pointer: *mut f32,
    length: usize,
}

// SAFETY: every user writes disjoint elements; see the callers' comments.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(slice: &mut [f32]) -> Self {
        Self {
            pointer: slice.as_mut_ptr(),
            length: slice.len(),
        }
    }

    /// Its elements.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Where element `start` lies, for whoever keeps to its own elements; in range.
    #[inline(always)]
    pub(crate) fn pointer(&self, start: usize) -> *mut f32 {
        assert!(start < self.length, "shared element out of range");
        // SAFETY: in range by the assertion.
        unsafe { self.pointer.add(start) }
    }

    /// The elements `start..start + length`.
    ///
    /// # Safety
    /// No other live reference may overlap these elements.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "the caller promises disjointness")]
    pub(crate) unsafe fn slice(&self, start: usize, length: usize) -> &mut [f32] {
        assert!(start + length <= self.length, "shared slice out of range");
        // SAFETY: in range by the assertion; disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(start), length) }
    }
}
