//! Operands for AMX: words of two bf16 numbers, consecutive terms, the even one in the lower half.
//!
//! A matrix whose rows run along the terms becomes A by rounding alone ([`left_rows`]); one whose
//! rows run across them becomes B by interleaving two rows ([`right_across`]); the other two, B from rows
//! along the terms and A from rows across them, are the same words transposed.
//!
//! Rounding is `vcvtne2ps2bf16`: nearest even, a subnormal is zero of its sign. It keeps a NaN's payload
//! where the profile writes 0x7fc0, which a product of it cannot show: its NaN are canonical when written.

use super::amx::{SIDE, TILE, WORDS};
use crate::gemm::{Elements, View};
use std::arch::x86_64::*;

/// A matrix to read: rows `stride` elements apart.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a> {
    pub(crate) data: Elements<'a>,
    pub(crate) stride: usize,
}

impl<'a> Lines<'a> {
    /// A matrix whose rows are contiguous.
    pub(crate) fn of(view: &View<'a>) -> Self {
        assert_eq!(view.col_stride, 1, "rows of the view are contiguous");
        Self {
            data: view.data,
            stride: view.row_stride,
        }
    }

    /// From row `row` on, which there is.
    pub(crate) fn below(self, row: usize) -> Self {
        Self {
            data: self.data.from(row * self.stride),
            ..self
        }
    }

    /// `columns` elements of row `row` from column `column` on; none beyond `rows` rows.
    #[inline(always)]
    fn part(&self, row: usize, rows: usize, column: usize, columns: usize) -> Elements<'a> {
        let first = row * self.stride + column;
        if row < rows {
            self.data.part(first..first + columns)
        } else {
            Elements::F32(&[])
        }
    }
}

/// From element `start` on; nothing where a padded row has no more.
#[inline(always)]
fn beyond(x: Elements, start: usize) -> Elements {
    x.from(start.min(x.len()))
}

/// Up to 16 numbers, and +0 for the rest.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load(x: &[f32]) -> __m512 {
    let count = x.len().min(16);
    let mask = ((1_u32 << count) - 1) as __mmask16;
    // SAFETY: masked elements are not read.
    unsafe { _mm512_maskz_loadu_ps(mask, x.as_ptr()) }
}

/// Up to 32 bf16 numbers, and +0 for the rest.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load_bf16(x: &[u16]) -> __m512i {
    let mask = ((1_u64 << x.len().min(32)) - 1) as __mmask32;
    // SAFETY: masked elements are not read.
    unsafe { _mm512_maskz_loadu_epi16(mask, x.as_ptr().cast()) }
}

/// Up to 16 bf16 numbers, and +0 for the rest.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load_bf16_half(x: &[u16]) -> __m256i {
    let mask = ((1_u32 << x.len().min(16)) - 1) as __mmask16;
    // SAFETY: masked elements are not read.
    unsafe { _mm256_maskz_loadu_epi16(mask, x.as_ptr().cast()) }
}

/// 32 numbers as words, in order; +0 beyond the end.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn pairs(x: Elements) -> __m512i {
    match x {
        Elements::F32(x) => {
            let (low, high) = (load(x), load(x.get(16..).unwrap_or_default()));
            as_integers(_mm512_cvtne2ps_pbh(high, low))
        }
        Elements::Bf16(x) => load_bf16(x),
    }
}

/// Number j of the lower half, then number j of the upper one.
static INTERLEAVE: [u16; 32] = {
    let mut order = [0; 32];
    let mut i = 0;
    while i < 32 {
        order[i] = (i / 2 + 16 * (i % 2)) as u16;
        i += 1;
    }
    order
};

/// Words whose even terms are up to 16 numbers `even`, and odd ones `odd`; +0 beyond their ends.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn interleaved(even: Elements, odd: Elements) -> __m512i {
    let halves = match (even, odd) {
        (Elements::F32(even), Elements::F32(odd)) => {
            as_integers(_mm512_cvtne2ps_pbh(load(odd), load(even)))
        }
        (Elements::Bf16(even), odd) => {
            let odd = match odd {
                Elements::Bf16(odd) => odd,
                // Beyond the last row there is nothing.
                Elements::F32(_) => &[],
            };
            let low = _mm512_castsi256_si512(load_bf16_half(even));
            _mm512_inserti64x4::<1>(low, load_bf16_half(odd))
        }
        (Elements::F32(_), Elements::Bf16(_)) => unreachable!("rows of one matrix"),
    };
    // SAFETY: 64 bytes.
    let order = unsafe { _mm512_loadu_si512((&raw const INTERLEAVE).cast()) };
    _mm512_permutexvar_epi16(order, halves)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn as_integers(x: __m512bh) -> __m512i {
    // SAFETY: both are 64 bytes without a niche.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(x) }
}

