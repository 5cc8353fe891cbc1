//! Same inputs, same bits: every instruction set, any threads, odd shapes, strange values.

use glasswork_kernels::gemm::{self, Beside, Blocking, Packed, Start, View};
use glasswork_kernels::{CacheLines, Isa, Pool, Profile, attention};
use proptest::prelude::*;

/// As in programs.
#[global_allocator]
static ALLOCATOR: CacheLines = CacheLines;

/// Reproducible values with −0, subnormals and larger magnitudes among them; not so large that one number
/// would hide the order of all others (`blocking` has those).
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            match state % 97 {
                0 => -0.0,
                1 => f32::from_bits(0x0000_0fff),
                2 => -f32::MIN_POSITIVE,
                3 => 24.0,
                _ => ((state >> 40) as f32) / (1_u64 << 24) as f32 - 0.5,
            }
        })
        .collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

fn pools() -> Vec<Pool> {
    let mut pools = Vec::new();
    for isa in Isa::available() {
        for threads in [1, 2, 3, 8] {
            pools.push(Pool::new(threads, isa).expect("threads"));
        }
        for (depth, rows, panel) in [(32, 8, 16), (96, 5, 32), (512, 1000, 48)] {
            let blocking = Blocking { depth, rows, panel };
            let pool = Pool::new(2, isa).expect("threads");
            pools.push(pool.with_blocking(blocking));
        }
    }
    pools
}

/// The product as the profile writes it.
fn reference(profile: Profile, c: &mut [f32], stride: usize, a: View, b: View, start: Start) {
    match profile {
        Profile::F32V1 => gemm::reference::gemm(c, stride, a, b, start),
        Profile::Bf16V1 => gemm::bf16::reference::gemm(c, stride, a, b, start),
    }
}

fn assert_product(pools: &[Pool], (m, n, k): (usize, usize, usize), layout: u8, start: Start) {
    let (a_data, b_data) = (values(m * k, 3), values(k * n, 5));
    let a = if layout & 1 == 0 {
        View::new(&a_data, m, k)
    } else {
        View::new(&a_data, k, m).transposed()
    };
    let b = if layout & 2 == 0 {
        View::new(&b_data, k, n)
    } else {
        View::new(&b_data, n, k).transposed()
    };
    // Rows of whole lines stay that.
    let stride = if n.is_multiple_of(16) { n + 16 } else { n + 3 };
    let before = values(m * stride, 7);
    for profile in Profile::ALL {
        let mut expected = before.clone();
        reference(profile, &mut expected, stride, a, b, start);
        for pool in pools {
            let mut c = before.clone();
            gemm::gemm(pool, profile, &mut c, stride, a, b, start);
            assert_eq!(
                bits(&c),
                bits(&expected),
                "{profile} {m}×{n}×{k} layout {layout} {pool:?}"
            );
            let mut packed = Packed::new();
            packed.pack_beside(pool, profile, &[b]);
            let mut c = before.clone();
            gemm::gemm(pool, profile, &mut c, stride, a, &packed, start);
            assert_eq!(
                bits(&c),
                bits(&expected),
                "packed {profile} {m}×{n}×{k} layout {layout} {pool:?}"
            );
        }
    }
}

#[test]
fn product_is_one_chain_for_shapes_around_every_block_edge() {
    let pools = pools();
    for shape in [
        (1, 1, 1),
        (8, 48, 384),
        (9, 49, 385),
        // Few rows, whose columns threads share.
        (3, 700, 97),
        (200, 97, 33),
        (37, 53, 800),
        (193, 4100, 3),
        // Whole cache lines, some of them at several visits.
        (131, 64, 300),
        (70, 48, 1100),
        (35, 96, 2100),
    ] {
        for layout in 0..4 {
            for start in [Start::Zero, Start::Continue] {
                assert_product(&pools, shape, layout, start);
            }
        }
    }
}

/// Three operands side by side, or one below the other, are three products, or one long sum.
#[test]
fn operands_packed_together_are_the_products_of_each() {
    Profile::ALL.into_iter().for_each(packed_together);
}

