//! Generation: prompts advance together, one token a pass over the layers.
//!
//! Keys and values of all tokens stay in memory, so that a pass computes one row a prompt; each row has the
//! bits that scoring the whole sequence anew would give it. Few rows wait for the weights, so these stay
//! packed where they fit; what does not is read and packed anew for every token of all prompts.

use super::block::attention_shape;
use super::chunk::{Chunk, Placed};
use super::head::Head;
use super::layer_weights::{LayerWeights, Product};
use super::memory::{Cut, ScoringMemory, Work, head_bytes, layer_bytes};
use super::waves::Waves;
use super::{Pass, Scorer, Watch};
use crate::{Checkpoint, ModelError};
use glasswork_kernels::attention::Kept;
use glasswork_kernels::{Isa, Numerics, cross_entropy};

/// Memory for what generation keeps from token to token, beside what [`ScoringMemory`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Bytes of keys, values and packed weights.
    pub bytes: u64,
}

impl Keep {
    /// What is left of `budget` bytes beside `work`, cut as `cut` says. The work's sequences are the prompts
    /// with all that is generated after them.
    pub fn within(checkpoint: &Checkpoint, work: Work, cut: Cut, budget: u64) -> Self {
        let scoring = ScoringMemory::of(checkpoint, work, cut).total();
        let bytes = budget.saturating_sub(scoring);
        Self { bytes }
    }

    /// Bytes of the keys and values of one token.
    pub fn token_bytes(checkpoint: &Checkpoint) -> u64 {
        let decoder = checkpoint.decoder();
        (4 * 2 * decoder.kv_width() * decoder.layers) as u64
    }
}

/// Packed weights that stay: the first layers, and the head.
#[derive(Debug, Default)]
pub(super) struct Resident {
    pub(super) layers: Vec<LayerWeights>,
    pub(super) head: Option<Product>,
}

/// Says which token follows and when enough of them have.
pub trait Next {
    /// The token after what `prompt` has, of these logits `[vocabulary]`.
    fn choose(&mut self, prompt: usize, logits: &[f32]) -> u32;
    /// Whether `prompt` is done with the new tokens `tokens`; asked after each.
    fn done(&mut self, prompt: usize, tokens: &[u32]) -> bool;
}

/// The first largest logit, until told to stop.
struct Greedy<'s> {
    isa: Isa,
    stop: &'s mut dyn FnMut(usize, &[u32]) -> bool,
}

impl Next for Greedy<'_> {
    fn choose(&mut self, _prompt: usize, logits: &[f32]) -> u32 {
        cross_entropy::argmax(self.isa, logits) as u32
    }

    fn done(&mut self, prompt: usize, tokens: &[u32]) -> bool {
        (self.stop)(prompt, tokens)
    }
}

/// Prompts that advance together.
struct Together<'p> {
    /// Numbers of the prompts, and their tokens.
    prompts: Vec<(usize, &'p [u32])>,
    /// New tokens of each.
    new: Vec<Vec<u32>>,
    /// Of each layer, keys and values of each prompt.
    kept: Vec<Vec<Kept>>,
}

