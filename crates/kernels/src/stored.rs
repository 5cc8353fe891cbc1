//! Weights as files store them, widened to f32: every bf16 and f16 number is an f32 number, so nothing
//! is rounded.

/// `2¹¹²`: what an f16's exponent lacks to an f32's once its bits stand in the f32's place.
const F16_SCALE: f32 = f32::from_bits((127 + 112) << 23);

/// The f32 of the same value as the f16 number with bits `h`; subnormals, infinities and NaN included.
#[inline(always)]
pub fn widen_f16(h: u16) -> f32 {
    let magnitude = u32::from(h & 0x7fff) << 13;
    // Exact for subnormals too: the product is a normal f32.
    let number = (f32::from_bits(magnitude) * F16_SCALE).to_bits();
    let special = magnitude | 0x7f80_0000;
    let bits = if h & 0x7c00 == 0x7c00 {
        special
    } else {
        number
    };
    f32::from_bits(bits | (u32::from(h & 0x8000) << 16))
}

per_isa! {
    /// Little-endian bf16 numbers; the shorter length counts.
    pub fn widen_bf16_slice(out: &mut [f32], bytes: &[[u8; 2]]) = bf16_text
}

#[inline(always)]
fn bf16_text(out: &mut [f32], bytes: &[[u8; 2]]) {
    for (out, &b) in out.iter_mut().zip(bytes) {
        *out = crate::bf16::widen(u16::from_le_bytes(b));
    }
}

per_isa! {
    /// Little-endian f16 numbers; the shorter length counts.
    pub fn widen_f16_slice(out: &mut [f32], bytes: &[[u8; 2]]) = f16_text
}

#[inline(always)]
fn f16_text(out: &mut [f32], bytes: &[[u8; 2]]) {
    for (out, &b) in out.iter_mut().zip(bytes) {
        *out = widen_f16(u16::from_le_bytes(b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of an f16 by its definition, in f64.
    fn value(h: u16) -> f64 {
        let sign = if h & 0x8000 == 0 { 1.0 } else { -1.0 };
        let (exponent, mantissa) = (i32::from(h >> 10 & 0x1f), f64::from(h & 0x3ff));
        match exponent {
            0 => sign * mantissa * libm::ldexp(1.0, -24),
            31 if mantissa == 0.0 => sign * f64::INFINITY,
            31 => f64::NAN,
            _ => sign * libm::ldexp(1.0 + mantissa / 1024.0, exponent - 15),
        }
    }

    #[test]
    fn every_f16_is_its_value() {
        for h in 0..=u16::MAX {
            let (got, want) = (f64::from(widen_f16(h)), value(h));
            assert!(got == want || (got.is_nan() && want.is_nan()), "{h:#06x}");
            assert_eq!(got.is_sign_negative(), h & 0x8000 != 0, "{h:#06x}");
        }
    }
}
