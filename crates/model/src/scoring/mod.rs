//! Log-likelihoods of token sequences under a published model, layer after layer.
//!
//! **Order.** All sequences go through one layer before the next is touched: a layer is read from disk
//! and packed once for all of them, so that a model far larger than memory is scored at the speed of one
//! pass over its files. What is kept between layers is the residual stream alone, four bytes per token
//! and element; where even that is too much, the sequences go in several waves, each a pass of its own.
//!
//! **Bits.** A sequence's losses depend on its tokens, the weights and the numerics profile: not on what
//! is scored beside it, the order, chunks, waves, threads or instruction set. For a Llama they are those
//! of the training engine.

mod block;
mod chunk;
mod head;
mod layer_weights;
mod memory;

pub use memory::{Cut, ScoringMemory, Work};

use crate::{Checkpoint, Decoder, ModelError};
use block::Block;
use chunk::{Buffers, Chunk, chunks};
use glasswork_kernels::rope::Angles;
use glasswork_kernels::{Pool, Profile, elementwise};
use head::Head;
use layer_weights::{LayerWeights, matrices};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Tokens to score: each one after the first is a target, predicted from all before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    tokens: Vec<u32>,
    context: usize,
}

impl Sequence {
    /// Every token but the first counts.
    pub fn new(tokens: Vec<u32>) -> Self {
        Self { tokens, context: 0 }
    }

    /// Only the last `counted` targets count; the ones before are context.
    pub fn counting_last(tokens: Vec<u32>, counted: usize) -> Self {
        let targets = tokens.len().saturating_sub(1);
        let context = targets.saturating_sub(counted);
        Self { tokens, context }
    }

    /// Tokens that the model reads: all but the last.
    pub fn inputs(&self) -> &[u32] {
        &self.tokens[..self.tokens.len().saturating_sub(1)]
    }

    /// Targets that count, and the inputs that predict them.
    fn counted(&self) -> Range<usize> {
        self.context..self.inputs().len()
    }

    fn counted_targets(&self) -> &[u32] {
        let Range { start, end } = self.counted();
        // Nothing where there are no tokens at all.
        self.tokens.get(start + 1..end + 1).unwrap_or_default()
    }

    /// How many targets count.
    pub fn targets(&self) -> usize {
        self.counted().len()
    }
}

/// What a sequence costs under the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Loss (nats) of each target that counts.
    pub losses: Vec<f32>,
    /// Minus their sum, a chain of f64 additions in order.
    pub log_likelihood: f64,
}

impl Score {
    fn new(losses: Vec<f32>) -> Self {
        let sum: f64 = losses.iter().fold(0.0, |sum, &x| sum + f64::from(x));
        Self {
            losses,
            log_likelihood: -sum,
        }
    }
}

