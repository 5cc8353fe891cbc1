//! Copies operands into the order in which tiles read them, rounded where the profile says so.

use super::bf16::amx;
#[cfg(target_arch = "x86_64")]
use super::bf16::pairs::{self, Lines};
use super::blocks::Block;
use super::cover::Left;
use super::{EDGE, Elements, View};
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
        let (out, stride, terms) = (&mut terms[at..], b.row_stride, block.terms);
        match b.data.from(start) {
            Elements::F32(data) if numerics.rounds() => {
                rounded_lines(isa, out, width, (data, stride), count, terms);
            }
            Elements::F32(data) => lines(isa, out, width, (data, stride), count, terms),
            Elements::Bf16(data) => widened_lines(isa, out, width, (data, stride), count, terms),
        }
    } else {
        let start = block.first * b.row_stride + columns.start * b.col_stride;
        assert_eq!(b.row_stride, 1, "rows or columns of a view are contiguous");
        let (out, stride, terms) = (&mut terms[at..], b.col_stride, block.terms);
        match b.data {
            Elements::F32(data) => transpose(isa, out, width, (data, start, stride), count, terms),
            Elements::Bf16(data) => {
                transpose_bf16(isa, out, width, (data, start, stride), count, terms);
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
    let data = b.data.from(start);
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

/// What an operand may be made of.
trait Element: Copy {
    fn widened(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn widened(self) -> f32 {
        self
    }
}

impl Element for u16 {
    #[inline(always)]
    fn widened(self) -> f32 {
        // In products of bf16-v1 a subnormal is zero whether or not it is rounded to that.
        bf16::widen(self)
    }
}

per_isa! {
    /// `out[k · width + j]` is element `k · stride + j` of the source, for `k < terms`, `j < count`.
    fn lines(out: &mut [f32], width: usize, source: (&[f32], usize), count: usize, terms: usize)
        = lines_text::<f32, false>
}

per_isa! {
    /// The same from bf16 numbers.
    fn widened_lines(out: &mut [f32], width: usize, source: (&[u16], usize), count: usize, terms: usize)
        = lines_text::<u16, false>
}

per_isa! {
    /// The same, rounded to bf16.
    fn rounded_lines(out: &mut [f32], width: usize, source: (&[f32], usize), count: usize, terms: usize)
        = lines_text::<f32, true>
}

#[inline(always)]
fn lines_text<T: Element, const ROUNDED: bool>(
    out: &mut [f32],
    width: usize,
    (data, stride): (&[T], usize),
    count: usize,
    terms: usize,
) {
    for (out, k) in out.chunks_mut(width).zip(0..terms) {
        for (out, &x) in out.iter_mut().zip(&data[k * stride..][..count]) {
            let x = x.widened();
            *out = if ROUNDED { bf16::rounded(x) } else { x };
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
        return left_of_pairs(scratch, a.data.from(start), a, rows.len(), block);
    }
    if let Elements::F32(data) = a.data
        && readable(numerics, a)
    {
        return Left {
            pointer: data[start..].as_ptr(),
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
            let first = start + r * a.row_stride;
            match a.data.part(first..first + block.terms) {
                Elements::F32(source) if numerics.rounds() => {
                    bf16::round_slice(isa, line, source);
                }
                Elements::F32(source) => line[..block.terms].copy_from_slice(source),
                Elements::Bf16(source) => bf16::widen_slice(isa, line, source),
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
    let shape = (rows.len(), mr);
    match a.data.from(start) {
        Elements::F32(data) => columns(out, data, a, shape, block),
        Elements::Bf16(data) => columns(out, data, a, shape, block),
    }
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
fn left_of_pairs(scratch: &mut [f32], data: Elements, a: &View, rows: usize, block: Block) -> Left {
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
fn left_of_pairs(_: &mut [f32], _: Elements, _: &View, _: usize, _: Block) -> Left {
    unreachable!("no AMX here")
}

/// Packs rows of a matrix that lies column by column into tiles `[padded][mr]`. Sixteen terms at a time,
/// so that whole cache lines are read and written while they are near.
fn columns<T: Element>(
    out: &mut [f32],
    data: &[T],
    a: &View,
    (rows, mr): (usize, usize),
    block: Block,
) {
    const TERMS: usize = 16;
    let tile = mr * block.padded;
    for first in (0..block.terms).step_by(TERMS) {
        let terms = first..block.terms.min(first + TERMS);
        for (row, out) in (0..rows).step_by(mr).zip(out.chunks_exact_mut(tile)) {
            let height = mr.min(rows - row);
            for (k, line) in terms.clone().zip(out[first * mr..].chunks_exact_mut(mr)) {
                let source = &data[k * a.col_stride + row..];
                if height == 8 {
                    // The widest tile's rows, without a call for 32 bytes.
                    let source: [T; 8] = *source.first_chunk().expect("eight rows");
                    *line.first_chunk_mut::<8>().expect("eight rows") = source.map(T::widened);
                    continue;
                }
                line[height..].fill(0.0);
                for (value, &source) in line[..height].iter_mut().zip(source) {
                    *value = source.widened();
                }
            }
        }
    }
    for out in out.chunks_exact_mut(tile) {
        out[block.terms * mr..].fill(0.0);
    }
}

per_isa! {
    /// `out[k · out_stride + r] = data[start + r · stride + k]` for `r < lines`, `k < length`.
    pub(crate) fn transpose(out: &mut [f32], out_stride: usize, source: (&[f32], usize, usize), lines: usize, length: usize)
        = transpose_text
}

per_isa! {
    /// The same from bf16 numbers.
    fn transpose_bf16(out: &mut [f32], out_stride: usize, source: (&[u16], usize, usize), lines: usize, length: usize)
        = transpose_text
}

#[inline(always)]
fn transpose_text<T: Element>(
    out: &mut [f32],
    out_stride: usize,
    (data, start, stride): (&[T], usize, usize),
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
                    let source = &data[start + (r + i) * stride + k..];
                    *line = source
                        .first_chunk::<SIDE>()
                        .expect("a whole line")
                        .map(T::widened);
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
                        let value = data[start + (r + i) * stride + k + j];
                        out[(k + j) * out_stride + r + i] = value.widened();
                    }
                }
            }
            k += width;
        }
        r += height;
    }
}
