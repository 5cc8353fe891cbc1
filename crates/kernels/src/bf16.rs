//! bfloat16 operands and the arithmetic of the numerics profile `bf16-v1`.
//!
//! A bf16 number is the upper half of an f32, so products of two are exact in f32's range of
//! exponents and in f64 always. What differs from IEEE arithmetic is the smallest numbers: a
//! subnormal operand counts as zero of its sign, and a result is first rounded to 24 bits as if
//! exponents had no lower end, then becomes zero of its sign if it is below 2⁻¹²⁶. That is what
//! x86 computes with FTZ and DAZ set, and what AMX's `tdpbf16ps` always does. `mul_add` followed by
//! flushing is *not* that: `2⁻¹²⁶ − 0.75·2⁻¹⁵⁰` rounds up to 2⁻¹²⁶ on the grid of subnormals.

/// 2⁻¹²⁶ − 2⁻¹⁵¹: the smallest magnitude that 24 bits round to 2⁻¹²⁶ (a tie, and 2⁻¹²⁶ is even).
const ROUNDS_TO_NORMAL: f64 = f64::from_bits(((1023 - 127) << 52) | 0x000f_ffff_f000_0000);

/// The bf16 number nearest to `x`, ties to even; a subnormal is zero of its sign beforehand, a NaN
/// gives 0x7fc0.
#[inline(always)]
pub fn round(x: f32) -> u16 {
    (round_bits(x) >> 16) as u16
}

/// [`round`], as the f32 of the same value.
#[inline(always)]
pub fn rounded(x: f32) -> f32 {
    f32::from_bits(round_bits(x) & 0xffff_0000)
}

/// The f32 of the same value as the bf16 number with bits `h`.
#[inline(always)]
pub fn widen(h: u16) -> f32 {
    f32::from_bits(u32::from(h) << 16)
}

/// bf16 in the upper half; the lower half is left over from rounding.
#[inline(always)]
fn round_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    // Wraps for some NaN, which is replaced below.
    let nearest = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    let number = if magnitude < 0x0080_0000 {
        bits & 0x8000_0000
    } else {
        nearest
    };
    if magnitude > 0x7f80_0000 {
        crate::CANONICAL_NAN
    } else {
        number
    }
}

per_isa! {
    /// `out[i]` is `x[i]` as [`rounded`]; the shorter length counts.
    pub fn round_slice(out: &mut [f32], x: &[f32]) = round_slice_text
}

#[inline(always)]
fn round_slice_text(out: &mut [f32], x: &[f32]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = rounded(x);
    }
}

per_isa! {
    /// `out[i]` is `x[i]` [`widen`]ed; the shorter length counts.
    pub fn widen_slice(out: &mut [f32], x: &[u16]) = widen_slice_text
}

#[inline(always)]
fn widen_slice_text(out: &mut [f32], x: &[u16]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = widen(x);
    }
}

per_isa! {
    /// Every element as [`rounded`], in place.
    pub(crate) fn round_all(x: &mut [f32]) = round_all_text
}

#[inline(always)]
fn round_all_text(x: &mut [f32]) {
    for x in x {
        *x = rounded(*x);
    }
}

per_isa! {
    /// `out[i]` is the bf16 number [`round`]`(x[i])`; the shorter length counts.
    pub fn round_to_bits(out: &mut [u16], x: &[f32]) = round_to_bits_text
}

#[inline(always)]
fn round_to_bits_text(out: &mut [u16], x: &[f32]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = round(x);
    }
}

/// `a·b + c` in the arithmetic of the profile: subnormal operands are zero of their sign; the exact
/// result is rounded to 24 bits, nearest even, with unbounded exponent; below 2⁻¹²⁶ it is zero of
/// its sign. A NaN may have any payload and sign.
///
/// The product is exact in f64. The sum is rounded there to odd (Boldo and Melquiond, IEEE TC 57(4),
/// 2008), so that the second rounding, to 24 bits, is right; the exact error that decides it is
/// Knuth's two-sum.
#[inline(always)]
pub fn fma_flushed(a: f32, b: f32, c: f32) -> f32 {
    let product = f64::from(flushed(a)) * f64::from(flushed(b));
    let c = f64::from(flushed(c));
    let sum = product + c;
    let c_part = sum - product;
    let error = (product - (sum - c_part)) + (c - c_part);
    // Odd already, or exact, or not finite (the error is then NaN): it stays. Otherwise the
    // neighbour on the error's side is odd.
    #[allow(clippy::double_comparisons, reason = "a NaN is neither")]
    let inexact = error > 0.0 || error < 0.0;
    let outward = (error > 0.0) == (sum > 0.0);
    let even = sum.to_bits() & 1 == 0;
    let step = if outward { 1 } else { u64::MAX };
    let step = if inexact && even { step } else { 0 };
    let odd = f64::from_bits(sum.to_bits().wrapping_add(step));
    narrow(odd)
}

/// `a + b` in the arithmetic of the profile, as [`fma_flushed`].
#[inline(always)]
pub fn add_flushed(a: f32, b: f32) -> f32 {
    fma_flushed(a, 1.0, b)
}

/// A subnormal as zero of its sign, everything else as it is.
#[inline(always)]
fn flushed(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE {
        0.0_f32.copysign(x)
    } else {
        x
    }
}

/// Rounds to 24 bits with unbounded exponent below, then flushes.
#[inline(always)]
fn narrow(x: f64) -> f32 {
    let magnitude = x.abs();
    let tiny = if magnitude < ROUNDS_TO_NORMAL {
        0.0
    } else {
        f32::MIN_POSITIVE
    };
    // False for a NaN, which the cast keeps.
    if magnitude < f64::from(f32::MIN_POSITIVE) {
        tiny.copysign(x as f32)
    } else {
        x as f32
    }
}
