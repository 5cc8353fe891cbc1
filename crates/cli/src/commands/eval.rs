//! `eval`: held-out bits per byte and samples.

use crate::args::EvalArgs;
use crate::code;
use crate::failure::Failure;
use crate::machine;
use crate::output::Output;
use crate::progress::{COUNTED, bar};
use glasswork_eval::{Watch, evaluate};
use glasswork_release::annex::HeldOutScore;
use indicatif::ProgressBar;
use std::cell::Cell;
use std::fmt::Write;
use std::process::ExitCode;

struct Bar {
    bar: ProgressBar,
    computed: Cell<u64>,
}

impl Watch for Bar {
    fn begin(&self, checkpoints: u64) {
        self.bar.set_length(checkpoints);
        self.bar.set_message("checkpoints");
    }

    fn checkpoint(&self, _step: u64, _scores: &[HeldOutScore], cached: bool) {
        self.bar.inc(1);
        self.computed.set(self.computed.get() + u64::from(!cached));
    }
}

pub(super) fn run(args: &EvalArgs, output: &Output) -> Result<ExitCode, Failure> {
    let pool = machine::pool(&args.compute)?;
    let watch = Bar {
        bar: bar(0, COUNTED).with_prefix("eval"),
        computed: Cell::new(0),
    };
    let scores = evaluate(&args.release, pool, &args.steps, &code::program(), &watch);
    watch.bar.finish_and_clear();
    let scores = scores?;
    let value: Vec<_> = scores
        .iter()
        .map(|(step, scores)| {
            let of_source = |s: &HeldOutScore| {
                let fields = serde_json::json!({
                    "bits_per_byte": s.bits_per_byte, "bytes": s.bytes, "tokens": s.tokens, "documents": s.documents,
                });
                (s.source.clone(), fields)
            };
            let sources: serde_json::Map<_, _> = scores.iter().map(of_source).collect();
            serde_json::json!({ "step": step, "sources": sources })
        })
        .collect();
    output.result(&value, || text(&scores, watch.computed.get()));
    Ok(ExitCode::SUCCESS)
}

fn text(scores: &[(u64, Vec<HeldOutScore>)], computed: u64) -> String {
    let mut text = String::from("held-out bits per byte (8 is no knowledge at all)\n    step");
    let Some((_, first)) = scores.first() else {
        return text;
    };
    for score in first {
        write!(text, "  {:>12}", score.source).expect("strings take all");
    }
    text.push('\n');
    for (step, scores) in scores {
        write!(text, "{step:>8}").expect("strings take all");
        for score in scores {
            write!(text, "  {:>12.4}", score.bits_per_byte).expect("strings take all");
        }
        text.push('\n');
    }
    if computed == 0 {
        text.push_str("nothing left to do: every checkpoint was scored before\n");
    }
    text
}
