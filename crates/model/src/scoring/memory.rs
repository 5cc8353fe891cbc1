//! What scoring keeps in memory, known before anything runs.

use super::chunk::Buffers;
use super::head::Head;
use crate::decoder::{Linear, Orientation};
use crate::{Checkpoint, ModelError};
use glasswork_kernels::Numerics;
use glasswork_kernels::gemm::Packed;

/// How sequences are cut. It changes memory and speed, never a bit of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Most rows that go through a layer together; a longer sequence goes alone.
    pub chunk_rows: usize,
    /// Most rows whose stream is kept; more take another pass over the files.
    pub wave_rows: usize,
}

/// Memory of a scoring process at its peak, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoringMemory {
    /// The largest layer, or the head, in the order in which the products read it.
    pub packed: u64,
    /// Mapped pages of the matrix that is being packed.
    pub mapped: u64,
    /// The residual stream of a wave.
    pub stream: u64,
    /// Activations of a chunk, or a block of logits.
    pub activations: u64,
    /// The program itself.
    pub program: u64,
}

/// The program's pages, threads, tables.
const PROGRAM: u64 = 24 << 20;
/// Rows of a chunk beyond which nothing is gained, and below which products slow down.
const USUAL_ROWS: usize = 2048;
const FEWEST_ROWS: usize = 256;

fn packed(numerics: Numerics, linear: &Linear) -> u64 {
    Packed::bytes(numerics, &[linear.inputs], linear.outputs()) as u64
}

impl ScoringMemory {
    /// Memory for `cut`, with sequences of at most `longest` inputs.
    pub fn of(checkpoint: &Checkpoint, numerics: Numerics, cut: Cut, longest: usize) -> Self {
        let (decoder, tensors) = (checkpoint.decoder(), checkpoint.tensors());
        let layer = tensors.layers.first();
        let linears = layer.map(|layer| [&layer.qkv, &layer.o, &layer.mlp_in, &layer.down]);
        let linears = linears.into_iter().flatten();
        let of_layer: u64 = linears.clone().map(|linear| packed(numerics, linear)).sum();
        // Matrices that lie transposed are widened whole before they are packed.
        let turned = linears.clone().filter(|linear| {
            let turned = |part: &crate::decoder::Part| part.orientation == Orientation::InOut;
            linear.parts.iter().any(turned)
        });
        let widened = turned.map(|linear| 4 * (linear.inputs * linear.outputs()) as u64);
        let stored = |linear: &Linear| -> u64 {
            let mut names: Vec<&str> = linear.parts.iter().map(|p| p.weight.as_str()).collect();
            names.dedup();
            names.into_iter().map(|name| checkpoint.size(name)).sum()
        };
        let rows = cut.chunk_rows.max(longest);
        let layers = of_layer + widened.max().unwrap_or(0) + Buffers::bytes(decoder, rows);
        let head = packed(numerics, &tensors.head) + Head::bytes(decoder, longest);
        let (packed, activations) = if layers >= head {
            (
                layers - Buffers::bytes(decoder, rows),
                Buffers::bytes(decoder, rows),
            )
        } else {
            (
                head - Head::bytes(decoder, longest),
                Head::bytes(decoder, longest),
            )
        };
        Self {
            packed,
            mapped: linears
                .chain([&tensors.head])
                .map(stored)
                .max()
                .unwrap_or(0),
            stream: 4 * (cut.wave_rows * decoder.hidden) as u64,
            activations,
            program: PROGRAM,
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.packed + self.mapped + self.stream + self.activations + self.program
    }
}

impl Cut {
    /// The fastest cut of sequences with these numbers of inputs that stays within `budget` bytes: first
    /// smaller chunks, then more waves, each of which reads the whole model again.
    ///
    /// # Errors
    /// [`ModelError::Memory`].
    pub fn fit(
        checkpoint: &Checkpoint,
        numerics: Numerics,
        lengths: impl IntoIterator<Item = usize>,
        budget: u64,
    ) -> Result<Self, ModelError> {
        let (mut total, mut longest) = (0_usize, 0_usize);
        for length in lengths {
            total = total.saturating_add(length);
            longest = longest.max(length);
        }
        let usual = USUAL_ROWS.min(total).max(longest).max(1);
        let fewest = FEWEST_ROWS.min(usual).max(longest).max(1);
        let memory = |cut| ScoringMemory::of(checkpoint, numerics, cut, longest).total();
        let mut chunk_rows = usual;
        loop {
            let cut = Self {
                chunk_rows,
                wave_rows: total.max(1),
            };
            if memory(cut) <= budget {
                return Ok(cut);
            }
            if chunk_rows == fewest {
                break;
            }
            chunk_rows = (chunk_rows / 2).max(fewest);
        }
        // Several waves: a chunk as large as a fair share of the rows allows.
        let least = memory(Self {
            chunk_rows: fewest,
            wave_rows: longest.max(1),
        });
        if least > budget {
            return Err(ModelError::Memory { least, budget });
        }
        let row = 4 * checkpoint.decoder().hidden as u64;
        let spare = usize::try_from((budget - least) / row).unwrap_or(usize::MAX);
        Ok(Self {
            chunk_rows: fewest,
            wave_rows: longest.saturating_add(spare).min(total).max(1),
        })
    }
}
