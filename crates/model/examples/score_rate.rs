//! Our side of the scoring bench: `score_rate --model DIR [--threads N] [--profile P] [--batch 4] [--length 512]`.
//!
//! Scores made-up tokens once, prints a `ready` line, then for each line `go N` on standard input scores N
//! batches and prints one JSON line with their times. `peers/score_bench.py` speaks the same. The N batches
//! are one job here and go through the layers together, as `glasswork score` takes a file: each is given the
//! mean time. With `--apart` each is a pass of its own, which reads and packs every layer again.

use glasswork_kernels::{Isa, Pool};
use glasswork_model::scoring::{Cut, Sequence, Unwatched};
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

/// Peak resident memory of this process, MiB; 0 where /proc does not tell.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
