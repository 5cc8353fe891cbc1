//! With a release: none there, another one, parts of it that do not exist.

use insta::assert_snapshot;

use super::{of_release, said};
use crate::corpus::{Corpus, copy, trained};

#[test]
fn release_of_a_future_format() {
    let trained = trained();
    let corpus = Corpus::new();
    copy(&trained.corpus.release(), &corpus.release());
    let core = corpus.release().join("core.json");
    let text = std::fs::read_to_string(&core).expect("reads");
    std::fs::write(
        core,
        text.replace("\"format\":1", "\"format\":2,\"surprise\":[]"),
    )
    .expect("writes");
    let all = ["check", "replay", "report"]
        .map(|command| said(&corpus.glasswork(&[command, "runs/tiny"]), &corpus));
    assert!(all.iter().all(|one| *one == all[0]), "{all:#?}");
    assert_snapshot!(all[0], @r"
    exit 1
    error: core.json has format 2; this program reads format 1
     hint: this was written by a newer version of glasswork: update the program, then try again
    ");
}

#[test]
fn no_release_there() {
    let corpus = Corpus::new();
    assert_snapshot!(said(&corpus.glasswork(&["check", "docs"]), &corpus), @r"
    exit 1
    error: docs holds no core.json: it is not a release, or its run is not finished
     hint: name the directory of a release; a run becomes one when `glasswork train` has done its last step
    ");
    assert_snapshot!(said(&corpus.glasswork(&["check", "nowhere"]), &corpus), @r"
    exit 1
    error: nowhere does not exist
     hint: name the directory of a release; a run becomes one when `glasswork train` has done its last step
    ");
    assert_snapshot!(said(&corpus.glasswork(&["check", "run.toml"]), &corpus), @r"
    exit 1
    error: run.toml is not a directory
     hint: name the directory of a release; a run becomes one when `glasswork train` has done its last step
    ");
    assert_snapshot!(said(&corpus.glasswork(&["replay", "docs"]), &corpus), @r"
    exit 1
    error: docs holds no core.json: it is not a release, or its run is not finished
     hint: name the directory of a release; a run becomes one when `glasswork train` has done its last step
    ");
    assert_snapshot!(said(&corpus.glasswork(&["eval", "docs"]), &corpus), @r"
    exit 2
    error: docs holds no run.toml, so it is no release; and of a published model nothing was asked
     hint: name a release, or tasks, or a folder of your own: `--tasks hellaswag,gsm8k`, or `--mine DIRECTORY`
    ");
    assert_snapshot!(said(&corpus.glasswork(&["trace", "docs", "--step", "1"]), &corpus), @r"
    exit 1
    error: cannot open docs/run.toml: No such file or directory (os error 2)
     hint: check the path; a release is a directory that holds core.json
    ");
    assert_snapshot!(said(&corpus.glasswork(&["report", "docs"]), &corpus), @r"
    exit 1
    error: docs holds neither a release nor a run: there is no run.toml and no core.json
     hint: name the directory that holds run.toml and data/
    ");
    assert_snapshot!(said(&corpus.glasswork(&["export", "hf", "docs", "-o", "out"]), &corpus), @r"
    exit 1
    error: docs holds no checkpoint
     hint: run `glasswork train` first
    ");
}

#[test]
fn run_that_is_not_finished() {
    let corpus = Corpus::new();
    corpus.prep().exits(0);
    assert_snapshot!(said(&corpus.glasswork(&["check", "runs/tiny"]), &corpus), @r"
    exit 1
    error: runs/tiny holds no core.json: it is not a release, or its run is not finished
     hint: name the directory of a release; a run becomes one when `glasswork train` has done its last step
    ");
    assert_snapshot!(said(&corpus.glasswork(&["replay", "runs/tiny"]), &corpus), @r"
    exit 1
    error: runs/tiny holds no core.json: it is not a release, or its run is not finished
     hint: name the directory of a release; a run becomes one when `glasswork train` has done its last step
    ");
    assert_snapshot!(said(&corpus.glasswork(&["eval", "runs/tiny"]), &corpus), @r"
    exit 1
    error: runs/tiny holds no checkpoint
     hint: run `glasswork train` first
    ");
    assert_snapshot!(said(&corpus.glasswork(&["export", "hf", "runs/tiny", "-o", "out"]), &corpus), @r"
    exit 1
    error: runs/tiny holds no checkpoint
     hint: run `glasswork train` first
    ");
}

#[test]
fn root_that_is_none() {
    assert_snapshot!(of_release(&["check", "runs/tiny", "--root", "123"]), @r#"
    exit 2
    error: "123" is not a digest (64 lower-case hexadecimal digits)
     hint: a root is 64 hexadecimal digits, as `glasswork check` prints it
    "#);
}

#[test]
fn root_of_another_release() {
    let other = "0".repeat(64);
    assert_snapshot!(of_release(&["check", "runs/tiny", "--root", &other]), @r"
    exit 3
    root   [digest]
    core   42 files, 2.8 MB
    differs core.json: root (digest of core.json) against the announced one: expected [digest], found [digest]
    1 thing differs
    ");
    assert_snapshot!(of_release(&["replay", "runs/tiny", "--root", &other]), @r"
    exit 3
    error: core.json has the digest [digest], the publisher announced [digest]
     hint: `glasswork check RELEASE --root DIGEST` lists what differs
    ");
}

#[test]
fn segments_that_are_none() {
    assert_snapshot!(of_release(&["replay", "runs/tiny", "--segments", "two"]), @r"
    exit 2
    error: `two` names no segments
     hint: write `3..5` or `2,7`; segments count from 1
    ");
    assert_snapshot!(of_release(&["replay", "runs/tiny", "--segments", "3..2"]), @r"
    exit 2
    error: `3..2` names no segments
     hint: write `3..5` or `2,7`; segments count from 1
    ");
    assert_snapshot!(of_release(&["replay", "runs/tiny", "--segments", "0"]), @r"
    exit 2
    error: `0` names no segments
     hint: write `3..5` or `2,7`; segments count from 1
    ");
    assert_snapshot!(of_release(&["replay", "runs/tiny", "--segments", "4..9"]), @r"
    exit 1
    error: the release has no segment 6; it has 5
     hint: segments are numbered from 1: number N ends at the N-th checkpoint after the initialisation
    ");
    assert_snapshot!(of_release(&["replay", "runs/tiny", "--segments", "2", "--sample", "1"]), @r"
    exit 2
    error: the argument '--segments <WHICH>' cannot be used with '--sample <COUNT>'

    Usage: glasswork replay --segments <WHICH> <RELEASE>

    For more information, try '--help'.
    ");
    assert_snapshot!(of_release(&["replay", "runs/tiny", "--sample", "0"]), @r"
    exit 2
    error: invalid value '0' for '--sample <COUNT>': 0 is not in 1..=4294967295

    For more information, try '--help'.
    ");
}

#[test]
fn steps_that_do_not_exist() {
    assert_snapshot!(of_release(&["trace", "runs/tiny", "--step", "21"]), @r"
    exit 1
    error: step 21 does not exist: the run has steps 1 to 20
    ");
    assert_snapshot!(of_release(&["trace", "runs/tiny", "--step", "0"]), @r"
    exit 1
    error: step 0 does not exist: the run has steps 1 to 20
    ");
    assert_snapshot!(of_release(&["eval", "runs/tiny", "--steps", "7"]), @r"
    exit 1
    error: there is no checkpoint at step 7; there are: 0, 1, 5, 10, 15, 20
     hint: name one of them with `--steps`
    ");
    assert_snapshot!(of_release(&["export", "hf", "runs/tiny", "--step", "7", "-o", "out"]), @r"
    exit 1
    error: the release has no checkpoint at step 7
     hint: there are checkpoints at 0, 1, 5, 10, 15, 20
    ");
}

#[test]
fn export_onto_a_folder() {
    assert_snapshot!(of_release(&["export", "hf", "runs/tiny", "-o", "docs"]), @r"
    exit 1
    error: docs exists already
     hint: name a folder that does not exist yet
    ");
}

#[test]
fn arguments_that_are_none() {
    assert_snapshot!(of_release(&["chekc", "runs/tiny"]), @r"
    exit 2
    error: unrecognized subcommand 'chekc'

      tip: a similar subcommand exists: 'check'

    Usage: glasswork [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(of_release(&["train"]), @r"
    exit 2
    error: the following required arguments were not provided:
      <RUN.toml>

    Usage: glasswork train <RUN.toml>

    For more information, try '--help'.
    ");
    assert_snapshot!(of_release(&["train", "run.toml", "--threads", "0"]), @r"
    exit 2
    error: invalid value '0' for '--threads <THREADS>': 0 is not in 1..=1024

    For more information, try '--help'.
    ");
    assert_snapshot!(of_release(&["train", "run.toml", "--micro-batch", "0"]), @r"
    exit 2
    error: invalid value '0' for '--micro-batch <MICRO_BATCH>': 0 is not in 1..=4294967295

    For more information, try '--help'.
    ");
}

#[test]
fn demo_outside_the_repository() {
    assert_snapshot!(of_release(&["demo"]), @r"
    exit 1
    error: examples/demo/run.toml is not here
     hint: run the demo in the root of a clone of the repository
    ");
}

#[test]
fn errors_as_json() {
    assert_snapshot!(of_release(&["replay", "runs/tiny", "--segments", "two", "--json"]), @r#"
    exit 2
    {"error":"`two` names no segments","hint":"write `3..5` or `2,7`; segments count from 1"}
    "#);
    assert_snapshot!(of_release(&["trace", "runs/tiny", "--step", "21", "--json"]), @r#"
    exit 1
    {"error":"step 21 does not exist: the run has steps 1 to 20","hint":null}
    "#);
    assert_snapshot!(of_release(&["check", "nowhere", "--json"]), @r#"
    exit 1
    {"error":"nowhere does not exist","hint":"name the directory of a release; a run becomes one when `glasswork train` has done its last step"}
    "#);
}
