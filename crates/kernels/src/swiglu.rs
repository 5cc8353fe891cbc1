//! SwiGLU (Shazeer, arXiv 2002.05202): `h = silu(gate) · up`, `silu(x) = x · σ(x)`.

use crate::{Isa, Pool, math};
use rayon::prelude::*;

per_isa! {
    fn forward_part(h: &mut [f32], gate: &[f32], up: &[f32]) = forward_text
}

#[inline(always)]
fn forward_text(h: &mut [f32], gate: &[f32], up: &[f32]) {
    for ((h, &gate), &up) in h.iter_mut().zip(gate).zip(up) {
        *h = (gate * math::sigmoid(gate)) * up;
    }
}

/// `h = (gate · σ(gate)) · up` for rows `[gate | up]` of `2 · mlp`, on the calling thread.
pub fn forward_rows(isa: Isa, h: &mut [f32], gate_up: &[f32], mlp: usize) {
    for (h, row) in h.chunks_exact_mut(mlp).zip(gate_up.chunks_exact(2 * mlp)) {
        let (gate, up) = row.split_at(mlp);
        forward_part(isa, h, gate, up);
    }
}

/// Turns rows `[gate | up]` into their gradients in place; see [`backward`]. Uses `dh` up.
pub fn backward_rows(isa: Isa, gate_up: &mut [f32], dh: &mut [f32], mlp: usize) {
    for (row, dh) in gate_up
        .chunks_exact_mut(2 * mlp)
        .zip(dh.chunks_exact_mut(mlp))
    {
        let (gate, up) = row.split_at_mut(mlp);
        backward_part(isa, dh, gate, up);
        up.copy_from_slice(dh);
    }
}

/// `h = (gate · σ(gate)) · up`, element by element.
pub fn forward(pool: &Pool, h: &mut [f32], gate: &[f32], up: &[f32]) {
    let block = pool.block(h.len());
    pool.run(|| {
        h.par_chunks_mut(block)
            .zip(gate.par_chunks(block))
            .zip(up.par_chunks(block))
            .for_each(|((h, gate), up)| forward_part(pool.isa(), h, gate, up));
    });
}

per_isa! {
    fn backward_part(dh: &mut [f32], gate: &mut [f32], up: &[f32]) = backward_text
}

#[inline(always)]
fn backward_text(dh: &mut [f32], gate: &mut [f32], up: &[f32]) {
    for ((dh, gate), &up) in dh.iter_mut().zip(gate).zip(up) {
        let s = math::sigmoid(*gate);
        let silu = *gate * s;
        // d silu = σ · (1 + x · (1 − σ))
        let slope = s * gate.mul_add(1.0 - s, 1.0);
        *gate = (*dh * up) * slope;
        *dh *= silu;
    }
}

/// Turns `dh` into the gradient of `up` and `gate` into its own gradient, in place:
/// `dgate = (dh · up) · (σ · fma(gate, 1 − σ, 1))`, `dup = dh · (gate · σ)`.
pub fn backward(pool: &Pool, dh: &mut [f32], gate: &mut [f32], up: &[f32]) {
    let block = pool.block(dh.len());
    pool.run(|| {
        dh.par_chunks_mut(block)
            .zip(gate.par_chunks_mut(block))
            .zip(up.par_chunks(block))
            .for_each(|((dh, gate), up)| backward_part(pool.isa(), dh, gate, up));
    });
}
