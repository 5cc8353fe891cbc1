//! The developers' door: `cargo xtask demo | test | check | digests | exhaustive | qemu | peers | bench | web`.
//!
//! Plain standard library, so that it compiles in seconds on a fresh machine.

mod bench;
mod check;
mod demo;
mod peers;
mod proof;
mod shell;
mod test;
mod web;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  demo [OPTIONS]   build, then `glasswork demo`: the whole way on real text
  test             every test: Rust, page, browser
  check            formatting, lints, crate edges, file sizes, documents
  digests          the tiny run's digests on every instruction set, against the committed ones
  exhaustive       exp and ln of all 2^32 inputs (minutes)
  qemu             program and kernels on an emulated processor (needs qemu-user)
  peers            PyTorch, transformers and tokenizers beside us (needs Python 3.11)
  bench            products, training steps, scoring, against PyTorch and transformers, in turn (--help)
  web              build the report page (needs Node 20.19)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("demo") => demo::run(&rest),
        Some("test") => test::run(),
        Some("check") => check::run(),
        Some("digests") => proof::digests(),
        Some("exhaustive") => proof::exhaustive(),
        Some("qemu") => proof::qemu(),
        Some("peers") => peers::run(),
        Some("bench") => bench::run(&rest),
        Some("web") => web::build(),
        Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
