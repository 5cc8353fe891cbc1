//! `replay`: recompute and compare.

use super::{parse_root, require_root};
use crate::args::ReplayArgs;
use crate::code;
use crate::failure::Failure;
use crate::machine;
use crate::output::{Output, duration, grouped};
use crate::progress::Steps;
use glasswork_release::annex::{Replay, ReplayVerdict, Statement};
use glasswork_release::config::RunConfig;
use glasswork_release::{atomic, files, layout};
use glasswork_replay::{Outcome, Segment, replay, segments, statement};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// An annex above this size is not one of ours.
pub(super) const MAX_ANNEX: u64 = 16 << 20;

pub(super) fn run(args: &ReplayArgs, output: &Output) -> Result<ExitCode, Failure> {
    let release = &args.release;
    // The root is fixed before segments are drawn, so that nobody can fit one to the other.
    let root = require_root(release, parse_root(args.root.as_ref())?)?;
    if !release.join(layout::chunk(0)).exists() {
        let hint =
            "ask the publisher for data/sequence/; digests can still be checked: `glasswork check`"
                .to_owned();
        return Err(Failure::not_enough(
            "the training sequence is not part of this release",
            Some(hint),
        ));
    }
    let run = RunConfig::load(&release.join(layout::RUN))?;
    let all = segments(release)?;
    let (chosen, how) = match &args.segments {
        Some(text) => (parse_segments(text, &all)?, "named"),
        None => {
            let mut left = all.clone();
            if args.own_replays {
                let done = equal_replays(release, &root.to_string());
                left.retain(|segment| {
                    !done
                        .iter()
                        .any(|r| (r.from, r.to) == (segment.from, segment.to))
                });
            }
            (draw(args.sample as usize, &left)?, "random")
        }
    };
    if chosen.is_empty() {
        let hint = "a release has a segment between each checkpoint and the next; with --own-replays those left out were \
                    recomputed before"
            .to_owned();
        return Err(Failure::not_enough(
            "there is no segment to recompute",
            Some(hint),
        ));
    }
    let pool = machine::pool(args.compute.threads)?;
    let cut = machine::cut(&args.compute, &run, &pool)?;
    output.note(&plan(&chosen, &all, how, run.tokens_per_step()));
    let mut statements = Vec::new();
    let mut outcomes = Vec::new();
    for segment in chosen {
        let steps = Steps::new("replay", true);
        steps.begin(segment.from, segment.to, run.tokens_per_step());
        let outcome = replay(release, segment, Arc::clone(&pool), cut, &|row| {
            steps.row(row)
        });
        let seconds = steps.finish();
        let outcome = outcome?;
        let said = statement(
            &outcome,
            &root,
            &run.profile,
            &pool,
            cut.micro_batch,
            seconds,
            how,
            &code::program(),
        );
        if !args.no_record {
            record(release, &said)?;
        }
        output.part(&text(&outcome, &said.predicate));
        statements.push(said);
        outcomes.push(outcome);
    }
    output.result(&statements, || coverage(&outcomes, all.len(), how));
    let equal = outcomes.iter().all(Outcome::bitwise_equal);
    Ok(if equal {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(crate::MISMATCH)
    })
}

fn plan(chosen: &[Segment], all: &[Segment], how: &str, tokens: u64) -> String {
    let steps: u64 = chosen.iter().map(|s| s.to - s.from).sum();
    let numbers: Vec<_> = chosen.iter().map(|s| s.number.to_string()).collect();
    format!(
        "recomputing segment {} of {} ({how}): {steps} steps, {} tokens",
        numbers.join(", "),
        all.len(),
        grouped(steps * tokens)
    )
}

/// `3..5` (both ends included) and lists with commas.
fn parse_segments(text: &str, all: &[Segment]) -> Result<Vec<Segment>, Failure> {
    let usage = || {
        Failure::usage(
            format!("`{text}` names no segments"),
            "write `3..5` or `2,7`; segments count from 1",
        )
    };
    let mut chosen = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| usage())?;
        let last: usize = last.trim().parse().map_err(|_| usage())?;
        if first == 0 || last < first {
            return Err(usage());
        }
        for number in first..=last.min(first.max(all.len() + 1)) {
            let segment = all.get(number - 1).copied();
            let error = glasswork_replay::ReplayError::NoSegment {
                segment: number,
                count: all.len(),
            };
            chosen.push(segment.ok_or(error)?);
        }
    }
    chosen.sort_by_key(|s| s.number);
    chosen.dedup();
    Ok(chosen)
}

