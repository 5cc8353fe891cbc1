//! SwiGLU (Shazeer, arXiv 2002.05202): `h = silu(gate) · up`, `silu(x) = x · σ(x)`.

use crate::operand::{RowsMut, Stored};
use crate::prefetch::{self, PART};
use crate::{Isa, math};

/// Asks for what lies `stride` elements further on.
#[inline(always)]
fn ask_for_next_row(part: &[f32], stride: usize) {
    prefetch::elements(part.as_ptr().wrapping_add(stride), part.len());
}

per_isa! {
    fn forward_f32(h: &mut [f32], gate_up: &[f32], mlp: usize) = forward_text
}

per_isa! {
    fn forward_bf16(h: &mut [u16], gate_up: &[f32], mlp: usize) = forward_text
}

#[inline(always)]
fn forward_text<T: Stored>(h: &mut [T], gate_up: &[f32], mlp: usize) {
    let rows = h.chunks_exact_mut(T::stride(mlp));
    for (h, row) in rows.zip(gate_up.chunks_exact(2 * mlp)) {
        let (gate, up) = row.split_at(mlp);
        let parts = gate.chunks(PART).zip(up.chunks(PART));
        for (h, (gate, up)) in h.chunks_mut(PART).zip(parts) {
            ask_for_next_row(gate, 2 * mlp);
            ask_for_next_row(up, 2 * mlp);
            for ((h, &gate), &up) in h.iter_mut().zip(gate).zip(up) {
                *h = T::of((gate * math::sigmoid(gate)) * up);
            }
        }
    }
}

/// `h = (gate · σ(gate)) · up` for rows `[gate | up]` of `2 · mlp`, on the calling thread.
pub fn forward_rows(isa: Isa, h: RowsMut, gate_up: &[f32], mlp: usize) {
    match h {
        RowsMut::F32(h) => forward_f32(isa, h, gate_up, mlp),
        RowsMut::Bf16(h) => forward_bf16(isa, h, gate_up, mlp),
    }
}

per_isa! {
    fn backward_f32(d: &mut [f32], gate_up: &[f32], dh: &[f32], mlp: usize) = backward_text
}

per_isa! {
    fn backward_bf16(d: &mut [u16], gate_up: &[f32], dh: &[f32], mlp: usize) = backward_text
}

#[inline(always)]
fn backward_text<T: Stored>(d: &mut [T], gate_up: &[f32], dh: &[f32], mlp: usize) {
    let rows = d
        .chunks_exact_mut(T::stride(2 * mlp))
        .zip(gate_up.chunks_exact(2 * mlp))
        .zip(dh.chunks_exact(mlp));
    for ((d, row), dh) in rows {
        let (gate, up) = row.split_at(mlp);
        let (d_gate, d_up) = d.split_at_mut(mlp);
        let inputs = gate.chunks(PART).zip(up.chunks(PART)).zip(dh.chunks(PART));
        let outputs = d_gate.chunks_mut(PART).zip(d_up.chunks_mut(PART));
        for (((gate, up), dh), (d_gate, d_up)) in inputs.zip(outputs) {
            ask_for_next_row(gate, 2 * mlp);
            ask_for_next_row(up, 2 * mlp);
            ask_for_next_row(dh, mlp);
            let inputs = gate.iter().zip(up).zip(dh);
            for (((&gate, &up), &dh), (d_gate, d_up)) in inputs.zip(d_gate.iter_mut().zip(d_up)) {
                let s = math::sigmoid(gate);
                // d silu = σ · (1 + x · (1 − σ))
                let slope = s * gate.mul_add(1.0 - s, 1.0);
                *d_gate = T::of((dh * up) * slope);
                *d_up = T::of(dh * (gate * s));
            }
        }
    }
}

/// The gradients `[dgate | dup]` of rows `[gate | up]` of `2 · mlp` for `dh`, on the calling thread:
/// `dgate = (dh · up) · (σ · fma(gate, 1 − σ, 1))`, `dup = dh · (gate · σ)`.
pub fn backward_rows(isa: Isa, d: RowsMut, gate_up: &[f32], dh: &[f32], mlp: usize) {
    match d {
        RowsMut::F32(d) => backward_f32(isa, d, gate_up, dh, mlp),
        RowsMut::Bf16(d) => backward_bf16(isa, d, gate_up, dh, mlp),
    }
}
