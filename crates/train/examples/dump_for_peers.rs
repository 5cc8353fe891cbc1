//! Writes what the programs under `peers/` compare themselves with: `dump_for_peers RELEASE DIR`.
//!
//! `encodings.json` (held-out texts and our tokens), `logits.safetensors` (our logits of the last
//! checkpoint on two training rows), `step.safetensors` (loss and unclipped gradient of a middle
//! checkpoint's next batch).

use glasswork_data::{SequenceStore, Tokenizer, held_out};
use glasswork_kernels::{Isa, Pool};
use glasswork_model::{Engine, Parameters};
use glasswork_release::checkpoint::read_checkpoint;
use glasswork_release::safetensors::{self, TensorView};
use glasswork_release::{Dtype, config::RunConfig, layout};
use glasswork_train::{Stepper, TrainState};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [release, out] = &arguments[..] else {
        return Err("dump_for_peers RELEASE DIR".into());
    };
    std::fs::create_dir_all(out)?;
    let run = RunConfig::load(&release.join(layout::RUN))?;
    encodings(release, &run, &out.join("encodings.json"))?;
    let steps = layout::checkpoint_steps(release)?;
    let (middle, last) = (steps[steps.len() / 2], steps[steps.len() - 1]);
    logits(release, &run, last, &out.join("logits.safetensors"))?;
    gradients(release, &run, middle, &out.join("step.safetensors"))?;
    println!("{middle}");
    Ok(())
}

fn engine(run: &RunConfig) -> Result<Engine, Box<dyn Error>> {
    let pool = Arc::new(Pool::new(2, Isa::best())?);
    Ok(Engine::of_run(run, pool)?)
}

fn state(release: &Path, step: u64, engine: &Engine) -> Result<TrainState, Box<dyn Error>> {
    let checkpoint = read_checkpoint(&release.join(layout::checkpoint_dir(step)))?;
    Ok(TrainState::from_checkpoint(&checkpoint, engine.layout())?)
}

fn encodings(release: &Path, run: &RunConfig, path: &Path) -> Result<(), Box<dyn Error>> {
    let tokenizer = Tokenizer::open(&release.join(layout::TOKENIZER))?;
    let texts = held_out(release, run.split.eval_bytes)?;
    let all: Vec<_> = texts
        .iter()
        .map(|text| serde_json::json!({ "text": text.text, "ids": tokenizer.encode(&text.text) }))
        .collect();
    Ok(std::fs::write(path, serde_json::to_vec(&all)?)?)
}

fn logits(release: &Path, run: &RunConfig, step: u64, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut engine = engine(run)?;
    let state = state(release, step, &engine)?;
    let batch = SequenceStore::open(release)?.batch(1, run.training.batch)?;
    let (rows, length) = (2, run.model.sequence);
    let inputs: Vec<u32> = batch
        .tokens
        .chunks(length + 1)
        .take(rows)
        .flat_map(|row| &row[..length])
        .copied()
        .collect();
    engine.load(&state.weights, false);
    let logits = engine.logits(&state.weights, &inputs, length)?;
    let shape = [rows, length, run.model.vocabulary];
    let tensors: [TensorView; 2] = [
        (
            "input_ids",
            Dtype::I32,
            &shape[..2],
            bytemuck::cast_slice(&inputs),
        ),
        ("logits", Dtype::F32, &shape, bytemuck::cast_slice(&logits)),
    ];
    Ok(safetensors::write(path, &tensors, &BTreeMap::new())?)
}

fn gradients(
    release: &Path,
    run: &RunConfig,
    step: u64,
    path: &Path,
) -> Result<(), Box<dyn Error>> {
    let engine = engine(run)?;
    let state = state(release, step, &engine)?;
    let store = SequenceStore::open(release)?;
    let batch = store.batch(step + 1, run.training.batch)?;
    let mut stepper = Stepper::new(run.clone(), engine, store.sources().len(), 4);
    let (loss, gradients): (f64, Parameters) = stepper.loss_and_gradient(&state.weights, &batch)?;
    let loss = [loss as f32];
    let names: Vec<String> = gradients
        .iter()
        .map(|(slot, _)| format!("grad.{}", slot.name))
        .collect();
    let token_shape = [run.training.batch, run.model.sequence + 1];
    let mut tensors: Vec<TensorView> = gradients
        .iter()
        .zip(&names)
        .map(|((slot, values), name)| {
            (
                name.as_str(),
                Dtype::F32,
                slot.shape.as_slice(),
                bytemuck::cast_slice(values),
            )
        })
        .collect();
    tensors.push(("loss", Dtype::F32, &[1], bytemuck::cast_slice(&loss)));
    tensors.push((
        "tokens",
        Dtype::I32,
        &token_shape,
        bytemuck::cast_slice(&batch.tokens),
    ));
    Ok(safetensors::write(path, &tensors, &BTreeMap::new())?)
}
