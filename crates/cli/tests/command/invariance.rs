//! Threads, micro-batch and instruction set change the speed of a run, never a bit of it.

use glasswork_kernels::Isa;

use crate::corpus::{Answer, Corpus, Trained, copy, glasswork, trained};

/// The state after the 20 steps of the tiny run, on every machine.
///
/// Only a new profile version (or other data from `prep`, which is a new version of that) may
/// change these: a change of kernels, engine or threads that does is a bug.
const STATE: &str = "0c9a262ca92fca251b6a64dacd446ee1a7bc97e977bbbf47b0f18f2211016398";
/// The same with the gradient summed in two groups, which is another computation.
const STATE_OF_TWO_GROUPS: &str =
    "c041eedddb0add0552d1243f9d25619d43768535dff344f0c43d65f275d74a23";

/// Trains a prepared copy once for each setting and insists on one digest.
fn every_setting(corpus: &Corpus, digest: &str) {
    let prepared = corpus.release();
    for isa in Isa::available() {
        for threads in ["1", "2", "3"] {
            for micro_batch in ["1", "4", "6"] {
                let name = format!("{}-{threads}-{micro_batch}", isa.name());
                let release = corpus.path().join(&name);
                copy(&prepared, &release);
                let arguments = [
                    "train",
                    "run.toml",
                    "--json",
                    "-o",
                    &name,
                    "--threads",
                    threads,
                    "--micro-batch",
                    micro_batch,
                ];
                let answer = Answer::of(
                    glasswork(corpus.path(), &arguments).env("GLASSWORK_ISA", isa.name()),
                );
                assert_eq!(answer.exits(0).json()["state_digest"], digest, "{name}");
                std::fs::remove_dir_all(release).expect("removes");
            }
        }
    }
}

#[test]
fn one_digest_over_threads_micro_batches_and_instruction_sets() {
    let corpus = Corpus::new();
    corpus.prep().exits(0);
    every_setting(&corpus, STATE);
}

#[test]
fn one_digest_with_two_reduction_groups() {
    let corpus = Corpus::new().edit("reduction_groups = 1", "reduction_groups = 2");
    corpus.prep().exits(0);
    every_setting(&corpus, STATE_OF_TWO_GROUPS);
}

#[test]
fn replay_of_every_segment_with_other_settings_is_bitwise_equal() {
    let trained = trained();
    assert_eq!(trained.state_digest, STATE);
    let copy = trained.copy();
    for (isa, threads, micro_batch) in [(Isa::best(), "1", "1"), (Isa::available()[0], "3", "5")] {
        let arguments = [
            "replay",
            "tiny",
            "--segments",
            "1..5",
            "--root",
            &trained.root,
            "--threads",
            threads,
            "--micro-batch",
            micro_batch,
        ];
        let answer =
            Answer::of(glasswork(copy.path(), &arguments).env("GLASSWORK_ISA", isa.name()))
                .exits(0);
        assert_eq!(
            answer.out.matches("bitwise equal, state").count(),
            5,
            "{}",
            answer.out
        );
        assert!(
            answer
                .out
                .contains("5 of 5 recomputed segments bitwise equal"),
            "{}",
            answer.out
        );
        assert!(
            answer.out.contains(&format!(
                "{threads} threads, micro-batch {micro_batch}, {}",
                isa.name()
            )),
            "{}",
            answer.out
        );
    }
    assert!(
        copy.path()
            .join("tiny/attestations/replay-0-1-2.json")
            .exists()
    );
    Answer::of(&mut glasswork(
        copy.path(),
        &["check", "tiny", "--root", &trained.root],
    ))
    .exits(0);
}

#[test]
fn replay_of_a_sample_says_what_it_does_not_prove() {
    let trained = trained();
    let copy = trained.copy();
    let answer = Answer::of(&mut glasswork(
        copy.path(),
        &["replay", "tiny", "--sample", "2", "--no-record"],
    ))
    .exits(0);
    assert_eq!(
        answer.out.matches("bitwise equal, state").count(),
        2,
        "{}",
        answer.out
    );
    assert!(answer.out.contains("the release has 5"), "{}", answer.out);
    assert!(
        answer.out.contains("with probability 0.19"),
        "{}",
        answer.out
    );
    assert!(!copy.path().join("tiny/attestations").exists());
    let answer = Answer::of(&mut glasswork(
        copy.path(),
        &["replay", "tiny", "--sample", "99", "--json"],
    ))
    .exits(0);
    assert_eq!(answer.json().as_array().expect("statements").len(), 5);
}

#[test]
fn an_instruction_set_that_is_not_there_is_wrong_usage() {
    let trained: std::sync::Arc<Trained> = trained();
    for isa in ["amx", "nonsense", ""] {
        let mut command = glasswork(trained.corpus.path(), &["train", "run.toml"]);
        let answer = Answer::of(command.env("GLASSWORK_ISA", isa)).exits(2);
        assert!(
            answer
                .err
                .contains(&format!("instruction set `{isa}` is not available here")),
            "{}",
            answer.err
        );
        assert!(
            answer.err.contains("hint: unset GLASSWORK_ISA"),
            "{}",
            answer.err
        );
    }
}
