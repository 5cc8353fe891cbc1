//! Log-likelihoods of token sequences under a published model, layer after layer, and greedy generation.
//!
//! **Order.** All sequences go through one layer before the next is touched: a layer is read from disk
//! and packed once for all of them, so that a model far larger than memory is scored at the speed of one
//! pass over its files. What is kept between layers is the residual stream alone, four bytes per token
//! and element; where even that is too much, the sequences go in several waves, each a pass of its own.
//! What sequences begin with in common is computed once in every chunk of rows that has it (`chunk`).
//!
//! **Bits.** A sequence's losses depend on its tokens, the weights and the numerics profile: not on what
//! is scored beside it, the order, chunks, waves, threads or instruction set. For a Llama they are those
//! of the training engine. (Where the log-likelihood is no finite number, it is none in any company, but
//! which of the losses are numbers may differ.)

mod block;
mod buffers;
mod chunk;
mod generate;
mod head;
mod layer_weights;
mod memory;
mod sequence;
mod waves;

use generate::Resident;
pub use generate::{Keep, Next};
pub use memory::{Cut, ScoringMemory, Work};
pub use sequence::{Branches, Score, Sequence};

use crate::{Checkpoint, Decoder, ModelError};
use block::{Block, Keeping};
use buffers::Buffers;
use chunk::Chunk;
use glasswork_kernels::rope::Angles;
use glasswork_kernels::{Pool, Profile, elementwise};
use head::Head;
use layer_weights::{LayerWeights, matrices};
use rayon::prelude::*;
use std::sync::Arc;
use waves::Waves;

/// Told how scoring goes on.
pub trait Watch {
    /// So many units of work there will be: inputs of all sequences times (layers and the head).
    fn begin(&self, units: u64);
    /// So many more are done.
    fn advance(&self, units: u64);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn begin(&self, _units: u64) {}
    fn advance(&self, _units: u64) {}
}

/// What layers pass over, and with what.
#[derive(Clone, Copy)]
struct Pass<'a> {
    resident: &'a Resident,
    angles: &'a Angles,
    chunks: &'a [Chunk],
    watch: &'a dyn Watch,
}

/// A published model ready to score.
#[derive(Debug)]
pub struct Scorer {
    checkpoint: Checkpoint,
    pool: Arc<Pool>,
    profile: Profile,
    weights: LayerWeights,
    buffers: Buffers,
    /// A layer's matrices on their way, where they are stored transposed.
    scratch: Vec<f32>,
}

impl Scorer {
    /// Computes `checkpoint` in `profile` on `pool`; nothing is read yet.
    pub fn new(checkpoint: Checkpoint, profile: Profile, pool: Arc<Pool>) -> Self {
        Self {
            checkpoint,
            pool,
            profile,
            weights: LayerWeights::default(),
            buffers: Buffers::default(),
            scratch: Vec::new(),
        }
    }

    /// The model.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The numerics profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Scores `sequences`, cut as `cut` says; the scores come in their order.
    ///
    /// # Errors
    /// [`ModelError::Token`], [`ModelError::TooLong`].
    pub fn score(
        &mut self,
        sequences: &[Sequence],
        cut: Cut,
        watch: &dyn Watch,
    ) -> Result<Vec<Score>, ModelError> {
        self.check(sequences.iter().map(|s| (&s.tokens[..], s.inputs().len())))?;
        let inputs: usize = sequences.iter().map(|s| s.inputs().len()).sum();
        watch.begin(inputs as u64 * (self.checkpoint.decoder().layers as u64 + 1));
        let mut scores = vec![Score::new(std::iter::empty()); sequences.len()];
        for wave in Waves::new(sequences.iter().map(Sequence::inputs), cut) {
            let (stream, head_rows) = self.stream(&wave, watch);
            let count = wave.iter().flat_map(|chunk| &chunk.placed);
            let count = count
                .map(|placed| sequences[placed.sequence].targets())
                .sum();
            let (mut rows, mut targets) = (Vec::with_capacity(count), Vec::with_capacity(count));
            for chunk in &wave {
                for placed in &chunk.placed {
                    let sequence = &sequences[placed.sequence];
                    let counted = placed.rows(sequence.counted().start);
                    rows.extend(counted.map(|row| chunk.first + row));
                    targets.extend_from_slice(sequence.counted_targets());
                }
            }
            // Inputs whose targets do not count are done already.
            let inputs: usize = wave.iter().map(Chunk::inputs).sum();
            watch.advance((inputs - rows.len()) as u64);
            let mut scored = Vec::with_capacity(rows.len());
            let Self {
                checkpoint,
                pool,
                profile,
                weights,
                buffers,
                ..
            } = self;
            let numerics = (&**pool, *profile);
            // In the memory of the layers, which are done.
            let product = &mut weights.mlp_in;
            Head::pack(product, checkpoint, numerics);
            Head::new(checkpoint, numerics, product, (buffers, head_rows)).losses(
                &stream,
                &rows,
                &targets,
                |losses, greedy| {
                    let greedy = greedy.iter().map(|&greedy| greedy != 0.0);
                    scored.extend(losses.iter().copied().zip(greedy));
                    watch.advance(losses.len() as u64);
                },
            );
            let mut scored = scored.into_iter();
            for placed in wave.iter().flat_map(|chunk| &chunk.placed) {
                let targets = sequences[placed.sequence].targets();
                scores[placed.sequence] = Score::new(scored.by_ref().take(targets));
            }
        }
        Ok(scores)
    }

