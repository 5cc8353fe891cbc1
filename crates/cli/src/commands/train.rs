//! `train`: from prepared data to a sealed release.

use super::load_run;
use crate::args::TrainArgs;
use crate::code;
use crate::failure::Failure;
use crate::machine;
use crate::output::{Output, bytes, duration, grouped};
use crate::progress::Steps;
use glasswork_release::config::RunConfig;
use glasswork_release::{atomic, files, layout};
use glasswork_train::train;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// An operations log is a few lines; anything larger is not ours.
const MAX_LOG: u64 = 16 << 20;

pub(super) fn run(args: TrainArgs, output: &Output) -> Result<ExitCode, Failure> {
    let config = load_run(&args.run)?;
    let directory = machine::run_directory(args.output, &config.name);
    require_prepared(&directory, &config)?;
    let pool = machine::pool(args.compute.threads)?;
    let cut = machine::cut(&args.compute, &config, &pool)?;
    let recomputed = match cut.recomputed {
        0 => String::new(),
        layers => format!(", {layers} layers computed twice"),
    };
    output.note(&format!(
        "{} threads, {}, micro-batch {}{recomputed}; Ctrl-C is safe, the same command goes on",
        pool.threads(),
        pool.isa().name(),
        cut.micro_batch,
    ));
    let steps = Steps::new("train", output.json);
    let summary = train(
        &directory,
        Arc::clone(&pool),
        cut,
        &code::code_json(),
        &steps,
    );
    let seconds = steps.finish();
    let summary = summary?;
    let rate = (summary.steps_now * config.tokens_per_step()) as f64 / seconds;
    if summary.steps_now > 0 {
        record(
            &directory,
            &pool,
            cut.micro_batch,
            summary.steps_now,
            seconds,
        )?;
    }
    let value = serde_json::json!({
        "directory": directory,
        "steps": summary.steps,
        "steps_now": summary.steps_now,
        "state_digest": summary.state_digest,
        "commitment": summary.commitment,
        "root": summary.root,
        "seconds": seconds,
        "peak_bytes": machine::peak_memory(),
    });
    output.result(&value, || {
        let done = if summary.steps_now == 0 {
            format!("nothing left to do: all {} steps are done", summary.steps)
        } else {
            format!(
                "{} steps in {}, {} tokens/s{}",
                summary.steps_now,
                duration(seconds),
                grouped(rate as u64),
                machine::peak_memory()
                    .map(|peak| format!(", {} of memory", bytes(peak)))
                    .unwrap_or_default(),
            )
        };
        format!(
            "{done}\nfinal state  {}\nroot         {}\nrelease in {}\n",
            summary.state_digest,
            summary.root,
            directory.display()
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// The directory holds data prepared from this very configuration.
fn require_prepared(directory: &Path, config: &RunConfig) -> Result<(), Failure> {
    let hint = "run `glasswork prep RUN.toml` first, with the same -o".to_owned();
    if !directory.join(layout::MIXTURE).exists() {
        return Err(Failure::new(
            format!("{} holds no prepared data", directory.display()),
            Some(hint),
        ));
    }
    let prepared = RunConfig::load(&directory.join(layout::RUN))?;
    if prepared.digest() != config.digest() {
        let message = format!("{} was prepared with another run file", directory.display());
        return Err(Failure::new(message, Some(hint)));
    }
    Ok(())
}

/// Files the annexes that say how the run was executed. None of it can change a bit of the result.
fn record(
    directory: &Path,
    pool: &glasswork_kernels::Pool,
    micro_batch: usize,
    steps: u64,
    seconds: f64,
) -> Result<(), Failure> {
    let path = directory.join(layout::OPERATIONS);
    let mut log = if path.exists() {
        files::read(&path, MAX_LOG)?
    } else {
        Vec::new()
    };
    let line = serde_json::json!({
        "event": "trained", "steps": steps, "seconds": seconds, "threads": pool.threads(),
        "micro_batch": micro_batch, "isa": pool.isa().name(),
    });
    log.extend_from_slice(format!("{line}\n").as_bytes());
    atomic::write_file(&path, &log)?;
    let execution = format!(
        "# How the run was last executed. Nothing here can change a bit of the result.\nthreads = {}\nmicro_batch = {micro_batch}\nisa = \"{}\"\n",
        pool.threads(),
        pool.isa().name()
    );
    Ok(atomic::write_file(
        &directory.join(layout::EXECUTION),
        execution.as_bytes(),
    )?)
}
