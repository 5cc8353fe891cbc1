//! How fast this machine computes, before a model is on its disk.

use glasswork_kernels::gemm::{Packed, Start, View, gemm};
use glasswork_kernels::{Pool, Profile};
use glasswork_model::Decoder;
use serde::Serialize;
use std::time::Instant;

/// Rows of the timed product: a chunk of sequences.
const ROWS: usize = 512;
/// Widest matrix that is timed, a side; larger ones run at the same rate.
const WIDEST: usize = 4096;
/// What norms, attention's softmax and waiting add to products. An assumption: with it, probes of a 7B shape took 4.0 and 4.6
/// minutes where 4.3 were planned (`docs/log.md`).
const OVERHEAD: f64 = 1.25;

/// Rates of this machine, and of its line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// Floating point operations a second in products.
    pub flops: f64,
    /// Weights a second, read and packed once per pass.
    pub packed: f64,
    /// Bytes a second that are fetched.
    pub fetched: f64,
}

impl Rates {
    /// Times one product of about the model's shape; takes a second. `fetched`: bytes a second of the line.
    #[must_use]
    pub fn measure(pool: &Pool, profile: Profile, decoder: &Decoder, fetched: f64) -> Self {
        let side = decoder.hidden.clamp(64, WIDEST);
        let wide = decoder.mlp.clamp(64, WIDEST);
        let values = |count: usize| -> Vec<f32> {
            (0..count)
                .map(|i| (i * 7919 % 2003) as f32 / 1e3 - 1.0)
                .collect()
        };
        let (a, b) = (values(ROWS * side), values(side * wide));
        let mut c = vec![0.0; ROWS * wide];
        let mut packed = Packed::new();
        let least = |work: &mut dyn FnMut()| {
            let mut once = || {
                let start = Instant::now();
                work();
                start.elapsed().as_secs_f64().max(1e-9)
            };
            once();
            once().min(once())
        };
        let matrix = View::new(&b, side, wide);
        let packing = least(&mut || packed.pack_beside(pool, profile, &[matrix]));
        let input = View::new(&a, ROWS, side);
        let product = least(&mut || gemm(pool, profile, &mut c, wide, input, &packed, Start::Zero));
        Self {
            flops: (2 * ROWS * side * wide) as f64 / product,
            packed: (side * wide) as f64 / packing,
            fetched,
        }
    }

    /// Seconds to score so many tokens in sequences of `length` inputs, in one pass over a model of `parameters`.
    #[must_use]
    pub fn scoring(&self, decoder: &Decoder, parameters: u64, tokens: u64, length: usize) -> f64 {
        let flops = tokens as f64 * decoder.forward_flops_per_token(length) as f64;
        OVERHEAD * flops / self.flops + parameters as f64 / self.packed
    }

    /// Seconds to fetch so many bytes.
    #[must_use]
    pub fn fetching(&self, bytes: u64) -> f64 {
        if bytes == 0 {
            0.0
        } else {
            bytes as f64 / self.fetched
        }
    }
}
