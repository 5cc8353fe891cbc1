//! `export hf`: folders for `transformers`; one checkpoint, or everything that training made.

mod folder;
mod publication;

use crate::args::ExportArgs;
use crate::failure::Failure;
use crate::output::Output;
use folder::ModelFolder;
use glasswork_release::atomic::StagedDir;
use glasswork_release::layout;
use std::process::ExitCode;

pub(super) fn run(args: &ExportArgs, output: &Output) -> Result<ExitCode, Failure> {
    let steps = layout::checkpoint_steps(&args.release)?;
    if steps.is_empty() {
        return Err(Failure::new(
            format!("{} holds no checkpoint", args.release.display()),
            Some("run `glasswork train` first".to_owned()),
        ));
    }
    if args.output.exists() {
        let hint = Some("name a folder that does not exist yet".to_owned());
        return Err(Failure::new(
            format!("{} exists already", args.output.display()),
            hint,
        ));
    }
    if args.all {
        return publication::run(args, &steps, output);
    }
    let step = args.step.unwrap_or(steps[steps.len() - 1]);
    if !steps.contains(&step) {
        let there: Vec<String> = steps.iter().map(u64::to_string).collect();
        return Err(Failure::new(
            format!("the release has no checkpoint at step {step}"),
            Some(format!("there are checkpoints at {}", there.join(", "))),
        ));
    }
    let staged = StagedDir::begin(&args.output)?;
    let digest = ModelFolder::of(&args.release)?.write(step, staged.path())?;
    staged.commit()?;
    let value = serde_json::json!({ "path": args.output, "step": step, "state_digest": digest });
    output.result(&value, || {
        format!(
            "checkpoint {step} for transformers in {}\n",
            args.output.display()
        )
    });
    Ok(ExitCode::SUCCESS)
}
