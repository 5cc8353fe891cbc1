//! Attention over more queries than the kernels keep at a time: every instruction set but the slow one.
//! `attention_reference.rs` holds short ones against the page's text.

use glasswork_kernels::attention::{self, Saved, Shape};
use glasswork_kernels::{Isa, Pool, Profile};

/// Reproducible values around zero, −0 and subnormals among them.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state % 61 {
            0 => -0.0,
            1 => f32::from_bits(0x0040_0fff),
            _ => ((state >> 40) as f32) / (1_u64 << 23) as f32 - 1.0,
        }
    };
    (0..count).map(|_| next()).collect()
}

/// Bits of o, m, l and the gradient.
fn computed(pool: &Pool, profile: Profile, shape: Shape) -> [Vec<u32>; 4] {
    let n = shape.sequence;
    let (qkv, d_o) = (values(n * shape.row(), 11), values(n * shape.out_row(), 12));
    let (mut o, mut m, mut l) = (
        vec![9.0; n * shape.out_row()],
        vec![0.0; n * shape.heads],
        vec![0.0; n * shape.heads],
    );
    attention::forward(pool, profile, shape, &mut o, &mut m, &mut l, &qkv);
    let mut d_qkv = vec![7.0; qkv.len()];
    let saved = Saved {
        d_o: &d_o,
        o: &o,
        m: &m,
        l: &l,
        qkv: &qkv,
    };
    attention::backward(pool, profile, shape, &mut d_qkv, saved);
    [o, m, l, d_qkv].map(|part| part.iter().map(|x| x.to_bits()).collect())
}

#[test]
fn a_long_sequence_is_the_same_on_every_instruction_set() {
    let isas = Isa::available();
    let fast = if isas.len() > 1 {
        &isas[1..]
    } else {
        &isas[..]
    };
    // Two whole portions of kept queries and a block.
    let shape = Shape::new(1056, 2, 1, 40);
    for profile in Profile::ALL {
        let mut first = None;
        for &isa in fast {
            let pool = Pool::new(2, isa).expect("threads");
            let all = computed(&pool, profile, shape);
            assert!(
                *first.get_or_insert_with(|| all.clone()) == all,
                "{profile} {pool:?}"
            );
        }
    }
}
