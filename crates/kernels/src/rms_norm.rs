//! Root-mean-square norm (Zhang and Sennrich, arXiv 1910.07467), rows of width d.
//!
//! `r = 1 ÷ sqrt(lanes(x²) ÷ d + ε)`, `x̂ = x · r`, `y = x̂ · g`.

use crate::operand::{Operand, RowsMut, Stored};
use crate::{Isa, Pool, lanes, shared::Shared};
use rayon::prelude::*;

/// [`forward`] of some rows on the calling thread.
pub fn forward_rows(isa: Isa, y: RowsMut, r: &mut [f32], x: &[f32], g: &[f32], epsilon: f32) {
    match y {
        RowsMut::F32(y) => forward_f32(isa, y, r, x, g, epsilon),
        RowsMut::Bf16(y) => forward_bf16(isa, y, r, x, g, epsilon),
    }
}

per_isa! {
    fn forward_f32(y: &mut [f32], r: &mut [f32], x: &[f32], g: &[f32], epsilon: f32) = forward_text
}

per_isa! {
    fn forward_bf16(y: &mut [u16], r: &mut [f32], x: &[f32], g: &[f32], epsilon: f32) = forward_text
}

#[inline(always)]
fn forward_text<T: Stored>(y: &mut [T], r: &mut [f32], x: &[f32], g: &[f32], epsilon: f32) {
    let d = g.len();
    let rows = y.chunks_exact_mut(T::stride(d));
    for ((y, r), x) in rows.zip(r).zip(x.chunks_exact(d)) {
        let mean = lanes::dot(x, x) / d as f32;
        *r = 1.0 / (mean + epsilon).sqrt();
        for ((y, &x), &g) in y.iter_mut().zip(x).zip(g) {
            *y = T::of((x * *r) * g);
        }
    }
}

/// Writes `y` `[n, d]` and the row factors `r` `[n]` for `x` `[n, d]` and gains `g` `[d]`.
pub fn forward(pool: &Pool, y: &mut [f32], r: &mut [f32], x: &[f32], g: &[f32], epsilon: f32) {
    let d = g.len();
    let block = pool.block(r.len());
    pool.run(|| {
        y.par_chunks_mut(block * d)
            .zip(r.par_chunks_mut(block))
            .zip(x.par_chunks(block * d))
            .for_each(|((y, r), x)| forward_f32(pool.isa(), y, r, x, g, epsilon));
    });
}

/// [`forward`] into rows that only products read.
pub fn forward_operand(
    pool: &Pool,
    y: &mut Operand,
    r: &mut [f32],
    x: &[f32],
    g: &[f32],
    epsilon: f32,
) {
    let d = g.len();
    let block = pool.block(r.len());
    let isa = pool.isa();
    pool.run(|| {
        let parts = r.par_chunks_mut(block).zip(x.par_chunks(block * d));
        match y.all_mut() {
            RowsMut::F32(y) => parts
                .zip(y.par_chunks_mut(block * d))
                .for_each(|((r, x), y)| forward_f32(isa, y, r, x, g, epsilon)),
            RowsMut::Bf16(y) => parts
                .zip(y.par_chunks_mut(block * u16::stride(d)))
                .for_each(|((r, x), y)| forward_bf16(isa, y, r, x, g, epsilon)),
        }
    });
}

per_isa! {
    /// [`backward_input`] of some rows on the calling thread.
    pub fn backward_rows(dx: &mut [f32], dy: &[f32], x: &[f32], r: &[f32], g: &[f32]) = backward_text
}

#[inline(always)]
fn backward_text(dx: &mut [f32], dy: &[f32], x: &[f32], r: &[f32], g: &[f32]) {
    let d = g.len();
    let rows = dx
        .chunks_exact_mut(d)
        .zip(dy.chunks_exact(d))
        .zip(x.chunks_exact(d))
        .zip(r);
    for (((dx, dy), x), &r) in rows {
        // c = lanes(dy · g · x̂) ÷ d, with x̂ = x · r taken out of the sum as its last factor.
        let c = (lanes::dot3(dy, g, x) * r) / d as f32;
        for (((dx, &dy), &x), &g) in dx.iter_mut().zip(dy).zip(x).zip(g) {
            let t = (x * r).mul_add(-c, dy * g);
            *dx += t * r;
        }
    }
}

/// Adds to `dx` `[n, d]` the gradient with respect to the norm's input:
/// `t = fma(x̂, −c, dy · g)`, `dx += t · r`, where `c = (lanes(dy · g · x) · r) ÷ d`.
pub fn backward_input(pool: &Pool, dx: &mut [f32], dy: &[f32], x: &[f32], r: &[f32], g: &[f32]) {
    let d = g.len();
    let block = pool.block(r.len());
    pool.run(|| {
        dx.par_chunks_mut(block * d)
            .zip(dy.par_chunks(block * d))
            .zip(x.par_chunks(block * d))
            .zip(r.par_chunks(block))
            .for_each(|(((dx, dy), x), r)| backward_rows(pool.isa(), dx, dy, x, r, g));
    });
}

per_isa! {
    fn gain_columns(dg: &mut [f32], dy: &[f32], x: &[f32], r: &[f32], first: usize, d: usize) = gain_text
}

#[inline(always)]
fn gain_text(dg: &mut [f32], dy: &[f32], x: &[f32], r: &[f32], first: usize, d: usize) {
    let width = dg.len();
    for (row, &r) in r.iter().enumerate() {
        let dy = &dy[row * d + first..][..width];
        let x = &x[row * d + first..][..width];
        for ((dg, &dy), &x) in dg.iter_mut().zip(dy).zip(x) {
            *dg = dy.mul_add(x * r, *dg);
        }
    }
}

/// Continues the chain over tokens of the gain's gradient `dg` `[d]`: `dg = fma(dy, x̂, dg)`.
pub fn backward_gain(pool: &Pool, dg: &mut [f32], dy: &[f32], x: &[f32], r: &[f32]) {
    let d = dg.len();
    let block = d.div_ceil(pool.threads()).next_multiple_of(lanes::LANES);
    let shared = Shared::new(dg);
    pool.run(|| {
        (0..d.div_ceil(block)).into_par_iter().for_each(|task| {
            let first = task * block;
            // SAFETY: tasks own disjoint columns.
            let dg = unsafe { shared.slice(first, block.min(d - first)) };
            gain_columns(pool.isa(), dg, dy, x, r, first, d);
        });
    });
}
