//! An allocator whose large blocks begin cache lines.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, with blocks of at least a page on cache lines, where the system's begin 16 bytes
/// after one: every vector of 64 bytes would straddle two. Steps of training are 5 to 7% faster with it
/// (`docs/log.md`); nothing else depends on it.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: glasswork_kernels::CacheLines = glasswork_kernels::CacheLines;
/// let large = vec![0_u8; 1 << 20];
/// assert_eq!(large.as_ptr() as usize % 64, 0);
/// ```
#[derive(Debug)]
pub struct CacheLines;

/// Blocks from this size on, bytes.
const LARGE: usize = 4096;
const LINE: usize = 64;

fn aligned(layout: Layout) -> Layout {
    if layout.size() < LARGE {
        return layout;
    }
    // Where that overflows the system is asked for what cannot be had, and says so.
    layout.align_to(LINE).unwrap_or(layout)
}

// SAFETY: everything is the system allocator's, and a layout is always changed in the same way.
unsafe impl GlobalAlloc for CacheLines {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises.
        unsafe { System.alloc(aligned(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(aligned(layout)) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; `alloc` changed the layout alike.
        unsafe { System.dealloc(block, aligned(layout)) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises a size that makes a layout.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if aligned(layout) == layout && aligned(new) == new {
            // SAFETY: as above; neither block is a large one.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: as above; the blocks do not overlap, and both hold what is copied.
        unsafe {
            let moved = self.alloc(new);
            if !moved.is_null() {
                block.copy_to_nonoverlapping(moved, size.min(layout.size()));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
