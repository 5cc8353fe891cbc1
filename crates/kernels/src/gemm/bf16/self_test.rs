//! Whether this machine's AMX computes `bf16-v1`: asked once, at the start, before anything relies on it.

#[cfg(target_arch = "x86_64")]
use super::pairs::{self, Lines};
use super::{BLOCK, amx, reference};
use crate::gemm::{Elements, Left, Out, Panel, Start, View};
use std::sync::OnceLock;

/// What is known about this machine's AMX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No AMX for bf16, or the system does not let the process use it.
    Absent,
    /// Its tiles compute `bf16-v1`.
    Works,
    /// They computed something else at the probe of this name: products are computed by fma instead.
    Fails(&'static str),
}

/// Tests this machine's AMX, once.
pub fn verdict() -> Verdict {
    static VERDICT: OnceLock<Verdict> = OnceLock::new();
    *VERDICT.get_or_init(|| {
        if amx::allowed() {
            // SAFETY: allowed.
            match verdict_on(|c, a, b| unsafe { amx::element(c, a, b) }) {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above, with the vectors that `allowed` asks for.
                Verdict::Works => unsafe { whole_product() },
                verdict => verdict,
            }
        } else {
            Verdict::Absent
        }
    })
}

/// One element of C, the first terms of a block (the others are +0), and what they tell apart.
struct Probe {
    name: &'static str,
    c: f32,
    a: [f32; 4],
    b: [f32; 4],
}

