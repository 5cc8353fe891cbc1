//! Layer norm with gain and bias (Ba, Kiros and Hinton, arXiv 1607.06450), rows of width d.
//!
//! `μ = lanes(x) ÷ d`, `v = lanes((x − μ)²) ÷ d`, `r = 1 ÷ sqrt(v + ε)`, `y = ((x − μ)·r)·g + b`.

use crate::lanes;

per_isa! {
    /// Writes `y` `[n, d]` for `x` `[n, d]`, gains `g` and biases `b` `[d]`, on the calling thread.
    pub fn forward_rows(y: &mut [f32], x: &[f32], g: &[f32], b: &[f32], epsilon: f32) = forward_text
}

#[inline(always)]
fn forward_text(y: &mut [f32], x: &[f32], g: &[f32], b: &[f32], epsilon: f32) {
    let d = g.len();
    for (y, x) in y.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
        let mean = lanes::sum(x) / d as f32;
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x - mean;
        }
        let r = 1.0 / (lanes::dot(y, y) / d as f32 + epsilon).sqrt();
        for ((y, &g), &b) in y.iter_mut().zip(g).zip(b) {
            *y = (*y * r) * g + b;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn agrees_with_f64() {
        let d = 37;
        let x: Vec<f32> = (0..2 * d).map(|i| (i * i % 23) as f32 - 7.5).collect();
        let g: Vec<f32> = (0..d).map(|i| 1.0 + i as f32 / 64.0).collect();
        let b: Vec<f32> = (0..d).map(|i| i as f32 / 8.0 - 2.0).collect();
        let mut y = vec![0.0; 2 * d];
        forward_rows(Isa::Scalar, &mut y, &x, &g, &b, 1e-5);
        for (y, x) in y.chunks(d).zip(x.chunks(d)) {
            let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / d as f64;
            let squares = x
                .iter()
                .map(|&x| (f64::from(x) - mean) * (f64::from(x) - mean));
            let r = 1.0 / (squares.sum::<f64>() / d as f64 + 1e-5).sqrt();
            for (((&y, &x), &g), &b) in y.iter().zip(x).zip(&g).zip(&b) {
                let exact = (f64::from(x) - mean) * r * f64::from(g) + f64::from(b);
                assert!((f64::from(y) - exact).abs() < 2e-6, "{y} against {exact}");
            }
        }
    }
}
