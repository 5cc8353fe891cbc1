//! Everything that the next step depends on: weights, two moments, the step number.

use crate::TrainError;
use glasswork_model::{Engine, Layout, ModelConfig, Parameters, initialise};
use glasswork_release::checkpoint::{
    Checkpoint, CheckpointInputs, CheckpointManifest, Commitment, write_checkpoint,
};
use glasswork_release::safetensors::{SafeTensors, TensorView};
use glasswork_release::state::{TensorEntry, state_digest};
use glasswork_release::{Digest, Dtype};
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

#[cfg(target_endian = "big")]
compile_error!("state bytes are little-endian; a big-endian machine would need a swap here");

/// The state after `step` updates.
#[derive(Clone, Debug)]
pub struct TrainState {
    /// Updates done.
    pub step: u64,
    /// Weights.
    pub weights: Parameters,
    /// First moments.
    pub m: Parameters,
    /// Second moments.
    pub v: Parameters,
}

/// Prefixes of the optimizer's tensor names.
const M: &str = "optimizer.m.";
const V: &str = "optimizer.v.";

/// What a state's tensor names begin with: weights by their own name, then first and second moments.
pub const TENSOR_PREFIXES: [&str; 3] = ["", M, V];

impl TrainState {
    /// The state before the first step.
    pub fn initial(config: &ModelConfig, layout: &Arc<Layout>, seed: u64) -> Self {
        Self {
            step: 0,
            weights: initialise(config, layout, seed),
            m: Parameters::zeros(layout),
            v: Parameters::zeros(layout),
        }
    }

    /// The state that a checkpoint holds.
    ///
    /// # Errors
    /// When its tensors are not those of `layout`.
    pub fn from_checkpoint(
        checkpoint: &Checkpoint,
        layout: &Arc<Layout>,
    ) -> Result<Self, TrainError> {
        let foreign = |file: &SafeTensors| {
            let path = file.path().to_owned();
            move |problem| TrainError::Checkpoint { path, problem }
        };
        let weights = Parameters::from_source(layout, checkpoint.model.names(), |name| {
            checkpoint.model.f32(name).ok()
        })
        .map_err(foreign(&checkpoint.model))?;
        let optimizer = |prefix: &str| {
            let names = checkpoint
                .optimizer
                .names()
                .filter_map(|name| name.strip_prefix(prefix));
            Parameters::from_source(layout, names, |name| {
                checkpoint.optimizer.f32(&format!("{prefix}{name}")).ok()
            })
            .map_err(foreign(&checkpoint.optimizer))
        };
        Ok(Self {
            step: checkpoint.manifest.step,
            weights,
            m: optimizer(M)?,
            v: optimizer(V)?,
        })
    }

    fn parts(&self) -> [(&'static str, &Parameters); 3] {
        [("", &self.weights), (M, &self.m), (V, &self.v)]
    }

    /// Name, shape and digest of every tensor, weights first.
    pub fn entries(&self, engine: &Engine) -> Vec<TensorEntry> {
        let tensors: Vec<_> = self
            .parts()
            .into_iter()
            .flat_map(|(prefix, part)| {
                part.iter()
                    .map(move |(slot, values)| (prefix, slot, values))
            })
            .collect();
        engine.pool().run(|| {
            tensors
                .par_iter()
                .map(|(prefix, slot, values)| {
                    let name = format!("{prefix}{}", slot.name);
                    TensorEntry::of(&name, Dtype::F32, &slot.shape, bytemuck::cast_slice(values))
                })
                .collect()
        })
    }

    /// The state digest (see `docs/release-format.md`).
    pub fn digest(&self, engine: &Engine) -> Digest {
        state_digest(self.step, &self.entries(engine))
    }

    /// Writes the state as a checkpoint of `run_dir`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(
        &self,
        run_dir: &Path,
        tokens: u64,
        commitment: Commitment,
        config_json: &[u8],
    ) -> Result<CheckpointManifest, TrainError> {
        let inputs = CheckpointInputs {
            step: self.step,
            tokens,
            commitment,
        };
        let model: Vec<TensorView> = views(&self.weights, None);
        let names: Vec<String> = [(M, &self.m), (V, &self.v)]
            .into_iter()
            .flat_map(|(prefix, part)| {
                part.iter()
                    .map(move |(slot, _)| format!("{prefix}{}", slot.name))
            })
            .collect();
        let half = names.len() / 2;
        let mut optimizer = views(&self.m, Some(&names[..half]));
        optimizer.extend(views(&self.v, Some(&names[half..])));
        Ok(write_checkpoint(
            run_dir,
            &inputs,
            &model,
            &optimizer,
            config_json,
        )?)
    }

    /// Bytes of one checkpoint's tensors.
    pub fn bytes(layout: &Layout) -> u64 {
        12 * layout.elements() as u64
    }
}

fn views<'a>(part: &'a Parameters, names: Option<&'a [String]>) -> Vec<TensorView<'a>> {
    part.iter()
        .enumerate()
        .map(|(index, (slot, values))| {
            let name = names.map_or(slot.name.as_str(), |names| names[index].as_str());
            (
                name,
                Dtype::F32,
                slot.shape.as_slice(),
                bytemuck::cast_slice(values),
            )
        })
        .collect()
}
