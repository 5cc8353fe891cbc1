//! Sequences that continue others' keys and values have the bits of whole sequences.

#![allow(
    clippy::single_range_in_vec_init,
    reason = "lists of ranges, some of one"
)]

use glasswork_kernels::attention::{self, Kept, Shape, Siblings};
use glasswork_kernels::{Isa, Pool, Profile};
use std::ops::Range;

type Pieces = Vec<Range<usize>>;

fn values(count: usize, seed: u64) -> Vec<f32> {
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
                _ => ((state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5) * 4.0,
            }
        })
        .collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Rows of `data` one after the other.
fn rows(data: &[f32], width: usize, ranges: &[Range<usize>]) -> Vec<f32> {
    let rows = |range: &Range<usize>| &data[range.start * width..range.end * width];
    ranges.iter().flat_map(rows).copied().collect()
}

/// What the whole sequence of these rows gives.
fn whole(
    pool: &Pool,
    profile: Profile,
    shape: Shape,
    qkv: &[f32],
    ranges: &[Range<usize>],
) -> Vec<f32> {
    let own = rows(qkv, shape.row(), ranges);
    let sequence = own.len() / shape.row();
    let mut o = vec![9.0; sequence * shape.out_row()];
    let (mut m, mut l) = (
        vec![9.0; sequence * shape.heads],
        vec![9.0; sequence * shape.heads],
    );
    let shape = Shape { sequence, ..shape };
    attention::forward(pool, profile, shape, &mut o, &mut m, &mut l, &own);
    o
}

#[test]
fn a_row_has_the_bits_of_the_whole_sequence() {
    // Rows of a tree in any order: pieces of the past, then what each sequence adds. Lengths around a block
    // of 32, a panel of 48 and what is packed once.
    let trees: Vec<(Pieces, Pieces)> = vec![
        (vec![], vec![0..1, 1..34, 34..34, 34..99]),
        (vec![0..1], vec![40..41, 1..40]),
        (vec![7..38], vec![0..1, 1..3, 38..40, 60..125]),
        (vec![10..42], vec![0..1, 1..9]),
        (vec![0..47, 60..109], vec![109..110, 47..60, 110..117]),
        (vec![20..115, 0..2], vec![2..3, 3..20, 115..160, 160..161]),
        (
            vec![100..150, 0..100, 160..201],
            vec![201..209, 209..210, 150..160],
        ),
    ];
    // Three query heads a key-value head, or one; widths around a block of terms and a vector.
    for (heads, kv_heads, width) in [(6, 2, 6), (2, 2, 33), (2, 1, 64)] {
        let shape = Shape::new(0, heads, kv_heads, width);
        let qkv = values(210 * shape.row(), 11);
        for profile in Profile::ALL {
            for (isa, threads) in Isa::available()
                .into_iter()
                .zip([1, 2, 3, 8].into_iter().cycle())
            {
                let pool = Pool::new(threads, isa).expect("threads");
                let mut o = vec![9.0; 210 * shape.out_row()];
                for (past, sequences) in &trees {
                    let siblings = Siblings {
                        past: past.clone(),
                        rows: sequences.clone(),
                    };
                    attention::continued(&pool, profile, shape, &mut o, &qkv, &[siblings]);
                    for own in sequences.iter().filter(|own| !own.is_empty()) {
                        let all: Vec<_> = past.iter().chain([own]).cloned().collect();
                        let expected = whole(&pool, profile, shape, &qkv, &all);
                        let expected = &expected[expected.len() - own.len() * shape.out_row()..];
                        let got = &o[own.start * shape.out_row()..own.end * shape.out_row()];
                        assert!(
                            bits(got) == bits(expected),
                            "{profile} {past:?} {own:?} {heads} {width} {pool:?}"
                        );
                    }
                }
            }
        }
    }
}

/// These last rows of a sequence that ends with them.
fn whole_rows(
    pool: &Pool,
    profile: Profile,
    shape: Shape,
    qkv: &[f32],
    rows: Range<usize>,
) -> Vec<f32> {
    let all: Vec<f32> = whole(pool, profile, shape, qkv, &[0..rows.end]);
    all[rows.start * shape.out_row()..].to_vec()
}

/// Keys and values kept apart, as one token after another is added.
#[test]
fn tokens_one_by_one_have_the_bits_of_the_whole_sequence() {
    let shape = Shape::new(0, 4, 2, 20);
    let count = 70;
    let qkv = values(count * shape.row(), 5);
    for profile in Profile::ALL {
        for isa in Isa::available() {
            let pool = Pool::new(2, isa).expect("threads");
            let mut kept = Kept::new(shape, count);
            for rows in [0..1, 1..2, 2..31, 31..36, 36..36, 36..68, 68..69, 69..70] {
                let some = &qkv[rows.start * shape.row()..rows.end * shape.row()];
                for row in some.chunks_exact(shape.row()) {
                    kept.add(shape, row);
                }
                let mut o = vec![9.0; rows.len() * shape.out_row()];
                let last = [(&kept, 0..rows.len())];
                attention::after_kept(&pool, profile, shape, &mut o, some, &last);
                let expected = &whole_rows(&pool, profile, shape, &qkv, rows.clone());
                assert!(bits(&o) == bits(expected), "{profile} {isa:?} {rows:?}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "overlap")]
fn rows_that_two_tasks_would_write_are_refused() {
    let shape = Shape::new(0, 1, 1, 4);
    let qkv = values(3 * shape.row(), 1);
    let (a, b) = (0..2, 1..3);
    let all = [a, b].map(|rows| Siblings {
        past: Vec::new(),
        rows: vec![rows],
    });
    let pool = Pool::new(1, Isa::Scalar).expect("threads");
    attention::continued(&pool, Profile::F32V1, shape, &mut [0.0; 12], &qkv, &all);
}
