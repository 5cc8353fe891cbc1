//! GELU (Hendrycks and Gimpel, arXiv 1606.08415), exact and by tanh.
//!
//! `(0.5·x)·(1 + erf(x·√½))`; the approximation `0.5·x·(1 + tanh u)` equals `x·σ(2u)`, and is computed
//! so: `2u = 1.5957692·fma(0.044715·x², x, x)`.

use crate::math;

/// √½.
const ROOT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// 2·√(2 ÷ π).
const TWICE_ROOT: f32 = 1.595_769_2;

per_isa! {
    /// GELU by the error function, in place.
    pub fn erf_rows(x: &mut [f32]) = erf_text
}

#[inline(always)]
fn erf_text(x: &mut [f32]) {
    for x in x {
        *x = (0.5 * *x) * (1.0 + math::erf(*x * ROOT_HALF));
    }
}

per_isa! {
    /// GELU by tanh, in place.
    pub fn tanh_rows(x: &mut [f32]) = tanh_text
}

#[inline(always)]
fn tanh_text(x: &mut [f32]) {
    for x in x {
        let twice = TWICE_ROOT * (0.044_715 * (*x * *x)).mul_add(*x, *x);
        *x *= math::sigmoid(twice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn both_agree_with_f64() {
        let grid: Vec<f32> = (-80_000..80_000).map(|i| i as f32 * 1.3e-4).collect();
        let (mut exact, mut by_tanh) = (grid.clone(), grid.clone());
        erf_rows(Isa::best(), &mut exact);
        tanh_rows(Isa::best(), &mut by_tanh);
        for ((&x, &e), &t) in grid.iter().zip(&exact).zip(&by_tanh) {
            let x = f64::from(x);
            let want = 0.5 * x * (1.0 + libm::erf(x / 2.0_f64.sqrt()));
            assert!(
                (f64::from(e) - want).abs() <= 2.5e-7 * x.abs().max(1e-3),
                "{x}"
            );
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
            let want = 0.5 * x * (1.0 + libm::tanh(u));
            assert!(
                (f64::from(t) - want).abs() <= 4e-7 * x.abs().max(1e-3),
                "{x}"
            );
        }
    }
}
