//! Scoring a model folder.

use insta::assert_snapshot;

use super::said;
use crate::corpus::Corpus;
use crate::score::exported;

fn refused(corpus: &Corpus, arguments: &[&str]) -> String {
    said(&corpus.glasswork(&[&["score"], arguments].concat()), corpus)
}

#[test]
fn folder_that_is_no_model() {
    let corpus = Corpus::new();
    assert_snapshot!(refused(&corpus, &["nowhere", "--tokens", "tokens.jsonl"]), @r"
    exit 1
    error: nowhere holds no config.json
     hint: name a folder as `transformers` saves it: config.json and safetensors
    ");
    corpus.put("model/config.json", br#"{"model_type": "mamba"}"#);
    assert_snapshot!(refused(&corpus, &["model", "--tokens", "tokens.jsonl"]), @r"
    exit 1
    error: config.json: model_type `mamba` is none of llama, gpt_neox, olmo2, crystalcoder
     hint: other architectures are not computed yet
    ");
}

#[test]
fn configuration_that_is_not_computed() {
    let corpus = exported();
    let path = corpus.path().join("exported/config.json");
    let config = std::fs::read_to_string(&path).expect("there");
    let changed = config.replace("\"attention_bias\":false", "\"attention_bias\":true");
    let changed = changed.replace("\"attention_bias\": false", "\"attention_bias\": true");
    corpus.put("exported/config.json", changed.as_bytes());
    assert_snapshot!(refused(&corpus, &["exported", "--tokens", "tokens.jsonl"]), @r"
    exit 1
    error: config.json: attention_bias: is true, which is not computed
     hint: a score that ignored it could be wrong, so none is made; remove the key only if you know that it changes nothing
    ");
}

#[test]
fn tokens_that_cannot_be_scored() {
    let corpus = exported();
    let with = |lines: &str| {
        corpus.put("wrong.jsonl", lines.as_bytes());
        refused(&corpus, &["exported", "--tokens", "wrong.jsonl"])
    };
    assert_snapshot!(with("[1, 2]\n[1, -2]\n"), @r"
    exit 1
    error: wrong.jsonl line 2: no array of token ids
     hint: a line is a JSON array of token ids, as in [1, 529, 18]
    ");
    assert_snapshot!(with("[1, 320]\n"), @r"
    exit 1
    error: token 320 is outside the vocabulary of 320
     hint: tokens must come from this model's own tokenizer
    ");
    assert_snapshot!(with(&format!("{:?}\n", [1; 40])), @r"
    exit 1
    error: sequence 0 has 39 inputs; the model has 32 positions
     hint: cut it into shorter sequences
    ");
    assert_snapshot!(with("[1]\n\n"), @r"
    exit 1
    error: wrong.jsonl holds nothing to score
     hint: a sequence needs two tokens: the first one is only read
    ");
}

#[test]
fn text_without_a_tokenizer() {
    let corpus = exported();
    std::fs::remove_file(corpus.path().join("exported/tokenizer.json")).expect("there");
    corpus.put("text.txt", b"words");
    assert_snapshot!(refused(&corpus, &["exported", "--text", "text.txt"]), @r"
    exit 1
    error: exported holds no tokenizer.json
     hint: add the model's tokenizer, or score token ids with --tokens
    ");
}

#[test]
fn too_little_memory_for_one_sequence() {
    let corpus = exported();
    let said = refused(
        &corpus,
        &["exported", "--tokens", "tokens.jsonl", "--memory", "1MB"],
    );
    assert!(said.contains("scoring takes at least"), "{said}");
    assert!(
        said.contains(" hint: give it more with --memory\n"),
        "{said}"
    );
}