    /// Scores what may follow each context: for each of `branches`, a score for each continuation, with the
    /// bits that [`Self::score`] gives [`Branches::sequences`]. It is that: sequences share what they begin
    /// with, whoever says so.
    ///
    /// # Errors
    /// As [`Self::score`]; an index counts continuations.
    pub fn score_branches(
        &mut self,
        branches: &[Branches],
        cut: Cut,
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<Score>>, ModelError> {
        let sequences: Vec<Sequence> = branches.iter().flat_map(Branches::sequences).collect();
        let mut scores = self.score(&sequences, cut, watch)?.into_iter();
        let of = |branches: &Branches| scores.by_ref().take(branches.continuations.len()).collect();
        Ok(branches.iter().map(of).collect())
    }

    /// Logits `[inputs, vocabulary]` after every input of every sequence.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn logits(&mut self, sequences: &[Sequence], cut: Cut) -> Result<Vec<f32>, ModelError> {
        self.check(sequences.iter().map(|s| (&s.tokens[..], s.inputs().len())))?;
        let whole = Cut {
            wave_rows: usize::MAX,
            ..cut
        };
        let inputs = sequences.iter().map(Sequence::inputs);
        let wave = Waves::new(inputs, whole).next().unwrap_or_default();
        let mut rows_of = vec![Vec::new(); sequences.len()];
        for chunk in &wave {
            for placed in &chunk.placed {
                rows_of[placed.sequence] = placed.rows(0).map(|row| chunk.first + row).collect();
            }
        }
        let (stream, head_rows) = self.stream(&wave, &Unwatched);
        let numerics = (&*self.pool, self.profile);
        let product = &mut self.weights.mlp_in;
        Head::pack(product, &self.checkpoint, numerics);
        let rows = rows_of.concat();
        let mut all = Vec::with_capacity(rows.len() * self.checkpoint.decoder().vocabulary);
        Head::new(
            &self.checkpoint,
            numerics,
            product,
            (&mut self.buffers, head_rows),
        )
        .logits(&stream, &rows, |_, logits| all.extend_from_slice(logits));
        Ok(all)
    }

    /// Reads and packs one layer in the middle, as scoring does with each: for whoever times it.
    pub fn load_sample_layer(&mut self) {
        let layers = &self.checkpoint.tensors().layers;
        let numerics = (&*self.pool, self.profile);
        let middle = &layers[layers.len() / 2];
        self.weights
            .load(&self.checkpoint, numerics, middle, &mut self.scratch);
    }

    /// Takes `count` made-up sequences of `length` inputs through that layer: for whoever times it.
    ///
    /// # Panics
    /// When no layer was loaded since this was made or scored anything.
    pub fn run_sample_layer(&mut self, count: usize, length: usize) {
        let decoder = self.checkpoint.decoder();
        let rotation = decoder.rotation;
        let angles = Angles::new(length, rotation.width, rotation.theta);
        let values =
            (0..count * length * decoder.hidden).map(|i| (i * 7919 % 2003) as f32 / 1e3 - 1.0);
        let mut stream: Vec<f32> = values.collect();
        // Each of tokens of its own: what is timed shares nothing.
        let tokens: Vec<u32> = (0..(count * length) as u32).collect();
        let cut = Cut {
            chunk_rows: count * length,
            wave_rows: usize::MAX,
        };
        let block = Block {
            pool: &self.pool,
            profile: self.profile,
            decoder,
            angles: &angles,
            weights: &self.weights,
        };
        for chunk in Waves::new(tokens.chunks(length.max(1)), cut).flatten() {
            block.run(&mut self.buffers, &chunk, &mut stream, None);
        }
    }

