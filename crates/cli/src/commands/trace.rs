//! `trace`: from a step back to its documents.

use crate::args::TraceArgs;
use crate::failure::Failure;
use crate::output::Output;
use glasswork_data::trace_step;
use std::fmt::Write;
use std::process::ExitCode;

pub(super) fn run(args: &TraceArgs, output: &Output) -> Result<ExitCode, Failure> {
    let segments = trace_step(&args.release, args.step)?;
    output.result(&segments, || {
        let mut text = format!(
            "{:>4}  {:<11}  {:>5}  {:<12}  {:<28}  document\n",
            "slot", "tokens", "epoch", "source", "licence"
        );
        for s in &segments {
            let range = format!("{}..{}", s.seq_start, s.seq_end);
            writeln!(
                text,
                "{:>4}  {range:<11}  {:>5}  {:<12}  {:<28}  {}",
                s.slot, s.epoch, s.source, s.licence, s.source_doc_id
            )
            .expect("strings take all");
        }
        text
    });
    Ok(ExitCode::SUCCESS)
}
