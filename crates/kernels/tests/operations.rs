//! Every element-wise and row operation: same bits on every instruction set and any threads.

use glasswork_kernels::adamw::{self, Coefficients};
use glasswork_kernels::operand::RowsMut;
use glasswork_kernels::rope::{self, Angles, Direction, Heads, Layout};
use glasswork_kernels::{
    Isa, Pool, bf16, cross_entropy, elementwise, embedding, gelu, layer_norm, rms_norm, stored,
    swiglu,
};
use rayon::prelude::*;

/// Reproducible values: ordinary ones, ±0, subnormals, large ones; with `wild`, infinities and NaN.
fn values(count: usize, seed: u64, wild: bool) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            match state % 61 {
                0 => -0.0,
                1 => f32::from_bits(0x0000_1234),
                2 => -f32::MIN_POSITIVE,
                3 => 90.0,
                4 => -104.0,
                5 if wild => f32::INFINITY,
                6 if wild => f32::NAN,
                _ => ((state >> 40) as f32) / (1_u64 << 22) as f32 - 2.0,
            }
        })
        .collect()
}

/// Bits, every NaN alike: which NaN an operation gives is the machine's, so states canonicalise it.
fn bits(x: &[f32]) -> Vec<u32> {
    x.iter()
        .map(|x| {
            if x.is_nan() {
                glasswork_kernels::CANONICAL_NAN
            } else {
                x.to_bits()
            }
        })
        .collect()
}

/// Runs `work` on every instruction set with 1, 2 and 3 threads; all must give the same buffers.
fn same_everywhere(name: &str, work: impl Fn(&Pool) -> Vec<Vec<f32>>) {
    let mut first: Option<Vec<Vec<u32>>> = None;
    for isa in Isa::available() {
        for threads in [1, 2, 3] {
            let pool = Pool::new(threads, isa).expect("threads");
            let got: Vec<Vec<u32>> = work(&pool).iter().map(|x| bits(x)).collect();
            let first = first.get_or_insert_with(|| got.clone());
            assert!(*first == got, "{name} differs with {pool:?}");
        }
    }
}

#[test]
fn norm_forward_and_backward() {
    for (width, wild) in [(1, false), (17, false), (33, true), (192, false)] {
        let rows = 37;
        let (x, dy, g) = (
            values(rows * width, 1, wild),
            values(rows * width, 2, wild),
            values(width, 3, wild),
        );
        same_everywhere("rms_norm", |pool| {
            let (mut y, mut r) = (vec![0.0; rows * width], vec![0.0; rows]);
            rms_norm::forward(pool, &mut y, &mut r, &x, &g, 1e-5);
            let (mut dx, mut dg) = (values(rows * width, 4, false), values(width, 5, false));
            rms_norm::backward_gain(pool, &mut dg, &dy, &x, &r);
            rms_norm::backward_input(pool, &mut dx, &dy, &x, &r, &g);
            vec![y, r, dx, dg]
        });
    }
}

#[test]
fn rotation_and_its_transpose() {
    let angles = Angles::new(45, 6, 10_000.0);
    let x = values(90 * 18, 7, true);
    same_everywhere("rope", |pool| {
        let (mut a, mut b) = (x.clone(), x.clone());
        rope::forward(pool, &mut a, 18, 45, &angles);
        rope::backward(pool, &mut b, 18, 45, &angles);
        vec![a, b]
    });
    let ordinary: Vec<f32> = (0..90 * 18).map(|i| (i % 7) as f32 - 3.0).collect();
    let pool = Pool::new(2, Isa::best()).expect("threads");
    let mut turned = ordinary.clone();
    rope::forward(&pool, &mut turned, 18, 45, &angles);
    rope::backward(&pool, &mut turned, 18, 45, &angles);
    for (a, b) in turned.iter().zip(&ordinary) {
        assert!(
            (a - b).abs() < 1e-5,
            "a rotation and its transpose give back {b}, not {a}"
        );
    }
}

/// Numbers stored as bf16, widened.
fn widened(x: &[u16]) -> Vec<f32> {
    x.iter().map(|&x| bf16::widen(x)).collect()
}

