//! `export hf`: a folder for `transformers`.

use crate::args::ExportArgs;
use crate::failure::Failure;
use crate::output::Output;
use glasswork_data::END_OF_TEXT_ID;
use glasswork_model::{ModelConfig, config_json};
use glasswork_release::atomic::{self, StagedDir};
use glasswork_release::checkpoint::read_checkpoint;
use glasswork_release::config::RunConfig;
use glasswork_release::{files, layout};
use glasswork_train::checkpoint_config;
use std::process::ExitCode;

/// More than any file copied here has; a release is not trusted to be small.
const MAX_TEXT: u64 = 64 << 20;

pub(super) fn run(args: &ExportArgs, output: &Output) -> Result<ExitCode, Failure> {
    let steps = layout::checkpoint_steps(&args.release)?;
    let there = || {
        steps
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let step = match args.step {
        Some(step) if steps.contains(&step) => step,
        None if !steps.is_empty() => steps[steps.len() - 1],
        Some(step) => {
            let hint = Some(format!("there are checkpoints at {}", there()));
            return Err(Failure::new(
                format!("the release has no checkpoint at step {step}"),
                hint,
            ));
        }
        None => {
            return Err(Failure::new(
                format!("{} holds no checkpoint", args.release.display()),
                Some("run `glasswork train` first".to_owned()),
            ));
        }
    };
    if args.output.exists() {
        let hint = Some("name a folder that does not exist yet".to_owned());
        return Err(Failure::new(
            format!("{} exists already", args.output.display()),
            hint,
        ));
    }
    let directory = args.release.join(layout::checkpoint_dir(step));
    // Reading confirms every tensor's digest: nothing damaged is passed on.
    let checkpoint = read_checkpoint(&directory)?;
    let staged = StagedDir::begin(&args.output)?;
    let size = std::fs::metadata(checkpoint.model.path()).map_or(0, |m| m.len());
    atomic::expect_free(staged.path(), size + (1 << 20))?;
    let weights = files::read(checkpoint.model.path(), size)?;
    atomic::write_file(&staged.path().join(layout::MODEL), &weights)?;
    for (from, name) in [
        (args.release.join(layout::TOKENIZER), "tokenizer.json"),
        (
            args.release.join(layout::TOKENIZER_CONFIG),
            "tokenizer_config.json",
        ),
    ] {
        atomic::write_file(&staged.path().join(name), &files::read(&from, MAX_TEXT)?)?;
    }
    // Made anew from run.toml: what a release's own config.json asks a loader to do is not passed on.
    let model = ModelConfig::from_run(&RunConfig::load(&args.release.join(layout::RUN))?)?;
    let config = checkpoint_config(&config_json(&model, END_OF_TEXT_ID));
    atomic::write_file(&staged.path().join(layout::MODEL_CONFIG), &config)?;
    let generation = format!(
        "{:#}\n",
        glasswork_model::generation_config_json(END_OF_TEXT_ID)
    );
    atomic::write_file(
        &staged.path().join("generation_config.json"),
        generation.as_bytes(),
    )?;
    staged.commit()?;
    let value = serde_json::json!({ "path": args.output, "step": step, "state_digest": checkpoint.manifest.state_digest });
    output.result(&value, || {
        format!(
            "checkpoint {step} for transformers in {}\n",
            args.output.display()
        )
    });
    Ok(ExitCode::SUCCESS)
}
