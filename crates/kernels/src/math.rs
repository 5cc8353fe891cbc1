//! exp, ln and erf: our own text, so that no platform's mathematical library decides a bit.

use std::f32::consts::LOG2_E;

/// `1.5 · 2²³`: adding it rounds a small float to the nearest integer (ties to even).
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts; `n · LN2_HI` is exact for |n| < 2⁹.
const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;

/// e^x, at most 1.5 ulp off (1.0103 over all inputs); +0 below −87.33, +∞ above 88.722_83, NaN for NaN.
///
/// `n = round(x · log₂e)`, `r = x − n ln 2` in two fma, a polynomial in `r` (the classic
/// single-precision coefficients of the Cephes library), then two exact scalings by powers of two.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // The comparison order lets a NaN fall through to the last line.
    let clamped = if x < -87.33 { -87.33 } else { x };
    let clamped = if clamped > 88.722_83 {
        88.722_83
    } else {
        clamped
    };
    let shifted = clamped.mul_add(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_HI, clamped);
    let r = n.mul_add(-LN2_LO, r);
    let p = 1.987_569_2e-4_f32;
    let p = p.mul_add(r, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 0.5);
    let y = p.mul_add(r * r, r) + 1.0;
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = exponent >> 1;
    let y = y * power_of_two(half) * power_of_two(exponent.wrapping_sub(half));
    let y = if x > 88.722_83 { f32::INFINITY } else { y };
    let y = if x < -87.33 { 0.0 } else { y };
    if x.is_nan() {
        f32::from_bits(crate::CANONICAL_NAN)
    } else {
        y
    }
}

#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits((exponent.wrapping_add(127) as u32) << 23)
}

/// ln x, at most 1.5 ulp off (0.8265 over all inputs) for normal and subnormal x; −∞ for ±0, NaN below 0 and for NaN.
///
/// `x = 2^e · f` with `f` in [√½, √2), a polynomial in `f − 1` (Cephes' coefficients), then
/// `e · ln 2` added in two parts.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    let bias = if tiny { 23 } else { 0 };
    // Shift the mantissa so that the exponent counts from √½.
    let offset = scaled.to_bits().wrapping_sub(0x3f35_04f3) as i32;
    let e = (offset >> 23) - bias;
    let f = f32::from_bits(
        scaled
            .to_bits()
            .wrapping_sub((offset & 0xff80_0000_u32 as i32) as u32),
    );
    let e = e as f32;
    let r = f - 1.0;
    let z = r * r;
    let p = 7.037_683_6e-2_f32;
    let p = p.mul_add(r, -1.151_461e-1);
    let p = p.mul_add(r, 1.167_699_9e-1);
    let p = p.mul_add(r, -1.242_014_1e-1);
    let p = p.mul_add(r, 1.424_932_3e-1);
    let p = p.mul_add(r, -1.666_805_8e-1);
    let p = p.mul_add(r, 2.000_071_5e-1);
    let p = p.mul_add(r, -2.499_999_4e-1);
    let p = p.mul_add(r, 0.333_333_3);
    let y = p * r * z;
    let y = e.mul_add(LN2_LO, y);
    let y = z.mul_add(-0.5, y);
    let y = e.mul_add(LN2_HI, r + y);
    let y = if x == f32::INFINITY { f32::INFINITY } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() {
        f32::from_bits(crate::CANONICAL_NAN)
    } else {
        y
    }
}

