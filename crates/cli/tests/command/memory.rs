//! A run stays within the memory that it was given and that `plan` named, and computes the same bits.

use crate::corpus::{Answer, Corpus, copy, glasswork};
use serde_json::Value;

/// Large enough that the model, not the program, takes most of the memory.
fn wide() -> Corpus {
    Corpus::new()
        .edit("hidden = 32", "hidden = 256")
        .edit("layers = 2", "layers = 6")
        .edit("mlp = 48", "mlp = 688")
        .edit("sequence = 32", "sequence = 128")
        .edit("batch = 6", "batch = 12")
        .edit("steps = 20", "steps = 1")
        .edit("[0, 1, 5, 10, 15, 20]", "[0, 1]")
        .edit("warm_up_steps = 4", "warm_up_steps = 1")
}

fn json(corpus: &Corpus, command: &str, options: &[&str]) -> Value {
    let arguments = [&[command, "run.toml", "--json"], options].concat();
    Answer::of(&mut glasswork(corpus.path(), &arguments))
        .exits(0)
        .json()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn a_budget_is_kept_and_changes_no_bit() {
    let corpus = wide();
    corpus.prep().exits(0);
    let prepared = corpus.release();
    let mut first: Option<Value> = None;
    for (name, memory) in [("free", "8GB"), ("tight", "160MB"), ("tightest", "136MB")] {
        let options = ["--threads", "2", "--micro-batch", "12", "--memory", memory];
        let plan = json(&corpus, "plan", &options);
        assert_eq!(
            number(&plan, "recomputed_layers") > 0.0,
            name == "tightest",
            "{plan}"
        );
        copy(&prepared, &corpus.path().join(name));
        let trained = json(&corpus, "train", &[&["-o", name], &options[..]].concat());
        let digest = first.get_or_insert_with(|| trained["state_digest"].clone());
        assert_eq!(*digest, trained["state_digest"], "{memory}");
        // Linux alone tells a process its peak.
        if cfg!(target_os = "linux") {
            let (planned, peak) = (
                number(&plan, "memory_bytes"),
                number(&trained, "peak_bytes"),
            );
            let ratio = peak / planned;
            assert!(
                (0.95..=1.05).contains(&ratio),
                "{memory}: planned {planned}, was {peak}"
            );
        }
    }
}

#[test]
fn a_budget_that_cannot_be_kept_names_the_least() {
    let corpus = Corpus::new();
    for command in ["plan", "train"] {
        corpus.prep().exits(0);
        let mut command = glasswork(corpus.path(), &[command, "run.toml", "--memory", "1MB"]);
        let answer = Answer::of(&mut command).exits(1);
        assert!(
            answer
                .err
                .contains("run `tiny` does not fit into 1.0 MB: it takes at least"),
            "{}",
            answer.err
        );
        assert!(
            answer.err.contains("hint: give it more with --memory"),
            "{}",
            answer.err
        );
    }
}
