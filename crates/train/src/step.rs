//! One step: gradient of a batch, norm, clip, update.

use crate::{TrainError, TrainState, learning_rate};
use glasswork_data::Batch;
use glasswork_kernels::adamw::{self, Coefficients};
use glasswork_kernels::elementwise;
use glasswork_model::{Engine, Parameters};
use glasswork_release::config::RunConfig;
use glasswork_release::metrics::{SourceLoss, StepRow};
use rayon::prelude::*;
use std::sync::Arc;

/// Runs steps; holds the gradient buffers.
#[derive(Debug)]
pub struct Stepper {
    run: RunConfig,
    engine: Engine,
    sources: usize,
    micro_batch: usize,
    /// Sums of groups on their way up the reduction tree, with their level.
    pending: Vec<(u32, Partial)>,
    /// One a level of the tree, reused.
    spare: Vec<Partial>,
    losses: Vec<f32>,
    /// Sums of squares of each tensor's gradient.
    squared: Vec<f64>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepOutcome {
    /// The row of `metrics/steps.parquet`.
    pub row: StepRow,
    /// Whether the weights were updated: not when the loss or the norm was not finite.
    pub applied: bool,
}

/// Sums of a reduction group: gradient, loss, loss per source.
#[derive(Debug)]
struct Partial {
    gradients: Parameters,
    loss: f64,
    sources: Vec<f64>,
}

impl Stepper {
    /// A stepper for `run` that computes `micro_batch` sequences at a time.
    pub fn new(run: RunConfig, engine: Engine, sources: usize, micro_batch: usize) -> Self {
        Self {
            run,
            engine,
            sources,
            micro_batch: micro_batch.max(1),
            pending: Vec::new(),
            spare: Vec::new(),
            losses: Vec::new(),
            squared: Vec::new(),
        }
    }

    /// The engine in use.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Applies step `state.step + 1`, which consumes `batch`.
    ///
    /// # Errors
    /// When the batch holds a token outside the vocabulary.
    pub fn step(
        &mut self,
        state: &mut TrainState,
        batch: &Batch,
    ) -> Result<StepOutcome, TrainError> {
        // The whole step on one of the pool's threads, the others awake: its many short parts then start at once.
        let pool = Arc::clone(self.engine.pool());
        pool.run_awake(|| self.step_here(state, batch))
    }

    fn step_here(
        &mut self,
        state: &mut TrainState,
        batch: &Batch,
    ) -> Result<StepOutcome, TrainError> {
        let step = state.step + 1;
        let sums = self.gradient(&state.weights, batch)?;
        let targets = self.run.tokens_per_step();
        let loss = sums.loss / targets as f64;
        let slots = self.engine.layout().tensors();
        let tensors = slots
            .par_iter()
            .map(|slot| &sums.gradients.data[slot.range.clone()]);
        let norm = adamw::global_norm(self.engine.pool(), tensors, &mut self.squared);
        let rate = learning_rate(&self.run, step);
        let applied = loss.is_finite() && norm.is_finite();
        if applied {
            self.update(state, &sums.gradients, norm, rate, step);
        }
        state.step = step;
        let row = StepRow {
            step,
            tokens: step * targets,
            loss: canonical(loss),
            grad_norm: canonical(norm),
            learning_rate: rate,
            batch_digest: batch.digest,
            state_digest: state.digest(&self.engine),
            sources: self.source_losses(batch, &sums.sources),
        };
        self.spare.push(sums);
        Ok(StepOutcome { row, applied })
    }

    /// Gradient of the step's mean loss, and the sum of its losses (nats), in f64.
    ///
    /// # Errors
    /// When the batch holds a token outside the vocabulary.
    pub fn loss_and_gradient(
        &mut self,
        weights: &Parameters,
        batch: &Batch,
    ) -> Result<(f64, Parameters), TrainError> {
        let partial = self.gradient(weights, batch)?;
        let targets = self.run.tokens_per_step();
        Ok((partial.loss / targets as f64, partial.gradients))
    }

