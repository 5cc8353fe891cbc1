//! The test vectors that `docs/numerics.md` prints are what the kernels give.

use glasswork_kernels::bf16::{fma_flushed, rounded};
use glasswork_kernels::gemm::{self, Start, View};
use glasswork_kernels::{CANONICAL_NAN, lanes, math};

const PAGE: &str = include_str!("../../../docs/numerics.md");

/// Rows of the page's table: name, inputs, result, all as bits.
fn rows() -> Vec<(&'static str, Vec<f32>, u32)> {
    let section = PAGE.split("## Test vectors").nth(1).expect("a section");
    let table = section.split("\n## ").next().expect("its text");
    let bits = |text: &str| u32::from_str_radix(text, 16).expect("eight digits");
    let lines = table.lines().filter_map(|line| line.strip_prefix("    "));
    lines
        .map(|line| {
            let (left, result) = line.split_once(" = ").expect("a result");
            let mut words = left.split_whitespace();
            let name = words.next().expect("a name");
            let inputs = words.map(|word| f32::from_bits(bits(word))).collect();
            (name, inputs, bits(result.trim()))
        })
        .collect()
}

/// Element i of the vectors of `sum` rows: enough terms for two blocks of 32 and lanes with a tail.
fn term(i: usize) -> (f32, f32) {
    let (a, b) = ((i * 37 % 101) as f32, (i * 53 % 89) as f32);
    (a / 101.0 - 0.5, 0.5 - b / 89.0)
}

fn computed(name: &str, x: &[f32]) -> f32 {
    let (a, b): (Vec<f32>, Vec<f32>) = (0..45).map(term).unzip();
    let (row, column) = (View::new(&a, 1, 45), View::new(&b, 45, 1));
    let mut out = [0.0];
    match name {
        "exp" => math::exp(x[0]),
        "ln" => math::ln(x[0]),
        "σ" => math::sigmoid(x[0]),
        "bf16" => rounded(x[0]),
        "fma" => fma_flushed(x[0], x[1], x[2]),
        "lanes" => lanes::dot(&a, &b),
        "chain" => {
            gemm::reference::gemm(&mut out, 1, row, column, Start::Zero);
            out[0]
        }
        "blocks" => {
            gemm::bf16::reference::gemm(&mut out, 1, row, column, Start::Zero);
            out[0]
        }
        _ => panic!("{name} is no function of the page"),
    }
}

#[test]
fn every_printed_vector_is_what_is_computed() {
    let mut wrong = Vec::new();
    for (name, inputs, result) in rows() {
        let got = computed(name, &inputs);
        let got = if got.is_nan() {
            CANONICAL_NAN
        } else {
            got.to_bits()
        };
        let words: String = inputs
            .iter()
            .map(|x| format!(" {:08x}", x.to_bits()))
            .collect();
        if got != result {
            wrong.push(format!("    {name}{words} = {got:08x}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "computed otherwise:\n{}",
        wrong.join("\n")
    );
    assert!(rows().len() >= 30, "the page lost its vectors");
}
