//! `kill -9` at any moment loses at most the steps since the last checkpoint, and no bit.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::corpus::{Corpus, Trained, copy, glasswork, listing, trained};
use crate::forger::flip;

/// Kills that must have hit a run at work.
const KILLS: usize = 10;

/// A moment before `within`, by the operating system's randomness.
fn moment(within: Duration) -> Duration {
    let random = getrandom::u64().expect("random numbers");
    within.mul_f64(random as f64 / u64::MAX as f64)
}

fn start(corpus: &Corpus, arguments: &[&str]) -> Child {
    let mut command = glasswork(corpus.path(), arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

/// Lets the command work for `time`, then kills it: whether it was still at work.
fn killed(corpus: &Corpus, arguments: &[&str], time: Duration) -> bool {
    let mut child = start(corpus, arguments);
    std::thread::sleep(time);
    child.kill().expect("kills");
    child.wait().expect("ends").code().is_none()
}

#[test]
fn ten_kills_at_random_moments_change_no_bit() {
    let whole = trained();
    let corpus = Corpus::new();
    let train = ["train", "run.toml", "--threads", "2"];
    corpus.prep().exits(0);
    let begun = Instant::now();
    corpus.train(&["--threads", "2"]).exits(0);
    let alone = begun.elapsed();
    let mut moments = Vec::new();
    while moments.len() < KILLS {
        // A run that ended before its kills were spent is compared like the last one, and begun anew.
        std::fs::remove_dir_all(corpus.release()).expect("removes");
        corpus.prep().exits(0);
        while moments.len() < KILLS {
            let time = moment(alone.mul_f64(0.6));
            if !killed(&corpus, &train, time) {
                break;
            }
            moments.push(time);
        }
        same_as(&whole, &corpus, &format!("killed after {moments:?}"));
    }
    println!("killed after {moments:?}; a whole run takes {alone:?}");
}

/// Finishes the run of `corpus` and holds the release against `whole`.
fn same_as(whole: &Trained, corpus: &Corpus, story: &str) {
    let said = corpus.train(&[]);
    assert_eq!(said.code, Some(0), "{story}: {}", said.err);
    assert_eq!(said.json()["state_digest"], whole.state_digest, "{story}");
    assert_eq!(said.json()["root"], whole.root, "{story}");
    let check = corpus.glasswork(&["check", "runs/tiny", "--root", &whole.root]);
    assert_eq!(check.code, Some(0), "{story}: {}{}", check.out, check.err);
    let left: Vec<_> = listing(&corpus.release())
        .into_iter()
        .filter(|name| name.contains(".tmp"))
        .collect();
    assert!(left.is_empty(), "{story}: {left:?}");
}

#[test]
fn kills_during_preparation_leave_nothing_that_counts() {
    let whole = trained();
    let corpus = Corpus::new();
    let prep = [
        "prep",
        "run.toml",
        "--cargo-home",
        "cargo",
        "--rust-docs",
        "docs/html",
    ];
    let begun = Instant::now();
    corpus.prep().exits(0);
    let alone = begun.elapsed();
    let mut moments = Vec::new();
    for _ in 0..4 {
        std::fs::remove_dir_all(corpus.release()).expect("removes");
        moments.push(moment(alone));
        killed(&corpus, &prep, moments[moments.len() - 1]);
        corpus.prep().exits(0);
    }
    same_as(&whole, &corpus, &format!("killed after {moments:?}"));
}

#[test]
fn a_kill_between_the_last_step_and_the_seal_loses_nothing() {
    let whole = trained();
    let corpus = Corpus::new();
    for missing in [&["core.json"][..], &["core.json", "release.json"]] {
        copy(&whole.corpus.release(), &corpus.release());
        for file in missing {
            std::fs::remove_file(corpus.release().join(file)).expect("removes");
        }
        same_as(&whole, &corpus, &format!("without {missing:?}"));
        assert!(corpus.release().join("release.json").exists());
    }
}

#[test]
fn training_again_does_not_bless_what_was_changed() {
    let whole = trained();
    let corpus = Corpus::new();
    copy(&whole.corpus.release(), &corpus.release());
    let path = corpus
        .release()
        .join("checkpoints/step-000005/model.safetensors");
    let length = std::fs::metadata(&path).expect("there").len() as usize;
    flip(&path, length - 1);
    assert_eq!(corpus.train(&[]).exits(0).json()["root"], whole.root);
    corpus.glasswork(&["check", "runs/tiny"]).exits(3);
}

#[test]
fn a_lost_ledger_does_not_cost_the_checkpoints() {
    let whole = trained();
    let corpus = Corpus::new();
    copy(&whole.corpus.release(), &corpus.release());
    let ledger = corpus.release().join("ledger.jsonl");
    let text = std::fs::read_to_string(&ledger).expect("reads");
    let begun: Vec<&str> = text.split_inclusive('\n').take(5).collect();
    for left in [None, Some(begun.concat())] {
        std::fs::remove_file(&ledger).expect("removes");
        if let Some(left) = left {
            std::fs::write(&ledger, left).expect("writes");
        }
        let before = listing(&corpus.release());
        let answer = corpus.train(&[]).exits(1);
        assert!(
            answer.err.contains("does not record 6 of the checkpoints"),
            "{}",
            answer.err
        );
        assert_eq!(listing(&corpus.release()), before);
        std::fs::write(&ledger, &text).expect("writes");
    }
    // One that is not recorded is what a kill leaves: it is made again.
    let lines = text.lines().count() - 1;
    let shorter: Vec<&str> = text.split_inclusive('\n').take(lines).collect();
    std::fs::write(&ledger, shorter.concat()).expect("writes");
    // A sealed release was complete, so there it is no kill either.
    corpus.train(&[]).exits(1);
    for file in ["core.json", "release.json"] {
        std::fs::remove_file(corpus.release().join(file)).expect("removes");
    }
    same_as(&whole, &corpus, "the last line is lost");
}

#[test]
fn of_two_trainings_of_one_run_the_second_is_told_so() {
    // Long enough that the first is at work while the second asks.
    let corpus = Corpus::new()
        .edit("steps = 20", "steps = 4000")
        .edit("[0, 1, 5, 10, 15, 20]", "[0, 1, 4000]");
    corpus.prep().exits(0);
    let mut first = start(&corpus, &["train", "run.toml"]);
    let begun = Instant::now();
    while !corpus.release().join("checkpoints/step-000001").exists() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the first training does not get going"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = corpus.glasswork(&["train", "run.toml", "--json"]);
    let prep = corpus.prep();
    first.kill().expect("kills");
    first.wait().expect("ends");
    for answer in [second, prep] {
        let answer = answer.exits(1);
        assert!(
            answer
                .err
                .contains("another process is working on runs/tiny"),
            "{}",
            answer.err
        );
        assert!(
            answer.err.contains("wait for the other process to end"),
            "{}",
            answer.err
        );
    }
}
