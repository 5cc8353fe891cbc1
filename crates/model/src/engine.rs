//! The forward pass, each operation in the order that `docs/numerics.md` writes; see
//! `backward.rs` for the way back.
//!
//! What follows a product row by row (rotation, residual, norm, SwiGLU, loss) runs on each block of
//! rows as soon as the product has it, while it is in cache.

use crate::activations::{Activations, Gradients, HEAD_ROWS, LayerActivations};
use crate::packed::PackedWeights;
use crate::{Layout, ModelConfig, ModelError, Parameters};
use glasswork_kernels::attention::Shape;
use glasswork_kernels::gemm::{Beside, Start, View, gemm, gemm_then};
use glasswork_kernels::rope::{self, Angles, Direction};
use glasswork_kernels::{
    Pool, Profile, attention, cross_entropy, elementwise, embedding, rms_norm, swiglu,
};
use std::ops::Range;
use std::sync::Arc;

/// A decoder ready to compute on some threads. Holds the buffers and the weights last loaded, in the
/// order in which the products read them.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: ModelConfig,
    pub(crate) layout: Arc<Layout>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) profile: Profile,
    pub(crate) packed: PackedWeights,
    pub(crate) angles: Angles,
    pub(crate) activations: Activations,
    pub(crate) gradients: Gradients,
}

impl Engine {
    /// An engine for `config` on `pool`; buffers grow at the first use.
    pub fn new(config: ModelConfig, profile: Profile, pool: Arc<Pool>) -> Self {
        Self {
            profile,
            packed: PackedWeights::default(),
            angles: Angles::new(config.sequence, config.head_width(), config.rope_theta),
            layout: Arc::new(Layout::new(&config)),
            activations: Activations::default(),
            gradients: Gradients::default(),
            config,
            pool,
        }
    }

    /// The engine that a run's configuration asks for.
    ///
    /// # Errors
    /// [`ModelError::TiedHead`], [`ModelError::Profile`].
    pub fn of_run(
        run: &glasswork_release::config::RunConfig,
        pool: Arc<Pool>,
    ) -> Result<Self, ModelError> {
        let profile = run.profile.parse()?;
        Ok(Self::new(ModelConfig::from_run(run)?, profile, pool))
    }

    /// The architecture.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where the tensors lie.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The threads in use.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Bytes of activations for a micro-batch of `sequences` whole sequences.
    pub fn activation_bytes(config: &ModelConfig, sequences: u64) -> u64 {
        Activations::bytes(config, sequences * config.sequence as u64)
    }

    /// Packs `weights` for the passes that follow; to be called again whenever they change. The
    /// backward pass needs them packed for `training`.
    ///
    /// Embedding and norms are not copied: each pass takes the same `weights` again.
    pub fn load(&mut self, weights: &Parameters, training: bool) {
        let numerics = (&*self.pool, self.profile);
        self.packed.pack(numerics, &self.config, weights, training);
    }

    /// Bytes that [`Self::load`] for training takes.
    pub fn packed_bytes(config: &ModelConfig, profile: Profile) -> u64 {
        PackedWeights::bytes(profile, config)
    }

    /// Loss (nats) of each target under the model, without gradients. `inputs` and `targets` hold
    /// sequences of `length` tokens each, at most the configuration's; a target may be
    /// [`cross_entropy::MASKED`].
    ///
    /// # Errors
    /// [`ModelError::Token`].
    ///
    /// # Panics
    /// When the buffers' lengths do not fit.
    pub fn score(
        &mut self,
        weights: &Parameters,
        inputs: &[u32],
        targets: &[u32],
        length: usize,
        losses: &mut [f32],
    ) -> Result<(), ModelError> {
        self.check_tokens(inputs)?;
        for &token in targets.iter().filter(|&&t| t != cross_entropy::MASKED) {
            self.check_tokens(&[token])?;
        }
        assert!(
            targets.len() == inputs.len() && losses.len() == inputs.len(),
            "one target per input"
        );
        self.forward(weights, inputs, length);
        let (d, vocabulary, isa) = (self.config.hidden, self.config.vocabulary, self.pool.isa());
        for rows in blocks(inputs.len()) {
            let h = &self.activations.h[rows.start * d..rows.end * d];
            let targets = &targets[rows.clone()];
            gemm_then(
                &self.pool,
                self.profile,
                &mut self.activations.logits[..rows.len() * vocabulary],
                View::new(h, rows.len(), d),
                &self.packed.head.forward,
                [Beside::new(&mut losses[rows], 1)],
                |first, logits, [losses]| {
                    let targets = &targets[first..first + losses.len()];
                    cross_entropy::forward_backward_rows(
                        isa, logits, losses, targets, vocabulary, 1.0,
                    );
                },
            );
        }
        Ok(())
    }

