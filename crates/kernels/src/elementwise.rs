//! Sums of whole buffers, element by element: residuals and the tree over reduction groups.

use crate::Pool;
use rayon::prelude::*;

/// Elements that one task handles; the size changes no bit.
const PART: usize = 1 << 14;

per_isa! {
    /// [`add`] on the calling thread.
    pub fn add_rows(into: &mut [f32], from: &[f32]) = add_text
}

#[inline(always)]
fn add_text(into: &mut [f32], from: &[f32]) {
    for (a, &b) in into.iter_mut().zip(from) {
        *a += b;
    }
}

/// `into[i] += from[i]`, one rounded add each.
///
/// # Panics
/// When the lengths differ.
pub fn add(pool: &Pool, into: &mut [f32], from: &[f32]) {
    assert_eq!(into.len(), from.len(), "buffers of one shape");
    pool.run(|| {
        into.par_chunks_mut(PART)
            .zip(from.par_chunks(PART))
            .for_each(|(into, from)| add_rows(pool.isa(), into, from));
    });
}
