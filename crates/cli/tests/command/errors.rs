//! Whatever a person gets wrong: a message that names it, what to do about it, the exit code, and
//! nothing half written.

use insta::assert_snapshot;

use crate::corpus::{Answer, Corpus, copy, glasswork, listing, trained};

/// Exit code and both streams; digests and the working directory differ between machines.
fn said(answer: &Answer, corpus: &Corpus) -> String {
    let directory = corpus.path().to_string_lossy();
    let text = format!("{}{}", answer.out, answer.err).replace(&*directory, "[here]");
    let mut shown = format!("exit {}\n", answer.code.unwrap_or(-1));
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let digits = word.bytes().take_while(u8::is_ascii_hexdigit).count();
        shown += &if digits == 64 { format!("[digest]{}", &word[64..]) } else { word.to_owned() };
    }
    shown
}

/// What `prep` says of a corpus that it must refuse; nothing may be left of it.
fn refused(corpus: &Corpus) -> String {
    let answer = corpus.prep();
    assert!(listing(&corpus.release()).is_empty(), "{:?}", listing(&corpus.release()));
    said(&answer, corpus).replace("collect code …\n", "")
}

/// What `arguments` answer in a corpus that holds a release made for this test.
fn of_release(arguments: &[&str]) -> String {
    let trained = trained();
    let before = listing(&trained.corpus.release());
    let answer = trained.corpus.glasswork(arguments);
    assert_eq!(listing(&trained.corpus.release()), before);
    said(&answer, &trained.corpus)
}