    /// Logits `[inputs, vocabulary]` of sequences of `length` tokens.
    ///
    /// # Errors
    /// [`ModelError::Token`].
    pub fn logits(
        &mut self,
        weights: &Parameters,
        inputs: &[u32],
        length: usize,
    ) -> Result<Vec<f32>, ModelError> {
        self.check_tokens(inputs)?;
        self.forward(weights, inputs, length);
        let mut all = Vec::with_capacity(inputs.len() * self.config.vocabulary);
        for rows in blocks(inputs.len()) {
            let count = self.logits_of(rows);
            all.extend_from_slice(&self.activations.logits[..count]);
        }
        Ok(all)
    }

    /// Logits `[vocabulary]` of the token after `inputs`, one sequence.
    ///
    /// # Errors
    /// [`ModelError::Token`].
    pub fn next_logits(
        &mut self,
        weights: &Parameters,
        inputs: &[u32],
    ) -> Result<&[f32], ModelError> {
        self.check_tokens(inputs)?;
        self.forward(weights, inputs, inputs.len());
        let count = self.logits_of(inputs.len() - 1..inputs.len());
        Ok(&self.activations.logits[..count])
    }

    pub(crate) fn check_tokens(&self, tokens: &[u32]) -> Result<(), ModelError> {
        let vocabulary = self.config.vocabulary;
        match tokens.iter().find(|&&token| token as usize >= vocabulary) {
            Some(&token) => Err(ModelError::Token { token, vocabulary }),
            None => Ok(()),
        }
    }

    pub(crate) fn shape(&self, sequence: usize) -> Shape {
        let config = &self.config;
        Shape::new(sequence, config.heads, config.kv_heads, config.head_width())
    }

    /// Fills the activations for `inputs`, sequences of `length` tokens.
    pub(crate) fn forward(&mut self, weights: &Parameters, inputs: &[u32], length: usize) {
        assert!(
            length > 0 && inputs.len().is_multiple_of(length),
            "whole sequences"
        );
        self.activations.resize(&self.config, inputs.len());
        let (d, pool, epsilon) = (self.config.hidden, &*self.pool, self.config.norm_eps);
        let w = |range: &Range<usize>| &weights.data[range.clone()];
        let acts = &mut self.activations;
        let last = NormTarget {
            x: &mut acts.x,
            r: &mut acts.r,
            h: &mut acts.h,
            gain: w(&self.layout.norm),
        };
        let mut last = Some(last);
        let mut layers = acts.layers.iter_mut().zip(&self.layout.layers).peekable();
        // The residual stream enters the first layer, or the last norm of a decoder without layers.
        let first = match layers.peek_mut() {
            Some((layer, at)) => NormTarget::first(layer, w(&at.norm1)),
            None => last.take().expect("not taken yet"),
        };
        embedding::forward(pool, first.x, w(&self.layout.embedding), inputs, d);
        rms_norm::forward(pool, first.h, first.r, first.x, first.gain, epsilon);
        let mut packed = self.packed.layers.iter();
        while let Some((layer, at)) = layers.next() {
            let next = match layers.peek_mut() {
                Some((next, at)) => NormTarget::first(next, w(&at.norm1)),
                None => last.take().expect("one layer is the last"),
            };
            let packed = packed.next().expect("weights are loaded");
            let pass = LayerPass {
                numerics: (pool, self.profile),
                config: &self.config,
                shape: Shape::new(
                    length,
                    self.config.heads,
                    self.config.kv_heads,
                    self.config.head_width(),
                ),
                angles: &self.angles,
                packed,
                norm2: w(&at.norm2),
            };
            pass.run(layer, next);
        }
    }

