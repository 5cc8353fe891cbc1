//! `export hf --all`: what LLM360 publishes of a training, in the shapes that others read.
//!
//! Checkpoints lie in folders `stepN` (Pythia's names), the training sequence in `train/train_NNN.jsonl`
//! (LLM360's keys `token_ids` and `source`, and the `step` that read the row), one file for each stretch
//! between two checkpoints; `metrics.csv` has a line a step.

use super::folder::ModelFolder;
use crate::args::ExportArgs;
use crate::commands::create_folder;
use crate::failure::Failure;
use crate::output::{Output, grouped};
use crate::progress::{self, COUNTED};
use glasswork_data::SequenceStore;
use glasswork_release::atomic::{self, StagedDir};
use glasswork_release::config::RunConfig;
use glasswork_release::layout;
use glasswork_release::metrics::Metrics;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// A row of the training sequence, with LLM360's keys.
#[derive(Serialize)]
struct Row<'a> {
    /// The inputs and, one further, the targets.
    token_ids: &'a [u32],
    source: &'a str,
    /// The update that read it, from 1.
    step: u64,
}

pub(super) fn run(args: &ExportArgs, steps: &[u64], output: &Output) -> Result<ExitCode, Failure> {
    let config = RunConfig::load(&args.release.join(layout::RUN))?;
    let sequence = SequenceStore::open(&args.release)?;
    let metrics = Metrics::read(&args.release.join(layout::STEPS))?;
    let staged = StagedDir::begin(&args.output)?;
    let root = staged.path();
    let folder = ModelFolder::of(&args.release)?;
    let bar = progress::bar(steps.len() as u64, COUNTED).with_prefix("export");
    bar.set_message("checkpoints");
    for &step in steps {
        let to = root.join(format!("step{step}"));
        create_folder(&to)?;
        folder.write(step, &to)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    create_folder(&root.join("train"))?;
    for (index, stretch) in steps.windows(2).enumerate() {
        let path = root.join(format!("train/train_{index:03}.jsonl"));
        write_rows(
            &path,
            &sequence,
            config.training.batch,
            stretch[0]..stretch[1],
        )?;
    }
    atomic::write_file(&root.join("metrics.csv"), &csv(&metrics))?;
    atomic::write_file(&root.join("README.md"), card(&config, steps).as_bytes())?;
    staged.commit()?;
    let value = serde_json::json!({ "path": args.output, "steps": steps });
    output.result(&value, || {
        format!(
            "{} checkpoints, the training sequence and metrics in {}\n",
            steps.len(),
            args.output.display()
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// The rows that the updates after `steps.start`, up to `steps.end`, read.
fn write_rows(
    path: &Path,
    sequence: &SequenceStore,
    batch: usize,
    steps: std::ops::Range<u64>,
) -> Result<(), Failure> {
    let row_tokens = sequence.row_tokens();
    // A token takes at most its digits and a comma.
    let needed = (steps.end - steps.start) * (batch * row_tokens * 7) as u64;
    atomic::write_file_with(path, needed, |file| {
        let mut out = std::io::BufWriter::new(file);
        for step in steps.start + 1..=steps.end {
            let rows = sequence.batch(step, batch).map_err(std::io::Error::other)?;
            for (token_ids, &source) in rows.tokens.chunks_exact(row_tokens).zip(&rows.source) {
                let source = &sequence.sources()[source];
                let row = Row {
                    token_ids,
                    source,
                    step,
                };
                serde_json::to_writer(&mut out, &row)?;
                out.write_all(b"\n")?;
            }
        }
        out.flush()
    })?;
    Ok(())
}

/// Amber's columns, without the speed.
fn csv(metrics: &Metrics) -> Vec<u8> {
    let mut text = String::from("loss,learning_rate,step,grad_norm\n");
    for row in &metrics.rows {
        // Rust prints the shortest decimal that reads back as the same number.
        writeln!(
            text,
            "{},{},{},{}",
            row.loss, row.learning_rate, row.step, row.grad_norm
        )
        .expect("a string takes what is written to it");
    }
    text.into_bytes()
}

/// A model card that says what is here and nothing that the run does not state.
fn card(config: &RunConfig, steps: &[u64]) -> String {
    let licence = config.model.licence.as_ref();
    // An expression has no line breaks: what has some is no licence but keys of a card.
    let licence = licence.filter(|spdx| !spdx.contains(char::is_control));
    let licence = licence.map_or(String::new(), |spdx| {
        format!("license: {}\n", spdx.to_lowercase())
    });
    let sequence = config.model.sequence;
    let tokens = config.training.steps * (config.training.batch * sequence) as u64;
    let mut text = format!(
        "---\n{licence}library_name: transformers\n---\n\n# {}\n\n\
         Exported by Glasswork from a release. Each folder `stepN` is the model after N updates; `train/` holds the\n\
         training sequence in its order (`step` is the update that read the row), `metrics.csv` a line an update.\n\n\
         | | |\n|---|---|\n\
         | updates | {} |\n| sequences a batch | {} |\n| tokens a sequence | {} |\n| tokens | {} |\n",
        config.name,
        config.training.steps,
        config.training.batch,
        sequence,
        grouped(tokens),
    );
    let list: Vec<String> = steps.iter().map(u64::to_string).collect();
    writeln!(text, "| checkpoints after | {} |", list.join(", "))
        .expect("a string takes what is written to it");
    text
}
