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
     hint: name a folder as `transformers` saves it: config.json and weights
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
    error: wrong.jsonl line 2: -2 is no token id
     hint: token ids are whole numbers from 0 on
    ");
    assert_snapshot!(with("[1, 2]\nwords\n"), @r"
    exit 1
    error: wrong.jsonl line 2: no array of token ids
     hint: a line is a JSON array of token ids, as in [1, 529, 18]
    ");
    assert_snapshot!(with("[1, 320]\n"), @r"
    exit 1
    error: wrong.jsonl line 1: token 320 is outside the vocabulary of 320
     hint: tokens must come from this model's own tokenizer
    ");
    assert_snapshot!(with(&format!("{:?}\n", [1; 40])), @r"
    exit 1
    error: wrong.jsonl line 1 has 39 inputs, the model takes 32
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
        said.contains(
            " MB of memory, more than the 1.0 MB allowed\n hint: give it more with --memory,"
        ),
        "{said}"
    );
}

#[test]
fn configuration_that_is_damaged() {
    let corpus = exported();
    let path = corpus.path().join("exported/config.json");
    let config = std::fs::read_to_string(&path).expect("there");
    let mut config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    config["num_hidden_layers"] = "two".into();
    corpus.put("exported/config.json", config.to_string().as_bytes());
    assert_snapshot!(refused(&corpus, &["exported", "--tokens", "tokens.jsonl"]), @r#"
    exit 1
    error: config.json: num_hidden_layers: is "two", not a number from 1 to 4096
     hint: the value cannot be right: fetch config.json again from where the model came
    "#);
}

#[test]
fn weights_that_end_early() {
    let corpus = exported();
    let path = corpus.path().join("exported/model.safetensors");
    let weights = std::fs::read(&path).expect("there");
    corpus.put("exported/model.safetensors", &weights[..weights.len() - 4]);
    let said = refused(&corpus, &["exported", "--tokens", "tokens.jsonl"]);
    assert!(said.contains("model.safetensors"), "{said}");
    let hint =
        " hint: the file is damaged or incomplete: fetch it again from where the model came\n";
    assert!(said.ends_with(hint), "{said}");
}
