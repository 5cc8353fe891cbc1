//! Gradient norm, clipping and AdamW (Loshchilov and Hutter, arXiv 1711.05101), in one order.

use crate::{Pool, lanes};
use rayon::prelude::*;

/// Elements that one task handles; element-wise work, so the size changes no bit.
const PART: usize = 1 << 14;

per_isa! {
    fn squares(x: &[f32]) -> f64 = lanes::squares_f64
}

/// Square root of the sum of squares over `tensors`, given in name byte order: within a tensor
/// sixteen f64 lanes, over tensors an f64 chain from +0. `squared` is left with each tensor's own sum;
/// a caller who keeps it saves an allocation.
pub fn global_norm<'a>(
    pool: &Pool,
    tensors: impl IndexedParallelIterator<Item = &'a [f32]>,
    squared: &mut Vec<f64>,
) -> f64 {
    pool.run(|| {
        tensors
            .map(|tensor| squares(pool.isa(), tensor))
            .collect_into_vec(squared);
    });
    squared.iter().fold(0.0, |sum, part| sum + part).sqrt()
}

/// The factor that brings `norm` down to `clip`, or none where it is not above.
pub fn clip_factor(norm: f64, clip: f64) -> Option<f32> {
    (norm > clip).then_some((clip / norm) as f32)
}

/// What a step's update needs, each rounded to f32 once a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    /// β₁.
    pub beta1: f32,
    /// `f32(1 − β₁)`, the difference in f64.
    pub one_minus_beta1: f32,
    /// β₂.
    pub beta2: f32,
    /// `f32(1 − β₂)`, the difference in f64.
    pub one_minus_beta2: f32,
    /// `f32(1 ÷ (1 − β₁ᵗ))`.
    pub correction1: f32,
    /// `f32(1 ÷ (1 − β₂ᵗ))`.
    pub correction2: f32,
    /// ε, added after the square root.
    pub epsilon: f32,
    /// Learning rate of this step.
    pub rate: f32,
    /// `f32(1 − rate · decay)`; 1 for tensors that do not decay.
    pub keep: f32,
}

impl Coefficients {
    /// For step `t` (1-based), everything computed in f64 and rounded once. `decay` 0 for none.
    pub fn new(t: u64, rate: f32, beta1: f64, beta2: f64, epsilon: f64, decay: f64) -> Self {
        Self {
            beta1: beta1 as f32,
            one_minus_beta1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            one_minus_beta2: (1.0 - beta2) as f32,
            correction1: (1.0 / (1.0 - libm::pow(beta1, t as f64))) as f32,
            correction2: (1.0 / (1.0 - libm::pow(beta2, t as f64))) as f32,
            epsilon: epsilon as f32,
            rate,
            keep: (1.0 - f64::from(rate) * decay) as f32,
        }
    }
}

per_isa! {
    fn update_part(w: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], factor: Option<f32>, c: Coefficients) = update_text
}

#[inline(always)]
fn flushed(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x }
}

#[inline(always)]
fn canonical(x: f32) -> f32 {
    if x.is_nan() {
        f32::from_bits(crate::CANONICAL_NAN)
    } else {
        x
    }
}

#[inline(always)]
fn update_text(
    w: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
    g: &[f32],
    factor: Option<f32>,
    c: Coefficients,
) {
    let scale = factor.unwrap_or(1.0);
    for (((w, m), v), &g) in w.iter_mut().zip(m).zip(v).zip(g) {
        // g · 1 is g, so an unclipped step goes through the same text.
        let g = g * scale;
        *m = flushed(c.beta1.mul_add(*m, c.one_minus_beta1 * g));
        *v = flushed(c.beta2.mul_add(*v, c.one_minus_beta2 * (g * g)));
        let step = (*m * c.correction1) / ((*v * c.correction2).sqrt() + c.epsilon);
        *w = (-c.rate).mul_add(step, *w * c.keep);
        // Which NaN an operation gives is the machine's choice; the state's bytes are not.
        for value in [m, v, w] {
            *value = canonical(*value);
        }
    }
}

/// Updates one tensor: `m = fma(β₁, m, (1−β₁)·g)`, `v = fma(β₂, v, (1−β₂)·(g·g))`, both flushed to
/// +0 below 2⁻¹²⁶; `w = fma(−rate, (m·c₁) ÷ (sqrt(v·c₂) + ε), w · keep)`. `factor` clips `g` first.
pub fn update(
    pool: &Pool,
    w: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
    g: &[f32],
    factor: Option<f32>,
    coefficients: Coefficients,
) {
    pool.run(|| {
        w.par_chunks_mut(PART)
            .zip(m.par_chunks_mut(PART))
            .zip(v.par_chunks_mut(PART))
            .zip(g.par_chunks(PART))
            .for_each(|(((w, m), v), g)| update_part(pool.isa(), w, m, v, g, factor, coefficients));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn one_step_moves_by_the_rate() {
        let pool = Pool::new(1, Isa::Scalar).expect("threads");
        let c = Coefficients::new(1, 0.01, 0.9, 0.95, 1e-8, 0.0);
        let (mut w, mut m, mut v) = ([1.0], [0.0], [0.0]);
        update(&pool, &mut w, &mut m, &mut v, &[0.5], None, c);
        assert!((w[0] - 0.99).abs() < 1e-6, "{}", w[0]);
    }

    #[test]
    fn moments_below_the_normal_range_are_zero() {
        let pool = Pool::new(1, Isa::Scalar).expect("threads");
        let c = Coefficients::new(5, 0.01, 0.9, 0.95, 1e-8, 0.1);
        let (mut w, mut m, mut v) = ([1.0], [f32::MIN_POSITIVE], [f32::MIN_POSITIVE]);
        update(&pool, &mut w, &mut m, &mut v, &[0.0], None, c);
        assert_eq!((m[0].to_bits(), v[0].to_bits()), (0, 0));
    }

    #[test]
    fn clipping_only_ever_shrinks() {
        assert_eq!(clip_factor(0.5, 1.0), None);
        assert_eq!(clip_factor(1.0, 1.0), None);
        assert_eq!(clip_factor(4.0, 1.0), Some(0.25));
        assert_eq!(clip_factor(f64::NAN, 1.0), None);
    }
}