fn packed_together(profile: Profile) {
    let (m, k) = (37, 45);
    let widths = [40, 21, 70];
    let total: usize = widths.iter().sum();
    let x = values(m * k, 1);
    let dy = values(m * total, 2);
    let weights: Vec<Vec<f32>> = (3..).zip(widths).map(|(s, n)| values(n * k, s)).collect();
    let view = |index: usize| View::new(&weights[index], widths[index], k);
    let columns = |first: usize, width: usize| View::strided(&dy[first..], m, width, total);
    let mut beside = vec![0.0; m * total];
    let mut below = vec![0.0; m * k];
    let mut turned: Vec<Vec<f32>> = widths.map(|n| values(n * k, 9)).into();
    let mut first = 0;
    for (index, width) in widths.into_iter().enumerate() {
        let w = view(index);
        let out = &mut beside[first..];
        reference(
            profile,
            out,
            total,
            View::new(&x, m, k),
            w.transposed(),
            Start::Zero,
        );
        let dy = columns(first, width);
        reference(profile, &mut below, k, dy, w, Start::Continue);
        let x = View::new(&x, m, k);
        reference(
            profile,
            &mut turned[index],
            k,
            dy.transposed(),
            x,
            Start::Continue,
        );
        first += width;
    }
    let after: Vec<f32> = beside.iter().map(|y| y * 0.5).collect();
    for pool in pools() {
        let mut packed = Packed::new();
        let turned_views: Vec<View> = (0..3).map(|i| view(i).transposed()).collect();
        packed.pack_beside(&pool, profile, &turned_views);
        let mut y = vec![7.0; m * total];
        let mut halves = vec![7.0; m * total];
        gemm::gemm_then(
            &pool,
            profile,
            &mut y,
            View::new(&x, m, k),
            &packed,
            [Beside::new(&mut halves, total)],
            |first, y, [halves]| {
                assert_eq!(bits(y), bits(&beside[first * total..][..y.len()]));
                for (half, y) in halves.iter_mut().zip(y) {
                    *half = *y * 0.5;
                }
            },
        );
        assert_eq!(bits(&y), bits(&beside), "side by side {pool:?}");
        assert_eq!(bits(&halves), bits(&after), "rows beside {pool:?}");
        packed.pack_rows(&pool, profile, (k, widths[0]), |row, out| {
            out.copy_from_slice(&weights[0][row * k..][..k]);
        });
        let mut one = vec![7.0; m * widths[0]];
        let x = View::new(&x, m, k);
        gemm::gemm(&pool, profile, &mut one, widths[0], x, &packed, Start::Zero);
        for (one, all) in one.chunks_exact(widths[0]).zip(beside.chunks_exact(total)) {
            assert_eq!(bits(one), bits(&all[..widths[0]]), "row by row {pool:?}");
        }
        packed.pack_below(&pool, profile, &[view(0), view(1), view(2)]);
        let mut dx = vec![7.0; m * k];
        let all = View::new(&dy, m, total);
        gemm::gemm(&pool, profile, &mut dx, k, all, &packed, Start::Zero);
        assert_eq!(bits(&dx), bits(&below), "one below the other {pool:?}");
        let mut dw: Vec<Vec<f32>> = widths.map(|n| values(n * k, 9)).into();
        let mut parts: Vec<&mut [f32]> = dw.iter_mut().map(Vec::as_mut_slice).collect();
        gemm::gemm_stacked(
            &pool,
            profile,
            &mut parts,
            k,
            all.transposed(),
            x,
            Start::Continue,
        );
        for (got, expected) in dw.iter().zip(&turned) {
            assert_eq!(bits(got), bits(expected), "stacked {pool:?}");
        }
    }
}

