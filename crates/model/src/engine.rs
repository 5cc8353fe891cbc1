//! The engine: a decoder's forward pass (`layer.rs`) and what is asked of it; `backward.rs` is the
//! way back. Each operation is in the order that `docs/numerics.md` writes.

use crate::activations::{Activations, Gradients, HEAD_ROWS};
use crate::packed::PackedWeights;
use crate::{Layout, ModelConfig, ModelError, Parameters};
use glasswork_kernels::attention::Shape;
use glasswork_kernels::gemm::{Beside, Start, gemm, gemm_then};
use glasswork_kernels::rope::Angles;
use glasswork_kernels::{Numerics, Pool, Profile, cross_entropy};
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
    /// Inputs and targets of a micro-batch, apart.
    pub(crate) tokens: [Vec<u32>; 2],
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
            tokens: Default::default(),
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

    /// Has the backward pass make the activations of the first `layers` layers again instead of
    /// keeping them: less memory, more time, the same bits. At most all layers but one, whose
    /// activations the forward pass leaves in any case.
    pub fn recompute(&mut self, layers: usize) {
        self.activations.recomputed = layers.min(self.config.layers.saturating_sub(1));
    }

    /// Bytes of activations for a micro-batch of `sequences` whole sequences when the first
    /// `recomputed` layers are made again.
    pub fn activation_bytes(
        config: &ModelConfig,
        profile: Profile,
        sequences: usize,
        recomputed: usize,
    ) -> u64 {
        Activations::bytes(profile, config, sequences * config.sequence, recomputed)
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
    pub fn packed_bytes(config: &ModelConfig, numerics: Numerics) -> u64 {
        PackedWeights::bytes(numerics, config)
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
        let (vocabulary, isa) = (self.config.vocabulary, self.pool.isa());
        let head = self.activations.head();
        for rows in blocks(inputs.len()) {
            let targets = &targets[rows.clone()];
            gemm_then(
                &self.pool,
                self.profile,
                &mut head.logits[..rows.len() * vocabulary],
                head.normed.h.view(rows.clone()),
                &self.packed.head.forward,
                [Beside::new(&mut losses[rows], 1)],
                |first, logits, [losses]| {
                    let targets = &targets[first..first + losses.len()];
                    cross_entropy::forward_rows(isa, logits, losses, targets, vocabulary);
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
        // Moved out, not copied, so that filling them may read everything else of the engine.
        let mut acts = std::mem::take(&mut self.activations);
        self.fill(&mut acts, weights, inputs, length);
        self.activations = acts;
    }

    /// Computes the logits of some rows into the logits buffer; returns how many elements.
    pub(crate) fn logits_of(&mut self, rows: Range<usize>) -> usize {
        let vocabulary = self.config.vocabulary;
        let count = rows.len() * vocabulary;
        let head = self.activations.head();
        gemm(
            &self.pool,
            self.profile,
            &mut head.logits[..count],
            vocabulary,
            head.normed.h.view(rows),
            &self.packed.head.forward,
            Start::Zero,
        );
        count
    }
}

/// Row blocks in which logits are made.
pub(crate) fn blocks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows)
        .step_by(HEAD_ROWS)
        .map(move |start| start..rows.min(start + HEAD_ROWS))
}
