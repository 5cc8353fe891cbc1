//! Copies operands into the order in which tiles read them. Padding is never summed into C.

use super::{NR, View};
use crate::Isa;

/// Packs depth `depth..depth + kc` of the columns from `column` on into `out[kc][NR]`; columns
/// beyond B are +0.
pub(super) fn panel(isa: Isa, out: &mut [f32], b: &View, depth: usize, kc: usize, column: usize) {
    let width = NR.min(b.cols - column);
    if b.col_stride == 1 {
        for (k, row) in out.chunks_exact_mut(NR).take(kc).enumerate() {
            let source = &b.data[(depth + k) * b.row_stride + column..][..width];
            // A length known when compiling becomes a few moves instead of a call.
            match source.first_chunk::<NR>() {
                Some(whole) => *row.first_chunk_mut().expect("a panel's row") = *whole,
                None => {
                    row[..width].copy_from_slice(source);
                    row[width..].fill(0.0);
                }
            }
        }
    } else {
        if width < NR {
            out.fill(0.0);
        }
        transpose(
            isa,
            out,
            NR,
            b.data,
            column * b.col_stride + depth * b.row_stride,
            b.col_stride,
            width,
            kc,
        );
    }
}

/// Packs rows `row..row + rows` of A, depth `depth..depth + kc`, into tiles `[kc][mr]`; rows
/// beyond the block are +0.
#[allow(
    clippy::too_many_arguments,
    reason = "a block of a matrix and its destination"
)]
pub(super) fn rows(
    isa: Isa,
    out: &mut [f32],
    a: &View,
    row: usize,
    rows: usize,
    depth: usize,
    kc: usize,
    mr: usize,
) {
    for (tile, out) in out
        .chunks_exact_mut(kc * mr)
        .take(rows.div_ceil(mr))
        .enumerate()
    {
        let first = row + tile * mr;
        let height = mr.min(row + rows - first);
        if height < mr {
            out.fill(0.0);
        }
        if a.col_stride == 1 {
            transpose(
                isa,
                out,
                mr,
                a.data,
                first * a.row_stride + depth,
                a.row_stride,
                height,
                kc,
            );
        } else {
            for (k, line) in out.chunks_exact_mut(mr).enumerate() {
                let source = &a.data[first * a.row_stride + (depth + k) * a.col_stride..];
                if a.row_stride == 1 && height == 8 {
                    // The widest tile's rows, without a call for 32 bytes.
                    *line.first_chunk_mut::<8>().expect("eight rows") =
                        *source.first_chunk().expect("eight rows");
                } else if a.row_stride == 1 {
                    line[..height].copy_from_slice(&source[..height]);
                } else {
                    for (r, value) in line[..height].iter_mut().enumerate() {
                        *value = source[r * a.row_stride];
                    }
                }
            }
        }
    }
}

per_isa! {
    /// `out[k · out_stride + r] = data[start + r · stride + k]` for `r < lines`, `k < length`.
    fn transpose(out: &mut [f32], out_stride: usize, data: &[f32], start: usize, stride: usize, lines: usize, length: usize)
        = transpose_text
}

#[inline(always)]
fn transpose_text(
    out: &mut [f32],
    out_stride: usize,
    data: &[f32],
    start: usize,
    stride: usize,
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