/// The transpose of 16 × 16 words.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(rows: [__m512i; 16]) -> [__m512i; 16] {
    let zero = _mm512_setzero_si512();
    // Pairs of rows, then fours, within quarters of 128 bits.
    let mut twos = [zero; 16];
    for i in 0..8 {
        twos[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        twos[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    let mut fours = [zero; 16];
    for i in 0..4 {
        let [a, b, c, d] = [
            twos[4 * i],
            twos[4 * i + 1],
            twos[4 * i + 2],
            twos[4 * i + 3],
        ];
        fours[4 * i] = _mm512_unpacklo_epi64(a, c);
        fours[4 * i + 1] = _mm512_unpackhi_epi64(a, c);
        fours[4 * i + 2] = _mm512_unpacklo_epi64(b, d);
        fours[4 * i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    // Quarter q of fours[4 i + j] holds column 4 q + j of rows 4 i … 4 i + 3.
    let mut columns = [zero; 16];
    for j in 0..4 {
        let [a, b, c, d] = [fours[j], fours[4 + j], fours[8 + j], fours[12 + j]];
        let (ab_even, ab_odd) = (
            _mm512_shuffle_i32x4::<0x88>(a, b),
            _mm512_shuffle_i32x4::<0xdd>(a, b),
        );
        let (cd_even, cd_odd) = (
            _mm512_shuffle_i32x4::<0x88>(c, d),
            _mm512_shuffle_i32x4::<0xdd>(c, d),
        );
        columns[j] = _mm512_shuffle_i32x4::<0x88>(ab_even, cd_even);
        columns[4 + j] = _mm512_shuffle_i32x4::<0x88>(ab_odd, cd_odd);
        columns[8 + j] = _mm512_shuffle_i32x4::<0xdd>(ab_even, cd_even);
        columns[12 + j] = _mm512_shuffle_i32x4::<0xdd>(ab_odd, cd_odd);
    }
    columns
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn store(out: &mut [u32], values: __m512i) {
    let count = out.len().min(16);
    let mask = ((1_u32 << count) - 1) as __mmask16;
    // SAFETY: masked elements are not written.
    unsafe { _mm512_mask_storeu_epi32(out.as_mut_ptr().cast(), mask, values) }
}

/// A, in tiles: words p of row r are terms 2p and 2p + 1 of row r of `x`, +0 beyond the last of `terms`.
/// `out` has `words` words a row; rows beyond `count` keep what they hold.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn left_rows(out: &mut [u32], words: usize, x: Lines, (count, terms): (usize, usize)) {
    for r in 0..count {
        let source = x.part(r, count, 0, terms);
        let out = &mut out[r / SIDE * (SIDE * words) + r % SIDE * WORDS..];
        for step in 0..words / WORDS {
            store(
                &mut out[TILE * step..][..WORDS],
                pairs(beyond(source, 2 * WORDS * step)),
            );
        }
    }
}

/// A, in tiles: words p of row i are rows 2p and 2p + 1 of column i of `x`, +0 beyond the last of `terms`
/// rows. Rows of `out` have room for `stride` words, of which `words` are written; the rows beyond
/// `columns` of the last tile are +0.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn left_across(
    out: &mut [u32],
    (stride, words): (usize, usize),
    x: Lines,
    (terms, columns): (usize, usize),
) {
    // Along the rows first: whole cache lines are then read while they are near.
    for step in 0..words / WORDS {
        let groups = out.chunks_mut(SIDE * stride);
        for (first, out) in (0..columns).step_by(SIDE).zip(groups) {
            let width = SIDE.min(columns - first);
            let mut square = [_mm512_setzero_si512(); 16];
            for (i, line) in square.iter_mut().enumerate() {
                let row = 2 * (WORDS * step + i);
                let even = x.part(row, terms, first, width);
                *line = interleaved(even, x.part(row + 1, terms, first, width));
            }
            let tile = out[step * TILE..][..TILE].chunks_exact_mut(WORDS);
            for (out, line) in tile.zip(transposed(square)) {
                store(out, line);
            }
        }
    }
}

/// B: `out[p][j]` is rows 2p and 2p + 1 of column j of `x`, +0 beyond the last of `terms` rows. `out` has
/// `words` rows, `stride` words apart.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn right_across(
    out: &mut [u32],
    (stride, words): (usize, usize),
    x: Lines,
    (terms, columns): (usize, usize),
) {
    for p in 0..words {
        let even = x.part(2 * p, terms, 0, columns);
        let odd = x.part(2 * p + 1, terms, 0, columns);
        let out = &mut out[p * stride..][..columns];
        for (index, out) in out.chunks_mut(16).enumerate() {
            store(
                out,
                interleaved(beyond(even, 16 * index), beyond(odd, 16 * index)),
            );
        }
    }
}

/// B: `out[p][j]` is terms 2p and 2p + 1 of row j of `x`, +0 beyond the last of `terms`. `out` has `words`
/// rows, `stride` words apart.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn right_rows(
    out: &mut [u32],
    (stride, words): (usize, usize),
    x: Lines,
    (count, terms): (usize, usize),
) {
    for first in (0..count).step_by(16) {
        let width = 16.min(count - first);
        for p in (0..words).step_by(16) {
            let mut square = [_mm512_setzero_si512(); 16];
            if 2 * p < terms {
                for (r, line) in square.iter_mut().enumerate().take(width) {
                    *line = pairs(x.part(first + r, count, 2 * p, terms - 2 * p));
                }
            }
            for (line, row) in transposed(square).into_iter().zip(p..words) {
                store(&mut out[row * stride + first..][..width], line);
            }
        }
    }
}