    /// Computes the logits of some rows into the logits buffer; returns how many elements.
    pub(crate) fn logits_of(&mut self, rows: Range<usize>) -> usize {
        let (d, vocabulary) = (self.config.hidden, self.config.vocabulary);
        let count = rows.len() * vocabulary;
        let h = &self.activations.h[rows.start * d..rows.end * d];
        gemm(
            &self.pool,
            self.profile,
            &mut self.activations.logits[..count],
            vocabulary,
            View::new(h, rows.len(), d),
            &self.packed.head.forward,
            Start::Zero,
        );
        count
    }
}

/// Where a residual stream goes, and the norm that reads it first.
struct NormTarget<'a> {
    x: &'a mut [f32],
    r: &'a mut [f32],
    h: &'a mut [f32],
    gain: &'a [f32],
}

impl<'a> NormTarget<'a> {
    fn first(layer: &'a mut LayerActivations, gain: &'a [f32]) -> Self {
        Self {
            x: &mut layer.x,
            r: &mut layer.r1,
            h: &mut layer.h1,
            gain,
        }
    }
}

/// One layer's forward pass: from its normed input to the next layer's.
struct LayerPass<'a> {
    numerics: (&'a Pool, Profile),
    config: &'a ModelConfig,
    shape: Shape,
    angles: &'a Angles,
    packed: &'a crate::packed::LayerWeights,
    norm2: &'a [f32],
}

impl LayerPass<'_> {
    fn run(&self, layer: &mut LayerActivations, next: NormTarget) {
        let (pool, profile) = self.numerics;
        let (isa, epsilon) = (pool.isa(), self.config.norm_eps);
        let (d, kv, mlp) = (self.config.hidden, self.config.kv_width(), self.config.mlp);
        let rows = layer.r1.len();
        let sequence = self.shape.sequence;
        gemm_then(
            pool,
            profile,
            &mut layer.qkv,
            View::new(&layer.h1, rows, d),
            &self.packed.qkv.forward,
            [],
            |first, qkv, []| {
                let (row, turned) = ((d + 2 * kv), d + kv);
                let at = (first, sequence);
                rope::rotate_rows(isa, qkv, (row, turned), at, self.angles, Direction::Forward);
            },
        );
        attention::forward(
            pool,
            profile,
            self.shape,
            &mut layer.o,
            &mut layer.m,
            &mut layer.l,
            &layer.qkv,
        );
        let x = &layer.x;
        gemm_then(
            pool,
            profile,
            &mut layer.x2,
            View::new(&layer.o, rows, d),
            &self.packed.o.forward,
            [Beside::new(&mut layer.h2, d), Beside::new(&mut layer.r2, 1)],
            |first, x2, [h2, r2]| {
                elementwise::add_rows(isa, x2, &x[first * d..][..x2.len()]);
                rms_norm::forward_rows(isa, h2, r2, x2, self.norm2, epsilon);
            },
        );
        gemm_then(
            pool,
            profile,
            &mut layer.gate_up,
            View::new(&layer.h2, rows, d),
            &self.packed.gate_up.forward,
            [Beside::new(&mut layer.act, mlp)],
            |_, gate_up, [act]| swiglu::forward_rows(isa, act, gate_up, mlp),
        );
        let x2 = &layer.x2;
        gemm_then(
            pool,
            profile,
            next.x,
            View::new(&layer.act, rows, mlp),
            &self.packed.down.forward,
            [Beside::new(next.h, d), Beside::new(next.r, 1)],
            |first, x, [h, r]| {
                elementwise::add_rows(isa, x, &x2[first * d..][..x.len()]);
                rms_norm::forward_rows(isa, h, r, x, next.gain, epsilon);
            },
        );
    }
}

/// Row blocks in which logits are made.
pub(crate) fn blocks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows)
        .step_by(HEAD_ROWS)
        .map(move |start| start..rows.min(start + HEAD_ROWS))
}
