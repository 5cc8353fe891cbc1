//! `prep`: text, licences, tokenizer, order.

use super::load_run;
use crate::args::PrepArgs;
use crate::failure::Failure;
use crate::machine;
use crate::output::{Output, bytes, grouped};
use crate::progress::Stages;
use glasswork_data::{PrepReport, prep};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(args: PrepArgs, output: &Output) -> Result<ExitCode, Failure> {
    let config = load_run(&args.run)?;
    let places = machine::places(args.cargo_home, args.rust_docs)?;
    let directory = machine::run_directory(args.output, &config.name);
    let base = args.run.parent().unwrap_or(Path::new("."));
    let pool = machine::plain_pool(args.threads)?;
    let stages = Stages::new(output.json);
    let report = pool.install(|| prep(&config, base, &places, &directory, &stages));
    drop(stages);
    let report = report?;
    let value = serde_json::json!({
        "directory": directory,
        "already_done": report.already_done,
        "sequence_digest": report.sequence_digest,
        "sources": report.sources,
        "mixture": report.mixture,
    });
    output.result(&value, || text(&report, &directory));
    Ok(ExitCode::SUCCESS)
}

fn text(report: &PrepReport, directory: &Path) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("strings take all");
    for source in &report.sources.sources {
        line(format!(
            "{:<14} {:>6} documents to train on, {:>8}, {:>11} tokens; {} held out",
            source.id,
            grouped(source.train.documents),
            bytes(source.train.bytes),
            grouped(source.train.tokens),
            grouped(source.held_out.documents),
        ));
        for rejected in &source.rejected {
            line(format!(
                "{:<14} {:>6} left out: {} ({})",
                "",
                grouped(rejected.documents),
                rejected.rule,
                rejected.stage
            ));
        }
    }
    line(format!(
        "sequence of {} rows × {} tokens, digest {}",
        grouped(report.mixture.rows),
        report.mixture.sequence_length + 1,
        report.sequence_digest
    ));
    line(format!(
        "{} in {}",
        if report.already_done {
            "nothing left to do: the data is"
        } else {
            "prepared"
        },
        directory.display()
    ));
    text
}
