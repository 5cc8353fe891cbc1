//! Running other programs, shown as they would be typed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What stopped a task, in words.
pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// The cargo that runs us, so that the pinned toolchain stays the same.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs `program` in `directory`; anything but success is an error.
pub(crate) fn run(directory: &Path, program: &str, arguments: &[&str]) -> Result {
    run_with(directory, program, arguments, &[])
}

/// [`run`] with environment variables set.
pub(crate) fn run_with(
    directory: &Path,
    program: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result {
    let name = Path::new(program)
        .file_name()
        .map_or(program.into(), |n| n.to_string_lossy());
    eprintln!("$ {name} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .envs(variables.iter().copied())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!(
            "`{name} {}` ended with {status}",
            arguments.join(" ")
        )),
        Err(error) => Err(format!("`{name}` does not start: {error}")),
    }
}

/// What `program` prints, or `None` where it does not run.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether the machine is a continuous-integration machine, where nothing may be skipped.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}
