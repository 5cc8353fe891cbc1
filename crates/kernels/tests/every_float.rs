//! exp and ln over every binary32 number: as far from the exact value as `docs/numerics.md` says, its
//! special values, and the same bits on every instruction set.
//!
//! All 2³² inputs are an ignored test, run by `cargo xtask exhaustive`; every 1,021st is a normal one.

use glasswork_kernels::{CANONICAL_NAN, Isa, math};
use rayon::prelude::*;

/// What is asked of one function.
struct Function {
    name: &'static str,
    /// In place, on an instruction set.
    ours: fn(Isa, &mut [f32]),
    /// In f64, by `libm`.
    exact: fn(f64) -> f64,
    /// The value that the page writes for this input, where it is a special one.
    special: fn(f32) -> Option<f32>,
    /// Largest error that the page allows, in units of the last place of the exact value.
    allowed: f64,
}

const EXP: Function = Function {
    name: "exp",
    ours: math::exp_all,
    exact: libm::exp,
    special: |x| match x {
        x if x.is_nan() => Some(f32::from_bits(CANONICAL_NAN)),
        x if x < -87.33 => Some(0.0),
        x if x > 88.722_83 => Some(f32::INFINITY),
        _ => None,
    },
    allowed: 1.5,
};

const LN: Function = Function {
    name: "ln",
    ours: math::ln_all,
    exact: libm::log,
    special: |x| match x {
        x if x.is_nan() || x < 0.0 => Some(f32::from_bits(CANONICAL_NAN)),
        0.0 => Some(f32::NEG_INFINITY),
        f32::INFINITY => Some(f32::INFINITY),
        // The one zero of the logarithm, where no relative error can be said.
        1.0 => Some(0.0),
        _ => None,
    },
    allowed: 1.5,
};

/// The worst error seen, and where.
#[derive(Clone, Copy, Debug, Default)]
struct Worst {
    ulps: f64,
    bits: u32,
    inputs: u64,
}

impl Worst {
    fn or(self, other: Self) -> Self {
        let worse = if other.ulps > self.ulps { other } else { self };
        Self {
            inputs: self.inputs + other.inputs,
            ..worse
        }
    }
}

/// Distance of `got` from `exact` in units of the last place that a binary32 number of the size of
/// `exact` has.
fn ulps(got: f32, exact: f64) -> f64 {
    let exponent = ((exact.to_bits() >> 52) & 0x7ff) as i64 - 1023;
    let unit = f64::from_bits(((exponent.max(-126) - 23 + 1023) as u64) << 52);
    ((f64::from(got) - exact) / unit).abs()
}

impl Function {
    /// The inputs whose upper half is `upper`, of the lower halves every `stride`-th from `first`.
    fn part(&self, upper: u32, first: u32, stride: usize) -> Worst {
        let inputs: Vec<f32> = (first..1 << 16)
            .step_by(stride)
            .map(|lower| f32::from_bits(upper << 16 | lower))
            .collect();
        let mut got = inputs.clone();
        (self.ours)(Isa::Scalar, &mut got);
        let mut others = inputs.clone();
        for isa in Isa::available().into_iter().skip(1) {
            others.copy_from_slice(&inputs);
            (self.ours)(isa, &mut others);
            for ((x, scalar), other) in inputs.iter().zip(&got).zip(&others) {
                let (scalar, other) = (scalar.to_bits(), other.to_bits());
                assert_eq!(scalar, other, "{}({x:e}) on {isa:?}", self.name);
            }
        }
        let mut worst = Worst {
            inputs: inputs.len() as u64,
            ..Worst::default()
        };
        for (&x, &got) in inputs.iter().zip(&got) {
            if let Some(special) = (self.special)(x) {
                assert_eq!(got.to_bits(), special.to_bits(), "{}({x:e})", self.name);
                continue;
            }
            assert!(got.is_normal(), "{}({x:e})", self.name);
            let ulps = ulps(got, (self.exact)(f64::from(x)));
            // Not `>`: a NaN must not pass.
            assert!(
                ulps <= self.allowed,
                "{}({x:e}) = {got:e} is {ulps} ulp off",
                self.name
            );
            if ulps > worst.ulps {
                (worst.ulps, worst.bits) = (ulps, x.to_bits());
            }
        }
        worst
    }

    /// One in `stride` of all inputs, spread over the lower halves.
    fn survey(&self, stride: usize) -> Worst {
        let worst = (0..1_u32 << 16)
            .into_par_iter()
            .map(|upper| self.part(upper, upper.wrapping_mul(389) % stride as u32, stride))
            .reduce(Worst::default, Worst::or);
        println!(
            "{}: {} inputs, at most {:.4} ulp off, at {:e} ({:#010x})",
            self.name,
            worst.inputs,
            worst.ulps,
            f32::from_bits(worst.bits),
            worst.bits
        );
        worst
    }

    /// Inputs of `from..=to`, as numbers, at which the function falls.
    fn falls(&self, from: f32, to: f32) -> Vec<f32> {
        // Negative numbers count downwards in their bits.
        let mut inputs: Vec<f32> = if from < 0.0 {
            (to.to_bits()..=from.to_bits())
                .rev()
                .map(f32::from_bits)
                .collect()
        } else {
            (from.to_bits()..=to.to_bits())
                .map(f32::from_bits)
                .collect()
        };
        let mut values = inputs.clone();
        (self.ours)(Isa::best(), &mut values);
        let mut pairs = values.windows(2).map(|pair| pair[1] < pair[0]);
        inputs.remove(0);
        inputs.retain(|_| pairs.next() == Some(true));
        inputs
    }
}

#[test]
fn one_in_a_thousand_of_all_inputs() {
    EXP.survey(1021);
    LN.survey(1021);
}

#[test]
fn the_tails_of_exp_never_fall() {
    let (lowest, highest) = (-87.33_f32, 88.722_83_f32);
    let falls = EXP.falls(-89.0, -86.0);
    assert!(falls.is_empty(), "exp falls at {falls:?}");
    let falls = EXP.falls(88.0, 89.5);
    assert!(falls.is_empty(), "exp falls at {falls:?}");
    let mut ends = [lowest.next_down(), lowest, highest, highest.next_up()];
    math::exp_all(Isa::best(), &mut ends);
    assert_eq!(ends[0].to_bits(), 0);
    assert!(ends[1] >= f32::MIN_POSITIVE && ends[2] <= f32::MAX);
    assert_eq!(ends[3], f32::INFINITY);
}

#[test]
#[ignore = "minutes: `cargo xtask exhaustive`"]
fn exp_of_all_inputs() {
    assert_eq!(EXP.survey(1).inputs, 1 << 32);
}

#[test]
#[ignore = "minutes: `cargo xtask exhaustive`"]
fn ln_of_all_inputs() {
    assert_eq!(LN.survey(1).inputs, 1 << 32);
}
