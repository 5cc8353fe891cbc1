//! The parts of attention between its products, row by row.

use crate::cross_entropy::max;
use crate::{lanes, math};

per_isa! {
    /// Rows of `q·k` to unnormalised p, with m and l per row; row r is query `first + r`.
    pub(super) fn unnormalised(s: &mut [f32], m: &mut [f32], l: &mut [f32], first: usize, stride: usize, scale: f32)
        = unnormalised_text
}

#[inline(always)]
fn unnormalised_text(
    s: &mut [f32],
    m: &mut [f32],
    l: &mut [f32],
    first: usize,
    stride: usize,
    scale: f32,
) {
    for (r, row) in s.chunks_exact_mut(stride).take(m.len()).enumerate() {
        let (seen, later) = row.split_at_mut(first + r + 1);
        for x in seen.iter_mut() {
            *x *= scale;
        }
        let top = max(seen);
        for x in seen.iter_mut() {
            *x = math::exp(*x - top);
        }
        later.fill(0.0);
        m[r] = top;
        l[r] = lanes::sum(seen);
    }
}

per_isa! {
    /// `(o + 0) ÷ l`, row by row: adding +0 turns a −0 into +0, as a masked key does.
    pub(super) fn divide(o: &mut [f32], l: &[f32], stride: usize) = divide_text
}

#[inline(always)]
fn divide_text(o: &mut [f32], l: &[f32], stride: usize) {
    for (row, &l) in o.chunks_exact_mut(stride).zip(l) {
        for x in row {
            *x = (*x + 0.0) / l;
        }
    }
}

per_isa! {
    /// Rows of `q·k` to `p = exp(s − m) ÷ l`.
    pub(super) fn normalised(s: &mut [f32], m: &[f32], l: &[f32], first: usize, stride: usize, scale: f32)
        = normalised_text
}

#[inline(always)]
fn normalised_text(s: &mut [f32], m: &[f32], l: &[f32], first: usize, stride: usize, scale: f32) {
    for (r, row) in s.chunks_exact_mut(stride).take(m.len()).enumerate() {
        let (seen, later) = row.split_at_mut(first + r + 1);
        for x in seen.iter_mut() {
            *x = math::exp(*x * scale - m[r]) / l[r];
        }
        later.fill(0.0);
    }
}

per_isa! {
    /// `dS = (p · (dP − D)) · scale`, in place of dP.
    pub(super) fn score_gradient(dp: &mut [f32], p: &[f32], d: &[f32], first: usize, stride: usize, scale: f32)
        = score_gradient_text
}

#[inline(always)]
fn score_gradient_text(
    dp: &mut [f32],
    p: &[f32],
    d: &[f32],
    first: usize,
    stride: usize,
    scale: f32,
) {
    let rows = dp
        .chunks_exact_mut(stride)
        .zip(p.chunks_exact(stride))
        .zip(d);
    for (r, ((dp, p), &d)) in rows.enumerate() {
        let (seen, later) = dp.split_at_mut(first + r + 1);
        for (dp, &p) in seen.iter_mut().zip(p) {
            *dp = (p * (*dp - d)) * scale;
        }
        later.fill(0.0);
    }
}

per_isa! {
    /// Sixteen-lane sum of products.
    pub(super) fn row_dot(a: &[f32], b: &[f32]) -> f32 = lanes::dot
}
