//! `bf16-v1`: its arithmetic against big integers and against the hardware's own FTZ and DAZ; every
//! tile of every instruction set against the plain reference.

use glasswork_kernels::bf16::{
    add_flushed, fma_flushed, round, round_slice, round_to_bits, rounded, widen,
};
use glasswork_kernels::gemm::bf16::{self as product, BLOCK};
use glasswork_kernels::gemm::{Start, View};
use glasswork_kernels::{CANONICAL_NAN, Isa};

/// Xorshift; reproducible.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 33) as usize) % end
    }

    /// Sign and fraction at random, but often one near a power of two; the exponent given.
    fn with_exponent(&mut self, biased: u32) -> f32 {
        let fraction = match self.below(4) {
            0 => self.below(3) as u32,
            1 => 0x7f_ffff - self.below(3) as u32,
            2 => (self.next() as u32) & 0x7f_0000,
            _ => (self.next() as u32) & 0x7f_ffff,
        };
        let sign = (self.next() as u32) & 0x8000_0000;
        f32::from_bits(sign | biased << 23 | fraction)
    }

    /// Any f32, all classes.
    fn any(&mut self) -> f32 {
        f32::from_bits(self.next() as u32)
    }
}

fn canonical(x: f32) -> u32 {
    if x.is_nan() {
        CANONICAL_NAN
    } else {
        x.to_bits()
    }
}

/// A fixed-point number of 640 bits in units of 2⁻²⁹⁸: every sum of a product and a number.
#[derive(Clone, Copy)]
struct Wide([u64; 10]);

impl Wide {
    /// Adds `mantissa · 2^shift` units, negated if `negative`.
    fn add(&mut self, mantissa: u64, shift: usize, negative: bool) {
        let mut term = [0_u64; 10];
        let (limb, bits) = (shift / 64, shift % 64);
        let wide = u128::from(mantissa) << bits;
        term[limb] = wide as u64;
        term[limb + 1] = (wide >> 64) as u64;
        if negative {
            term = negated(term);
        }
        let mut carry = false;
        for (to, from) in self.0.iter_mut().zip(term) {
            let (sum, over) = to.overflowing_add(from);
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            (*to, carry) = (sum, over || again);
        }
    }

    fn bit(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }
}

fn negated(limbs: [u64; 10]) -> [u64; 10] {
    let mut carry = true;
    limbs.map(|limb| {
        let (sum, over) = (!limb).overflowing_add(u64::from(carry));
        carry = over;
        sum
    })
}

/// Sign, 24-bit mantissa and exponent of its last bit, the exponent counted from 2⁻¹⁴⁹.
fn parts(x: f32) -> (bool, u64, usize) {
    let (bits, biased) = (x.to_bits(), x.to_bits() >> 23 & 0xff);
    let mantissa = u64::from(bits & 0x7f_ffff | 0x80_0000);
    (bits >> 31 == 1, mantissa, biased as usize - 1)
}

/// `a·b + c` of the profile by integers.
fn oracle(a: f32, b: f32, c: f32) -> f32 {
    let flush = |x: f32| if x.is_subnormal() { x * 0.0 } else { x };
    let (a, b, c) = (flush(a), flush(b), flush(c));
    if !(a.is_finite() && b.is_finite() && c.is_finite()) {
        // Finite parts cannot matter, so f64 without care is exact here.
        return (f64::from(a) * f64::from(b) + f64::from(c)) as f32;
    }
    let mut sum = Wide([0; 10]);
    if a != 0.0 && b != 0.0 {
        let ((sign_a, mantissa_a, shift_a), (sign_b, mantissa_b, shift_b)) = (parts(a), parts(b));
        sum.add(mantissa_a * mantissa_b, shift_a + shift_b, sign_a != sign_b);
    }
    if c != 0.0 {
        let (sign, mantissa, shift) = parts(c);
        sum.add(mantissa, shift + 149, sign);
    }
    let negative = sum.bit(639);
    if negative {
        sum = Wide(negated(sum.0));
    }
    let Some(top) = (0..640).rev().find(|&index| sum.bit(index)) else {
        // An exact zero: of c's sign if the product, too, is a zero of that sign.
        let product_negative = a.is_sign_negative() != b.is_sign_negative();
        let both = (a == 0.0 || b == 0.0) && c == 0.0 && product_negative && c.is_sign_negative();
        return if both { -0.0 } else { 0.0 };
    };
    let mut mantissa = (0..24).fold(0_u32, |m, i| {
        m << 1 | u32::from(top >= i && sum.bit(top - i))
    });
    let half = top >= 24 && sum.bit(top - 24);
    let below = top > 24 && (0..top - 24).any(|index| sum.bit(index));
    mantissa += u32::from(half && (below || mantissa & 1 == 1));
    // A mantissa of 2²⁴ carries into the exponent by itself.
    let biased = top as i64 - 298 + 127;
    let bits = ((biased - 1) << 23) + i64::from(mantissa);
    let magnitude = if bits < 0x80_0000 {
        0.0
    } else if bits >= 0x7f80_0000 {
        f32::INFINITY
    } else {
        f32::from_bits(bits as u32)
    };
    if negative { -magnitude } else { magnitude }
}

