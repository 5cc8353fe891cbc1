//! Writing past the caches (`vmovntps`): nothing is fetched that is overwritten as a whole.

use crate::prefetch::LINE;

/// Whether rows of `width` elements, `stride` apart, are whole cache lines.
pub(super) fn fits(c: &[f32], stride: usize, width: usize) -> bool {
    c.as_ptr().addr().is_multiple_of(LINE * size_of::<f32>())
        && stride.is_multiple_of(LINE)
        && width.is_multiple_of(LINE)
}

/// Copies the first `width` elements of each row.
///
/// # Panics
/// When the rows are not whole cache lines, as [`fits`] says.
pub(super) fn rows(out: &mut [f32], out_row: usize, from: &[f32], from_row: usize, width: usize) {
    assert!(fits(out, out_row, width), "whole cache lines");
    for (out, from) in out.chunks_mut(out_row).zip(from.chunks(from_row)) {
        let (out, from) = (out[..width].as_chunks_mut().0, from[..width].as_chunks().0);
        for (out, from) in out.iter_mut().zip(from) {
            // SAFETY: a line, as was asserted.
            unsafe { line(out, from) };
        }
    }
    fence();
}

/// # Safety
/// `out` begins a cache line.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn line(out: &mut [f32; LINE], from: &[f32; LINE]) {
    use std::arch::x86_64::{_mm_loadu_ps, _mm_stream_ps};
    for i in (0..LINE).step_by(4) {
        // SAFETY: four elements of the line; the processor joins the parts of one.
        unsafe { _mm_stream_ps(out.as_mut_ptr().add(i), _mm_loadu_ps(from.as_ptr().add(i))) };
    }
}

/// Whoever is told later that the rows are there finds them.
#[cfg(target_arch = "x86_64")]
fn fence() {
    // SAFETY: every x86-64 machine has it.
    unsafe { std::arch::x86_64::_mm_sfence() };
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn line(out: &mut [f32; LINE], from: &[f32; LINE]) {
    *out = *from;
}

#[cfg(not(target_arch = "x86_64"))]
fn fence() {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aligned::Aligned;

    #[test]
    fn rows_arrive_and_nothing_beside_them_changes() {
        let from: Vec<f32> = (0..3 * 48).map(|i| i as f32).collect();
        let mut out = Aligned::new();
        out.resize(3 * 64);
        rows(&mut out, 64, &from, 48, 32);
        for (out, from) in out.chunks(64).zip(from.chunks(48)) {
            assert_eq!(out[..32], from[..32]);
            assert!(out[32..].iter().all(|&x| x == 0.0));
        }
        assert!(!fits(&out[1..], 64, 32) && !fits(&out, 65, 32) && !fits(&out, 64, 31));
    }
}