#[test]
fn swiglu_forward_and_backward() {
    for mlp in [1, 33, 412] {
        let rows = 5;
        let (gate_up, dh) = (values(rows * 2 * mlp, 1, true), values(rows * mlp, 3, true));
        same_everywhere("swiglu", |pool| {
            let isa = pool.isa();
            let (mut h, mut d) = (vec![0.0; rows * mlp], vec![0.0; rows * 2 * mlp]);
            swiglu::forward_rows(isa, RowsMut::F32(&mut h), &gate_up, mlp);
            swiglu::backward_rows(isa, RowsMut::F32(&mut d), &gate_up, &dh, mlp);
            let stride = mlp.next_multiple_of(2);
            let (mut h_bf16, mut d_bf16) = (vec![0; rows * stride], vec![0; rows * 2 * mlp]);
            swiglu::forward_rows(isa, RowsMut::Bf16(&mut h_bf16), &gate_up, mlp);
            swiglu::backward_rows(isa, RowsMut::Bf16(&mut d_bf16), &gate_up, &dh, mlp);
            let rounded = |x: &[f32]| x.iter().map(|&x| bf16::round(x)).collect::<Vec<u16>>();
            for (row, exact) in h_bf16.chunks_exact(stride).zip(h.chunks_exact(mlp)) {
                assert_eq!(row[..mlp], rounded(exact)[..], "stored rounded");
            }
            assert_eq!(d_bf16, rounded(&d), "gradients stored rounded");
            vec![h, d, widened(&h_bf16), widened(&d_bf16)]
        });
    }
}

#[test]
fn loss_and_its_gradient() {
    for (width, wild) in [(1, false), (17, false), (67, true), (515, false)] {
        let rows = 29;
        let logits = values(rows * width, 11, wild);
        let targets: Vec<u32> = (0..rows as u32)
            .map(|row| {
                if row % 5 == 0 {
                    cross_entropy::MASKED
                } else {
                    row % width as u32
                }
            })
            .collect();
        same_everywhere("cross_entropy", |pool| {
            let (mut x, mut losses) = (logits.clone(), vec![0.0; rows]);
            cross_entropy::forward_backward(pool, &mut x, &mut losses, &targets, width, 1.0 / 29.0);
            let stride = width.next_multiple_of(2);
            let (mut p, mut d) = (logits.clone(), vec![0; rows * stride]);
            let mut again = vec![0.0; rows];
            let isa = pool.isa();
            let scale = 1.0 / 29.0;
            cross_entropy::forward_backward_bf16(
                isa, &mut d, &mut p, &mut again, &targets, width, scale,
            );
            assert_eq!(bits(&losses), bits(&again));
            for (row, exact) in d.chunks_exact(stride).zip(x.chunks_exact(width)) {
                for (&d, &exact) in row.iter().zip(exact) {
                    assert_eq!(d, bf16::round(exact), "stored rounded");
                }
            }
            vec![x, losses, widened(&d)]
        });
    }
}

#[test]
fn embedding_and_sums() {
    let (d, rows) = (33, 50);
    let tokens: Vec<u32> = (0..rows).map(|i| (i * 7 % 11) as u32).collect();
    let (table, dx) = (values(11 * d, 1, true), values(rows * d, 2, true));
    same_everywhere("embedding", |pool| {
        let (mut x, mut d_table) = (vec![0.0; rows * d], values(11 * d, 3, false));
        embedding::forward(pool, &mut x, &table, &tokens, d);
        embedding::backward(pool, &mut d_table, &dx, &tokens, d);
        elementwise::add(pool, &mut x, &dx);
        vec![x, d_table]
    });
}

#[test]
fn update_and_norm() {
    let count = (1 << 14) + 37;
    let start = [
        values(count, 1, true),
        values(count, 2, false),
        values(count, 3, false),
    ];
    let g = values(count, 4, false);
    let v: Vec<f32> = start[2].iter().map(|x| x.abs()).collect();
    for factor in [None, Some(0.3)] {
        same_everywhere("adamw", |pool| {
            let (mut w, mut m, mut v) = (start[0].clone(), start[1].clone(), v.clone());
            let c = Coefficients::new(3, 1e-3, 0.9, 0.95, 1e-8, 0.1);
            adamw::update(pool, &mut w, &mut m, &mut v, &g, factor, c);
            let norm = adamw::global_norm(
                pool,
                [&g[..], &w[..5], &[]].par_iter().copied(),
                &mut Vec::new(),
            );
            let norm = f32::from_bits((norm.to_bits() >> 32) as u32);
            vec![w, m, v, vec![norm]]
        });
    }
}