impl Scorer {
    /// Up to `most` new tokens after each of `prompts`: always the first largest logit (a NaN before all
    /// others), until `stop(prompt, its new tokens)` says so or the model has no further position. The token
    /// that it stopped at is among them. A prompt without tokens has nothing to go on from and gets none.
    ///
    /// Prompts pass the layers in chunks of `cut.chunk_rows`, as many of them at a time as `cut.wave_rows`
    /// and `keep` allow.
    ///
    /// # Errors
    /// [`ModelError::Token`], [`ModelError::TooLong`]; [`ModelError::Memory`] where `keep` is less than the keys
    /// and values of one prompt and its new tokens.
    pub fn generate(
        &mut self,
        prompts: &[Vec<u32>],
        most: usize,
        (cut, keep): (Cut, Keep),
        stop: &mut dyn FnMut(usize, &[u32]) -> bool,
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<u32>>, ModelError> {
        let isa = self.pool.isa();
        let mut greedy = Greedy { isa, stop };
        self.generate_by(prompts, most, (cut, keep), &mut greedy, watch)
    }

    /// As [`Self::generate`], with the tokens that `next` chooses.
    ///
    /// # Errors
    /// As [`Self::generate`]; [`ModelError::Token`] also where one is chosen that the vocabulary lacks.
    pub fn generate_by(
        &mut self,
        prompts: &[Vec<u32>],
        most: usize,
        (cut, keep): (Cut, Keep),
        next: &mut dyn Next,
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<u32>>, ModelError> {
        self.check(prompts.iter().map(|prompt| (&prompt[..], prompt.len())))?;
        let rows = |prompt: &Vec<u32>| self.most_rows(prompt.len(), most);
        let all: usize = prompts.iter().map(rows).sum();
        watch.begin(all as u64 * self.units());
        let waves = self.prompt_waves(prompts, most, cut, keep)?;
        let rows_of = |wave: &Vec<usize>| wave.iter().map(|&prompt| rows(&prompts[prompt])).sum();
        let widest: usize = waves.iter().map(rows_of).max().unwrap_or(0);
        let caches = widest as u64 * Keep::token_bytes(&self.checkpoint);
        let resident = match waves.is_empty() {
            true => Resident::default(),
            false => self.resident(keep.bytes.saturating_sub(caches)),
        };
        let mut generated = vec![Vec::new(); prompts.len()];
        for wave in waves {
            let prompts = wave.iter().map(|&prompt| (prompt, &prompts[prompt][..]));
            let together = self.together(prompts.collect(), most);
            let new = self.advance(together, most, cut, &resident, next, watch)?;
            for (prompt, new) in wave.into_iter().zip(new) {
                generated[prompt] = new;
            }
        }
        Ok(generated)
    }

    /// Units of work a row.
    fn units(&self) -> u64 {
        self.checkpoint.decoder().layers as u64 + 1
    }

    /// Most rows that a prompt and what follows it are computed with: its last new token is never read.
    fn most_rows(&self, prompt: usize, most: usize) -> usize {
        if prompt == 0 || most == 0 {
            return 0;
        }
        prompt
            .saturating_add(most - 1)
            .min(self.checkpoint.decoder().positions)
    }

    fn numerics(&self) -> Numerics {
        self.pool.numerics(self.profile)
    }

    /// Prompts that advance together, wave after wave. Weights come first, up to half of what may be kept:
    /// without them every token costs a pass over the files.
    fn prompt_waves(
        &self,
        prompts: &[Vec<u32>],
        most: usize,
        cut: Cut,
        keep: Keep,
    ) -> Result<Vec<Vec<usize>>, ModelError> {
        let layers = &self.checkpoint.tensors().layers;
        let of_layer = |layer| layer_bytes(self.numerics(), layer);
        let weights: u64 = layers.iter().map(of_layer).sum();
        let weights = weights + head_bytes(&self.checkpoint, self.numerics());
        let room = keep.bytes - weights.min(keep.bytes / 2);
        let a_token = Keep::token_bytes(&self.checkpoint);
        let mut waves: Vec<Vec<usize>> = Vec::new();
        let (mut kept, mut read) = (0_u64, 0);
        for (index, prompt) in prompts.iter().enumerate() {
            let rows = self.most_rows(prompt.len(), most);
            if rows == 0 {
                continue;
            }
            let needed = a_token.saturating_mul(rows as u64);
            if needed > keep.bytes {
                return Err(ModelError::Memory {
                    least: needed,
                    budget: keep.bytes,
                });
            }
            (kept, read) = (kept.saturating_add(needed), read + prompt.len());
            match waves.last_mut() {
                Some(wave) if kept <= room && read <= cut.wave_rows => wave.push(index),
                _ => {
                    waves.push(vec![index]);
                    (kept, read) = (needed, prompt.len());
                }
            }
        }
        Ok(waves)
    }

    /// Packs what fits into `bytes`: the head, which every prompt's first token needs, then the first layers.
    fn resident(&mut self, bytes: u64) -> Resident {
        let numerics = (&*self.pool, self.profile);
        let (checkpoint, scratch) = (&self.checkpoint, &mut self.scratch);
        let mut resident = Resident::default();
        let mut left = bytes;
        let mut take = |needed: u64| {
            let fits = needed <= left;
            left -= if fits { needed } else { 0 };
            fits
        };
        let kind = self.pool.numerics(self.profile);
        if take(head_bytes(checkpoint, kind)) {
            let mut head = Product::default();
            Head::pack(&mut head, checkpoint, numerics);
            resident.head = Some(head);
        }
        for layer in &checkpoint.tensors().layers {
            if !take(layer_bytes(kind, layer)) {
                break;
            }
            let mut weights = LayerWeights::default();
            weights.load(checkpoint, numerics, layer, scratch);
            resident.layers.push(weights);
        }
        resident
    }

    fn together<'p>(&self, prompts: Vec<(usize, &'p [u32])>, most: usize) -> Together<'p> {
        let decoder = self.checkpoint.decoder();
        let shape = attention_shape(decoder);
        let of_layer = || {
            let rows = prompts
                .iter()
                .map(|(_, prompt)| self.most_rows(prompt.len(), most));
            rows.map(|rows| Kept::new(shape, rows)).collect()
        };
        Together {
            new: vec![Vec::new(); prompts.len()],
            kept: (0..decoder.layers).map(|_| of_layer()).collect(),
            prompts,
        }
    }

    /// The new tokens of prompts that advance together.
    fn advance(
        &mut self,
        mut all: Together,
        most: usize,
        cut: Cut,
        resident: &Resident,
        next: &mut dyn Next,
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<u32>>, ModelError> {
        let lengths = all
            .prompts
            .iter()
            .map(|(_, prompt)| self.most_rows(prompt.len(), most));
        let angles = self.angles(lengths.max().unwrap_or(0));
        let whole = Cut {
            wave_rows: usize::MAX,
            ..cut
        };
        let inputs = all.prompts.iter().map(|(_, prompt)| *prompt);
        let mut chunks = Waves::new(inputs, whole).next().unwrap_or_default();
        while !chunks.is_empty() {
            let head_rows = self.reserve(&chunks);
            let mut stream = self.embed(&chunks);
            let pass = Pass {
                resident,
                angles: &angles,
                chunks: &chunks,
                watch,
            };
            for (layer, kept) in all.kept.iter_mut().enumerate() {
                self.layer(layer, pass, &mut stream, Some(kept));
            }
            let placed = |chunk: &Chunk| {
                let first = chunk.first;
                let last = move |p: &Placed| Some((p.sequence, first + p.path.last()?.end - 1));
                chunk.placed.iter().filter_map(last).collect::<Vec<_>>()
            };
            let (of, rows): (Vec<usize>, Vec<usize>) = chunks.iter().flat_map(placed).unzip();
            self.choose(&mut all, (&stream, head_rows), (&of, &rows), resident, next)?;
            let inputs: usize = chunks.iter().map(Chunk::inputs).sum();
            watch.advance(inputs as u64);
            let mut going = Vec::new();
            for index in of {
                let ((prompt, tokens), new) = (all.prompts[index], &all.new[index]);
                let rows = self.most_rows(tokens.len(), most);
                // Rows computed so far: all tokens but the newest.
                let left = rows - (tokens.len() + new.len() - 1);
                if !next.done(prompt, new) && left > 0 {
                    going.push(index);
                    continue;
                }
                watch.advance(left as u64 * self.units());
                for kept in &mut all.kept {
                    kept[index] = Kept::default();
                }
            }
            going.sort_unstable();
            chunks = all.step(&going, cut.chunk_rows);
        }
        Ok(all.new)
    }

    /// Adds a token to each prompt of `of`, whose last rows are `rows` of the stream.
    fn choose(
        &mut self,
        all: &mut Together,
        (stream, head_rows): (&[f32], usize),
        (of, rows): (&[usize], &[usize]),
        resident: &Resident,
        next: &mut dyn Next,
    ) -> Result<(), ModelError> {
        let numerics = (&*self.pool, self.profile);
        let product = match &resident.head {
            Some(product) => product,
            None => {
                Head::pack(&mut self.weights.mlp_in, &self.checkpoint, numerics);
                &self.weights.mlp_in
            }
        };
        let mut chosen = Vec::with_capacity(rows.len());
        Head::new(
            &self.checkpoint,
            numerics,
            product,
            (&mut self.buffers, head_rows),
        )
        .logits(stream, rows, |number, logits| {
            let index = of[number];
            let token = next.choose(all.prompts[index].0, logits);
            chosen.push((index, token));
        });
        let vocabulary = self.checkpoint.decoder().vocabulary;
        for (index, token) in chosen {
            if token as usize >= vocabulary {
                return Err(ModelError::Token { token, vocabulary });
            }
            all.new[index].push(token);
        }
        Ok(())
    }
}

impl Together<'_> {
    /// The newest token of each prompt of `going`: rows that continue what is kept.
    fn step(&self, going: &[usize], chunk_rows: usize) -> Vec<Chunk> {
        let mut chunks: Vec<Chunk> = Vec::new();
        for some in going.chunks(chunk_rows.max(1)) {
            let mut chunk = Chunk {
                first: chunks.last().map_or(0, |chunk| chunk.rows().end),
                ..Chunk::default()
            };
            for (row, &index) in some.iter().enumerate() {
                let (new, prompt) = (&self.new[index], self.prompts[index].1);
                chunk.tokens.extend(new.last());
                chunk.positions.push((prompt.len() + new.len() - 1) as u32);
                chunk.placed.push(Placed {
                    sequence: index,
                    path: std::iter::once(row..row + 1).collect(),
                });
            }
            chunks.push(chunk);
        }
        chunks
    }
}
