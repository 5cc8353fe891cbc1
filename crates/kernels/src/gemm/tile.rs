//! Register tiles: up to `rows × columns` sums at once. Those of `f32-v1` are here.

#[cfg(target_arch = "x86_64")]
mod x86;

use crate::{Isa, Numerics, Profile};

/// Advances `C[r][j]` of one tile by `kc` terms: `A[r][k] = a[r · a_row + k · a_k]`,
/// `B[k][j] = b[k · b_row + j]`, `C[r][j] = c[r · c_row + j]`; strides in elements. `first` starts
/// the chains at +0 instead of what C holds.
///
/// The function's rows and columns are fixed: see `of`. Under `bf16-v1` `kc` is a positive multiple of
/// 32.
///
/// # Safety
/// All those elements lie within allocations that nothing else writes meanwhile.
pub type Tile = unsafe fn(
    kc: usize,
    a: *const f32,
    a_row: usize,
    a_k: usize,
    b: *const f32,
    b_row: usize,
    c: *mut f32,
    c_row: usize,
    first: bool,
);

/// Rows that are computed at a time; there is a tile for every smaller number too.
pub(super) fn rows(numerics: Numerics) -> usize {
    match numerics.isa {
        Isa::Amx if numerics.in_pairs() => super::bf16::amx::BLOCK_SIDE,
        Isa::Avx512 | Isa::Amx => 8,
        Isa::Avx2 => 6,
        Isa::Scalar => 4,
    }
}

/// Widths of tiles on `isa`, widest first; the last is [`super::EDGE`].
pub(super) fn widths(isa: Isa) -> &'static [usize] {
    match isa {
        Isa::Avx512 | Isa::Amx => &[48, 32, 16],
        Isa::Avx2 | Isa::Scalar => &[16],
    }
}

/// The tile of `rows × columns` on `isa`.
///
/// # Panics
/// When there is none.
pub(super) fn of(Numerics { profile, isa }: Numerics, rows: usize, columns: usize) -> Tile {
    macro_rules! by_rows {
        ($tile:ident, $vectors:literal, $($rows:literal)*) => {
            match rows {
                $($rows => $tile::<$rows, $vectors> as Tile,)*
                _ => panic!("no tile of {rows} rows"),
            }
        };
    }
    if profile == Profile::Bf16V1 {
        return super::bf16::tile(isa, rows, columns)
            .unwrap_or_else(|| panic!("no tile of {rows} × {columns}"));
    }
    #[cfg(target_arch = "x86_64")]
    {
        use x86::{avx2, avx512};
        match (isa, columns) {
            (Isa::Avx512 | Isa::Amx, 48) => return by_rows!(avx512, 3, 1 2 3 4 5 6 7 8),
            (Isa::Avx512 | Isa::Amx, 32) => return by_rows!(avx512, 2, 1 2 3 4 5 6 7 8),
            (Isa::Avx512 | Isa::Amx, 16) => return by_rows!(avx512, 1, 1 2 3 4 5 6 7 8),
            (Isa::Avx2, 16) => return by_rows!(avx2, 2, 1 2 3 4 5 6),
            _ => {}
        }
    }
    assert!(
        isa == Isa::Scalar && columns == 16,
        "no tile of {columns} columns"
    );
    by_rows!(scalar, 16, 1 2 3 4)
}

/// `ROWS × WIDTH` in plain Rust.
///
/// # Safety
/// As [`Tile`]: every address that the strides reach lies within its operand.
#[allow(clippy::too_many_arguments, reason = "the signature of every tile")]
unsafe fn scalar<const ROWS: usize, const WIDTH: usize>(
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
    let mut acc = [[0.0_f32; WIDTH]; ROWS];
    // SAFETY (whole body): by the contract.
    unsafe {
        if !first {
            for (r, row) in acc.iter_mut().enumerate() {
                *row = c.add(r * c_row).cast::<[f32; WIDTH]>().read();
            }
        }
        for k in 0..kc {
            let right = b.add(k * b_row).cast::<[f32; WIDTH]>().read();
            for (r, row) in acc.iter_mut().enumerate() {
                let left = *a.add(r * a_row + k * a_k);
                for (value, &right) in row.iter_mut().zip(&right) {
                    *value = left.mul_add(right, *value);
                }
            }
        }
        for (r, row) in acc.iter().enumerate() {
            c.add(r * c_row).cast::<[f32; WIDTH]>().write(*row);
        }
    }
}
