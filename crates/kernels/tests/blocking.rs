//! Products of both profiles under every way to cut them: cache blocks down to one row, one vector and
//! one block of terms and up to the whole matrix, any threads, every instruction set, odd shapes and
//! strange values, fused or not. Each is the plain reference, so none splits a sum.

use glasswork_kernels::gemm::{self, Beside, Blocking, Packed, Start, View};
use glasswork_kernels::{CANONICAL_NAN, CacheLines, Isa, Pool, Profile};

/// As in programs.
#[global_allocator]
static ALLOCATOR: CacheLines = CacheLines;

const SMALLEST: Blocking = Blocking {
    depth: 32,
    rows: 1,
    panel: 16,
};
const WHOLE: Blocking = Blocking {
    depth: 1 << 20,
    rows: 1 << 20,
    panel: 1 << 14,
};
/// Rows that no tile divides, panels wider than the widest tile and no multiple of it.
const UNEVEN: Blocking = Blocking {
    depth: 96,
    rows: 7,
    panel: 80,
};

/// Every instruction set with 1, 2, 3 and 8 threads and every blocking.
fn pools() -> Vec<Pool> {
    let cuts = [
        (1, Some(SMALLEST)),
        (2, Some(WHOLE)),
        (3, Some(UNEVEN)),
        (8, Some(SMALLEST)),
        (8, None),
    ];
    Isa::available()
        .into_iter()
        .flat_map(|isa| {
            cuts.map(|(threads, blocking)| {
                let pool = Pool::new(threads, isa).expect("threads");
                match blocking {
                    Some(blocking) => pool.with_blocking(blocking),
                    None => pool,
                }
            })
        })
        .collect()
}

/// What a case's numbers are like. One huge number among ordinary ones would hide the order of all others.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    /// About 1, and ±0.
    Ordinary,
    /// With subnormal products, and subnormals.
    Faint,
    /// With infinities, NaN and huge ones.
    Wild,
}

/// Reproducible values.
fn values(count: usize, seed: u64, style: Style) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let unit = (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
            match (style, state % 53) {
                (_, 0) => -0.0,
                (_, 1) => 0.0,
                (Style::Faint, 2..=9) => f32::from_bits(0x0000_7fff),
                (Style::Faint, _) => unit * 4e-19,
                (Style::Wild, 2) => unit * 1e30,
                (Style::Wild, 3) if state.is_multiple_of(7) => f32::NEG_INFINITY,
                (Style::Wild, 4) if state.is_multiple_of(7) => f32::NAN,
                _ => unit,
            }
        })
        .collect()
}

/// Bits, every NaN alike: which NaN an operation gives is the machine's.
fn bits(x: &[f32]) -> Vec<u32> {
    let canonical = |x: &f32| {
        if x.is_nan() {
            CANONICAL_NAN
        } else {
            x.to_bits()
        }
    };
    x.iter().map(canonical).collect()
}

fn reference(profile: Profile, c: &mut [f32], stride: usize, a: View, b: View, start: Start) {
    match profile {
        Profile::F32V1 => gemm::reference::gemm(c, stride, a, b, start),
        Profile::Bf16V1 => gemm::bf16::reference::gemm(c, stride, a, b, start),
    }
}

fn every_cut(pools: &[Pool], (m, n, k): (usize, usize, usize), style: Style) {
    let (a, b) = (values(m * k, 11, style), values(k * n, 13, style));
    let before = values(m * n, 17, style);
    let (a, turned) = (View::new(&a, m, k), View::new(&b, n, k).transposed());
    let (b, c) = (View::new(&b, k, n), &before);
    for profile in Profile::ALL {
        for (b, start) in [(b, Start::Zero), (turned, Start::Continue)] {
            let mut expected = c.clone();
            reference(profile, &mut expected, n, a, b, start);
            let expected = bits(&expected);
            for pool in pools {
                let what = || {
                    format!(
                        "{profile} {m}×{n}×{k} {style:?} {pool:?} {:?}",
                        pool.blocking(profile)
                    )
                };
                let mut got = c.clone();
                gemm::gemm(pool, profile, &mut got, n, a, b, start);
                assert_eq!(bits(&got), expected, "{}", what());
                let mut packed = Packed::new();
                packed.pack_beside(pool, profile, &[b]);
                let mut got = c.clone();
                gemm::gemm(pool, profile, &mut got, n, a, &packed, start);
                assert_eq!(bits(&got), expected, "packed {}", what());
                if start == Start::Zero {
                    let (mut got, mut beside) = (c.clone(), vec![0.0; m * n]);
                    let to = [Beside::new(&mut beside, n)];
                    gemm::gemm_then(pool, profile, &mut got, a, &packed, to, |_, c, [beside]| {
                        beside.copy_from_slice(c);
                    });
                    assert_eq!(bits(&beside), expected, "fused {}", what());
                }
            }
        }
    }
}

#[test]
fn every_cut_of_odd_shapes_is_the_reference() {
    let pools = pools();
    for shape in [
        (1, 17, 1),
        (1, 1, 31),
        (5, 97, 64),
        (131, 16, 7),
        (131, 64, 300),
        (70, 48, 1100),
        (7, 1, 33),
        (13, 50, 65),
        (35, 81, 97),
        (2, 31, 555),
    ] {
        for style in [Style::Ordinary, Style::Faint, Style::Wild] {
            every_cut(&pools, shape, style);
        }
    }
}

/// A sum continued in parts is the whole sum where the profile's blocks allow to cut it, and only there:
/// what a reader of the page would do to save memory, and what no kernel may do inside a block.
#[test]
fn a_sum_may_be_continued_but_not_split() {
    let (m, n, k) = (3, 21, 192);
    let (a, b) = (
        values(m * k, 1, Style::Ordinary),
        values(k * n, 2, Style::Ordinary),
    );
    let (all_a, all_b) = (View::new(&a, m, k), View::new(&b, k, n));
    for profile in Profile::ALL {
        let mut whole = vec![0.0; m * n];
        reference(profile, &mut whole, n, all_a, all_b, Start::Zero);
        for pool in pools() {
            let mut continued = vec![0.0; m * n];
            let mut partial = [vec![0.0; m * n], vec![0.0; m * n]];
            for (index, from) in [0, k / 2].into_iter().enumerate() {
                let a = View::strided(&a[from..], m, k / 2, k);
                let b = View::new(&b[from * n..], k / 2, n);
                gemm::gemm(&pool, profile, &mut continued, n, a, b, Start::Continue);
                gemm::gemm(&pool, profile, &mut partial[index], n, a, b, Start::Zero);
            }
            assert_eq!(bits(&continued), bits(&whole), "{profile} {pool:?}");
            let added: Vec<f32> = partial[0]
                .iter()
                .zip(&partial[1])
                .map(|(x, y)| x + y)
                .collect();
            assert_ne!(
                bits(&added),
                bits(&whole),
                "{profile}: the test sees no split"
            );
        }
    }
}
