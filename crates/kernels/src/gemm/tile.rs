//! Register tiles: `MR × NR` chains at once.

use super::NR;
use crate::Isa;

/// Rows of a tile on `isa`.
pub(super) fn rows(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 8,
        Isa::Avx2 => 6,
        Isa::Scalar => 4,
    }
}

/// Columns of the widest tile on `isa` that does not reach beyond `left` columns, or none.
pub(super) fn columns(isa: Isa, left: usize) -> Option<usize> {
    let widths: &[usize] = if isa == Isa::Avx512 {
        &[48, 32, 16]
    } else {
        &[16]
    };
    widths.iter().copied().find(|&width| width <= left)
}

/// Advances the tile `out` of `width` columns (rows `stride` apart) by `kc` terms. `a` is packed
/// `[kc][rows]`, `b` begins at the tile's first column within a panel `[kc][NR]`. `first` starts the
/// chains at +0. `width` is one that [`columns`] gives.
#[allow(clippy::too_many_arguments, reason = "the operands of one tile")]
pub(super) fn run(
    isa: Isa,
    width: usize,
    kc: usize,
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
    stride: usize,
    first: bool,
) {
    assert!(a.len() >= rows(isa) * kc && b.len() >= (kc - 1) * NR + width);
    assert!(out.len() >= (rows(isa) - 1) * stride + width);
    #[cfg(target_arch = "x86_64")]
    {
        let (a, b, c) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
        // SAFETY (all four): the machine has the instruction set, or there would be no such `Isa`;
        // the operands are as long as asserted above.
        match (isa, width) {
            (Isa::Avx512, 48) => return unsafe { x86::avx512x3(kc, a, b, c, stride, first) },
            (Isa::Avx512, 32) => return unsafe { x86::avx512x2(kc, a, b, c, stride, first) },
            (Isa::Avx512, 16) => return unsafe { x86::avx512x1(kc, a, b, c, stride, first) },
            (Isa::Avx2, 16) => return unsafe { x86::avx2(kc, a, b, c, stride, first) },
            _ => {}
        }
    }
    assert!(
        isa == Isa::Scalar && width == 16,
        "no tile of {width} columns"
    );
    scalar(kc, a, b, out, stride, first);
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

    macro_rules! avx512 {
        ($name:ident, $vectors:literal) => {
            tile!(
                $name,
                "avx512f",
                8,
                $vectors,
                16,
                _mm512_setzero_ps,
                _mm512_loadu_ps,
                _mm512_storeu_ps,
                _mm512_set1_ps,
                _mm512_fmadd_ps
            );
        };
    }

    avx512!(avx512x3, 3);
    avx512!(avx512x2, 2);
    avx512!(avx512x1, 1);
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
