//! `plan`: what a run will need.

use super::load_run;
use crate::args::PlanArgs;
use crate::failure::Failure;
use crate::machine;
use crate::output::{Output, bytes, duration, grouped};
use glasswork_model::{Engine, Layout, ModelConfig, ModelError, Parameters, initialise};
use glasswork_release::layout;
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
    weights_bytes: u64,
    optimizer_bytes: u64,
    gradient_bytes: u64,
    activation_bytes: u64,
    threads: usize,
    isa: &'static str,
    micro_batch: u64,
    /// Measured on one sequence just now; null for a model too large to measure on the way.
    measured_tokens_per_second: Option<f64>,
    training_seconds: Option<f64>,
}

pub(super) fn run(args: &PlanArgs, output: &Output) -> Result<ExitCode, Failure> {
    let file = if args.run.is_dir() {
        args.run.join(layout::RUN)
    } else {
        args.run.clone()
    };
    let run = load_run(&file)?;
    let model = ModelConfig::from_run(&run)?;
    let pool = machine::pool(&args.compute)?;
    let places = Layout::new(&model);
    let parameters = places.elements() as u64;
    let tokens = run.training.steps.saturating_mul(run.tokens_per_step());
    let micro_batch = u64::from(args.compute.micro_batch).min(run.training.batch as u64);
    let rate = if parameters <= MEASURED_PARAMETERS {
        Some(measure(Engine::of_run(&run, Arc::clone(&pool))?, run.seed)?)
    } else {
        None
    };
    let profile = run.profile.parse().map_err(ModelError::from)?;
    let packed = Engine::packed_bytes(&model, profile);
    let checkpoints = run.training.checkpoint_steps.len() as u64;
    // A binary tree over G groups holds one partial gradient a level, and the one being made.
    let gradients = u64::from(run.training.reduction_groups.ilog2()) + 1;
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
        weights_bytes: 4 * parameters + packed,
        optimizer_bytes: 8 * parameters,
        gradient_bytes: gradients * 4 * parameters,
        activation_bytes: Engine::activation_bytes(&model, micro_batch, 0),
        threads: pool.threads(),
        isa: pool.isa().name(),
        micro_batch,
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
    let memory =
        plan.weights_bytes + plan.optimizer_bytes + plan.gradient_bytes + plan.activation_bytes;
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
    format!(
        "run `{}`\n\
         parameters       {} ({} in matrix products)\n\
         training         {} steps, {} tokens, {:.2e} floating-point operations\n\
         memory           {}: weights {}, optimizer {}, gradients {}, activations {} (micro-batch {})\n\
         disk             {} for {} checkpoints of {}\n\
         time             {time}\n",
        plan.name,
        grouped(plan.parameters),
        grouped(plan.matmul_parameters),
        grouped(plan.steps),
        grouped(plan.tokens),
        plan.training_flops,
        bytes(memory),
        bytes(plan.weights_bytes),
        bytes(plan.optimizer_bytes),
        bytes(plan.gradient_bytes),
        bytes(plan.activation_bytes),
        plan.micro_batch,
        bytes(plan.disk_bytes),
        plan.checkpoints,
        bytes(plan.checkpoint_bytes),
    )
}
