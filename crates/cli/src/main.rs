//! The `glasswork` command: arguments, progress, exit codes. Everything else lives in the libraries.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 it holds, 1 an
//! error, 2 wrong usage, 3 a mismatch was found, 4 not enough evidence.

mod args;
mod cgroup;
mod code;
mod commands;
mod door;
mod failure;
mod machine;
mod offline;
mod output;
mod pdf;
mod progress;

use args::Cli;
use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: glasswork_kernels::CacheLines = glasswork_kernels::CacheLines;

/// Exit code for a mismatch between what a release says and what is so.
const MISMATCH: u8 = 3;
/// Exit code where evidence is missing.
const NOT_ENOUGH: u8 = 4;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = output::Output::new(cli.json);
    if cli.offline {
        offline::seal(&output);
    }
    match commands::run(cli.command, cli.offline, &output) {
        Ok(code) => code,
        Err(failure) => failure.report(&output),
    }
}
