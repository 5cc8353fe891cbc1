//! Sequences that go through a layer together, and the buffers for their rows.

use crate::activations::HEAD_ROWS;
use crate::decoder::Decoder;
use std::ops::Range;

/// Whole sequences whose rows lie one below the other.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    /// Rows of the residual stream.
    pub(super) rows: Range<usize>,
    /// Lengths of the sequences, equal neighbours together: (length, how many).
    pub(super) runs: Vec<(usize, usize)>,
    /// Position of each row in its sequence.
    pub(super) positions: Vec<u32>,
}

/// Cuts sequences of these lengths into chunks of at most `most` rows, or one sequence.
pub(super) fn chunks(lengths: impl IntoIterator<Item = usize>, most: usize) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut start = 0;
    for length in lengths.into_iter().filter(|&length| length > 0) {
        let rows = start..start + length;
        start = rows.end;
        let positions = 0..length as u32;
        match chunks.last_mut() {
            Some(chunk) if chunk.rows.len() + length <= most => {
                chunk.rows.end = rows.end;
                chunk.positions.extend(positions);
                match chunk.runs.last_mut() {
                    Some(run) if run.0 == length => run.1 += 1,
                    _ => chunk.runs.push((length, 1)),
                }
            }
            _ => chunks.push(Chunk {
                rows,
                runs: vec![(length, 1)],
                positions: positions.collect(),
            }),
        }
    }
    chunks
}

/// What a chunk's rows need on their way through a layer, n rows each.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// A normed stream, or what is about to be normed, `[n, d]`.
    pub(super) h: Vec<f32>,
    /// The stream between the halves, or attention's half, `[n, d]`.
    pub(super) middle: Vec<f32>,
    /// Factors of RMS norms, `[n]`.
    pub(super) r: Vec<f32>,
    /// `[n, queries | keys | values]`.
    pub(super) qkv: Vec<f32>,
    /// Normed queries or keys of a block of rows on their way back, `[n, queries]`; where they are normed.
    pub(super) turned: Vec<f32>,
    /// Attention's maxima and sums, `[n · heads]`.
    pub(super) m: Vec<f32>,
    pub(super) l: Vec<f32>,
    /// Attention's output, `[n, queries]`.
    pub(super) o: Vec<f32>,
    /// Output of the second half's first product, `[n, mlp]` or `[n, 2 mlp]`; after the layers, logits.
    pub(super) wide: Vec<f32>,
    /// SwiGLU's output, `[n, mlp]`; GELU works in place.
    pub(super) act: Vec<f32>,
}

/// Makes room for so many elements. What it held is not needed, least of all beside the new ones.
fn make_room(buffer: &mut Vec<f32>, elements: usize) {
    if buffer.capacity() < elements {
        *buffer = Vec::new();
        buffer.reserve_exact(elements);
    }
}

impl Buffers {
    /// Floats of each buffer a row.
    fn widths(decoder: &Decoder) -> [usize; 10] {
        let (d, q) = (decoder.hidden, decoder.query_width());
        let turned = if decoder.qk_norm { q } else { 0 };
        let widening = decoder.activation.widening();
        let act = if widening > 1 { decoder.mlp } else { 0 };
        let statistics = decoder.heads;
        [
            d,
            d,
            1,
            decoder.qkv_width(),
            turned,
            statistics,
            statistics,
            q,
            widening * decoder.mlp,
            act,
        ]
    }

    /// Rows whose logits are computed together, where layers took `rows` at a time: as many as fit into
    /// `wide`, but not very few.
    pub(super) fn head_rows(decoder: &Decoder, rows: usize) -> usize {
        let fit = rows * decoder.activation.widening() * decoder.mlp / decoder.vocabulary.max(1);
        fit.clamp(HEAD_ROWS.min(rows), rows).max(1)
    }

    /// Most elements of `wide`.
    fn widest(decoder: &Decoder, rows: usize) -> usize {
        let logits = Self::head_rows(decoder, rows) * decoder.vocabulary;
        logits.max(rows * decoder.activation.widening() * decoder.mlp)
    }

    /// All of them, in the order of their widths.
    fn all(&mut self) -> [&mut Vec<f32>; 10] {
        [
            &mut self.h,
            &mut self.middle,
            &mut self.r,
            &mut self.qkv,
            &mut self.turned,
            &mut self.m,
            &mut self.l,
            &mut self.o,
            &mut self.wide,
            &mut self.act,
        ]
    }

    /// Makes room for chunks of up to `rows` rows, and for the head after them.
    pub(super) fn reserve(&mut self, decoder: &Decoder, rows: usize) {
        make_room(&mut self.wide, Self::widest(decoder, rows));
        for (buffer, width) in self.all().into_iter().zip(Self::widths(decoder)) {
            make_room(buffer, rows * width);
        }
    }

    /// Makes all as long as `rows` rows need.
    pub(super) fn resize(&mut self, decoder: &Decoder, rows: usize) {
        for (buffer, width) in self.all().into_iter().zip(Self::widths(decoder)) {
            buffer.resize(rows * width, 0.0);
        }
    }

    /// Bytes of `rows` rows.
    pub(super) fn bytes(decoder: &Decoder, rows: usize) -> u64 {
        let floats: usize = Self::widths(decoder).iter().sum();
        let wide = rows * decoder.activation.widening() * decoder.mlp;
        4 * (rows * floats - wide + Self::widest(decoder, rows)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_sequences_up_to_the_bound() {
        let cut = chunks([3, 3, 0, 2, 9, 1], 8);
        let shown: Vec<_> = cut
            .iter()
            .map(|c| (c.rows.clone(), c.runs.clone()))
            .collect();
        assert_eq!(
            shown,
            [
                (0..8, vec![(3, 2), (2, 1)]),
                (8..17, vec![(9, 1)]),
                (17..18, vec![(1, 1)])
            ]
        );
        assert_eq!(cut[0].positions, [0, 1, 2, 0, 1, 2, 0, 1]);
    }
}
