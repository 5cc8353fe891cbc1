//! What was measured, in lines.

use crate::output::{bytes, grouped, one_line};
use glasswork_audit::measured::{Agreement, Benchmark, BenchmarkScore, Measurements};
use glasswork_poc::Done;
use std::collections::BTreeMap;

fn word(agreement: Agreement) -> &'static str {
    match agreement {
        Agreement::Agrees => "agrees",
        Agreement::Differs => "DIFFERS",
        Agreement::NotEnough => "not enough to tell",
    }
}

/// Tasks without a score, by reason.
fn unscored(all: &[Benchmark]) -> BTreeMap<&str, Vec<String>> {
    let mut unscored = BTreeMap::<&str, Vec<String>>::new();
    for one in all {
        if let BenchmarkScore::Missing { reason } | BenchmarkScore::Failed { reason } = &one.score {
            let tasks = unscored.entry(reason).or_default();
            tasks.push(format!("{} of {}", one.task, one.checkpoint));
        }
    }
    unscored
}

/// A task's score in a line; nothing where there is none.
fn benchmark(one: &Benchmark) -> String {
    let mut text = one_line(&format!("{}: {}", one.checkpoint, one.task));
    match &one.score {
        BenchmarkScore::Scored { value, interval } => {
            text.push_str(&format!(" {} {value:.4}", one.metric));
            if let Some((low, high)) = interval {
                text.push_str(&format!(", 95% {low:.4} to {high:.4}"));
            }
            text.push_str(&format!(
                ", {} of {} items",
                grouped(one.items),
                grouped(one.of)
            ));
            if let Some(chance) = one.chance {
                text.push_str(&format!(", guessing scores {chance:.3}"));
            }
        }
        BenchmarkScore::Missing { .. } | BenchmarkScore::Failed { .. } => return String::new(),
    }
    if let Some(published) = one.published {
        // Whatever a file may state.
        match published.abs() < 1e9 {
            true => text.push_str(&format!("; published {published:.4}")),
            false => text.push_str(&format!("; published {published:e}")),
        }
    }
    if let Some(agreement) = one.agreement {
        text.push_str(&format!(": {}", word(agreement)));
    }
    text + "\n"
}

/// The measurements in lines.
pub(super) fn learnt(measured: &Measurements, done: &[Done]) -> String {
    let mut text = String::new();
    for one in &measured.logged_loss {
        let (first, last) = one.indistinguishable;
        text.push_str(&format!(
            "{}: loss {:.4} on {}, {:.4} logged: {}, the bound is {:.3}{}{}\n",
            one.checkpoint,
            one.measured.mean,
            match (one.trained_on, one.exact) {
                (true, _) => "the batches it was trained on last",
                (_, true) => "the very batch that came next",
                _ => "rows of what came next",
            },
            one.logged.mean,
            word(one.agreement),
            one.bound,
            match one.agreement {
                Agreement::Agrees if !one.trained_on => format!(
                    "; weights of steps {} to {} would, too",
                    grouped(first),
                    grouped(last)
                ),
                _ => String::new(),
            },
            match one.shift {
                0 => "",
                _ => "; the log counts updates from another number",
            },
        ));
    }
    for one in &measured.seen_unseen {
        text.push_str(&format!(
            "{}: unseen minus seen {:.4} nats a token, 95% {:.4} to {:.4}: {}\n",
            one.checkpoint,
            one.gap,
            one.interval.0,
            one.interval.1,
            word(one.agreement),
        ));
    }
    for one in &measured.benchmarks {
        text.push_str(&benchmark(one));
    }
    for (reason, tasks) in unscored(&measured.benchmarks) {
        let line = one_line(&format!("not scored: {}: {reason}", tasks.join(", ")));
        text.push_str(&format!("{line}\n"));
    }
    if let Some(own) = &measured.own_documents {
        let number = |value: Option<f64>| {
            value.map_or("not measured".to_owned(), |value| format!("{value:.4}"))
        };
        text.push_str(&format!(
            "{}: your {} documents at {} bits per byte and {} tokens a character; of {} questions {} answered, {} exactly\n",
            own.checkpoint,
            grouped(own.documents),
            number(own.bits_per_byte),
            number(own.tokens_per_character),
            grouped(own.questions),
            grouped(own.contained),
            grouped(own.exact),
        ));
        if let (Some(share), Some((looked, all))) = (own.overlap, own.overlap_sampled) {
            text.push_str(&format!(
                "{:.2}% of their stretches of 13 words stand in the training data, of which {} of {} were looked through\n",
                100.0 * share,
                bytes(looked),
                bytes(all),
            ));
        }
    }
    let skipped = done.iter().filter(|one| one.skipped.is_some()).count();
    if skipped > 0 {
        text.push_str(&format!("{skipped} measurements were not done\n"));
    }
    text
}