/// `c[i] = a[i]·b[i] + c[i]` and `sums[i] = a[i] + b[i]` by the processor with FTZ and DAZ.
#[cfg(target_arch = "x86_64")]
fn by_hardware(a: &[f32], b: &[f32], c: &mut [f32], sums: &mut [f32]) {
    assert!(a.len() == b.len() && a.len() == c.len() && a.len() == sums.len());
    let mut mxcsr = [0_u32, 0x9fc0];
    // SAFETY: the caller has seen fma; the loop stays within the slices and restores MXCSR.
    unsafe {
        std::arch::asm!(
            "stmxcsr dword ptr [{m}]",
            "ldmxcsr dword ptr [{m} + 4]",
            "jmp 3f",
            "2:",
            "vmovss xmm0, dword ptr [{a} + 4*{i}]",
            "vmovss xmm1, dword ptr [{b} + 4*{i}]",
            "vmovss xmm2, dword ptr [{c} + 4*{i}]",
            "vfmadd231ss xmm2, xmm0, xmm1",
            "vaddss xmm0, xmm0, xmm1",
            "vmovss dword ptr [{c} + 4*{i}], xmm2",
            "vmovss dword ptr [{sums} + 4*{i}], xmm0",
            "3:",
            "sub {i}, 1",
            "jae 2b",
            "ldmxcsr dword ptr [{m}]",
            m = in(reg) &raw mut mxcsr,
            a = in(reg) a.as_ptr(),
            b = in(reg) b.as_ptr(),
            c = in(reg) c.as_mut_ptr(),
            sums = in(reg) sums.as_mut_ptr(),
            i = inout(reg) a.len() => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _,
            options(nostack),
        );
    }
}

/// The cases that named somebody's mistake, then as many random ones, aimed at results around
/// 2⁻¹²⁶, at cancellation and at ties.
fn cases(count: usize) -> Vec<[f32; 3]> {
    let tiny = f32::MIN_POSITIVE;
    let power = |exponent: i32| f32::from_bits(((exponent + 127) as u32) << 23);
    let mut all = vec![
        // 2⁻¹²⁶ − 0.75·2⁻¹⁵⁰, then exactly, just below and just above the tie of 24 bits.
        [-0.75 * power(-60), power(-90), tiny],
        [-power(-61), power(-90), tiny],
        [-power(-61) * (1.0 + f32::EPSILON), power(-90), tiny],
        [-power(-61) * (1.0 - f32::EPSILON / 2.0), power(-90), tiny],
        [power(-61), power(-90), -tiny],
        [tiny, tiny, tiny],
        [tiny, -tiny, tiny],
        [tiny, -tiny, 0.0],
        [tiny, -tiny, -0.0],
        [tiny, 0.5, -0.0],
        [-0.0, 1.0, -0.0],
        [-0.0, 1.0, 0.0],
        [1.0, 1.0, -1.0],
        [f32::from_bits(1), f32::MAX, -0.0],
        [f32::from_bits(1), f32::INFINITY, 0.0],
        [0.0, f32::INFINITY, 1.0],
        [1.0, f32::INFINITY, f32::NEG_INFINITY],
        [f32::MAX, 1.0, power(103)],
        [f32::MAX, 1.0, power(102)],
        [f32::MAX, f32::MAX, f32::NEG_INFINITY],
        [f32::NAN, 0.0, 0.0],
    ];
    let mut random = Random(0x0bf1_6000_1234_5678);
    for index in 0..count {
        let (a, b) = if index % 8 == 0 {
            (random.any(), random.any())
        } else {
            // A product between 2⁻¹⁶⁰ and 2⁻⁹⁰, or one of about 1.
            let center = if index % 8 < 6 { 127 } else { 254 };
            let first = 1 + random.below(center - 1);
            let second = (center - first + random.below(70)).saturating_sub(35);
            (
                random.with_exponent(first as u32),
                random.with_exponent(second.min(254) as u32),
            )
        };
        let near = -(a * b);
        let c = match index % 5 {
            0 => random.any(),
            1 => f32::from_bits(near.to_bits().wrapping_add(random.below(5) as u32)),
            2 => random.with_exponent(1),
            3 => random.with_exponent(2),
            _ => {
                let around = (near.to_bits() >> 23 & 0xff) as usize + random.below(54);
                random.with_exponent(around.saturating_sub(27).min(254) as u32)
            }
        };
        all.push([a, b, c]);
    }
    all
}