#[test]
fn state_holds_one_nan_whatever_made_it() {
    for isa in Isa::available() {
        let pool = Pool::new(1, isa).expect("threads");
        // 0 ÷ (0 + 0): the machine's own NaN, of either sign.
        let c = Coefficients {
            epsilon: 0.0,
            ..Coefficients::new(1, 1e-3, 0.9, 0.95, 1e-8, 0.0)
        };
        let (mut w, mut m, mut v) = ([1.0; 3], [0.0; 3], [0.0; 3]);
        adamw::update(&pool, &mut w, &mut m, &mut v, &[0.0; 3], None, c);
        assert_eq!(
            w.map(f32::to_bits),
            [glasswork_kernels::CANONICAL_NAN; 3],
            "{}",
            isa.name()
        );
    }
}

#[test]
fn layer_norm_gelu_and_stored_numbers() {
    for (width, wild) in [(1, false), (17, false), (33, true), (192, false)] {
        let rows = 7;
        let (x, g, b) = (
            values(rows * width, 21, wild),
            values(width, 22, wild),
            values(width, 23, wild),
        );
        same_everywhere("layer_norm and gelu", |pool| {
            let mut y = vec![0.0; rows * width];
            layer_norm::forward_rows(pool.isa(), &mut y, &x, &g, &b, 1e-5);
            let (mut exact, mut by_tanh) = (x.clone(), x.clone());
            gelu::erf_rows(pool.isa(), &mut exact);
            gelu::tanh_rows(pool.isa(), &mut by_tanh);
            vec![y, exact, by_tanh]
        });
    }
    let bytes: Vec<[u8; 2]> = (0..=u16::MAX).map(u16::to_le_bytes).collect();
    same_everywhere("stored numbers", |pool| {
        let mut out = vec![vec![0.0; bytes.len()]; 2];
        stored::widen_bf16_slice(pool.isa(), &mut out[0], &bytes);
        stored::widen_f16_slice(pool.isa(), &mut out[1], &bytes);
        out
    });
}

#[test]
fn rotation_of_parts_of_heads() {
    // Whole heads by halves are the rotation that training uses.
    let angles = Angles::new(45, 6, 10_000.0);
    let x = values(90 * 20, 8, false);
    let positions: Vec<u32> = (0..90).map(|i| i % 45).collect();
    let heads = |width, layout| Heads {
        count: 3,
        width,
        layout,
    };
    let isa = Isa::best();
    let (mut whole, mut same) = (x.clone(), x.clone());
    rope::rotate_rows(
        isa,
        &mut whole,
        (20, 18),
        (0, 45),
        &angles,
        Direction::Forward,
    );
    let halves = heads(6, Layout::Halves);
    rope::rotate_heads(isa, &mut same, 20, halves, &positions, &angles);
    assert_eq!(bits(&whole), bits(&same));
    // The first four of six elements, as neighbours: a permutation of the halves.
    let angles = Angles::new(45, 4, 10_000.0);
    let order = [0, 2, 1, 3, 4, 5];
    let mut pairs = x.clone();
    let neighbours = heads(6, Layout::Pairs);
    rope::rotate_heads(isa, &mut pairs, 20, neighbours, &positions, &angles);
    let permuted = |x: &[f32]| -> Vec<f32> {
        let row = |row: &[f32]| -> Vec<f32> {
            let head = |h: usize| order.map(|j| row[6 * h + j]);
            (0..3).flat_map(head).chain(row[18..].to_vec()).collect()
        };
        x.chunks(20).flat_map(row).collect()
    };
    let mut by_halves = permuted(&x);
    rope::rotate_heads(isa, &mut by_halves, 20, halves, &positions, &angles);
    assert_eq!(bits(&permuted(&pairs)), bits(&by_halves));
    same_everywhere("rope of parts", |pool| {
        let mut all = vec![values(90 * 20, 9, true); 2];
        for (x, layout) in all.iter_mut().zip([Layout::Halves, Layout::Pairs]) {
            rope::rotate_heads(pool.isa(), x, 20, heads(6, layout), &positions, &angles);
        }
        all
    });
}
