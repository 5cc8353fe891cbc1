//! The commands. Each parses its arguments into what a library takes, calls it, prints the result.

mod check;
mod demo;
mod drill;
mod eval;
mod export;
mod judge;
mod plan;
mod plan_model;
mod prep;
mod replay;
mod report;
mod score;
mod trace;
mod train;

use crate::args::{Command, ExportCommand};
use crate::failure::Failure;
use crate::output::Output;
use glasswork_release::Digest;
use glasswork_release::config::RunConfig;
use glasswork_release::core_index::CoreIndex;
use std::path::Path;
use std::process::ExitCode;

/// Runs one command.
pub(crate) fn run(command: Command, offline: bool, output: &Output) -> Result<ExitCode, Failure> {
    match command {
        Command::Poc(args) => judge::poc::run(&args, offline, output),
        Command::Compare(args) => judge::compare::run(&args, offline, output),
        Command::Audit(args) => judge::audit::run(&args, offline, output),
        Command::Report(args) => report::run(args, output),
        Command::Check(args) => check::run(&args, output),
        Command::Replay(args) => replay::run(&args, output),
        Command::Eval(args) => eval::run(&args, offline, output),
        Command::Trace(args) => trace::run(&args, output),
        Command::Score(args) => score::run(&args, output),
        Command::Plan(args) => plan::run(&args, output),
        Command::Prep(args) => prep::run(args, output),
        Command::Train(args) => train::run(args, output),
        Command::Export(ExportCommand::Hf(args)) => export::run(&args, output),
        Command::Demo(args) => demo::run(&args, output),
    }
}

/// The run file that a person named.
fn load_run(path: &Path) -> Result<RunConfig, Failure> {
    let example = "name a run file; examples/demo/run.toml explains every line of one";
    if path.is_dir() {
        let message = format!("{} is a directory, not a run file", path.display());
        return Err(Failure::new(message, Some(example.to_owned())));
    }
    if !path.exists() {
        let message = format!("there is no run file {}", path.display());
        return Err(Failure::new(message, Some(example.to_owned())));
    }
    Ok(RunConfig::load(path)?)
}

/// Makes a folder, and those above it, where they are not there.
fn create_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|source| {
        glasswork_release::Error::Io {
            action: "create",
            path: path.into(),
            source,
        }
        .into()
    })
}

/// The last part of somebody's name for something, as a name that stays in its folder.
fn plain_name(name: &str) -> String {
    let last = name
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let fit = |c: char| match c {
        '-' | '_' | '.' => c,
        c if c.is_ascii_alphanumeric() => c,
        _ => '_',
    };
    let name: String = last.chars().take(100).map(fit).collect();
    match name.trim_start_matches('.') {
        "" => "model".to_owned(),
        name => name.to_owned(),
    }
}

/// The root digest that a person typed.
fn parse_root(root: Option<&String>) -> Result<Option<Digest>, Failure> {
    root.map(|text| {
        text.parse::<Digest>().map_err(|error| {
            Failure::usage(
                error,
                "a root is 64 hexadecimal digits, as `glasswork check` prints it",
            )
        })
    })
    .transpose()
}

/// The root that the release itself states: digest of its `core.json`.
fn own_root(release: &Path) -> Result<Digest, Failure> {
    Ok(CoreIndex::load(release)?.root()?)
}

/// Refuses to go on with a release whose root is not the announced one.
fn require_root(release: &Path, pinned: Option<Digest>) -> Result<Digest, Failure> {
    let root = own_root(release)?;
    match pinned {
        Some(pinned) if pinned != root => Err(Failure::mismatch(
            format!("core.json has the digest {root}, the publisher announced {pinned}"),
            Some("`glasswork check RELEASE --root DIGEST` lists what differs".to_owned()),
        )),
        _ => Ok(root),
    }
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn names_stay_in_their_folder() {
        assert_eq!(plain_name("../../x"), "x");
        assert_eq!(plain_name(".."), "model");
        assert_eq!(plain_name("hf:owner/name@main"), "name_main");
        assert_eq!(
            plain_name("stage1-step1000-tokens5B/"),
            "stage1-step1000-tokens5B"
        );
    }
}
