//! Our side of the scoring bench: `score_rate --model DIR [--threads N] [--profile P] [--batch 4] [--length 512]`.
//!
//! Scores made-up tokens once, prints a `ready` line, then for each line `go N` on standard input scores N
//! batches and prints one JSON line with their times. `peers/score_bench.py` speaks the same. The N batches
//! are one job here and go through the layers together, as `glasswork score` takes a file: each is given the
//! mean time. With `--apart` each is a pass of its own, which reads and packs every layer again.
//!
//! `score_rate --model DIR --branches N [--examples 0] [--length 200] [--answers 4] [--answer 8] [--new 32]`
//! instead prints what sharing gives: N questions with their answers, scored together and with nothing to
//! share; with examples, so many tokens before all questions, against a chunk for each sequence. Then tokens
//! generated after the questions.

use glasswork_kernels::{Isa, Pool};
use glasswork_model::scoring::{Branches, Cut, Keep, Sequence, Unwatched};
use glasswork_model::{Checkpoint, Scorer};
use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: glasswork_kernels::CacheLines = glasswork_kernels::CacheLines;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        let value = at.and_then(|i| arguments.get(i + 1));
        value.map_or(default.to_owned(), Clone::clone)
    };
    let number =
        |name: &str, default: &str| option(name, default).parse::<usize>().expect("a number");
    let isa = std::env::var("GLASSWORK_ISA").map_or(Isa::best(), |name| {
        name.parse().expect("an instruction set")
    });
    let pool = Arc::new(Pool::new(number("--threads", "2"), isa).expect("threads"));
    let profile = option("--profile", "bf16-v1").parse().expect("a profile");
    let apart = arguments.iter().any(|argument| argument == "--apart");
    let (batch, length) = (number("--batch", "4"), number("--length", "512"));
    let checkpoint = Checkpoint::open(&PathBuf::from(option("--model", "."))).expect("a model");
    let vocabulary = checkpoint.decoder().vocabulary as u32;
    let flops = checkpoint.decoder().forward_flops_per_token(length);
    let mut scorer = Scorer::new(checkpoint, profile, pool);
    let questions = number("--branches", "0");
    if questions > 0 {
        let [examples, context, answers, answer, new] = [
            ("--examples", "0"),
            ("--length", "200"),
            ("--answers", "4"),
            ("--answer", "8"),
            ("--new", "32"),
        ]
        .map(|(name, default)| number(name, default));
        let shape = [questions, examples, context, answers, answer];
        return branches(&mut scorer, shape, new);
    }
    let cut = Cut {
        chunk_rows: 2048.max(length),
        wave_rows: usize::MAX,
    };
    let mut next = 1_u32;
    let mut pass = |batches: usize| {
        let mut token = || {
            next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (next >> 8) % vocabulary
        };
        // `length` inputs, and the last one's target.
        let sequences: Vec<Sequence> = (0..batches * batch)
            .map(|_| Sequence::new((0..=length).map(|_| token()).collect()))
            .collect();
        let start = Instant::now();
        let scores = scorer.score(&sequences, cut, &Unwatched);
        let scores = scores.expect("tokens fit");
        assert!(scores.iter().all(|score| score.log_likelihood < 0.0));
        vec![start.elapsed().as_secs_f64() * 1e3 / batches as f64; batches]
    };
    pass(1);
    println!(
        "{{\"event\":\"ready\",\"isa\":\"{}\",\"profile\":\"{profile}\"}}",
        isa.name()
    );
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input");
        let count = line.strip_prefix("go ").and_then(|n| n.trim().parse().ok());
        let Some(count) = count.filter(|&count: &usize| count > 0) else {
            break;
        };
        let times: Vec<f64> = if apart {
            (0..count).flat_map(|_| pass(1)).collect()
        } else {
            pass(count)
        };
        let mut sorted = times.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        let rate = (batch * length) as f64 / median * 1e3;
        println!(
            "{{\"event\":\"steps\",\"ms\":{times:?},\"median_ms\":{median:.1},\"tokens_per_second\":{rate:.1},\"gflops\":{:.1},\"peak_rss_mib\":{}}}",
            rate * flops as f64 / 1e9,
            peak_mib()
        );
    }
}

/// Scores questions with their answers, shared and apart, and generates after the questions.
fn branches(
    scorer: &mut Scorer,
    [questions, examples, length, answers, answer]: [usize; 5],
    new: usize,
) {
    let vocabulary = scorer.checkpoint().decoder().vocabulary as u32;
    let mut next = 1_u32;
    let mut tokens = |count: usize| -> Vec<u32> {
        let mut token = || {
            next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (next >> 8) % vocabulary
        };
        (0..count).map(|_| token()).collect()
    };
    let common = tokens(examples);
    let context = examples + length;
    let mut question = || Branches {
        context: [&common[..], &tokens(length)].concat(),
        continuations: (0..answers).map(|_| tokens(answer)).collect(),
    };
    let all: Vec<Branches> = (0..questions).map(|_| question()).collect();
    let cut = Cut {
        chunk_rows: 2048,
        wave_rows: usize::MAX,
    };
    // Each answer after its context in a pass with one answer of each other question: nothing to share but
    // examples, which chunks of a sequence keep apart.
    let unshared = Cut {
        chunk_rows: if examples > 0 { 1 } else { cut.chunk_rows },
        ..cut
    };
    let apart: Vec<Vec<Sequence>> = (0..answers)
        .map(|answer| {
            all.iter()
                .filter_map(|b| b.sequences().nth(answer))
                .collect()
        })
        .collect();
    scorer
        .score_branches(&all[..1], cut, &Unwatched)
        .expect("tokens fit");
    let inputs = questions * answers * (context + answer - 1);
    let distinct = examples + questions * (length + answers * (answer - 1));
    for _ in 0..3 {
        let start = Instant::now();
        let shared = scorer
            .score_branches(&all, cut, &Unwatched)
            .expect("tokens fit");
        let with = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let mut without = Vec::new();
        for sequences in &apart {
            without.push(
                scorer
                    .score(sequences, unshared, &Unwatched)
                    .expect("tokens fit"),
            );
        }
        let alone = start.elapsed().as_secs_f64();
        let same = (0..questions).all(|q| (0..answers).all(|a| shared[q][a] == without[a][q]));
        println!(
            "{inputs} inputs, {distinct} distinct: shared {:.0} ms, {:.0} distinct rows/s; apart {:.0} ms, {:.0} rows/s; {:.2}x, equal: {same}",
            with * 1e3,
            distinct as f64 / with,
            alone * 1e3,
            inputs as f64 / alone,
            alone / with,
        );
    }
    let prompts: Vec<Vec<u32>> = all.into_iter().map(|branches| branches.context).collect();
    let keys_values = Keep::token_bytes(scorer.checkpoint()) * (questions * (context + new)) as u64;
    // All weights stay, for one prompt and all; then none, with half the prompts at a time.
    for (count, bytes) in [
        (1, u64::MAX),
        (questions, u64::MAX),
        (questions, keys_values),
    ] {
        let start = Instant::now();
        let keep = Keep { bytes };
        let mut never = |_: usize, _: &[u32]| false;
        let some = &prompts[..count];
        scorer
            .generate(some, new, (cut, keep), &mut never, &Unwatched)
            .expect("tokens fit");
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{count} prompts of {context}, {new} tokens each, {bytes} bytes kept: {:.0} ms, {:.1} tokens/s",
            seconds * 1e3,
            (count * new) as f64 / seconds
        );
    }
}

/// Peak resident memory of this process, MiB; 0 where /proc does not tell.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
