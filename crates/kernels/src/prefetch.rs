//! Asking the processor for what is read later. Any address may be asked for; nothing is read.

/// Floats of a cache line.
pub(crate) const LINE: usize = 16;
/// Floats that row operations compute while the same ones of the next row are fetched.
pub(crate) const PART: usize = 64;

/// Hints of `_mm_prefetch`: into the first-level cache, or the second.
const T0: i32 = 3;
const T1: i32 = 2;

#[inline(always)]
fn ask<const HINT: i32>(address: *const f32) {
    // SAFETY: a prefetch may go anywhere.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<HINT>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// The first lines of some rows, `stride` elements apart, into the first-level cache.
#[inline(always)]
pub(crate) fn rows(first: *const f32, stride: usize, rows: usize, lines: usize) {
    for row in 0..rows {
        for line in 0..lines {
            ask::<T0>(first.wrapping_add(row * stride + line * LINE));
        }
    }
}

/// `count` elements from `first` on, into the second-level cache.
#[inline(always)]
pub(crate) fn elements(first: *const f32, count: usize) {
    for start in (0..count).step_by(LINE) {
        ask::<T1>(first.wrapping_add(start));
    }
}

/// The share of part `index` of `parts` in `count` elements, into the second-level cache.
#[inline(always)]
pub(crate) fn share(first: *const f32, count: usize, index: usize, parts: usize) {
    let lines = count / LINE;
    let (from, to) = (index * lines / parts, (index + 1) * lines / parts);
    elements(first.wrapping_add(from * LINE), (to - from) * LINE);
}