#[test]
fn arithmetic_is_that_of_big_integers() {
    for [a, b, c] in cases(3_000_000) {
        let (got, expected) = (fma_flushed(a, b, c), oracle(a, b, c));
        assert_eq!(
            canonical(got),
            canonical(expected),
            "fma({a:e}, {b:e}, {c:e})"
        );
        for (x, y) in [(a, c), (b, c)] {
            let (got, expected) = (add_flushed(x, y), oracle(x, 1.0, y));
            assert_eq!(canonical(got), canonical(expected), "{x:e} + {y:e}");
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn arithmetic_is_that_of_the_processor_with_ftz_and_daz() {
    if !is_x86_feature_detected!("fma") {
        eprintln!("skipped: no fma");
        return;
    }
    let cases = cases(8_000_000);
    let column = |index: usize| cases.iter().map(|case| case[index]).collect::<Vec<_>>();
    let (a, b, c) = (column(0), column(1), column(2));
    let (mut fma, mut sums) = (c.clone(), vec![0.0; a.len()]);
    by_hardware(&a, &b, &mut fma, &mut sums);
    for (i, &[a, b, c]) in cases.iter().enumerate() {
        let got = fma_flushed(a, b, c);
        assert_eq!(
            canonical(got),
            canonical(fma[i]),
            "fma({a:e}, {b:e}, {c:e})"
        );
        assert_eq!(
            canonical(add_flushed(a, b)),
            canonical(sums[i]),
            "{a:e} + {b:e}"
        );
    }
    by_hardware(&b, &c, &mut fma, &mut sums);
    for (i, &[_, b, c]) in cases.iter().enumerate() {
        assert_eq!(
            canonical(add_flushed(b, c)),
            canonical(sums[i]),
            "{b:e} + {c:e}"
        );
    }
}

#[test]
fn rounding_is_to_the_nearest_bf16_number() {
    let check = |bits: u32| {
        let x = f32::from_bits(bits);
        let got = round(x);
        let up = bits >> 16;
        let expected = if x.is_nan() {
            0x7fc0
        } else if x.is_subnormal() || x == 0.0 {
            up & 0x8000
        } else {
            match (bits & 0xffff).cmp(&0x8000) {
                std::cmp::Ordering::Less => up,
                std::cmp::Ordering::Equal => up + (up & 1),
                std::cmp::Ordering::Greater => up + 1,
            }
        };
        assert_eq!(u32::from(got), expected, "{bits:#010x}");
        assert_eq!(rounded(x).to_bits(), widen(got).to_bits());
        assert_eq!(round(widen(got)), got, "a bf16 number rounds to itself");
    };
    for upper in 0..=0xffff_u32 {
        for lower in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
            check(upper << 16 | lower);
        }
    }
    for named in [
        0x007f_ffff,
        0x807f_ffff,
        0x7f80_0001,
        0x7f7f_ffff,
        0xffff_ffff,
    ] {
        check(named);
    }
    let mut random = Random(7);
    let x: Vec<f32> = (0..100_003).map(|_| random.any()).collect();
    for isa in Isa::available() {
        let (mut values, mut halves) = (vec![0.0; x.len()], vec![0; x.len()]);
        round_slice(isa, &mut values, &x);
        round_to_bits(isa, &mut halves, &x);
        for ((&x, value), half) in x.iter().zip(values).zip(halves) {
            assert_eq!(
                (value.to_bits(), half),
                (rounded(x).to_bits(), round(x)),
                "{isa:?}"
            );
        }
    }
}

/// bf16 numbers as f32 whose products and sums lie around 2⁻¹²⁶ (`style` 0), or are ordinary (1),
/// or have infinities, NaN and huge ones among them (2).
fn operand(random: &mut Random, count: usize, style: usize) -> Vec<f32> {
    (0..count)
        .map(|_| {
            let x = match (style, random.below(24)) {
                (_, 0) => -0.0,
                (_, 1) => 0.0,
                // A bf16 subnormal, which no rounding leaves but which a tile must still flush.
                (_, 2) => return f32::from_bits((random.next() as u32) & 0x807f_0000),
                (2, 3) if random.below(40) == 0 => f32::INFINITY,
                (2, 4) if random.below(40) == 0 => f32::NAN,
                (2, 5..=9) => random.with_exponent(200),
                (0, _) => {
                    let biased = 52 + random.below(24) as u32;
                    random.with_exponent(biased)
                }
                (_, _) => {
                    let biased = 110 + random.below(20) as u32;
                    random.with_exponent(biased)
                }
            };
            rounded(x)
        })
        .collect()
}

/// What C holds before: about as large as the operands' products, with zeros and subnormals.
fn before(random: &mut Random, count: usize, style: usize) -> Vec<f32> {
    (0..count)
        .map(|_| match (style, random.below(12)) {
            (_, 0) => -0.0,
            (_, 1) => random.with_exponent(0),
            (0, _) => {
                let biased = 1 + random.below(3) as u32;
                random.with_exponent(biased)
            }
            (2, 2) => f32::NEG_INFINITY,
            (_, _) => random.with_exponent(120),
        })
        .collect()
}

#[test]
fn every_tile_is_the_reference() {
    let mut random = Random(0x5eed);
    let (mut compared, mut zeros) = (0, 0);
    for isa in Isa::available() {
        for &columns in product::columns(isa) {
            for rows in 1..=product::rows(isa) {
                let tile = product::tile(isa, rows, columns).expect("a tile that is offered");
                for (kc, style) in (0..24).map(|i| ([32, 64, 96, 384][i % 4], i % 3)) {
                    let (packed, first) = (random.below(2) == 0, random.below(2) == 0);
                    let pad = random.below(9);
                    let (a_row, a_k) = if packed {
                        (1, rows + pad)
                    } else {
                        (kc + pad, 1)
                    };
                    let (b_row, c_row) = (columns + random.below(70), columns + random.below(20));
                    let a = operand(&mut random, rows * a_row + kc * a_k, style);
                    let b = operand(&mut random, kc * b_row, style);
                    let c = before(&mut random, rows * c_row, style);
                    let a_view = if packed {
                        View::strided(&a, kc, rows, a_k).transposed()
                    } else {
                        View::strided(&a, rows, kc, a_row)
                    };
                    let b_view = View::strided(&b, kc, columns, b_row);
                    let start = if first { Start::Zero } else { Start::Continue };
                    let mut expected = c.clone();
                    product::reference::gemm(&mut expected, c_row, a_view, b_view, start);
                    let mut got = c.clone();
                    // SAFETY: the strides above describe these vectors.
                    unsafe {
                        let (a, b, c) = (a.as_ptr(), b.as_ptr(), got.as_mut_ptr());
                        tile(kc, a, a_row, a_k, b, b_row, c, c_row, first);
                    }
                    for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                        // Beyond the tile's columns C is untouched, signalling NaN or not.
                        assert_eq!(
                            canonical(*got),
                            canonical(*expected),
                            "{isa:?} {rows} × {columns} × {kc}, style {style}, element {i}"
                        );
                        compared += 1;
                        zeros += usize::from(style == 0 && *got == 0.0);
                    }
                }
                assert!(product::tile(isa, 0, columns).is_none());
            }
            assert!(product::tile(isa, product::rows(isa) + 1, columns).is_none());
        }
    }
    // The operands are aimed at results that only flushing makes zero.
    assert!(zeros * 200 > compared, "{zeros} zeros of {compared}");
}

#[test]
fn a_block_of_zeros_turns_negative_zero_into_zero() {
    for isa in Isa::available() {
        let tile = product::tile(isa, 1, 16).expect("a tile for one row");
        let (a, b, mut c) = ([0.0; BLOCK], [0.0; BLOCK * 16], [-0.0; 16]);
        // SAFETY: the arrays are as long as one tile asks.
        unsafe {
            tile(
                BLOCK,
                a.as_ptr(),
                BLOCK,
                1,
                b.as_ptr(),
                16,
                c.as_mut_ptr(),
                16,
                false,
            )
        };
        assert_eq!(c.map(f32::to_bits), [0; 16], "{isa:?}");
    }
}
