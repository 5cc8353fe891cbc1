//! `plan`: what a run will need.

use super::load_run;
use crate::args::PlanArgs;
use crate::failure::Failure;
use crate::machine;
use crate::output::{Output, bytes, duration, grouped};
use glasswork_model::{Engine, Layout, ModelConfig, ModelError, Parameters, initialise};
use glasswork_release::layout;
use glasswork_train::Memory;
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Larger models are planned by arithmetic alone: making and running one here could take all memory.
const MEASURED_PARAMETERS: u64 = 200_000_000;

#[derive(Serialize)]
struct Plan {
    name: String,
    parameters: u64,
    matmul_parameters: u64,
    tokens: u64,
    steps: u64,
    checkpoints: u64,
    training_flops: f64,
    checkpoint_bytes: u64,
    disk_bytes: u64,
    /// At the peak of training.
    memory_bytes: u64,
    weights_bytes: u64,
    packed_bytes: u64,
    optimizer_bytes: u64,
    gradient_bytes: u64,
    activation_bytes: u64,
    program_bytes: u64,
    threads: usize,
    isa: &'static str,
    micro_batch: usize,
    /// Layers whose activations are computed twice.
    recomputed_layers: usize,
    /// Measured on one sequence just now; null for a model too large to measure on the way.
    measured_tokens_per_second: Option<f64>,
    training_seconds: Option<f64>,
}

pub(super) fn run(args: &PlanArgs, output: &Output) -> Result<ExitCode, Failure> {
    if args.run.join("config.json").exists() && !args.run.join(layout::RUN).exists() {
        return super::plan_model::run(args, output);
    }
    let file = if args.run.is_dir() {
        args.run.join(layout::RUN)
    } else {
        args.run.clone()
    };
    let of_models = [
        ("--tokens", args.tokens.is_some()),
        ("--length", args.length.is_some()),
        ("--profile", args.profile.is_some()),
    ];
    super::plan_model::refuse(&of_models, "a model folder", "a run")?;
    let run = load_run(&file)?;
    let model = ModelConfig::from_run(&run)?;
    let pool = machine::pool(args.compute.threads)?;
    let places = Layout::new(&model);
    let parameters = places.elements() as u64;
    let tokens = run.training.steps.saturating_mul(run.tokens_per_step());
    let cut = machine::cut(&args.compute, &run, &pool)?;
    let rate = if parameters <= MEASURED_PARAMETERS {
        Some(measure(Engine::of_run(&run, Arc::clone(&pool))?, run.seed)?)
    } else {
        None
    };
    let profile = run.profile.parse().map_err(ModelError::from)?;
    let computed = (pool.numerics(profile), pool.threads());
    let memory = Memory::of(&run, &model, computed, cut);
    let checkpoints = run.training.checkpoint_steps.len() as u64;
    let plan = Plan {
        name: run.name.clone(),
        parameters,
        matmul_parameters: model.matmul_parameters(),
        tokens,
        steps: run.training.steps,
        checkpoints,
        training_flops: model.training_flops_per_token() as f64 * tokens as f64,
        checkpoint_bytes: 12 * parameters,
        disk_bytes: checkpoints.saturating_mul(12 * parameters),
        memory_bytes: memory.total(),
        weights_bytes: memory.weights,
        packed_bytes: memory.packed,
        optimizer_bytes: memory.optimizer,
        gradient_bytes: memory.gradients,
        activation_bytes: memory.activations,
        program_bytes: memory.program,
        threads: pool.threads(),
        isa: pool.isa().name(),
        micro_batch: cut.micro_batch,
        recomputed_layers: cut.recomputed,
        measured_tokens_per_second: rate,
        training_seconds: rate.map(|rate| tokens as f64 / rate),
    };
    output.result(&plan, || text(&plan));
    Ok(ExitCode::SUCCESS)
}

/// Tokens per second of forward and backward on one sequence of made-up tokens, best of three.
fn measure(mut engine: Engine, seed: u64) -> Result<f64, Failure> {
    let model = engine.config().clone();
    let places = Arc::clone(engine.layout());
    let weights = initialise(&model, &places, seed);
    engine.load(&weights, true);
    let mut gradients = Parameters::zeros(&places);
    let tokens: Vec<u32> = (0..=model.sequence)
        .map(|i| (i * 7919 % model.vocabulary) as u32)
        .collect();
    let mut losses = vec![0.0; model.sequence];
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        engine.accumulate(&weights, &tokens, 1.0, &mut gradients, &mut losses)?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(model.sequence as f64 / best)
}

fn text(plan: &Plan) -> String {
    let time = match (plan.training_seconds, plan.measured_tokens_per_second) {
        (Some(seconds), Some(rate)) => format!(
            "about {} at {} tokens/s (measured on one sequence: {} threads, {}); update, digests and\n\
             \x20                checkpoints come on top",
            duration(seconds),
            grouped(rate as u64),
            plan.threads,
            plan.isa,
        ),
        _ => format!(
            "not measured (more than {} parameters); divide the operations by this machine's rate",
            grouped(MEASURED_PARAMETERS)
        ),
    };
    let cut = match plan.recomputed_layers {
        0 => format!("micro-batch {}", plan.micro_batch),
        layers => format!(
            "micro-batch {}, {layers} layers computed twice",
            plan.micro_batch
        ),
    };
    format!(
        "run `{}`\n\
         parameters       {} ({} in matrix products)\n\
         training         {} steps, {} tokens, {:.2e} floating-point operations\n\
         memory           {}: weights {}, again in the order of the products {}, optimizer {}, gradients {},\n\
         \x20                activations {} ({}), the program itself {}\n\
         disk             {} for {} checkpoints of {}\n\
         time             {time}\n",
        plan.name,
        grouped(plan.parameters),
        grouped(plan.matmul_parameters),
        grouped(plan.steps),
        grouped(plan.tokens),
        plan.training_flops,
        bytes(plan.memory_bytes),
        bytes(plan.weights_bytes),
        bytes(plan.packed_bytes),
        bytes(plan.optimizer_bytes),
        bytes(plan.gradient_bytes),
        bytes(plan.activation_bytes),
        cut,
        bytes(plan.program_bytes),
        bytes(plan.disk_bytes),
        plan.checkpoints,
        bytes(plan.checkpoint_bytes),
    )
}
