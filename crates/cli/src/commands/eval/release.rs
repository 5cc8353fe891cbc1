//! A release: held-out bits per byte and samples.

use crate::args::EvalArgs;
use crate::code;
use crate::failure::Failure;
use crate::machine;
use crate::output::Output;
use crate::progress::{COUNTED, bar};
use glasswork_eval::{Evaluation, Watch, evaluate};
use glasswork_release::annex::HeldOutScore;
use indicatif::ProgressBar;
use std::fmt::Write;
use std::process::ExitCode;

struct Bar(ProgressBar);

impl Watch for Bar {
    fn begin(&self, checkpoints: u64) {
        self.0.set_length(checkpoints);
        self.0.set_message("checkpoints");
    }

    fn checkpoint(&self, _evaluation: &Evaluation) {
        self.0.inc(1);
    }
}

pub(super) fn run(args: &EvalArgs, output: &Output) -> Result<ExitCode, Failure> {
    let pool = machine::pool(args.threads)?;
    let bar = Bar(bar(0, COUNTED).with_prefix("eval"));
    let all = evaluate(
        std::path::Path::new(&args.model),
        pool,
        &args.steps,
        args.again,
        &code::program(),
        &bar,
    );
    bar.0.finish_and_clear();
    let all = all?;
    let value: Vec<_> = all.iter().map(json).collect();
    output.result(&value, || text(&all));
    Ok(ExitCode::SUCCESS)
}

fn json(evaluation: &Evaluation) -> serde_json::Value {
    let of_source = |s: &HeldOutScore| {
        let fields = serde_json::json!({
            "bits_per_byte": s.bits_per_byte, "bytes": s.bytes, "tokens": s.tokens, "documents": s.documents,
        });
        (s.source.clone(), fields)
    };
    let sources: serde_json::Map<_, _> = evaluation.scores.iter().map(of_source).collect();
    serde_json::json!({ "step": evaluation.step, "cached": evaluation.cached, "sources": sources })
}

fn text(all: &[Evaluation]) -> String {
    let mut text = String::from("held-out bits per byte (8 is no knowledge at all)\n    step");
    let Some(first) = all.first() else {
        return text;
    };
    for score in &first.scores {
        write!(text, "  {:>12}", score.source).expect("strings take all");
    }
    text.push('\n');
    for evaluation in all {
        write!(text, "{:>8}", evaluation.step).expect("strings take all");
        for score in &evaluation.scores {
            write!(text, "  {:>12.4}", score.bits_per_byte).expect("strings take all");
        }
        text.push_str(if evaluation.cached {
            "  (earlier)\n"
        } else {
            "\n"
        });
    }
    if all.iter().any(|evaluation| evaluation.cached) {
        text.push_str(
            "(earlier): read from evals/, where an evaluation left it; --again scores anew\n",
        );
    }
    if all.iter().all(|evaluation| evaluation.cached) {
        text.push_str("nothing left to do: every checkpoint was scored before\n");
    }
    text
}
