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

per_isa! {
    /// Adds `bias` to every row of `rows`, on the calling thread.
    pub fn add_bias_rows(rows: &mut [f32], bias: &[f32]) = add_bias_text
}

#[inline(always)]
fn add_bias_text(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        add_text(row, bias);
    }
}

per_isa! {
    /// `into[i] = a[i] + b[i]`, on the calling thread.
    pub fn sum_rows(into: &mut [f32], a: &[f32], b: &[f32]) = sum_text
}

#[inline(always)]
fn sum_text(into: &mut [f32], a: &[f32], b: &[f32]) {
    for ((into, &a), &b) in into.iter_mut().zip(a).zip(b) {
        *into = a + b;
    }
}

per_isa! {
    /// Multiplies every element by `factor`, on the calling thread.
    pub fn scale_rows(rows: &mut [f32], factor: f32) = scale_text
}

#[inline(always)]
fn scale_text(rows: &mut [f32], factor: f32) {
    for x in rows {
        *x *= factor;
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
