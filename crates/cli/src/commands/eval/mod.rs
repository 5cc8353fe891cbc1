//! `eval`: a release on its own held-out text, a published model on tasks and on the reader's own documents.

mod against;
pub(super) mod datasets;
mod model;
mod outcome;
mod release;

use crate::args::EvalArgs;
use crate::failure::Failure;
use crate::output::Output;
use glasswork_release::layout;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(args: &EvalArgs, offline: bool, output: &Output) -> Result<ExitCode, Failure> {
    if Path::new(&args.model).join(layout::RUN).is_file() {
        if !args.tasks.is_empty() || args.mine.is_some() {
            return Err(Failure::usage(
                "--tasks and --mine are for published models, and this is a release",
                "export it first: `glasswork export hf RELEASE -o model`",
            ));
        }
        return release::run(args, output);
    }
    let of_releases = [("--steps", !args.steps.is_empty()), ("--again", args.again)];
    if let Some((option, _)) = of_releases.iter().find(|(_, given)| *given) {
        return Err(Failure::usage(
            format!("{option} is for releases, and {} is none", args.model),
            "choose checkpoints of a published model with --checkpoints",
        ));
    }
    if args.tasks.is_empty() && args.mine.is_none() {
        return Err(Failure::usage(
            format!(
                "{} holds no run.toml, so it is no release; and of a published model nothing was asked",
                args.model
            ),
            "name a release, or tasks, or a folder of your own: `--tasks hellaswag,gsm8k`, or `--mine DIRECTORY`",
        ));
    }
    model::run(args, offline, output)
}
