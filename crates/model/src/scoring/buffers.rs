//! Buffers for the rows that go through a layer together.

use crate::activations::HEAD_ROWS;
use crate::decoder::Decoder;

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
    fn widths(decoder: &Decoder) -> [usize; 8] {
        let (d, q) = (decoder.hidden, decoder.query_width());
        let turned = if decoder.qk_norm { q } else { 0 };
        let widening = decoder.activation.widening();
        let act = if widening > 1 { decoder.mlp } else { 0 };
        [
            d,
            d,
            1,
            decoder.qkv_width(),
            turned,
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
    fn all(&mut self) -> [&mut Vec<f32>; 8] {
        [
            &mut self.h,
            &mut self.middle,
            &mut self.r,
            &mut self.qkv,
            &mut self.turned,
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
