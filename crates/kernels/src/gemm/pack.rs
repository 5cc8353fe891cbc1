//! Copies operands into the order in which tiles read them, rounded where the profile says so.

use super::bf16::amx;
#[cfg(target_arch = "x86_64")]
use super::bf16::pairs::{self, Lines};
use super::blocks::Block;
use super::cover::Left;
use super::{EDGE, View};
use crate::{Numerics, Profile, bf16};
use std::ops::Range;

/// Packs the terms of `block` of the columns `columns` of B into the panel `out` `[words][width]`, from
/// its column `at` on. The panel's width is its length over the words of the padded terms. Terms beyond the
/// block's are +0, and so are columns of the panel beyond B's last one, but for pairs.
pub(super) fn panel(
    numerics: Numerics,
    out: &mut [f32],
    at: usize,
    b: &View,
    block: Block,
    columns: Range<usize>,
) {
    let isa = numerics.isa;
    let width = out.len() / numerics.words(block.padded);
    if numerics.in_pairs() {
        return panel_of_pairs(&mut out[at..], width, b, block, columns);
    }
    let (terms, padding) = out.split_at_mut(block.terms * width);
    padding.fill(0.0);
    let count = columns.len();
    if b.col_stride == 1 {
        let start = block.first * b.row_stride + columns.start;
        let source = (&b.data[start..], b.row_stride);
        if numerics.rounds() {
            rounded_lines(isa, &mut terms[at..], width, source, count, block.terms);
        } else {
            lines(isa, &mut terms[at..], width, source, count, block.terms);
        }
    } else {
        let start = block.first * b.row_stride + columns.start * b.col_stride;
        if b.row_stride == 1 {
            let source = (b.data, start, b.col_stride);
            transpose(isa, &mut terms[at..], width, source, count, block.terms);
        } else {
            for (k, line) in terms.chunks_exact_mut(width).enumerate() {
                for (j, value) in line[at..at + count].iter_mut().enumerate() {
                    *value = b.data[start + k * b.row_stride + j * b.col_stride];
                }
            }
        }
    }
    let end = at + count;
    if columns.end == b.cols && end < width && end.next_multiple_of(EDGE) == width {
        for line in terms.chunks_exact_mut(width) {
            line[end..].fill(0.0);
        }
    }
    if numerics.rounds() && b.col_stride != 1 {
        // Only what was just written: another operand may share the panel.
        for line in terms.chunks_exact_mut(width) {
            bf16::round_all(isa, &mut line[at..end]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn panel_of_pairs(out: &mut [f32], width: usize, b: &View, block: Block, columns: Range<usize>) {
    let (out, shape) = (words_of(out), (width, block.padded / 2));
    let start = block.first * b.row_stride + columns.start * b.col_stride;
    let data = &b.data[start..];
    // SAFETY: pairs are packed only where AMX was found, and with it what the packing needs.
    unsafe {
        if b.col_stride == 1 {
            let stride = b.row_stride;
            let lines = Lines { data, stride };
            pairs::right_across(out, shape, lines, (block.terms, columns.len()));
        } else {
            assert_eq!(b.row_stride, 1, "rows or columns of a view are contiguous");
            let stride = b.col_stride;
            let lines = Lines { data, stride };
            pairs::right_rows(out, shape, lines, (columns.len(), block.terms));
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn panel_of_pairs(_: &mut [f32], _: usize, _: &View, _: Block, _: Range<usize>) {
    unreachable!("no AMX here")
}

/// The words of a buffer of f32: operands in pairs share the buffers of those that are not.
pub(crate) fn words_of(buffer: &mut [f32]) -> &mut [u32] {
    // SAFETY: same size and alignment, and every bit pattern is a value of both types.
    unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), buffer.len()) }
}

per_isa! {
    /// `out[k · width + j]` is element `k · stride + j` of the source, for `k < terms`, `j < count`.
    fn lines(out: &mut [f32], width: usize, source: (&[f32], usize), count: usize, terms: usize)
        = lines_text::<false>
}

per_isa! {
    /// The same, rounded to bf16.
    fn rounded_lines(out: &mut [f32], width: usize, source: (&[f32], usize), count: usize, terms: usize)
        = lines_text::<true>
}

#[inline(always)]
fn lines_text<const ROUNDED: bool>(
    out: &mut [f32],
    width: usize,
    (data, stride): (&[f32], usize),
    count: usize,
    terms: usize,
) {
    for (out, k) in out.chunks_mut(width).zip(0..terms) {
        let source = &data[k * stride..][..count];
        if ROUNDED {
            for (out, &x) in out.iter_mut().zip(source) {
                *out = bf16::rounded(x);
            }
        } else {
            copy(out, source);
        }
    }
}

/// Short copies of a known length are a few moves; of an unknown one, a call.
#[inline(always)]
pub(super) fn copy(out: &mut [f32], source: &[f32]) {
    let mut out = out[..source.len()].chunks_exact_mut(EDGE);
    let mut source = source.chunks_exact(EDGE);
    for (out, source) in (&mut out).zip(&mut source) {
        out.copy_from_slice(source);
    }
    for (out, source) in out.into_remainder().iter_mut().zip(source.remainder()) {
        *out = *source;
    }
}

/// Whether tiles may read rows of A where they lie: rows of whole pages would all fall into one set of
/// the first-level cache.
pub(super) fn readable(numerics: Numerics, a: &View) -> bool {
    numerics.profile == Profile::F32V1 && a.col_stride == 1 && !a.row_stride.is_multiple_of(1024)
}

/// Words that [`left`] needs for at most `rows` rows and `depth` terms.
pub(super) fn left_room(numerics: Numerics, rows: usize, depth: usize, mr: usize) -> usize {
    let gap = if numerics.in_pairs() { 0 } else { EDGE };
    rows.next_multiple_of(mr) * (numerics.words(depth) + gap)
}

/// Where tiles of `mr` rows read the terms of `block` of the rows `rows` of A: A itself or `scratch`.
pub(super) fn left(
    numerics: Numerics,
    scratch: &mut [f32],
    a: &View,
    rows: Range<usize>,
    block: Block,
    mr: usize,
) -> Left {
    let start = rows.start * a.row_stride + block.first * a.col_stride;
    let isa = numerics.isa;
    if numerics.in_pairs() {
        return left_of_pairs(scratch, &a.data[start..], a, rows.len(), block);
    }
    if readable(numerics, a) {
        return Left {
            pointer: a.data[start..].as_ptr(),
            row: a.row_stride,
            term: 1,
            tile: None,
        };
    }
    if a.col_stride == 1 {
        // A gap of one cache line keeps the rows in different sets.
        let stride = block.padded + EDGE;
        let out = &mut scratch[..rows.len() * stride];
        for (r, line) in out.chunks_exact_mut(stride).take(rows.len()).enumerate() {
            let source = &a.data[start + r * a.row_stride..][..block.terms];
            if numerics.rounds() {
                bf16::round_slice(isa, line, source);
            } else {
                line[..block.terms].copy_from_slice(source);
            }
            line[block.terms..block.padded].fill(0.0);
        }
        return Left {
            pointer: out.as_ptr(),
            row: stride,
            term: 1,
            tile: None,
        };
    }
    let tile = mr * block.padded;
    let out = &mut scratch[..rows.len().div_ceil(mr) * tile];
    columns(out, a, start, rows.len(), block, mr);
    if numerics.rounds() {
        bf16::round_all(isa, out);
    }
    Left {
        pointer: out.as_ptr(),
        row: 1,
        term: mr,
        tile: Some(tile),
    }
}

#[cfg(target_arch = "x86_64")]
fn left_of_pairs(scratch: &mut [f32], data: &[f32], a: &View, rows: usize, block: Block) -> Left {
    let words = block.padded / 2;
    let out = words_of(&mut scratch[..rows.next_multiple_of(amx::SIDE) * words]);
    // SAFETY: as in `panel_of_pairs`.
    unsafe {
        if a.col_stride == 1 {
            let stride_a = a.row_stride;
            let lines = Lines {
                data,
                stride: stride_a,
            };
            pairs::left_rows(out, words, lines, (rows, block.terms));
        } else {
            assert_eq!(a.row_stride, 1, "rows or columns of a view are contiguous");
            let lines = Lines {
                data,
                stride: a.col_stride,
            };
            pairs::left_across(out, (words, words), lines, (block.terms, rows));
        }
    }
    Left {
        pointer: out.as_ptr().cast(),
        row: words,
        term: 1,
        tile: None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn left_of_pairs(_: &mut [f32], _: &[f32], _: &View, _: usize, _: Block) -> Left {
    unreachable!("no AMX here")
}

/// Packs rows of a matrix that lies column by column into tiles `[padded][mr]`.
fn columns(out: &mut [f32], a: &View, start: usize, rows: usize, block: Block, mr: usize) {
    let tile = mr * block.padded;
    for k in 0..block.padded {
        for (index, first) in (0..rows).step_by(mr).enumerate() {
            let line = &mut out[index * tile + k * mr..][..mr];
            let height = mr.min(rows - first);
            if k >= block.terms {
                line.fill(0.0);
                continue;
            }
            let source = &a.data[start + k * a.col_stride + first * a.row_stride..];
            if a.row_stride == 1 && height == 8 {
                // The widest tile's rows, without a call for 32 bytes.
                *line.first_chunk_mut::<8>().expect("eight rows") =
                    *source.first_chunk().expect("eight rows");
                continue;
            }
            line[height..].fill(0.0);
            for (r, value) in line[..height].iter_mut().enumerate() {
                *value = source[r * a.row_stride];
            }
        }
    }
}

per_isa! {
    /// `out[k · out_stride + r] = data[start + r · stride + k]` for `r < lines`, `k < length`.
    pub(crate) fn transpose(out: &mut [f32], out_stride: usize, source: (&[f32], usize, usize), lines: usize, length: usize)
        = transpose_text
}

#[inline(always)]
fn transpose_text(
    out: &mut [f32],
    out_stride: usize,
    (data, start, stride): (&[f32], usize, usize),
    lines: usize,
    length: usize,
) {
    const SIDE: usize = 8;
    let mut r = 0;
    while r < lines {
        let height = SIDE.min(lines - r);
        let mut k = 0;
        while k < length {
            let width = SIDE.min(length - k);
            if height == SIDE && width == SIDE {
                let mut square = [[0.0_f32; SIDE]; SIDE];
                for (i, line) in square.iter_mut().enumerate() {
                    line.copy_from_slice(&data[start + (r + i) * stride + k..][..SIDE]);
                }
                for j in 0..SIDE {
                    let target = &mut out[(k + j) * out_stride + r..][..SIDE];
                    for i in 0..SIDE {
                        target[i] = square[i][j];
                    }
                }
            } else {
                for i in 0..height {
                    for j in 0..width {
                        out[(k + j) * out_stride + r + i] = data[start + (r + i) * stride + k + j];
                    }
                }
            }
            k += width;
        }
        r += height;
    }
}
