//! An allocator whose large blocks begin cache lines, and whose largest lie on huge pages.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, with blocks of at least a page on cache lines. Large ones of the GNU C library begin
/// 16 bytes after one, where every vector of 64 bytes straddles two: steps of training take 4 to 7% less time
/// so (`docs/log.md`). Its price: such a block is cleared by writing it, and grows by a copy. Where Linux gives
/// huge pages to who asks, blocks of 2 MiB or more have them, as far as whole ones fit: fewer addresses are
/// looked up, and a block that is used as a whole takes no more memory.
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
/// Bytes of a huge page.
const HUGE: usize = 2 << 20;

fn aligned(layout: Layout) -> Layout {
    let align = match layout.size() {
        HUGE.. => HUGE,
        LARGE.. => LINE,
        _ => return layout,
    };
    // Where that overflows the system is asked for what cannot be had, and says so.
    layout.align_to(align).unwrap_or(layout)
}

/// Asks for as many huge pages as lie within the block.
fn ask_for_huge_pages(block: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    if !block.is_null() && size >= HUGE {
        let whole = size / HUGE * HUGE;
        // SAFETY: the range lies within the block. A system that knows no huge pages refuses, and nothing changes.
        let _ =
            unsafe { rustix::mm::madvise(block.cast(), whole, rustix::mm::Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (block, size);
}

// SAFETY: everything is the system allocator's, and a layout is always changed in the same way.
unsafe impl GlobalAlloc for CacheLines {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises.
        let block = unsafe { System.alloc(aligned(layout)) };
        ask_for_huge_pages(block, layout.size());
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() < HUGE {
            // SAFETY: as above.
            return unsafe { System.alloc_zeroed(aligned(layout)) };
        }
        // The system would write the block before it can be asked for huge pages.
        // SAFETY: as above; a block that is there has that many bytes.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; `alloc` changed the layout alike.
        unsafe { System.dealloc(block, aligned(layout)) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises a size that makes a layout.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if aligned(layout) == layout && aligned(new) == new {
            // SAFETY: as above; the system knows both layouts as they are.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_bytes_and_their_alignment() {
        for align in [1, 16, 64, 256] {
            let layout = |size| Layout::from_size_align(size, align).expect("a layout");
            // SAFETY: each block is used within its size and given back with its last layout.
            unsafe {
                let mut block = CacheLines.alloc_zeroed(layout(4000));
                let mut size = 4000;
                assert_eq!(*block.add(3999), 0);
                block.write_bytes(7, 4000);
                for next in [5000, 9000, 4096, 4000] {
                    block = CacheLines.realloc(block, layout(size), next);
                    size = next;
                    let line = if next < LARGE { align } else { align.max(LINE) };
                    assert_eq!(block as usize % line, 0, "{next} of {align}");
                    assert_eq!(*block.add(3999), 7);
                }
                CacheLines.dealloc(block, layout(size));
                let cleared = CacheLines.alloc_zeroed(layout(1 << 16));
                assert!((0..1 << 16).all(|i| *cleared.add(i) == 0));
                CacheLines.dealloc(cleared, layout(1 << 16));
                let mut size = HUGE;
                let mut block = CacheLines.alloc_zeroed(layout(size));
                assert!((0..size).all(|i| *block.add(i) == 0));
                block.write_bytes(9, size);
                for next in [HUGE / 2, 3 * HUGE / 2, 5 * HUGE / 2, HUGE - 1, HUGE] {
                    block = CacheLines.realloc(block, layout(size), next);
                    let start = if next < HUGE { LINE } else { HUGE };
                    assert_eq!(block as usize % start, 0, "{next}");
                    assert!((0..HUGE / 2).all(|i| *block.add(i) == 9));
                    size = next;
                }
                CacheLines.dealloc(block, layout(size));
            }
        }
    }
}