#[test]
fn empty_sum_is_zero_or_what_was_there() {
    let pool = Pool::new(2, Isa::best()).expect("threads");
    let mut c = vec![5.0; 6];
    gemm::gemm(
        &pool,
        Profile::F32V1,
        &mut c,
        3,
        View::new(&[], 2, 0),
        View::new(&[], 0, 3),
        Start::Continue,
    );
    assert_eq!(c, [5.0; 6]);
    gemm::gemm(
        &pool,
        Profile::F32V1,
        &mut c,
        3,
        View::new(&[], 2, 0),
        View::new(&[], 0, 3),
        Start::Zero,
    );
    assert_eq!(bits(&c), [0; 6]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn product_is_one_chain(m in 1_usize..40, n in 1_usize..120, k in 1_usize..500, layout in 0_u8..4) {
        let pools: Vec<Pool> = Isa::available().into_iter().map(|isa| Pool::new(2, isa).expect("threads")).collect();
        assert_product(&pools, (m, n, k), layout, Start::Continue);
    }
}

/// Attention in f64, the way the paper writes it.
fn attention_f64(shape: attention::Shape, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f64> {
    let (t, w) = (shape.sequence, shape.width);
    let mut o = vec![0.0; q.len()];
    for b in 0..q.len() / (t * shape.heads * w) {
        for h in 0..shape.heads {
            let kv = h / (shape.heads / shape.kv_heads);
            let q_at = |i: usize, e: usize| (b * t + i) * shape.heads * w + h * w + e;
            let k_at = |i: usize, e: usize| (b * t + i) * shape.kv_heads * w + kv * w + e;
            for i in 0..t {
                let s: Vec<f64> = (0..=i)
                    .map(|j| {
                        (0..w)
                            .map(|e| f64::from(q[q_at(i, e)]) * f64::from(k[k_at(j, e)]))
                            .sum::<f64>()
                            / (w as f64).sqrt()
                    })
                    .collect();
                let top = s.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = s.iter().map(|s| libm::exp(s - top)).sum();
                for e in 0..w {
                    o[q_at(i, e)] = (0..=i)
                        .map(|j| libm::exp(s[j] - top) / total * f64::from(v[k_at(j, e)]))
                        .sum();
                }
            }
        }
    }
    o
}

/// Attention as `docs/numerics.md` writes it, element by element: the oracle for every bit.
fn attention_reference(shape: attention::Shape, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    use glasswork_kernels::{lanes, math};
    let (t, w) = (shape.sequence, shape.width);
    let scale = (1.0 / (w as f64).sqrt()) as f32;
    let mut o = vec![0.0; q.len()];
    for b in 0..q.len() / (t * shape.heads * w) {
        for h in 0..shape.heads {
            let kv = h / (shape.heads / shape.kv_heads);
            let q_at = |i: usize, e: usize| (b * t + i) * shape.heads * w + h * w + e;
            let k_at = |i: usize, e: usize| (b * t + i) * shape.kv_heads * w + kv * w + e;
            for i in 0..t {
                let score = |j: usize| {
                    let chain =
                        (0..w).fold(0.0_f32, |acc, e| q[q_at(i, e)].mul_add(k[k_at(j, e)], acc));
                    chain * scale
                };
                let s: Vec<f32> = (0..=i).map(score).collect();
                let m = s.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let p: Vec<f32> = s.iter().map(|s| math::exp(s - m)).collect();
                let l = lanes::sum(&p);
                let end = (i / attention::BLOCK + 1) * attention::BLOCK;
                for e in 0..w {
                    let mut acc = 0.0_f32;
                    for j in 0..end {
                        let left = p.get(j).copied().unwrap_or(0.0);
                        let right = if j < t { v[k_at(j, e)] } else { 0.0 };
                        acc = left.mul_add(right, acc);
                    }
                    o[q_at(i, e)] = (acc + 0.0) / l;
                }
            }
        }
    }
    o
}

fn small(count: usize, seed: u64) -> Vec<f32> {
    values(count, seed)
        .into_iter()
        .map(|x| if x.abs() > 1.0 { 0.25 } else { x })
        .collect()
}

#[test]
fn attention_is_right_and_the_same_everywhere() {
    for sequence in [1, 31, 32, 45, 96] {
        let shape = attention::Shape::new(sequence, 4, 2, 8);
        let n = 2 * sequence;
        let (q, k, v) = (small(n * 32, 1), small(n * 16, 2), small(n * 16, 3));
        let mut qkv = Vec::new();
        for row in 0..n {
            qkv.extend_from_slice(&q[row * 32..][..32]);
            qkv.extend_from_slice(&k[row * 16..][..16]);
            qkv.extend_from_slice(&v[row * 16..][..16]);
        }
        let exact = attention_f64(shape, &q, &k, &v);
        let reference = attention_reference(shape, &q, &k, &v);
        let mut first: Option<Vec<u32>> = None;
        for pool in pools() {
            let (mut o, mut m, mut l) = (vec![9.0; n * 32], vec![0.0; n * 4], vec![0.0; n * 4]);
            let profile = Profile::F32V1;
            attention::forward(&pool, profile, shape, &mut o, &mut m, &mut l, &qkv);
            assert!(
                bits(&o) == bits(&reference),
                "attention is not the written one with {pool:?}"
            );
            for (o, exact) in o.iter().zip(&exact) {
                assert!((f64::from(*o) - exact).abs() < 1e-6, "{o} against {exact}");
            }
            let mut all = bits(&o);
            if sequence % attention::BLOCK == 0 {
                let d_o = small(n * 32, 4);
                let saved = attention::Saved {
                    d_o: &d_o,
                    o: &o,
                    m: &m,
                    l: &l,
                    qkv: &qkv,
                };
                let mut d_qkv = vec![7.0; n * 64];
                attention::backward(&pool, profile, shape, &mut d_qkv, saved);
                all.extend(bits(&d_qkv));
            }
            match &first {
                None => first = Some(all),
                Some(first) => assert!(*first == all, "attention differs with {pool:?}"),
            }
        }
    }
}