#[test]
fn run_file_missing() {
    let corpus = Corpus::new();
    let all = ["prep", "train", "plan"].map(|command| said(&corpus.glasswork(&[command, "runn.toml"]), &corpus));
    assert!(all.iter().all(|one| *one == all[0]), "{all:#?}");
    assert_snapshot!(all[0], @r"
    exit 1
    error: cannot open runn.toml: No such file or directory (os error 2)
     hint: check the path; a release is a directory that holds core.json
    ");
    assert!(!corpus.path().join("runs").exists());
}

#[test]
fn run_file_malformed() {
    assert_snapshot!(refused(&Corpus::new().edit("hidden = 32", "hidden = = 32")), @r"
    exit 1
    error: run.toml line 9: syntax: extra `=`, expected nothing
     hint: strings need quotes, sections look like [model]; see examples/demo/run.toml
    ");
}

#[test]
fn run_file_with_an_unknown_key() {
    assert_snapshot!(refused(&Corpus::new().edit("learning_rate = 1e-2", "lerning_rate = 1e-2")), @r"
    exit 1
    error: run.toml line 57: optimizer.lerning_rate: is not a known key
     hint: did you mean `learning_rate`?
    ");
}

#[test]
fn run_file_with_a_section_too_many() {
    assert_snapshot!(refused(&Corpus::new().edit("[gate]", "[gates]")), @r"
    exit 1
    error: run.toml line 42: gates: is not a known key
     hint: did you mean `gate`?
    ");
}

#[test]
fn run_file_without_a_key() {
    assert_snapshot!(refused(&Corpus::new().edit("mlp = 48\n", "")), @r"
    exit 1
    error: run.toml line 6: model: missing field `mlp`
    ");
}

#[test]
fn run_file_with_a_word_for_a_number() {
    assert_snapshot!(refused(&Corpus::new().edit("steps = 20", "steps = \"twenty\"")), @r#"
    exit 1
    error: run.toml line 50: training.steps: invalid type: string "twenty", expected u64
    "#);
}

#[test]
fn run_file_of_a_future_format() {
    assert_snapshot!(refused(&Corpus::new().edit("format = 1", "format = 2\nsurprise = true")), @r"
    exit 1
    error: run.toml has format 2; this program reads format 1
     hint: this was written by a newer version of glasswork: update the program, then try again
    ");
}

#[test]
fn vocabulary_that_the_format_refuses() {
    assert_snapshot!(refused(&Corpus::new().edit("vocabulary = 320", "vocabulary = 256")), @r"
    exit 1
    error: run.toml line 8: model.vocabulary: is 256; it must be 257 to 65536
     hint: 256 bytes and <|endoftext|> are the least; 4096 suits a small run
    ");
}

#[test]
fn vocabulary_that_the_text_cannot_fill() {
    assert_snapshot!(refused(&Corpus::new().edit("vocabulary = 320", "vocabulary = 65536")), @r"
    exit 1
    read code …
    read prose …
    read books …
    train the tokenizer …
    error: the training text yields 445 tokens, the run asks for a vocabulary of 65536
     hint: set model.vocabulary to 445 or less, or add training text
    ");
}

#[test]
fn sequence_longer_than_the_data() {
    assert_snapshot!(refused(&Corpus::new().edit("sequence = 32", "sequence = 65536")), @r"
    exit 1
    read code …
    read prose …
    read books …
    train the tokenizer …
    encode …
    error: source `code` has 5462 training tokens; one row needs 65537 (sequence + 1)
     hint: shorten model.sequence or add text to the source
    ");
}

#[test]
fn no_document_left() {
    assert_snapshot!(refused(&Corpus::new().edit("allow = [\"MIT\", \"Apache-2.0\"]", "allow = [\"Zlib\"]")), @r"
    exit 1
    read code …
    read prose …
    read books …
    error: source `books` (html-docs) has no training document left: 30 seen, 30 rejected, 0 held out
     hint: data/attributes names the rule for each document; allow more licences under [gate], add text to the source, or lower split.held_out
    ");
}

#[test]
fn licence_that_is_none() {
    assert_snapshot!(refused(&Corpus::new().edit("allow = [\"MIT\"", "allow = [\"MITT\"")), @r"
    exit 1
    error: `MITT` (gate.allow) is no SPDX licence expression: unknown term
     hint: write SPDX identifiers, for example `MIT OR Apache-2.0`
    ");
}

#[test]
fn lock_file_missing() {
    let corpus = Corpus::new();
    std::fs::remove_file(corpus.path().join("Cargo.lock")).expect("removes");
    assert_snapshot!(refused(&corpus), @r"
    exit 1
    error: cannot read Cargo.lock
    ");
}

#[test]
fn archive_missing() {
    let corpus = Corpus::new();
    std::fs::remove_dir_all(corpus.path().join("cargo")).expect("removes");
    assert_snapshot!(refused(&corpus), @r"
    exit 1
    read code …
    error: no archive of one-1.0.0 under cargo/registry/cache
     hint: fetch the pinned crates first: `cargo fetch --locked --manifest-path <the lock's directory>/Cargo.toml`
    ");
}

#[test]
fn page_changed() {
    let corpus = Corpus::new();
    corpus.put("docs/html/book/page3.html", b"<main>other</main>");
    assert_snapshot!(refused(&corpus), @r"
    exit 1
    read code …
    read prose …
    read books …
    error: docs/html/book/page3.html has SHA-256 [digest], the pins say [digest]
     hint: the pins belong to the toolchain in rust-toolchain.toml: run there, or `rustup component remove rust-docs` and `rustup component add rust-docs` to restore the files
    ");
}

#[test]
fn train_without_prep() {
    let corpus = Corpus::new();
    assert_snapshot!(said(&corpus.glasswork(&["train", "run.toml"]), &corpus), @r"
    exit 1
    error: runs/tiny holds no prepared data
     hint: run `glasswork prep RUN.toml` first, with the same -o
    ");
    assert!(listing(&corpus.release()).is_empty());
}

#[test]
fn train_after_the_run_file_changed() {
    let corpus = Corpus::new();
    corpus.prep().exits(0);
    let corpus = corpus.edit("learning_rate = 1e-2", "learning_rate = 2e-2");
    assert_snapshot!(said(&corpus.glasswork(&["train", "run.toml"]), &corpus), @r"
    exit 1
    error: runs/tiny was prepared with another run file
     hint: run `glasswork prep RUN.toml` first, with the same -o
    ");
}

#[test]
fn prep_of_another_run_into_a_trained_directory() {
    let corpus = Corpus::new().edit("seed = 7", "seed = 8");
    copy(&trained().corpus.release(), &corpus.release());
    let before = listing(&corpus.release());
    assert_snapshot!(said(&corpus.prep(), &corpus), @r"
    exit 1
    error: runs/tiny was prepared from other inputs and training has begun on it
     hint: give the changed run a new directory; released data never changes in place
    ");
    assert_eq!(listing(&corpus.release()), before);
}

#[test]
fn checkpoint_of_another_model() {
    let corpus = Corpus::new().edit("mlp = 48", "mlp = 64");
    corpus.prep().exits(0);
    corpus.train(&[]).exits(0);
    let checkpoint = "checkpoints/step-000020";
    std::fs::remove_dir_all(corpus.release().join(checkpoint)).expect("removes");
    copy(&trained().corpus.release().join(checkpoint), &corpus.release().join(checkpoint));
    assert_snapshot!(said(&corpus.glasswork(&["train", "run.toml", "--threads", "2"]), &corpus), @r"
    exit 1
    2 threads, avx512, micro-batch 4; Ctrl-C is safe, the same command goes on
    error: tensor `model.layers.0.mlp.down_proj.weight` has 1536 elements where the configuration needs 2048
    ");
    assert_snapshot!(said(&corpus.glasswork(&["eval", "runs/tiny", "--steps", "20"]), &corpus), @r"
    exit 1
    error: tensor `model.layers.0.mlp.down_proj.weight` has 1536 elements where the configuration needs 2048
    ");
}

#[test]
fn vocabulary_smaller_than_the_sequence_s_tokens() {
    // Somebody prepares with one vocabulary and edits the other into the release's own run file.
    let corpus = Corpus::new();
    corpus.prep().exits(0);
    let corpus = corpus.edit("vocabulary = 320", "vocabulary = 288");
    let run = corpus.release().join("run.toml");
    let text = std::fs::read_to_string(&run).expect("reads").replace("vocabulary = 320", "vocabulary = 288");
    std::fs::write(run, text).expect("writes");
    assert_snapshot!(said(&corpus.glasswork(&["train", "run.toml", "--threads", "2"]), &corpus), @r"
    exit 1
    2 threads, avx512, micro-batch 4; Ctrl-C is safe, the same command goes on
    checkpoint 0
    error: runs/tiny/data/sequence: step 1 holds token 288, the vocabulary 288
    ");
    assert!(!corpus.release().join("checkpoints/step-000001").exists());
}

#[test]
fn release_of_a_future_format() {
    let trained = trained();
    let corpus = Corpus::new();
    copy(&trained.corpus.release(), &corpus.release());
    let core = corpus.release().join("core.json");
    let text = std::fs::read_to_string(&core).expect("reads");
    std::fs::write(core, text.replace("\"format\":1", "\"format\":2,\"surprise\":[]")).expect("writes");
    let all = ["check", "replay", "report"].map(|command| said(&corpus.glasswork(&[command, "runs/tiny"]), &corpus));
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
    error: docs: holds no core.json: it is not a release, or its run is not finished
     hint: finish the run first: `glasswork train` seals it after the last step
    ");
    assert_snapshot!(said(&corpus.glasswork(&["check", "nowhere"]), &corpus), @r"
    exit 1
    error: cannot open nowhere: No such file or directory (os error 2)
     hint: check the path; a release is a directory that holds core.json
    ");
    assert_snapshot!(said(&corpus.glasswork(&["check", "run.toml"]), &corpus), @r"
    exit 1
    error: run.toml: is not a directory
     hint: finish the run first: `glasswork train` seals it after the last step
    ");
    assert_snapshot!(said(&corpus.glasswork(&["replay", "docs"]), &corpus), @r"
    exit 1
    error: cannot open docs/core.json: No such file or directory (os error 2)
     hint: check the path; a release is a directory that holds core.json
    ");
    assert_snapshot!(said(&corpus.glasswork(&["eval", "docs"]), &corpus), @r"
    exit 1
    error: cannot open docs/run.toml: No such file or directory (os error 2)
     hint: check the path; a release is a directory that holds core.json
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
    ");
}

#[test]
fn run_that_is_not_finished() {
    let corpus = Corpus::new();
    corpus.prep().exits(0);
    assert_snapshot!(said(&corpus.glasswork(&["check", "runs/tiny"]), &corpus), @r"
    exit 1
    error: runs/tiny: holds no core.json: it is not a release, or its run is not finished
     hint: finish the run first: `glasswork train` seals it after the last step
    ");
    assert_snapshot!(said(&corpus.glasswork(&["replay", "runs/tiny"]), &corpus), @r"
    exit 1
    error: cannot open runs/tiny/core.json: No such file or directory (os error 2)
     hint: check the path; a release is a directory that holds core.json
    ");
    assert_snapshot!(said(&corpus.glasswork(&["eval", "runs/tiny"]), &corpus), @r"
    exit 0
    held-out bits per byte (8 is no knowledge at all)
        step
    ");
    assert_snapshot!(said(&corpus.glasswork(&["export", "hf", "runs/tiny", "-o", "out"]), &corpus), @r"
    exit 1
    error: runs/tiny holds no checkpoint
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
    differs core.json: root (digest of core.json) against the pinned one: expected [digest], found [digest]
    1 things differ
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
     hint: segments are numbered from 1; `glasswork check` lists the checkpoints
    ");
    assert_snapshot!(of_release(&["replay", "runs/tiny", "--segments", "2", "--sample", "1"]), @r"
    exit 2
    error: the argument '--segments <SEGMENTS>' cannot be used with '--sample <SAMPLE>'

    Usage: glasswork replay --segments <SEGMENTS> <RELEASE>

    For more information, try '--help'.
    ");
    assert_snapshot!(of_release(&["replay", "runs/tiny", "--sample", "0"]), @r"
    exit 0
    0 of 0 recomputed segments bitwise equal; the release has 5
    had a tenth of all steps lain in bad segments, this sample would have met one with probability 0.00 (1 − 0.9^0)
    recomputing segment  of 5 (random): 0 steps, 0 tokens
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
    error: docs exists
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
      <RUN>

    Usage: glasswork train <RUN>

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
    assert_snapshot!(of_release(&["trace", "runs/tiny", "--step", "21", "--json"]), @r#"
    exit 1
    {"error":"step 21 does not exist: the run has steps 1 to 20","hint":null}
    "#);
    assert_snapshot!(of_release(&["check", "nowhere", "--json"]), @r#"
    exit 1
    {"error":"cannot open nowhere: No such file or directory (os error 2)","hint":"check the path; a release is a directory that holds core.json"}
    "#);
    let corpus = Corpus::new();
    let answer = Answer::of(glasswork(corpus.path(), &["train", "run.toml", "--json"]).env("GLASSWORK_ISA", "amx"));
    assert_eq!(answer.code, Some(1), "nothing is prepared, which is said first: {}", answer.err);
}
