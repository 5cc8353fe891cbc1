//! Attention of both profiles, forward and backward, against the sentences of `docs/numerics.md`, with
//! values that show which keys and queries enter a sum: an infinite value of a later key in the same
//! block of 32 makes a NaN, one in a later block does not.

use glasswork_kernels::attention::{self, BLOCK, Saved, Shape};
use glasswork_kernels::gemm::{self, Start, View};
use glasswork_kernels::{CANONICAL_NAN, Isa, Pool, Profile, lanes, math};

/// One sum of products of the profile, from +0: elements `steps` apart.
fn sum(profile: Profile, terms: usize, a: &[f32], b: &[f32], steps: [usize; 2]) -> f32 {
    let a = View::strided(a, terms, 1, steps[0]).transposed();
    let b = View::strided(b, terms, 1, steps[1]);
    let mut out = [0.0];
    match profile {
        Profile::F32V1 => gemm::reference::gemm(&mut out, 1, a, b, Start::Zero),
        Profile::Bf16V1 => gemm::bf16::reference::gemm(&mut out, 1, a, b, Start::Zero),
    }
    out[0]
}

/// Buffers of one sequence; rows are `[queries | keys | values]`, as the kernels take them.
struct Case {
    shape: Shape,
    qkv: Vec<f32>,
    d_o: Vec<f32>,
}

impl Case {
    fn queries(&self, head: usize, i: usize) -> &[f32] {
        &self.qkv[i * self.shape.row() + head * self.shape.width..]
    }

    /// Keys (0) or values (1) of the head that `head` shares.
    fn shared(&self, which: usize, head: usize, j: usize) -> &[f32] {
        let Shape {
            heads,
            kv_heads,
            width,
            ..
        } = self.shape;
        let column = heads + which * kv_heads + head / (heads / kv_heads);
        &self.qkv[j * self.shape.row() + column * width..]
    }

    /// Row maximum and unnormalised p, +0 to the end of the sequence.
    fn weights(&self, profile: Profile, head: usize, i: usize) -> (f32, Vec<f32>) {
        let Shape {
            sequence,
            width,
            scale,
            ..
        } = self.shape;
        let q = self.queries(head, i);
        let score = |j| sum(profile, width, q, self.shared(0, head, j), [1, 1]) * scale;
        let mut p: Vec<f32> = (0..=i).map(score).collect();
        let maximum = p.iter().fold(f32::NEG_INFINITY, |m, &s| {
            if m.is_nan() || s.is_nan() {
                f32::NAN
            } else if s > m {
                s
            } else {
                m
            }
        });
        for p in &mut p {
            *p = math::exp(*p - maximum);
        }
        p.resize(sequence, 0.0);
        (maximum, p)
    }

    fn forward(&self, profile: Profile) -> Vec<f32> {
        let shape = self.shape;
        let mut o = vec![0.0; shape.sequence * shape.out_row()];
        for i in 0..shape.sequence {
            for head in 0..shape.heads {
                let (_, p) = self.weights(profile, head, i);
                let l = lanes::sum(&p[..=i]);
                let end = (i / BLOCK + 1) * BLOCK;
                for e in 0..shape.width {
                    let v = &self.shared(1, head, 0)[e..];
                    let total = sum(profile, end, &p, v, [1, shape.row()]);
                    o[i * shape.out_row() + head * shape.width + e] = (total + 0.0) / l;
                }
            }
        }
        o
    }

    fn backward(&self, profile: Profile, o: &[f32]) -> Vec<f32> {
        let shape = self.shape;
        let (t, w, row, out) = (shape.sequence, shape.width, shape.row(), shape.out_row());
        let mut d_qkv = vec![0.0; self.qkv.len()];
        let share = shape.heads / shape.kv_heads;
        for head in 0..shape.heads {
            let (mut p, mut ds) = (vec![0.0; t * t], vec![0.0; t * t]);
            for i in 0..t {
                let at = i * out + head * w;
                let (d_o, o) = (&self.d_o[at..][..w], &o[at..][..w]);
                let (_, weights) = self.weights(profile, head, i);
                let l = lanes::sum(&weights[..=i]);
                let d = lanes::dot(d_o, o);
                for j in 0..=i {
                    p[i * t + j] = weights[j] / l;
                    let dp = sum(profile, w, d_o, self.shared(1, head, j), [1, 1]);
                    ds[i * t + j] = (p[i * t + j] * (dp - d)) * shape.scale;
                }
                let end = (i / BLOCK + 1) * BLOCK;
                for e in 0..w {
                    let k = &self.shared(0, head, 0)[e..];
                    d_qkv[i * row + head * w + e] = sum(profile, end, &ds[i * t..], k, [1, row]);
                }
            }
            for (j, e) in (0..t).flat_map(|j| (0..w).map(move |e| (j, e))) {
                let from = j / BLOCK * BLOCK;
                let column = |matrix: &[f32], rows: &[f32], stride| {
                    let rows = &rows[from * stride + head * w + e..];
                    sum(
                        profile,
                        t - from,
                        &matrix[from * t + j..],
                        rows,
                        [t, stride],
                    )
                };
                let parts = [column(&ds, &self.qkv, row), column(&p, &self.d_o, out)];
                for (which, part) in parts.into_iter().enumerate() {
                    let head_at = shape.heads + which * shape.kv_heads + head / share;
                    let to = &mut d_qkv[j * row + head_at * w + e];
                    *to = if head % share == 0 { part } else { *to + part };
                }
            }
        }
        d_qkv
    }
}