/// The logistic function `1 ÷ (1 + e^−x)`; 0 and 1 at the ends, never NaN for a number.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The error function, at most 2.5 ulp off; ±1 beyond ±3.95, NaN for NaN.
///
/// Below 1 an odd polynomial, from 1 on `1 − exp(−p(|x|))`: both our own minimax fits (weighted least
/// squares on Chebyshev nodes, Lawson's weights), of `erf(√t) ÷ √t` in t on [0, 1] and of `−ln erfc` on
/// [1, 3.95], where erfc rounds to nothing beside 1.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let magnitude = x.abs();
    let t = magnitude * magnitude;
    let p = 7.889_123e-5_f32;
    let p = p.mul_add(t, -8.020_842e-4);
    let p = p.mul_add(t, 5.189_535_7e-3);
    let p = p.mul_add(t, -2.685_444_4e-2);
    let p = p.mul_add(t, 1.128_36e-1);
    let p = p.mul_add(t, -3.761_262_6e-1);
    let p = p.mul_add(t, std::f32::consts::FRAC_2_SQRT_PI);
    let small = p * magnitude;
    // A NaN falls through the comparison to the last line.
    let z = if magnitude > 3.95 { 3.95 } else { magnitude };
    let q = 2.168_675_7e-5_f32;
    let q = q.mul_add(z, -4.413_352_3e-4);
    let q = q.mul_add(z, 4.204_556e-3);
    let q = q.mul_add(z, -2.520_824e-2);
    let q = q.mul_add(z, 1.084_185_5e-1);
    let q = q.mul_add(z, 6.332_199e-1);
    let q = q.mul_add(z, 1.129_578_4);
    let q = q.mul_add(z, -1.880_368_2e-4);
    let large = 1.0 - exp(-q);
    let y = if magnitude < 1.0 { small } else { large };
    if x.is_nan() {
        f32::from_bits(crate::CANONICAL_NAN)
    } else {
        y.copysign(x)
    }
}

per_isa! {
    /// [`exp`] of every element, in place.
    pub fn exp_all(x: &mut [f32]) = exp_all_text
}

#[inline(always)]
fn exp_all_text(x: &mut [f32]) {
    for x in x {
        *x = exp(*x);
    }
}

per_isa! {
    /// [`ln`] of every element, in place.
    pub fn ln_all(x: &mut [f32]) = ln_all_text
}

#[inline(always)]
fn ln_all_text(x: &mut [f32]) {
    for x in x {
        *x = ln(*x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance in units of the last place of the correctly rounded result.
    fn ulps(got: f32, exact: f64) -> f64 {
        let ulp = f64::from(f32::from_bits((exact as f32).to_bits() + 1)) - f64::from(exact as f32);
        ((f64::from(got) - exact) / ulp).abs()
    }

    #[test]
    fn exp_is_close_over_its_range() {
        let mut worst: f64 = 0.0;
        let mut x = -87.33_f32;
        while x < 88.72 {
            worst = worst.max(ulps(exp(x), libm::exp(f64::from(x))));
            x += 1.7e-4;
        }
        assert!(worst <= 1.5, "worst error {worst} ulp");
    }

    #[test]
    fn exp_at_the_edges() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY).to_bits(), 0);
        assert_eq!(exp(-87.34).to_bits(), 0);
        assert!(exp(-87.33) >= f32::MIN_POSITIVE);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(88.73), f32::INFINITY);
        assert!(exp(88.722_83).is_finite());
        assert_eq!(
            exp(f32::from_bits(0xffc0_1234)).to_bits(),
            crate::CANONICAL_NAN
        );
    }

    #[test]
    fn ln_is_close_and_total() {
        let mut worst: f64 = 0.0;
        for step in 1..2_000_000_u32 {
            let x = f32::from_bits(step * 1063);
            if x.is_finite() {
                let exact = libm::log(f64::from(x));
                if exact.abs() > 1e-6 {
                    worst = worst.max(
                        (f64::from(ln(x)) - exact).abs() / (exact.abs() * f64::from(f32::EPSILON)),
                    );
                }
            }
        }
        assert!(worst <= 1.5, "worst error {worst} ulp");
        assert_eq!(ln(1.0).to_bits(), 0);
        assert_eq!(ln(0.0), f32::NEG_INFINITY);
        assert_eq!(ln(f32::INFINITY), f32::INFINITY);
        assert_eq!(ln(-1.0).to_bits(), crate::CANONICAL_NAN);
    }

    #[test]
    fn erf_is_close_everywhere() {
        let mut worst: f64 = 0.0;
        let mut x = 1e-6_f32;
        while x < 5.0 {
            worst = worst.max(ulps(erf(x), libm::erf(f64::from(x))));
            x += 3.1e-6;
        }
        assert!(worst <= 2.5, "worst error {worst} ulp");
        for x in [1e-30_f32, 0.3, 1.0, 3.949, 3.951, 90.0, f32::INFINITY] {
            assert_eq!(erf(-x).to_bits(), (-erf(x)).to_bits(), "odd at {x}");
        }
        assert_eq!(erf(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(erf(4.0), 1.0);
        assert_eq!(erf(f32::INFINITY), 1.0);
        assert_eq!(erf(f32::NAN).to_bits(), crate::CANONICAL_NAN);
    }
}
