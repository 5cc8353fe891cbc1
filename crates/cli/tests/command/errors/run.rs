//! On the way to a release: run file, data, training.

use insta::assert_snapshot;

use super::{of_release, refused, said};
use crate::corpus::{Corpus, copy, listing, trained};

#[test]
fn run_file_missing() {
    let corpus = Corpus::new();
    let all = ["prep", "train", "plan"]
        .map(|command| said(&corpus.glasswork(&[command, "runn.toml"]), &corpus));
    assert!(all.iter().all(|one| *one == all[0]), "{all:#?}");
    assert_snapshot!(all[0], @r"
    exit 1
    error: there is no run file runn.toml
     hint: name a run file; examples/demo/run.toml explains every line of one
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
     hint: did you mean the section `gate`?
    ");
}

#[test]
fn run_file_without_a_key() {
    assert_snapshot!(refused(&Corpus::new().edit("mlp = 48\n", "")), @r"
    exit 1
    error: run.toml line 6: model: missing field `mlp`
     hint: examples/demo/run.toml shows every key with a value
    ");
}

#[test]
fn run_file_with_a_word_for_a_number() {
    assert_snapshot!(refused(&Corpus::new().edit("steps = 20", "steps = \"twenty\"")), @r#"
    exit 1
    error: run.toml line 50: training.steps: invalid type: string "twenty", expected a whole number
     hint: examples/demo/run.toml shows every key with a value
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
    error: source `books` (html-docs) has no training document left: 30 seen, 30 rejected (licence-not-allowed 30), 0 held out
     hint: allow more licences under [gate], add text to the source, or lower split.held_out
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
    error: cannot read Cargo.lock: No such file or directory (os error 2)
     hint: check the path; those in a run file are relative to it
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
    copy(
        &trained().corpus.release().join(checkpoint),
        &corpus.release().join(checkpoint),
    );
    assert_snapshot!(said(&corpus.glasswork(&["train", "run.toml", "--threads", "2"]), &corpus), @r"
    exit 1
    2 threads, [isa], micro-batch 4; Ctrl-C is safe, the same command goes on
    error: runs/tiny/checkpoints/step-000020/model.safetensors does not fit the model of the run: tensor `model.layers.0.mlp.down_proj.weight` has 1536 elements where the configuration needs 2048
     hint: the checkpoint belongs to another run, or run.toml was edited: restore the one that is wrong
    ");
    assert_snapshot!(said(&corpus.glasswork(&["eval", "runs/tiny", "--steps", "20"]), &corpus), @r"
    exit 1
    error: runs/tiny/checkpoints/step-000020/model.safetensors does not fit the model of the run: tensor `model.layers.0.mlp.down_proj.weight` has the shape [32, 48] where the configuration needs [32, 64]
     hint: the checkpoint belongs to another run, or run.toml was edited: restore the one that is wrong
    ");
}

#[test]
fn vocabulary_smaller_than_the_sequence_s_tokens() {
    // Somebody prepares with one vocabulary and edits the other into the release's own run file.
    let corpus = Corpus::new();
    corpus.prep().exits(0);
    let corpus = corpus.edit("vocabulary = 320", "vocabulary = 288");
    let run = corpus.release().join("run.toml");
    let text = std::fs::read_to_string(&run)
        .expect("reads")
        .replace("vocabulary = 320", "vocabulary = 288");
    std::fs::write(run, text).expect("writes");
    assert_snapshot!(said(&corpus.glasswork(&["train", "run.toml", "--threads", "2"]), &corpus), @r"
    exit 1
    2 threads, [isa], micro-batch 4; Ctrl-C is safe, the same command goes on
    error: the prepared data has a tokenizer of 320 tokens, model.vocabulary is 288
     hint: prepare the data again with this run.toml: `glasswork prep RUN.toml`
    ");
    assert!(!corpus.release().join("checkpoints/step-000001").exists());
}

#[test]
fn directory_for_a_run_file() {
    assert_snapshot!(of_release(&["train", "runs/tiny"]), @r"
    exit 1
    error: runs/tiny is a directory, not a run file
     hint: name a run file; examples/demo/run.toml explains every line of one
    ");
}
