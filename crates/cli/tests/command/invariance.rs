//! Threads, micro-batch and instruction set change the speed of a run, never a bit of it.

use glasswork_kernels::Isa;

use crate::corpus::{Answer, Trained, glasswork, trained};
use crate::golden::{self, Golden, Setting, trained_digest};

/// Threads and micro-batches: each of 1, 2, 3 and 8 threads, each of one sequence, two, a number that
/// does not divide the batch, and the whole batch. Every pair on every instruction set would cost
/// minutes and meet no other code.
const SHAPES: [(&str, &str); 4] = [("1", "6"), ("2", "1"), ("3", "4"), ("8", "2")];

/// Trains the tiny run once for each setting and insists on the committed digest.
fn every_setting(golden: Golden) {
    let corpus = golden.prepared();
    for isa in Isa::available() {
        for (threads, micro_batch) in SHAPES {
            let setting = Setting {
                isa: isa.name(),
                threads,
                micro_batch,
            };
            let digest = trained_digest(&corpus, setting);
            assert_eq!(digest, golden.digest, "{golden:?} by {setting:?}");
        }
    }
}

#[test]
fn one_digest_of_f32_over_threads_micro_batches_and_instruction_sets() {
    every_setting(golden::of("f32-v1", "1"));
}

#[test]
fn one_digest_of_f32_with_two_reduction_groups() {
    every_setting(golden::of("f32-v1", "2"));
}

#[test]
fn one_digest_of_bf16_over_threads_micro_batches_and_instruction_sets() {
    every_setting(golden::of("bf16-v1", "1"));
}

#[test]
fn one_digest_of_bf16_with_two_reduction_groups() {
    every_setting(golden::of("bf16-v1", "2"));
}

#[test]
fn every_profile_and_grouping_is_another_computation() {
    let mut digests: Vec<_> = golden::all().iter().map(|golden| golden.digest).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 4);
}

#[test]
fn replay_of_every_segment_with_other_settings_is_bitwise_equal() {
    let trained = trained();
    assert_eq!(trained.state_digest, golden::of("f32-v1", "1").digest);
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
fn replay_of_a_bf16_segment_is_bitwise_equal() {
    let trained = Trained::make(golden::of("bf16-v1", "2").prepared());
    let copy = trained.copy();
    let arguments = ["replay", "tiny", "--segments", "2", "--root", &trained.root];
    let shape = ["--threads", "3", "--micro-batch", "1"];
    let answer = Answer::of(&mut glasswork(
        copy.path(),
        &[&arguments[..], &shape].concat(),
    ))
    .exits(0);
    assert!(
        answer.out.contains("bitwise equal, state"),
        "{}",
        answer.out
    );
    let record = copy.path().join("tiny/attestations/replay-1-5-1.json");
    let record = std::fs::read_to_string(record).expect("reads");
    assert!(record.contains("\"bf16-v1\""), "{record}");
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
    let names = Isa::available()
        .iter()
        .map(|isa| isa.name())
        .collect::<Vec<_>>();
    let known = ["avx2", "avx512", "amx"];
    let missing = known.iter().filter(|isa| !names.contains(isa));
    for isa in missing.chain(&["nonsense", "", "AVX2"]) {
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
