//! The definition of the product, as plain as it can be said; the oracle of the fast one.

use super::{Start, View};

/// `C[i][j]` = one chain over k.
///
/// # Panics
/// When the shapes do not fit.
pub fn gemm(c: &mut [f32], c_stride: usize, a: View, b: View, start: Start) {
    assert_eq!(a.cols, b.rows, "inner dimensions of the product differ");
    for i in 0..a.rows {
        for j in 0..b.cols {
            let out = &mut c[i * c_stride + j];
            let mut acc = if start == Start::Zero { 0.0 } else { *out };
            for k in 0..a.cols {
                acc = a.at(i, k).mul_add(b.at(k, j), acc);
            }
            *out = acc;
        }
    }
}