    /// Refuses tokens that the vocabulary lacks, and more inputs than the model has positions.
    fn check<'s>(
        &self,
        sequences: impl Iterator<Item = (&'s [u32], usize)>,
    ) -> Result<(), ModelError> {
        let Decoder {
            vocabulary,
            positions,
            ..
        } = *self.checkpoint.decoder();
        for (index, (tokens, found)) in sequences.enumerate() {
            if found > positions {
                return Err(ModelError::TooLong {
                    index,
                    found,
                    positions,
                });
            }
            if let Some(&token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
                return Err(ModelError::Token { token, vocabulary });
            }
        }
        Ok(())
    }

    /// The residual stream after the last layer, `[rows, d]`, and how many of its rows the head takes
    /// at a time.
    fn stream(&mut self, wave: &[Chunk], watch: &dyn Watch) -> (Vec<f32>, usize) {
        let head_rows = self.reserve(wave);
        let positions = wave.iter().flat_map(|chunk| &chunk.positions);
        let longest = positions.max().map_or(0, |&last| last as usize + 1);
        let angles = self.angles(longest);
        let mut stream = self.embed(wave);
        let pass = Pass {
            resident: &Resident::default(),
            angles: &angles,
            chunks: wave,
            watch,
        };
        for layer in 0..self.checkpoint.decoder().layers {
            self.layer(layer, pass, &mut stream, None);
        }
        (stream, head_rows)
    }

    /// Makes room for the largest chunk, and for the head; says how many rows it takes at a time.
    fn reserve(&mut self, wave: &[Chunk]) -> usize {
        let decoder = self.checkpoint.decoder();
        let most = wave.iter().map(Chunk::len).max().unwrap_or(0);
        self.buffers.reserve(decoder, most);
        Buffers::head_rows(decoder, most)
    }

    fn angles(&self, longest: usize) -> Angles {
        let rotation = self.checkpoint.decoder().rotation;
        Angles::new(longest, rotation.width, rotation.theta)
    }

    /// One layer for all chunks.
    fn layer(&mut self, layer: usize, pass: Pass, stream: &mut [f32], mut kept: Keeping) {
        let Self {
            checkpoint,
            pool,
            weights,
            buffers,
            scratch,
            ..
        } = self;
        let (checkpoint, profile) = (&*checkpoint, self.profile);
        let (decoder, layers) = (checkpoint.decoder(), &checkpoint.tensors().layers);
        let weights = match pass.resident.layers.get(layer) {
            Some(packed) => packed,
            None => {
                weights.load(checkpoint, (pool, profile), &layers[layer], scratch);
                &*weights
            }
        };
        let block = Block {
            pool,
            profile,
            decoder,
            angles: pass.angles,
            weights,
        };
        let next: Vec<&str> = match layers.get(layer + 1) {
            Some(next) if layer + 1 >= pass.resident.layers.len() => matrices(next).collect(),
            None if pass.resident.head.is_none() => Head::matrices(checkpoint).collect(),
            _ => Vec::new(),
        };
        std::thread::scope(|scope| {
            // The next layer, or the head, is read while this one computes; asking may itself wait.
            if !next.is_empty() {
                scope.spawn(|| checkpoint.will_need(next.iter().copied()));
            }
            for chunk in pass.chunks {
                let rows = chunk.rows();
                let range = rows.start * decoder.hidden..rows.end * decoder.hidden;
                block.run(buffers, chunk, &mut stream[range], kept.as_deref_mut());
                pass.watch.advance(chunk.inputs() as u64);
            }
        });
    }

    /// Embedding rows of all chunks, times muP's factor where there is one.
    fn embed(&self, wave: &[Chunk]) -> Vec<f32> {
        let (checkpoint, isa) = (&self.checkpoint, self.pool.isa());
        let (d, factor) = (
            checkpoint.decoder().hidden,
            checkpoint.decoder().factors.embedding,
        );
        let name = checkpoint.tensors().embedding.as_str();
        let table = checkpoint.stored(name);
        let rows: usize = wave.iter().map(Chunk::len).sum();
        let mut stream = vec![0.0; rows * d];
        let mut rest = &mut stream[..];
        for chunk in wave {
            let (rows, after) = rest.split_at_mut(chunk.len() * d);
            rest = after;
            self.pool.run(|| {
                rows.par_chunks_exact_mut(d)
                    .zip(&chunk.tokens)
                    .for_each(|(row, &token)| {
                        table.read(isa, token as usize * d, row);
                        if factor != 1.0 {
                            elementwise::scale_rows(isa, row, factor);
                        }
                    });
            });
        }
        checkpoint.done_with([name]);
        stream
    }
}

impl Cut {
    /// Passes over the files that scoring `sequences` takes.
    pub fn waves(self, sequences: &[Sequence]) -> usize {
        Waves::new(sequences.iter().map(Sequence::inputs), self).count()
    }
}
