//! A matrix of bf16 numbers is the f32 matrix of the same values, wherever it stands in a product.

use glasswork_kernels::bf16::{round, widen};
use glasswork_kernels::gemm::{Packed, Right, Start, View, gemm};
use glasswork_kernels::{Isa, Pool, Profile};

fn stored(count: usize, seed: u32) -> Vec<u16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match state >> 24 {
            0 => 0x8000,
            1 => 0x0012,
            _ => round((state >> 8) as f32 / (1 << 23) as f32 - 1.0),
        }
    };
    (0..count).map(|_| next()).collect()
}

fn turned(view: View, turn: bool) -> View {
    if turn { view.transposed() } else { view }
}

#[test]
fn products_of_stored_bf16_are_those_of_its_values() {
    let widened = |x: &[u16]| x.iter().map(|&x| widen(x)).collect::<Vec<f32>>();
    for (m, n, k) in [(1, 1, 1), (37, 53, 70), (100, 40, 33), (64, 96, 64)] {
        let (a, b) = (stored(m * k, 1), stored(k * n, 2));
        let (a_f32, b_f32) = (widened(&a), widened(&b));
        for (profile, isa) in Profile::ALL
            .iter()
            .flat_map(|&p| Isa::available().into_iter().map(move |i| (p, i)))
        {
            let pool = Pool::new(2, isa).expect("threads");
            for (turn_a, turn_b) in [(false, false), (false, true), (true, false), (true, true)] {
                let shape = |rows, cols, turn| if turn { (cols, rows) } else { (rows, cols) };
                let ((ar, ac), (br, bc)) = (shape(m, k, turn_a), shape(k, n, turn_b));
                let product = |a: View, b: Right| {
                    let mut c = vec![0.0; m * n];
                    gemm(&pool, profile, &mut c, n, a, b, Start::Zero);
                    c.iter().map(|x| x.to_bits()).collect::<Vec<u32>>()
                };
                let (a_view, b_view) = (
                    turned(View::bf16(&a, ar, ac, ac), turn_a),
                    turned(View::bf16(&b, br, bc, bc), turn_b),
                );
                let of_values = product(
                    turned(View::new(&a_f32, ar, ac), turn_a),
                    turned(View::new(&b_f32, br, bc), turn_b).into(),
                );
                let mut packed = Packed::new();
                packed.pack_beside(&pool, profile, &[b_view]);
                let place = format!("{profile} {isa:?} {m} × {n} × {k}, {turn_a} {turn_b}");
                assert!(product(a_view, b_view.into()) == of_values, "{place}");
                assert!(
                    product(a_view, (&packed).into()) == of_values,
                    "packed, {place}"
                );
            }
        }
    }
}
