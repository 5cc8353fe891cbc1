//! What scoring keeps in memory, known before anything runs.

use super::buffers::Buffers;
use super::layer_weights::packed_by_row;
use crate::decoder::{LayerTensors, Linear, Orientation};
use crate::{Checkpoint, ModelError};
use glasswork_kernels::gemm::{self, Packed};
use glasswork_kernels::{Numerics, attention};

/// How sequences are cut. It changes memory and speed, never a bit of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Most rows that go through a layer together; a longer sequence goes alone.
    pub chunk_rows: usize,
    /// Most rows whose stream is kept; more take another pass over the files.
    pub wave_rows: usize,
}

/// What the memory depends on besides the model and the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// What computes.
    pub numerics: Numerics,
    /// Threads; each keeps buffers of its own.
    pub threads: usize,
    /// Inputs of all sequences.
    pub rows: usize,
    /// Inputs of the longest.
    pub longest: usize,
}

impl Work {
    /// The work of scoring sequences with these numbers of inputs.
    pub fn new(
        (numerics, threads): (Numerics, usize),
        lengths: impl IntoIterator<Item = usize>,
    ) -> Self {
        let (mut rows, mut longest) = (0_usize, 0_usize);
        for length in lengths {
            rows = rows.saturating_add(length);
            longest = longest.max(length);
        }
        Self {
            numerics,
            threads,
            rows,
            longest,
        }
    }
}

/// Memory of a scoring process at its peak, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoringMemory {
    /// The largest layer and the head, in the order in which the products read them.
    pub packed: u64,
    /// Mapped pages of the matrix that is being packed.
    pub mapped: u64,
    /// The residual stream of a wave.
    pub stream: u64,
    /// Activations of a chunk, and a block of logits.
    pub activations: u64,
    /// Buffers of all threads, and the table of rotations.
    pub threads: u64,
    /// The program itself.
    pub program: u64,
}

/// The program's pages and what the allocator keeps.
const PROGRAM: u64 = 22 << 20;
/// Rows of a chunk beyond which nothing is gained, and below which products slow down.
const USUAL_ROWS: usize = 2048;
const FEWEST_ROWS: usize = 256;

fn packed(numerics: Numerics, linear: &Linear) -> u64 {
    Packed::bytes(numerics, &[linear.inputs], linear.outputs()) as u64
}

/// Bytes of a row that is kept from layer to layer: its stream, token and position, then its number (8),
/// target, loss and whether that would have been chosen.
fn row_bytes(checkpoint: &Checkpoint) -> u64 {
    4 * (checkpoint.decoder().hidden as u64 + 7)
}

/// Bytes of a layer in the order in which the products read it.
pub(super) fn layer_bytes(numerics: Numerics, layer: &LayerTensors) -> u64 {
    let linears = [&layer.qkv, &layer.o, &layer.mlp_in, &layer.down];
    linears.map(|linear| packed(numerics, linear)).iter().sum()
}

/// Bytes of the head, as above.
pub(super) fn head_bytes(checkpoint: &Checkpoint, numerics: Numerics) -> u64 {
    packed(numerics, &checkpoint.tensors().head)
}

/// Buffers of all threads for chunks of `rows` rows, and the table of rotations.
fn of_threads(checkpoint: &Checkpoint, work: Work, rows: usize) -> u64 {
    let Work {
        numerics,
        threads,
        longest,
        ..
    } = work;
    let longest = longest.max(1);
    let (decoder, tensors) = (checkpoint.decoder(), checkpoint.tensors());
    let layer = tensors.layers.first();
    let linears = layer.map(|layer| [&layer.qkv, &layer.o, &layer.mlp_in, &layer.down]);
    let linears = linears.into_iter().flatten().chain([&tensors.head]);
    let products = linears.clone().map(|linear| {
        let shape = [rows, linear.outputs(), linear.inputs];
        gemm::scratch_bytes(numerics, shape, threads)
    });
    let by_row = linears.filter(|linear| packed_by_row(checkpoint, linear));
    let by_row = by_row.map(|linear| gemm::pack_rows_bytes(numerics, linear.inputs));
    let a_thread = products.max().unwrap_or(0) + by_row.max().unwrap_or(0);
    // A head of a stretch of rows in a layer is one task; sooner or later every thread has had one. One sequence is one
    // stretch, several may be cut where they part.
    let tasks = if work.rows <= longest {
        decoder.layers * decoder.heads
    } else {
        threads
    };
    let attention = attention::continued_scratch_bytes(numerics, longest, decoder.head_width);
    // Cosines and sines, one of each for two elements.
    let angles = 4 * longest * decoder.rotation.width;
    (threads * a_thread + threads.min(tasks) * attention + angles) as u64
}

impl ScoringMemory {
    /// Memory of `work`, cut as `cut` says.
    pub fn of(checkpoint: &Checkpoint, work: Work, cut: Cut) -> Self {
        let Work {
            numerics, longest, ..
        } = work;
        let (decoder, tensors) = (checkpoint.decoder(), checkpoint.tensors());
        let layer = tensors.layers.first();
        let linears = layer.map(|layer| [&layer.qkv, &layer.o, &layer.mlp_in, &layer.down]);
        let linears = linears.into_iter().flatten();
        // The head takes the place of the layer's widest matrices.
        let head = packed(numerics, &tensors.head);
        let of_layer = layer.map_or(head, |layer| {
            let others = [&layer.qkv, &layer.o, &layer.down];
            let others: u64 = others.map(|linear| packed(numerics, linear)).iter().sum();
            others + packed(numerics, &layer.mlp_in).max(head)
        });
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
        Self {
            packed: of_layer + widened.max().unwrap_or(0),
            mapped: linears
                .chain([&tensors.head])
                .map(stored)
                .max()
                .unwrap_or(0),
            stream: row_bytes(checkpoint).saturating_mul(cut.wave_rows as u64),
            activations: Buffers::bytes(decoder, rows),
            threads: of_threads(checkpoint, work, rows),
            program: PROGRAM,
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.packed + self.mapped + self.stream + self.activations + self.threads + self.program
    }
}

impl Cut {
    /// The fastest cut of `work` that stays within `budget` bytes: first smaller chunks, then more waves,
    /// each of which reads the whole model again.
    ///
    /// # Errors
    /// [`ModelError::Memory`].
    pub fn fit(checkpoint: &Checkpoint, work: Work, budget: u64) -> Result<Self, ModelError> {
        let Work { rows, longest, .. } = work;
        let usual = USUAL_ROWS.min(rows).max(longest).max(1);
        let fewest = FEWEST_ROWS.min(usual).max(longest).max(1);
        let memory = |cut| ScoringMemory::of(checkpoint, work, cut).total();
        let mut chunk_rows = usual;
        loop {
            let cut = Self {
                chunk_rows,
                wave_rows: rows.max(1),
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
        let spare = usize::try_from((budget - least) / row_bytes(checkpoint)).unwrap_or(usize::MAX);
        Ok(Self {
            chunk_rows: fewest,
            wave_rows: longest.saturating_add(spare).min(rows).max(1),
        })
    }
}