/// 2^exponent.
const fn power(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

const PROBES: [Probe; 6] = [
    Probe {
        name: "2^-126 - 0.75 * 2^-150",
        c: 0.0,
        a: [power(-63), 0.0, power(-75), 0.0],
        b: [power(-63), 0.0, -1.5 * power(-76), 0.0],
    },
    Probe {
        name: "-0 and a block of zeros",
        c: -0.0,
        a: [0.0; 4],
        b: [0.0; 4],
    },
    Probe {
        name: "even and odd chains",
        c: 0.0,
        a: [power(24), 1.0, 0.0, 1.0],
        b: [1.0; 4],
    },
    Probe {
        name: "C added last",
        c: power(24),
        a: [1.0, 1.0, 0.0, 0.0],
        b: [1.0; 4],
    },
    Probe {
        name: "a subnormal operand",
        c: 0.0,
        a: [power(-126) / 2.0, 0.0, 0.0, 0.0],
        b: [power(60), 0.0, 0.0, 0.0],
    },
    Probe {
        name: "a subnormal C",
        c: power(-126) / 2.0,
        a: [0.0; 4],
        b: [0.0; 4],
    },
];

/// The verdict on `element`, which advances one element of C by one block of bf16 terms.
fn verdict_on(element: impl Fn(f32, &[f32; BLOCK], &[f32; BLOCK]) -> f32) -> Verdict {
    for probe in &PROBES {
        let (mut a, mut b) = ([0.0; BLOCK], [0.0; BLOCK]);
        a[..4].copy_from_slice(&probe.a);
        b[..4].copy_from_slice(&probe.b);
        let mut expected = [probe.c];
        let (row, column) = (View::new(&a, 1, BLOCK), View::new(&b, BLOCK, 1));
        reference::gemm(&mut expected, 1, row, column, Start::Continue);
        if element(probe.c, &a, &b).to_bits() != expected[0].to_bits() {
            return Verdict::Fails(probe.name);
        }
    }
    Verdict::Works
}

/// A product of whole blocks on all tiles, each operand packed in both ways.
///
/// # Safety
/// The process may use AMX, and the machine has AVX-512 with BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn whole_product() -> Verdict {
    const SIDE: usize = amx::BLOCK_SIDE;
    const TERMS: usize = 2 * BLOCK;
    const WORDS: usize = TERMS / 2;
    let value = |i: usize| (i * 7919 % 1009) as f32 / 256.0 - 2.0;
    let a: [f32; SIDE * TERMS] = std::array::from_fn(value);
    let b: [f32; SIDE * TERMS] = std::array::from_fn(|i| value(3 * i + 1));
    for across in [false, true] {
        let (mut left, mut right) = ([0; SIDE * WORDS], [0; SIDE * WORDS]);
        let lines = |data, stride| Lines {
            data: Elements::F32(data),
            stride,
        };
        let (a_view, b_view) = if across {
            pairs::left_across(&mut left, (WORDS, WORDS), lines(&a, SIDE), (TERMS, SIDE));
            pairs::right_across(&mut right, (SIDE, WORDS), lines(&b, SIDE), (TERMS, SIDE));
            let a = View::new(&a, TERMS, SIDE).transposed();
            (a, View::new(&b, TERMS, SIDE))
        } else {
            pairs::left_rows(&mut left, WORDS, lines(&a, TERMS), (SIDE, TERMS));
            pairs::right_rows(&mut right, (SIDE, WORDS), lines(&b, TERMS), (SIDE, TERMS));
            let b = View::new(&b, SIDE, TERMS).transposed();
            (View::new(&a, SIDE, TERMS), b)
        };
        let mut expected = [0.25; SIDE * SIDE];
        let mut found = expected;
        reference::gemm(&mut expected, SIDE, a_view, b_view, Start::Continue);
        let a = Left {
            pointer: left.as_ptr().cast(),
            row: WORDS,
            term: 1,
            tile: None,
        };
        let b = Panel {
            pointer: right.as_ptr().cast(),
            term: SIDE,
            next: None,
        };
        let c = Out {
            pointer: found.as_mut_ptr(),
            row: SIDE,
        };
        // SAFETY: whole tiles, as the arrays' lengths say.
        unsafe { amx::cover((SIDE, SIDE, WORDS), a, b, c, false) };
        if found.map(f32::to_bits) != expected.map(f32::to_bits) {
            return Verdict::Fails("a product of whole blocks");
        }
    }
    Verdict::Works
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bf16::{add_flushed, fma_flushed};

    type Terms = [f32; BLOCK];
    type Element = dyn Fn(f32, &Terms, &Terms) -> f32;

    fn chain(first: usize, step: usize, start: f32, a: &Terms, b: &Terms) -> f32 {
        let terms = (first..BLOCK).step_by(step);
        terms.fold(start, |acc, k| fma_flushed(a[k], b[k], acc))
    }

    /// `bf16-v1` with arithmetic of one's own.
    fn two_chains(
        fma: impl Fn(f32, f32, f32) -> f32,
        add: impl Fn(f32, f32) -> f32,
    ) -> impl Fn(f32, &Terms, &Terms) -> f32 {
        move |c, a, b| {
            let [even, odd] = [0, 1].map(|first| {
                let terms = (first..BLOCK).step_by(2);
                terms.fold(0.0, |acc, k| fma(a[k], b[k], acc))
            });
            add(c, add(even, odd))
        }
    }

    #[test]
    fn a_machine_that_computes_otherwise_is_not_used() {
        assert_eq!(
            verdict_on(two_chains(fma_flushed, add_flushed)),
            Verdict::Works
        );
        let flush = |x: f32| {
            if x.is_subnormal() {
                0.0_f32.copysign(x)
            } else {
                x
            }
        };
        let wrong: [(&str, &Element); 6] = [
            (
                "2^-126 - 0.75 * 2^-150",
                &two_chains(
                    move |a, b, c| flush(flush(a).mul_add(flush(b), flush(c))),
                    add_flushed,
                ),
            ),
            ("-0 and a block of zeros", &|c, a, b| {
                if a == &[0.0; BLOCK] {
                    c
                } else {
                    two_chains(fma_flushed, add_flushed)(c, a, b)
                }
            }),
            ("even and odd chains", &|c, a, b| {
                add_flushed(c, chain(0, 1, 0.0, a, b))
            }),
            ("C added last", &|c, a, b| {
                add_flushed(chain(0, 2, c, a, b), chain(1, 2, 0.0, a, b))
            }),
            ("a subnormal operand", &|c, a, b| {
                // No denormals-are-zero for operands: exact here.
                let product = f64::from(a[0]) * f64::from(b[0]);
                let right = two_chains(fma_flushed, add_flushed)(c, a, b);
                if a[0].is_subnormal() {
                    product as f32
                } else {
                    right
                }
            }),
            ("a subnormal C", &two_chains(fma_flushed, |a, b| a + b)),
        ];
        for (name, element) in wrong {
            assert_eq!(verdict_on(element), Verdict::Fails(name));
        }
    }
}