/// `count` different segments by the operating system's randomness, each drawn with a probability in
/// proportion to its steps: a long segment has more to hide.
fn draw(count: usize, all: &[Segment]) -> Result<Vec<Segment>, Failure> {
    let mut left = all.to_vec();
    let mut chosen = Vec::new();
    while chosen.len() < count && !left.is_empty() {
        let random = getrandom::u64().map_err(|error| {
            Failure::new(
                format!("the operating system gives no random numbers: {error}"),
                Some("name segments with --segments".to_owned()),
            )
        })?;
        let steps = |segment: &Segment| segment.to - segment.from;
        // At most a few million steps: the bias of a remainder is below 2⁻⁴⁰.
        let mut at = random % left.iter().map(steps).sum::<u64>().max(1);
        let index = left.iter().position(|segment| {
            let here = at < steps(segment);
            at = at.saturating_sub(steps(segment));
            here
        });
        chosen.push(left.swap_remove(index.unwrap_or_default()));
    }
    chosen.sort_by_key(|s| s.number);
    Ok(chosen)
}

/// Files the statement under the next free number.
fn record(release: &Path, statement: &Statement<Replay>) -> Result<(), Failure> {
    let Replay { from, to, .. } = statement.predicate;
    let name = (1..)
        .map(|n| format!("{}/replay-{from}-{to}-{n}.json", layout::ATTESTATIONS))
        .find(|name| !release.join(name).exists())
        .expect("numbers do not run out");
    let mut json = serde_json::to_vec_pretty(statement).expect("statements are plain data");
    json.push(b'\n');
    Ok(atomic::write_inside(release, &name, &json)?)
}

/// Records in the release of replays by this very program that came out bitwise equal. They are
/// unsigned: whoever asks says that they are their own.
pub(super) fn equal_replays(release: &Path, root: &str) -> Vec<Replay> {
    let Ok(entries) = std::fs::read_dir(release.join(layout::ATTESTATIONS)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let statements = paths.iter().filter_map(|path| {
        let bytes = files::read(path, MAX_ANNEX).ok()?;
        serde_json::from_slice::<Statement<Replay>>(&bytes).ok()
    });
    statements
        .filter(|statement| statement.root() == Some(root))
        .map(|statement| statement.predicate)
        .filter(|replay| {
            replay.verdict == ReplayVerdict::BitwiseEqual && replay.program == code::program()
        })
        .collect()
}

fn text(outcome: &Outcome, said: &Replay) -> String {
    let segment = outcome.segment;
    let mut text = format!(
        "segment {} (steps {} to {}): ",
        segment.number,
        segment.from + 1,
        segment.to
    );
    match (&said.verdict, &said.first_divergence) {
        (ReplayVerdict::BitwiseEqual, _) => writeln!(
            text,
            "bitwise equal, state {} ({}, {} tokens/s, {} threads, micro-batch {}, {})",
            outcome.computed,
            duration(said.seconds),
            grouped(said.tokens_per_second as u64),
            said.threads,
            said.micro_batch,
            said.isa
        ),
        (_, Some(first)) => {
            let tensor = first
                .tensor
                .as_ref()
                .map(|t| format!(" in tensor {t}"))
                .unwrap_or_default();
            let file = first
                .file
                .as_ref()
                .map(|f| format!(" ({f})"))
                .unwrap_or_default();
            writeln!(
                text,
                "diverged at step {}{tensor}{file}\n  {}",
                first.step, first.what
            )
        }
        _ => writeln!(text, "diverged"),
    }
    .expect("strings take all");
    for other in outcome.differences.iter().skip(1).take(4) {
        let tensor = other.tensor.as_deref().unwrap_or("");
        writeln!(text, "  step {} {tensor} {}", other.step, other.what).expect("strings take all");
    }
    if outcome.differences.len() > 5 {
        writeln!(text, "  … and {} more", outcome.differences.len() - 5).expect("strings take all");
    }
    text
}

/// What a sample of segments says about the rest: never "verified".
fn coverage(outcomes: &[Outcome], all: usize, how: &str) -> String {
    let equal = outcomes.iter().filter(|o| o.bitwise_equal()).count();
    let mut text = format!(
        "{equal} of {} recomputed segments bitwise equal; the release has {all}\n",
        outcomes.len()
    );
    if how == "random" && equal == outcomes.len() && equal < all {
        let tenth = 1.0 - 0.9_f64.powi(equal as i32);
        writeln!(
            text,
            "had a tenth of all steps lain in bad segments, this sample would have met one with probability {tenth:.2} or more (1 − 0.9^{equal})"
        )
        .expect("strings take all");
    }
    text
}
