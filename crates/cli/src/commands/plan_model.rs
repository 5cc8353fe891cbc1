//! `plan` of a model folder: what scoring so many tokens will need.

use super::score::{budget, profile, usual_length};
use crate::args::PlanArgs;
use crate::failure::Failure;
use crate::machine;
use crate::output::{Output, bytes, duration, grouped};
use glasswork_model::scoring::{Cut, ScoringMemory, Work};
use glasswork_model::{Checkpoint, Scorer};
use glasswork_poc::{Estimate, LayerTimes};
use serde::Serialize;
use std::process::ExitCode;

/// Tokens to score, where nobody asks for another number.
const USUAL_TOKENS: u64 = 100_000;

#[derive(Serialize)]
struct Plan {
    architecture: &'static str,
    parameters: u64,
    stored_as: &'static str,
    /// Of the files.
    weights_bytes: u64,
    profile: &'static str,
    tokens: u64,
    length: usize,
    /// Passes over the files.
    waves: u64,
    chunk_rows: usize,
    /// At the peak of scoring.
    memory_bytes: u64,
    packed_bytes: u64,
    mapped_bytes: u64,
    stream_bytes: u64,
    activation_bytes: u64,
    thread_bytes: u64,
    program_bytes: u64,
    threads: usize,
    isa: &'static str,
    /// Measured just now: reading and packing one layer for the first time, from disk unless the system
    /// had it.
    layer_first_load_seconds: f64,
    /// The same again, from the system's cache.
    layer_load_seconds: f64,
    /// Measured just now: rows a second through one layer.
    layer_rows_per_second: f64,
    seconds: f64,
    tokens_per_second: f64,
}

/// Options that are `given` although they belong to the other kind of plan.
pub(super) fn refuse(given: &[(&str, bool)], theirs: &str, this: &str) -> Result<(), Failure> {
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => Err(Failure::usage(
            format!("{option} belongs to the plan of {theirs}, and this is {this}"),
            "leave it out",
        )),
    }
}

pub(super) fn run(args: &PlanArgs, output: &Output) -> Result<ExitCode, Failure> {
    let of_runs = [("--micro-batch", args.compute.micro_batch.is_some())];
    refuse(&of_runs, "a run", "a model folder")?;
    let checkpoint = Checkpoint::open(&args.run)?;
    let pool = machine::pool(args.compute.threads)?;
    let profile = profile(args.profile, &checkpoint);
    let tokens = args.tokens.unwrap_or(USUAL_TOKENS);
    let most = usize::try_from(tokens).unwrap_or(usize::MAX);
    let length = usual_length(args.length, &checkpoint)?.min(most);
    let work = Work {
        numerics: pool.numerics(profile),
        threads: pool.threads(),
        rows: most,
        longest: length,
    };
    let cut = Cut::fit(&checkpoint, work, budget(args.compute.memory))?;
    let memory = ScoringMemory::of(&checkpoint, work, cut);
    let (parameters, weights_bytes) = (checkpoint.parameters(), checkpoint.stored_bytes());
    let stored_as = checkpoint.stored_type().name();
    let architecture = checkpoint.decoder().architecture.name();
    let (threads, isa) = (pool.threads(), pool.isa().name());

    let mut scorer = Scorer::new(checkpoint, profile, pool);
    let times = LayerTimes::measure(&mut scorer, cut, length);
    let Estimate { passes, seconds } = times.estimate(&scorer, cut, tokens, length);
    let plan = Plan {
        architecture,
        parameters,
        stored_as,
        weights_bytes,
        profile: profile.name(),
        tokens,
        length,
        waves: passes,
        chunk_rows: cut.chunk_rows,
        memory_bytes: memory.total(),
        packed_bytes: memory.packed,
        mapped_bytes: memory.mapped,
        stream_bytes: memory.stream,
        activation_bytes: memory.activations,
        thread_bytes: memory.threads,
        program_bytes: memory.program,
        threads,
        isa,
        layer_first_load_seconds: times.first_load,
        layer_load_seconds: times.load,
        layer_rows_per_second: times.rows_per_second,
        seconds,
        tokens_per_second: tokens as f64 / seconds,
    };
    output.result(&plan, || text(&plan));
    Ok(ExitCode::SUCCESS)
}

fn text(plan: &Plan) -> String {
    let passes = match plan.waves {
        1 => "one pass over the files".to_owned(),
        waves => format!("{waves} passes over the files"),
    };
    format!(
        "model            {}, {} parameters stored as {}: {}\n\
         scoring          {} tokens in sequences of {}, {}, {passes}\n\
         memory           {}: one layer's weights, rearranged, {}, its file's pages {},\n\
         \x20                residual stream {}, activations of {} rows {}, the threads' buffers {},\n\
         \x20                the program itself {}\n\
         time             about {} at {:.1} tokens/s (measured on one layer: read and packed in {},\n\
         \x20                again in {}, {:.0} rows/s through it; {} threads, {})\n",
        plan.architecture,
        grouped(plan.parameters),
        plan.stored_as,
        bytes(plan.weights_bytes),
        grouped(plan.tokens),
        grouped(plan.length as u64),
        plan.profile,
        bytes(plan.memory_bytes),
        bytes(plan.packed_bytes),
        bytes(plan.mapped_bytes),
        bytes(plan.stream_bytes),
        grouped(plan.chunk_rows as u64),
        bytes(plan.activation_bytes),
        bytes(plan.thread_bytes),
        bytes(plan.program_bytes),
        duration(plan.seconds),
        plan.tokens_per_second,
        duration(plan.layer_first_load_seconds),
        duration(plan.layer_load_seconds),
        plan.layer_rows_per_second,
        plan.threads,
        plan.isa,
    )
}