/// Values of about `size` with ±0 and subnormals among them.
fn values(count: usize, seed: u64, size: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            match state % 41 {
                0 => -0.0,
                1 => 0.0,
                2 => f32::from_bits(0x8000_0fff),
                _ => ((state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5) * size,
            }
        })
        .collect()
}

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

fn cases() -> Vec<Case> {
    // Three query heads a key-value head, or one; widths around a block of terms and a vector.
    let shapes = [(96, 6, 2, 6), (64, 2, 2, 33), (32, 2, 1, 16)];
    let mut cases = Vec::new();
    for (sequence, heads, kv_heads, width) in shapes {
        let shape = Shape::new(sequence, heads, kv_heads, width);
        let case = |size| Case {
            shape,
            qkv: values(sequence * shape.row(), 5, size),
            d_o: values(sequence * shape.out_row(), 6, size),
        };
        // Scores that differ much, then sums that are subnormal.
        cases.extend([case(4.0), case(1e-19)]);
        let mut wild = case(1.0);
        for (row, head, value) in [(19, 0, f32::INFINITY), (sequence - 3, 1, f32::NAN)] {
            let value_head = (heads + kv_heads + head % kv_heads) * width;
            wild.qkv[row * shape.row() + value_head + 1] = value;
        }
        for query in [2, sequence - 5] {
            wild.d_o[query * shape.out_row()] = f32::NEG_INFINITY;
        }
        cases.push(wild);
        // Sums that are −0 after key 0, and which no other key, masked or not, turns into +0.
        let mut vanishing = case(4.0);
        for row in vanishing.qkv.chunks_exact_mut(shape.row()) {
            row[(heads + kv_heads) * width..].fill(-0.0);
        }
        vanishing.qkv[(heads + kv_heads) * width..shape.row()].fill(-f32::from_bits(1));
        cases.push(vanishing);
    }
    cases
}

#[test]
fn both_passes_are_the_written_ones() {
    for case in cases() {
        let shape = case.shape;
        for profile in Profile::ALL {
            let o = case.forward(profile);
            let d_qkv = case.backward(profile, &o);
            for (isa, threads) in Isa::available()
                .into_iter()
                .zip([1, 2, 3, 8].into_iter().cycle())
            {
                let pool = Pool::new(threads, isa).expect("threads");
                let mut got = vec![9.0; o.len()];
                let statistics = shape.sequence * shape.heads;
                let (mut m, mut l) = (vec![9.0; statistics], vec![9.0; statistics]);
                attention::forward(&pool, profile, shape, &mut got, &mut m, &mut l, &case.qkv);
                assert!(bits(&got) == bits(&o), "{profile} o {shape:?} {pool:?}");
                let saved = Saved {
                    d_o: &case.d_o,
                    o: &got,
                    m: &m,
                    l: &l,
                    qkv: &case.qkv,
                };
                let mut got = vec![9.0; d_qkv.len()];
                attention::backward(&pool, profile, shape, &mut got, saved);
                assert!(
                    bits(&got) == bits(&d_qkv),
                    "{profile} dqkv {shape:?} {pool:?}"
                );
            }
        }
    }
}

/// An infinite value: queries before its block never meet it, those of its block before it meet it
/// times +0, and those after it meet it.
#[test]
fn a_masked_key_enters_within_its_block_only() {
    let wild = &cases()[2];
    for profile in Profile::ALL {
        let o = wild.forward(profile);
        let element = |i: usize| o[i * wild.shape.out_row() + 1];
        assert!(element(0).is_nan() && element(18).is_nan(), "{profile}");
        assert!(!element(25).is_finite(), "{profile}");
        let later = |i: usize| o[i * wild.shape.out_row() + 3 * wild.shape.width + 1];
        assert!(later(63).is_finite() && later(64).is_nan(), "{profile}");
    }
}
