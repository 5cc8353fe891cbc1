//! Register tiles: `MR × NR` chains at once.

use super::NR;
use crate::Isa;

/// Advances the tile `out` (rows `stride` apart) by `kc` terms. `a` is packed `[kc][MR]`, `b` is
/// the tile's first column within a panel `[kc][NR]`. `first` starts the chains at +0.
///
/// The tile has the shape that `super::tile_shape(isa)` says; `out` holds all of it.
pub(super) fn run(
    isa: Isa,
    kc: usize,
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
    stride: usize,
    first: bool,
) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => {
            assert!(
                a.len() >= 8 * kc && b.len() >= (kc - 1) * NR + 48 && out.len() >= 7 * stride + 48
            );
            // SAFETY: the machine has AVX-512 (`Isa`), and the operands are as long as asserted.
            unsafe { x86::avx512(kc, a.as_ptr(), b.as_ptr(), out.as_mut_ptr(), stride, first) }
        }
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => {
            assert!(
                a.len() >= 6 * kc && b.len() >= (kc - 1) * NR + 16 && out.len() >= 5 * stride + 16
            );
            // SAFETY: as above, with AVX2 and fma.
            unsafe { x86::avx2(kc, a.as_ptr(), b.as_ptr(), out.as_mut_ptr(), stride, first) }
        }
        _ => scalar(kc, a, b, out, stride, first),
    }
}

/// A 4 × 16 tile in plain Rust.
fn scalar(kc: usize, a: &[f32], b: &[f32], out: &mut [f32], stride: usize, first: bool) {
    const MR: usize = 4;
    const WIDTH: usize = 16;
    let mut acc = [[0.0_f32; WIDTH]; MR];
    if !first {
        for (r, row) in acc.iter_mut().enumerate() {
            row.copy_from_slice(&out[r * stride..][..WIDTH]);
        }
    }
    for k in 0..kc {
        let b_row = &b[k * NR..][..WIDTH];
        let a_row = &a[k * MR..][..MR];
        for (row, &left) in acc.iter_mut().zip(a_row) {
            for (value, &right) in row.iter_mut().zip(b_row) {
                *value = left.mul_add(right, *value);
            }
        }
    }
    for (r, row) in acc.iter().enumerate() {
        out[r * stride..][..WIDTH].copy_from_slice(row);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::NR;
    use std::arch::x86_64::*;

    /// How many steps of k ahead the panel of B is asked for.
    const AHEAD: usize = 8;

    macro_rules! tile {
        ($name:ident, $features:literal, $rows:literal, $vectors:literal, $lanes:literal,
         $zero:ident, $load:ident, $store:ident, $splat:ident, $fma:ident) => {
            /// # Safety
            /// The machine has the features; `a` holds `kc · rows` floats, `b` `kc` rows of `NR`
            /// of which the tile's width is read, `c` the whole tile.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $name(
                kc: usize,
                mut a: *const f32,
                mut b: *const f32,
                c: *mut f32,
                stride: usize,
                first: bool,
            ) {
                let mut acc = [[$zero(); $vectors]; $rows];
                // SAFETY (whole body): all addresses lie within the operands, by the contract.
                unsafe {
                    if !first {
                        for r in 0..$rows {
                            for v in 0..$vectors {
                                acc[r][v] = $load(c.add(r * stride + v * $lanes));
                            }
                        }
                    }
                    for _ in 0..kc {
                        let mut right = [$zero(); $vectors];
                        for v in 0..$vectors {
                            right[v] = $load(b.add(v * $lanes));
                            if (v * $lanes) % 16 == 0 {
                                _mm_prefetch::<_MM_HINT_T0>(
                                    b.wrapping_add(NR * AHEAD + v * $lanes).cast(),
                                );
                            }
                        }
                        for r in 0..$rows {
                            let left = $splat(*a.add(r));
                            for v in 0..$vectors {
                                acc[r][v] = $fma(left, right[v], acc[r][v]);
                            }
                        }
                        a = a.add($rows);
                        b = b.add(NR);
                    }
                    for r in 0..$rows {
                        for v in 0..$vectors {
                            $store(c.add(r * stride + v * $lanes), acc[r][v]);
                        }
                    }
                }
            }
        };
    }

    tile!(
        avx512,
        "avx512f",
        8,
        3,
        16,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps
    );
    tile!(
        avx2,
        "avx2,fma",
        6,
        2,
        8,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps
    );
}
