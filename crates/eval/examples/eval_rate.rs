//! Our side of the evaluation bench: `eval_rate --eval DIRECTORY --models NAME [--threads 2] [--profile bf16-v1]`.
//!
//! DIRECTORY is made by `peers/eval_tasks.py`. Prints a `ready` line, then for each line `go N` on standard input evaluates
//! all tasks N times on every checkpoint below DIRECTORY/NAME, each opened anew and nothing remembered, and prints one JSON
//! line. `peers/eval_bench.py` speaks the same.

use glasswork_data::PublishedTokenizer;
use glasswork_eval::harness::{
    About, Datasets, Options, Published, Room, State, TaskFiles, Unwatched, evaluate,
};
use glasswork_kernels::{Isa, Pool, Profile};
use glasswork_model::{Checkpoint, Scorer};
use std::io::BufRead;
use std::path::{Path, PathBuf};
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
    let folder = PathBuf::from(option("--eval", "target/bench/eval"));
    let models = models(&folder.join(option("--models", "1b")));
    let threads = option("--threads", "2").parse().expect("a number");
    let profile: Profile = option("--profile", "bf16-v1").parse().expect("a profile");
    let isa = std::env::var("GLASSWORK_ISA").map_or(Isa::best(), |name| {
        name.parse().expect("an instruction set")
    });
    let pool = Arc::new(Pool::new(threads, isa).expect("threads"));
    let tasks = option("--tasks", "letters,endings,pages,answers");
    let memory = option("--memory-gib", "4")
        .parse::<u64>()
        .expect("a number")
        << 30;
    let once = |model: &Path, limit: Option<usize>| {
        let checkpoint = Checkpoint::open(model).expect("a model");
        let tokenizer =
            PublishedTokenizer::open(&model.join("tokenizer.json")).expect("a tokenizer");
        let scorer = Scorer::new(checkpoint, profile, pool.clone());
        let room = Room {
            memory,
            pool: pool.clone(),
        };
        let mut opened =
            Published::new(scorer, tokenizer, ["-", "-"], room).expect("special tokens");
        let files = TaskFiles::open(&folder.join("tasks")).expect("task files");
        let names: Vec<String> = tasks
            .split(',')
            .map(|name| format!("bench_{name}"))
            .collect();
        let data = Datasets {
            files: folder.clone(),
            ..Datasets::default()
        };
        let options = Options {
            limit,
            ..Options::default()
        };
        let evaluated = evaluate(
            &mut opened,
            (&files, &names),
            &data,
            &options,
            None,
            &About::default(),
            &Unwatched,
        )
        .expect("evaluates");
        let measured = |score: &glasswork_eval::harness::TaskScore| score.state == State::Measured;
        assert!(
            evaluated.scores.iter().all(measured),
            "{:?}",
            evaluated.scores
        );
        let lines = evaluated
            .samples
            .iter()
            .map(|(_, lines)| lines.lines().count());
        lines.sum::<usize>()
    };
    once(&models[0], Some(1));
    println!(
        "{{\"event\":\"ready\",\"isa\":\"{}\",\"profile\":\"{profile}\"}}",
        isa.name()
    );
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input");
        let count: usize = match line.strip_prefix("go ").map(|n| n.trim().parse()) {
            Some(Ok(count)) => count,
            _ => break,
        };
        let start = Instant::now();
        let each = (0..count).flat_map(|_| &models);
        let documents: usize = each.map(|model| once(model, None)).sum();
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{{\"event\":\"evaluated\",\"documents\":{documents},\"seconds\":{seconds:.3},\"documents_per_minute\":{:.2},\"peak_rss_mib\":{}}}",
            60.0 * documents as f64 / seconds,
            peak_mib()
        );
    }
}

/// The folder, or the checkpoints in it.
fn models(folder: &Path) -> Vec<PathBuf> {
    if folder.join("config.json").exists() {
        return vec![folder.to_owned()];
    }
    let inside = std::fs::read_dir(folder).expect("a folder of checkpoints");
    let mut all: Vec<PathBuf> = inside
        .map(|entry| entry.expect("an entry").path())
        .collect();
    all.sort();
    all
}

/// Peak resident memory of this process, MiB; 0 where /proc does not tell.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