    /// Sums over all groups, in the binary tree over group numbers.
    fn gradient(&mut self, weights: &Parameters, batch: &Batch) -> Result<Partial, TrainError> {
        self.engine.load(weights, true);
        let groups = self.run.training.reduction_groups;
        // Like carrying in binary addition: two sums of the same level make one of the next. A step that
        // an error ended may have left some.
        self.spare
            .extend(self.pending.drain(..).map(|(_, sum)| sum));
        for group in 0..groups {
            let mut sum = (0, self.group_gradient(weights, batch, group, groups)?);
            while self
                .pending
                .last()
                .is_some_and(|(level, _)| *level == sum.0)
            {
                let (level, mut left) = self.pending.pop().expect("just looked at");
                elementwise::add(
                    self.engine.pool(),
                    &mut left.gradients.data,
                    &sum.1.gradients.data,
                );
                left.loss += sum.1.loss;
                for (a, b) in left.sources.iter_mut().zip(&sum.1.sources) {
                    *a += b;
                }
                self.spare.push(sum.1);
                sum = (level + 1, left);
            }
            self.pending.push(sum);
        }
        Ok(self
            .pending
            .pop()
            .expect("at least one group, and their number is a power of two")
            .1)
    }

    fn group_gradient(
        &mut self,
        weights: &Parameters,
        batch: &Batch,
        group: usize,
        groups: usize,
    ) -> Result<Partial, TrainError> {
        let rows = self.run.training.batch;
        let sequence = self.run.model.sequence;
        let (first, end) = (group * rows / groups, (group + 1) * rows / groups);
        let scale = (1.0 / (rows * sequence) as f64) as f32;
        let mut partial = self.spare.pop().unwrap_or_else(|| Partial {
            gradients: Parameters::zeros(&weights.layout),
            loss: 0.0,
            sources: vec![0.0; self.sources],
        });
        partial.gradients.data.fill(0.0);
        partial.loss = 0.0;
        partial.sources.fill(0.0);
        for start in (first..end).step_by(self.micro_batch) {
            let count = self.micro_batch.min(end - start);
            let tokens = &batch.tokens[start * (sequence + 1)..(start + count) * (sequence + 1)];
            self.losses.resize(count * sequence, 0.0);
            self.engine.accumulate(
                weights,
                tokens,
                scale,
                &mut partial.gradients,
                &mut self.losses,
            )?;
            for (row, losses) in self.losses.chunks_exact(sequence).enumerate() {
                let source = batch.source[start + row];
                for &loss in losses {
                    partial.loss += f64::from(loss);
                    partial.sources[source] += f64::from(loss);
                }
            }
        }
        Ok(partial)
    }

    fn update(
        &self,
        state: &mut TrainState,
        gradients: &Parameters,
        norm: f64,
        rate: f32,
        step: u64,
    ) {
        let o = &self.run.optimizer;
        let factor = adamw::clip_factor(norm, o.clip);
        let decayed = Coefficients::new(step, rate, o.beta1, o.beta2, o.epsilon, o.weight_decay);
        let kept = Coefficients {
            keep: 1.0,
            ..decayed
        };
        for slot in self.engine.layout().tensors() {
            let range = slot.range.clone();
            adamw::update(
                self.engine.pool(),
                &mut state.weights.data[range.clone()],
                &mut state.m.data[range.clone()],
                &mut state.v.data[range.clone()],
                &gradients.data[range],
                factor,
                if slot.shape.len() > 1 { decayed } else { kept },
            );
        }
    }

    fn source_losses(&self, batch: &Batch, sums: &[f64]) -> Vec<SourceLoss> {
        (0..self.sources)
            .map(|source| {
                let rows = batch.source.iter().filter(|&&s| s == source).count() as u64;
                let targets = rows * self.run.model.sequence as u64;
                let loss = if targets == 0 {
                    f64::NAN
                } else {
                    canonical(sums[source] / targets as f64)
                };
                SourceLoss { targets, loss }
            })
            .collect()
    }
}

/// A recorded number: every NaN is the one of `f64::NAN`.
fn canonical(x: f64) -> f64 {
    if x.is_nan() { f64::NAN } else { x }
}
