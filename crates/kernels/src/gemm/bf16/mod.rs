//! Products of the profile `bf16-v1`, at the level of register tiles.
//!
//! Operands are bf16 numbers, held as f32 by the tiles of fma and in pairs by those of AMX. K is taken in blocks of [`BLOCK`], padded with +0; in a
//! block, every element of C is two chains from +0, one over the even and one over the odd k, and
//! then `c = c + (even + odd)`, all in the arithmetic of [`crate::bf16`]. One AMX `tdpbf16ps` is
//! exactly that (`amx`); [`tile`] gives the same bits from f32 fma with FTZ and DAZ set.
//!
//! A tile that kept two accumulators for every element would need twice the registers, so it goes
//! over a block twice: the even chains, which wait in a buffer on the stack, then the odd ones.

pub(crate) mod amx;
#[cfg(target_arch = "x86_64")]
pub(crate) mod pairs;
pub mod reference;
mod self_test;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use self_test::{Verdict, verdict};

use crate::Isa;
use crate::bf16::{add_flushed, fma_flushed};

/// Terms of a block of K: what one AMX instruction sums.
pub const BLOCK: usize = 32;

pub use super::tile::Tile;

/// Rows of the tallest tile of f32 numbers on `isa`.
pub fn rows(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 | Isa::Amx => 8,
        Isa::Avx2 => 6,
        Isa::Scalar => 4,
    }
}

/// Columns of the tiles on `isa`, widest first.
pub fn columns(isa: Isa) -> &'static [usize] {
    match isa {
        Isa::Avx512 | Isa::Amx => &[48, 32, 16],
        Isa::Avx2 | Isa::Scalar => &[16],
    }
}

/// The tile of `rows × columns` on `isa`: any height up to [`rows`], a width of [`columns`].
pub fn tile(isa: Isa, rows: usize, columns: usize) -> Option<Tile> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Amx => match columns {
            48 => tall::<3>(rows),
            32 => tall::<2>(rows),
            16 => tall::<1>(rows),
            _ => None,
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 if columns == 16 => Some(match rows {
            1 => x86::avx2::<1, 2>,
            2 => x86::avx2::<2, 2>,
            3 => x86::avx2::<3, 2>,
            4 => x86::avx2::<4, 2>,
            5 => x86::avx2::<5, 2>,
            6 => x86::avx2::<6, 2>,
            _ => return None,
        }),
        Isa::Scalar if columns == 16 => Some(match rows {
            1 => scalar::<1>,
            2 => scalar::<2>,
            3 => scalar::<3>,
            4 => scalar::<4>,
            _ => return None,
        }),
        _ => None,
    }
}

#[cfg(target_arch = "x86_64")]
fn tall<const VECTORS: usize>(rows: usize) -> Option<Tile> {
    Some(match rows {
        1 => x86::avx512::<1, VECTORS>,
        2 => x86::avx512::<2, VECTORS>,
        3 => x86::avx512::<3, VECTORS>,
        4 => x86::avx512::<4, VECTORS>,
        5 => x86::avx512::<5, VECTORS>,
        6 => x86::avx512::<6, VECTORS>,
        7 => x86::avx512::<7, VECTORS>,
        8 => x86::avx512::<8, VECTORS>,
        _ => return None,
    })
}

/// `ROWS` × 16 in plain Rust.
///
/// # Safety
/// As [`Tile`].
#[allow(clippy::too_many_arguments, reason = "a `Tile`")]
unsafe fn scalar<const ROWS: usize>(
    kc: usize,
    a: *const f32,
    a_row: usize,
    a_k: usize,
    b: *const f32,
    b_row: usize,
    c: *mut f32,
    c_row: usize,
    first: bool,
) {
    const WIDTH: usize = 16;
    for block in (0..kc).step_by(BLOCK) {
        let mut chains = [[[0.0_f32; WIDTH]; ROWS]; 2];
        for k in block..block + BLOCK {
            for (r, row) in chains[k % 2].iter_mut().enumerate() {
                for (j, acc) in row.iter_mut().enumerate() {
                    // SAFETY: elements of the operands, by the contract.
                    let (left, right) =
                        unsafe { (*a.add(r * a_row + k * a_k), *b.add(k * b_row + j)) };
                    *acc = fma_flushed(left, right, *acc);
                }
            }
        }
        let [even, odd] = chains;
        for r in 0..ROWS {
            for j in 0..WIDTH {
                // SAFETY: an element of C, by the contract.
                let out = unsafe { &mut *c.add(r * c_row + j) };
                let start = if first && block == 0 { 0.0 } else { *out };
                *out = add_flushed(start, add_flushed(even[r][j], odd[r][j]));
            }
        }
    }
}
