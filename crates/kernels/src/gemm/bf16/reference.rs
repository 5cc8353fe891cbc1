//! The definition of the product in `bf16-v1`, as plain as it can be said; the oracle of the tiles.

use super::BLOCK;
use crate::bf16::{add_flushed, fma_flushed, rounded};
use crate::gemm::{Start, View};

/// `C = A·B` or `C += A·B` of operands rounded to bf16: per block of K, an even and an odd chain,
/// both padded with +0. A bf16 number rounds to itself, so rounded operands are as welcome.
///
/// # Panics
/// When the shapes do not fit.
pub fn gemm(c: &mut [f32], c_stride: usize, a: View, b: View, start: Start) {
    assert_eq!(a.cols, b.rows, "inner dimensions of the product differ");
    let term = |i, j, k, acc| {
        let (left, right) = if k < a.cols {
            (rounded(a.at(i, k)), rounded(b.at(k, j)))
        } else {
            (0.0, 0.0)
        };
        fma_flushed(left, right, acc)
    };
    for i in 0..a.rows {
        for j in 0..b.cols {
            let out = &mut c[i * c_stride + j];
            let mut sum = if start == Start::Zero { 0.0 } else { *out };
            for block in (0..a.cols).step_by(BLOCK) {
                let (mut even, mut odd) = (0.0, 0.0);
                for k in (block..block + BLOCK).step_by(2) {
                    even = term(i, j, k, even);
                    odd = term(i, j, k + 1, odd);
                }
                sum = add_flushed(sum, add_flushed(even, odd));
            }
            *out = sum;
        }
    }
}
