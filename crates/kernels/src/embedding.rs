//! Token embedding: a row per token, and the sum of gradients per row.

use crate::{Pool, lanes::LANES, shared::Shared};
use rayon::prelude::*;

/// Copies row `tokens[i]` of `table` `[vocabulary, d]` to row i of `x` `[n, d]`.
///
/// # Panics
/// When a token is not in the table.
pub fn forward(pool: &Pool, x: &mut [f32], table: &[f32], tokens: &[u32], d: usize) {
    pool.run(|| {
        x.par_chunks_mut(d).zip(tokens).for_each(|(row, &token)| {
            row.copy_from_slice(&table[token as usize * d..][..d]);
        });
    });
}

/// `dtable[token] += dx[i]` for i = 0, 1, … in order: a chain over tokens per element.
pub fn backward(pool: &Pool, dtable: &mut [f32], dx: &[f32], tokens: &[u32], d: usize) {
    let block = d.div_ceil(pool.threads()).next_multiple_of(LANES);
    let shared = Shared::new(dtable);
    pool.run(|| {
        (0..d.div_ceil(block)).into_par_iter().for_each(|task| {
            let first = task * block;
            let width = block.min(d - first);
            for (row, &token) in tokens.iter().enumerate() {
                let dx = &dx[row * d + first..][..width];
                // SAFETY: tasks own disjoint columns.
                let out = unsafe { shared.slice(token as usize * d + first, width) };
                for (out, &dx) in out.iter_mut().zip(dx) {
                    *out += dx;
                }
            }
        });
    });
}
