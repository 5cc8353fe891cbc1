//! An evaluation by our program alone: `harness_run --model DIR --tasks DIR --data DIR --names A,B --out DIR
//! [--threads 2]`.
//!
//! Writes `results.json`, `samples_TASK.jsonl` and the log `answers.jsonl` into `--out` and prints the state of
//! each task and what was computed. `peers/harness_agree.py` compares them with lm-evaluation-harness.

use glasswork_data::PublishedTokenizer;
use glasswork_eval::harness::{
    About, Datasets, Options, Published, Room, TaskFiles, Unwatched, evaluate,
};
use glasswork_kernels::{Isa, Pool, Profile};
use glasswork_model::{Checkpoint, Scorer};
use std::path::PathBuf;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: glasswork_kernels::CacheLines = glasswork_kernels::CacheLines;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        let value = at.and_then(|i| arguments.get(i + 1));
        value.map_or(default.to_owned(), Clone::clone)
    };
    let folder = PathBuf::from(option("--model", "."));
    let out = PathBuf::from(option("--out", "."));
    let threads = option("--threads", "2").parse().expect("a number");
    let pool = Arc::new(Pool::new(threads, Isa::best()).expect("threads"));
    let checkpoint = Checkpoint::open(&folder).expect("a model");
    let tokenizer = PublishedTokenizer::open(&folder.join("tokenizer.json")).expect("a tokenizer");
    let scorer = Scorer::new(checkpoint, Profile::F32V1, pool.clone());
    let room = Room {
        memory: 2 << 30,
        pool,
    };
    // Whoever calls this changes the folder of the model with its weights.
    let digests = [&folder.display().to_string()[..], "tokenizer.json"];
    let mut model = Published::new(scorer, tokenizer, digests, room).expect("special tokens");
    let files = TaskFiles::open(&PathBuf::from(option("--tasks", "."))).expect("task files");
    let data = Datasets {
        files: option("--data", ".").into(),
        ..Datasets::default()
    };
    let names: Vec<String> = option("--names", "")
        .split(',')
        .map(str::to_owned)
        .collect();
    let about = About {
        model: folder.display().to_string(),
        ..About::default()
    };
    std::fs::create_dir_all(&out).expect("makes the folder");
    let log = out.join("answers.jsonl");
    let evaluated = evaluate(
        &mut model,
        (&files, &names),
        &data,
        &Options::default(),
        Some(&log),
        &about,
        &Unwatched,
    );
    let evaluated = evaluated.unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1)
    });
    std::fs::write(out.join("results.json"), &evaluated.results).expect("writes");
    for (task, samples) in &evaluated.samples {
        let name = format!("samples_{}.jsonl", task.replace("::", "_"));
        std::fs::write(out.join(name), samples).expect("writes");
    }
    for score in &evaluated.scores {
        println!(
            "{}: {} {}",
            score.task,
            score.state.name(),
            score.state.reason().unwrap_or_default()
        );
    }
    println!(
        "computed {} known {}",
        evaluated.effort.computed, evaluated.effort.known
    );
}
