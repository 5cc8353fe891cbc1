//! `plan` of a model folder: what scoring so many tokens will need.

use super::score::{budget, profile, usual_length};
use crate::args::PlanArgs;
use crate::failure::Failure;
use crate::machine;
use crate::output::{Output, bytes, duration, grouped};
use glasswork_model::scoring::{Cut, ScoringMemory, Work};
use glasswork_model::{Checkpoint, Scorer};
use serde::Serialize;
use std::process::ExitCode;
use std::time::Instant;

/// Tokens to score, where nobody asks for another number.
const USUAL_TOKENS: u64 = 100_000;
/// Rows that are timed: enough for the products' speed, few enough to take seconds.
const SAMPLE_ROWS: usize = 512;

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
    let decoder = checkpoint.decoder().clone();
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
    let waves = waves(tokens, length, cut.wave_rows);
    let memory = ScoringMemory::of(&checkpoint, work, cut);
    let (parameters, weights_bytes) = (checkpoint.parameters(), checkpoint.stored_bytes());
    let stored_as = checkpoint.stored_type().name();
    let (threads, isa) = (pool.threads(), pool.isa().name());

    let mut scorer = Scorer::new(checkpoint, profile, pool);
    let timed = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    // The first one may wait for the disk.
    let first_load = timed(&mut || scorer.load_sample_layer());
    let load = first_load.min(timed(&mut || scorer.load_sample_layer()));
    let sample = length.min(SAMPLE_ROWS);
    let count = (SAMPLE_ROWS.min(cut.chunk_rows) / sample).max(1);
    let mut run = || timed(&mut || scorer.run_sample_layer(count, sample));
    run();
    let rate = (count * sample) as f64 / run().min(run());
    // Longer sequences than the sample cost more attention; the head is a product like the others.
    let of_layer = 2 * decoder.layer_matmul_parameters();
    let attention = |length: usize| 2 * (decoder.query_width() * length) as u64;
    let flops = rate * (of_layer + attention(sample)) as f64;
    let compute = tokens as f64 * decoder.forward_flops_per_token(length) as f64 / flops;
    let layer_share = of_layer as f64 / (parameters as f64 * 2.0);
    let passes = waves as f64 / layer_share;
    // The next layer is read while one computes: a disk costs time only where it is slower than that.
    let disk = (passes * (first_load - load).max(0.0) - compute).max(0.0);
    let seconds = compute + passes * load + disk;
    let plan = Plan {
        architecture: decoder.architecture.name(),
        parameters,
        stored_as,
        weights_bytes,
        profile: profile.name(),
        tokens,
        length,
        waves,
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
        layer_first_load_seconds: first_load,
        layer_load_seconds: load,
        layer_rows_per_second: rate,
        seconds,
        tokens_per_second: tokens as f64 / seconds,
    };
    output.result(&plan, || text(&plan));
    Ok(ExitCode::SUCCESS)
}

/// Passes over the files: each takes whole sequences, at least one.
fn waves(tokens: u64, length: usize, wave_rows: usize) -> u64 {
    let a_wave = (wave_rows / length).max(1) * length;
    tokens.div_ceil(a_wave as u64)
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

#[cfg(test)]
mod tests {
    use super::waves;

    #[test]
    fn a_pass_takes_whole_sequences() {
        assert_eq!(waves(4096, 1024, 4096), 1);
        // Three whole sequences fit into a pass, not three and a half.
        assert_eq!(waves(7 * 1024, 1024, 3584), 3);
        assert_eq!(waves(7 * 1024, 1024, 10), 7);
    }
}