/// Told how scoring goes on.
pub trait Watch {
    /// So many units of work there will be: rows times (layers and the head).
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
        self.check(sequences)?;
        let rows: usize = sequences.iter().map(|s| s.inputs().len()).sum();
        watch.begin(rows as u64 * (self.checkpoint.decoder().layers as u64 + 1));
        let mut scores = Vec::with_capacity(sequences.len());
        let mut rest = sequences;
        while !rest.is_empty() {
            let (wave, after) = rest.split_at(wave(rest, cut.wave_rows));
            rest = after;
            let (stream, head_rows) = self.stream(wave, cut.chunk_rows, watch);
            let count = wave.iter().map(Sequence::targets).sum();
            let (mut rows, mut targets) = (Vec::with_capacity(count), Vec::with_capacity(count));
            let mut first = 0;
            for sequence in wave {
                rows.extend(sequence.counted().map(|row| first + row));
                targets.extend_from_slice(sequence.counted_targets());
                first += sequence.inputs().len();
            }
            // Inputs whose targets do not count are done already.
            watch.advance((first - rows.len()) as u64);
            let mut losses = Vec::with_capacity(rows.len());
            self.head(head_rows)
                .losses(&stream, &rows, &targets, |some| {
                    losses.extend_from_slice(some);
                    watch.advance(some.len() as u64);
                });
            let mut losses = losses.into_iter();
            let of = |sequence: &Sequence| losses.by_ref().take(sequence.targets()).collect();
            scores.extend(wave.iter().map(of).map(Score::new));
        }
        Ok(scores)
    }

    /// Logits `[inputs, vocabulary]` after every input of every sequence.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn logits(&mut self, sequences: &[Sequence], cut: Cut) -> Result<Vec<f32>, ModelError> {
        self.check(sequences)?;
        let (stream, head_rows) = self.stream(sequences, cut.chunk_rows, &Unwatched);
        let rows = stream.len() / self.checkpoint.decoder().hidden;
        let rows: Vec<usize> = (0..rows).collect();
        Ok(self.head(head_rows).logits(&stream, &rows))
    }

    /// The head, in the memory of the layers.
    fn head(&mut self, rows: usize) -> Head<'_> {
        Head::load(
            &self.checkpoint,
            (&self.pool, self.profile),
            &mut self.weights.mlp_in,
            (&mut self.buffers, rows),
        )
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
        let block = Block {
            pool: &self.pool,
            profile: self.profile,
            decoder,
            angles: &angles,
            weights: &self.weights,
        };
        let lengths = std::iter::repeat_n(length, count);
        for chunk in &chunks(lengths, count * length) {
            block.run(&mut self.buffers, chunk, &mut stream);
        }
    }

    fn check(&self, sequences: &[Sequence]) -> Result<(), ModelError> {
        let Decoder {
            vocabulary,
            positions,
            ..
        } = *self.checkpoint.decoder();
        for (index, sequence) in sequences.iter().enumerate() {
            let found = sequence.inputs().len();
            if found > positions {
                return Err(ModelError::TooLong {
                    index,
                    found,
                    positions,
                });
            }
            let mut tokens = sequence.tokens.iter();
            if let Some(&token) = tokens.find(|&&token| token as usize >= vocabulary) {
                return Err(ModelError::Token { token, vocabulary });
            }
        }
        Ok(())
    }

    /// The residual stream after the last layer, `[all inputs, d]`, and how many of its rows the head takes
    /// at a time.
    fn stream(
        &mut self,
        wave: &[Sequence],
        chunk_rows: usize,
        watch: &dyn Watch,
    ) -> (Vec<f32>, usize) {
        let lengths = || wave.iter().map(|sequence| sequence.inputs().len());
        let chunks = chunks(lengths(), chunk_rows);
        let decoder = self.checkpoint.decoder();
        let most = chunks.iter().map(|chunk| chunk.rows.len()).max();
        let most = most.unwrap_or(0);
        self.buffers.reserve(decoder, most);
        let head_rows = Buffers::head_rows(decoder, most);
        let mut stream = self.embed(wave);
        let rotation = self.checkpoint.decoder().rotation;
        let longest = lengths().max().unwrap_or(0);
        let angles = Angles::new(longest, rotation.width, rotation.theta);
        for layer in 0..self.checkpoint.decoder().layers {
            self.layer(layer, &angles, &chunks, &mut stream, watch);
        }
        (stream, head_rows)
    }

    /// One layer for all chunks.
    fn layer(
        &mut self,
        layer: usize,
        angles: &Angles,
        chunks: &[Chunk],
        stream: &mut [f32],
        watch: &dyn Watch,
    ) {
        let (checkpoint, pool) = (&self.checkpoint, &*self.pool);
        let (decoder, layers) = (checkpoint.decoder(), &checkpoint.tensors().layers);
        let numerics = (pool, self.profile);
        self.weights
            .load(checkpoint, numerics, &layers[layer], &mut self.scratch);
        let block = Block {
            pool,
            profile: self.profile,
            decoder,
            angles,
            weights: &self.weights,
        };
        let read_ahead = || match layers.get(layer + 1) {
            Some(next) => checkpoint.will_need(matrices(next)),
            None => checkpoint.will_need(Head::matrices(checkpoint)),
        };
        std::thread::scope(|scope| {
            // The next layer, or the head, is read while this one computes; asking may itself wait.
            scope.spawn(read_ahead);
            for chunk in chunks {
                let range = chunk.rows.start * decoder.hidden..chunk.rows.end * decoder.hidden;
                block.run(&mut self.buffers, chunk, &mut stream[range]);
                watch.advance(chunk.rows.len() as u64);
            }
        });
    }

    /// Embedding rows of all inputs, times muP's factor where there is one.
    fn embed(&self, wave: &[Sequence]) -> Vec<f32> {
        let (checkpoint, isa) = (&self.checkpoint, self.pool.isa());
        let (d, factor) = (
            checkpoint.decoder().hidden,
            checkpoint.decoder().factors.embedding,
        );
        let name = checkpoint.tensors().embedding.as_str();
        let table = checkpoint.stored(name);
        let inputs: Vec<u32> = wave.iter().flat_map(Sequence::inputs).copied().collect();
        let mut stream = vec![0.0; inputs.len() * d];
        self.pool.run(|| {
            stream
                .par_chunks_exact_mut(d)
                .zip(&inputs)
                .for_each(|(row, &token)| {
                    table.read(isa, token as usize * d, row);
                    if factor != 1.0 {
                        elementwise::scale_rows(isa, row, factor);
                    }
                });
        });
        checkpoint.done_with([name]);
        stream
    }
}

impl Cut {
    /// Passes over the files that scoring `sequences` takes.
    pub fn waves(self, sequences: &[Sequence]) -> usize {
        let (mut waves, mut rest) = (0, sequences);
        while !rest.is_empty() {
            rest = &rest[wave(rest, self.wave_rows)..];
            waves += 1;
        }
        waves
    }
}

/// How many of the first sequences make a wave of at most `most` rows; at least one.
fn wave(sequences: &[Sequence], most: usize) -> usize {
    let mut rows = 0;
    let fits = sequences.iter().take_while(|sequence| {
        rows += sequence.inputs().len();
        rows <= most
    });
    fits.count().max(1)
}
