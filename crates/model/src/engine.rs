//! The forward pass, each operation in the order that `docs/numerics.md` writes; see
//! `backward.rs` for the way back.

use crate::activations::{Activations, Gradients, HEAD_ROWS};
use crate::{Layout, ModelConfig, ModelError, Parameters};
use glasswork_kernels::attention::Shape;
use glasswork_kernels::gemm::{Start, View, gemm};
use glasswork_kernels::rope::Angles;
use glasswork_kernels::{
    Pool, attention, cross_entropy, elementwise, embedding, rms_norm, rope, swiglu,
};
use std::ops::Range;
use std::sync::Arc;

/// A decoder ready to compute on some threads. Holds the buffers, not the weights.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: ModelConfig,
    pub(crate) layout: Arc<Layout>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) angles: Angles,
    pub(crate) activations: Activations,
    pub(crate) gradients: Gradients,
}

impl Engine {
    /// An engine for `config` on `pool`; buffers grow at the first use.
    pub fn new(config: ModelConfig, pool: Arc<Pool>) -> Self {
        Self {
            angles: Angles::new(config.sequence, config.head_width(), config.rope_theta),
            layout: Arc::new(Layout::new(&config)),
            activations: Activations::default(),
            gradients: Gradients::default(),
            config,
            pool,
        }
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
        let vocabulary = self.config.vocabulary;
        for rows in blocks(inputs.len()) {
            let logits = self.logits_of(weights, rows.clone());
            let logits = &mut self.activations.logits[..logits];
            cross_entropy::forward(
                &self.pool,
                logits,
                &mut losses[rows.clone()],
                &targets[rows],
                vocabulary,
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
            let count = self.logits_of(weights, rows);
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
        let count = self.logits_of(weights, inputs.len() - 1..inputs.len());
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
        Shape {
            sequence,
            heads: self.config.heads,
            kv_heads: self.config.kv_heads,
            width: self.config.head_width(),
        }
    }

    /// Fills the activations for `inputs`, sequences of `length` tokens.
    pub(crate) fn forward(&mut self, weights: &Parameters, inputs: &[u32], length: usize) {
        assert!(
            length > 0 && inputs.len().is_multiple_of(length),
            "whole sequences"
        );
        let rows = inputs.len();
        self.activations.resize(&self.config, rows);
        let (d, kv, mlp) = (self.config.hidden, self.config.kv_width(), self.config.mlp);
        let (pool, epsilon, shape) = (&*self.pool, self.config.norm_eps, self.shape(length));
        let w = |range: &Range<usize>| &weights.data[range.clone()];
        let table = w(&self.layout.embedding);
        let acts = &mut self.activations;
        let first = acts
            .layers
            .first_mut()
            .map_or(&mut acts.x, |layer| &mut layer.x);
        embedding::forward(pool, first, table, inputs, d);
        for (index, slots) in self.layout.layers.iter().enumerate() {
            let (before, after) = acts.layers.split_at_mut(index + 1);
            let layer = &mut before[index];
            rms_norm::forward(
                pool,
                &mut layer.h1,
                &mut layer.r1,
                &layer.x,
                w(&slots.norm1),
                epsilon,
            );
            linear(pool, &mut layer.q, &layer.h1, w(&slots.q), rows, d, d);
            linear(pool, &mut layer.k, &layer.h1, w(&slots.k), rows, d, kv);
            linear(pool, &mut layer.v, &layer.h1, w(&slots.v), rows, d, kv);
            rope::forward(pool, &mut layer.q, d, length, &self.angles);
            rope::forward(pool, &mut layer.k, kv, length, &self.angles);
            attention::forward(
                pool,
                shape,
                &mut layer.o,
                &mut layer.m,
                &mut layer.l,
                &layer.q,
                &layer.k,
                &layer.v,
            );
            linear(pool, &mut layer.x2, &layer.o, w(&slots.o), rows, d, d);
            elementwise::add(pool, &mut layer.x2, &layer.x);
            rms_norm::forward(
                pool,
                &mut layer.h2,
                &mut layer.r2,
                &layer.x2,
                w(&slots.norm2),
                epsilon,
            );
            linear(
                pool,
                &mut layer.gate,
                &layer.h2,
                w(&slots.gate),
                rows,
                d,
                mlp,
            );
            linear(pool, &mut layer.up, &layer.h2, w(&slots.up), rows, d, mlp);
            swiglu::forward(pool, &mut layer.act, &layer.gate, &layer.up);
            let next = after.first_mut().map_or(&mut acts.x, |layer| &mut layer.x);
            linear(pool, next, &layer.act, w(&slots.down), rows, mlp, d);
            elementwise::add(pool, next, &layer.x2);
        }
        rms_norm::forward(
            pool,
            &mut acts.h,
            &mut acts.r,
            &acts.x,
            w(&self.layout.norm),
            epsilon,
        );
    }

    /// Computes the logits of some rows into the logits buffer; returns how many elements.
    pub(crate) fn logits_of(&mut self, weights: &Parameters, rows: Range<usize>) -> usize {
        let (d, vocabulary) = (self.config.hidden, self.config.vocabulary);
        let count = rows.len() * vocabulary;
        let h = &self.activations.h[rows.start * d..rows.end * d];
        let head = &weights.data[self.layout.head.clone()];
        linear(
            &self.pool,
            &mut self.activations.logits[..count],
            h,
            head,
            rows.len(),
            d,
            vocabulary,
        );
        count
    }
}

/// `y = x · Wᵀ` for `w` `[out, in]`; chains over the input width from +0.
fn linear(
    pool: &Pool,
    y: &mut [f32],
    x: &[f32],
    w: &[f32],
    rows: usize,
    width_in: usize,
    width_out: usize,
) {
    let (x, w) = (
        View::new(x, rows, width_in),
        View::new(w, width_out, width_in),
    );
    gemm(pool, y, width_out, x, w.transposed(), Start::Zero);
}

/// Row blocks in which logits are made.
pub(crate) fn blocks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows)
        .step_by(HEAD_ROWS)
        .map(move |start| start..rows.min(start + HEAD_ROWS))
}
