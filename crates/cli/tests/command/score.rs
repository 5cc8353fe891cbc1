//! Scoring a model folder: the one that `export hf` writes stands for everybody's.

use glasswork_release::Digest;
use glasswork_release::safetensors::SafeTensors;
use serde_json::Value;

use crate::corpus::{Answer, Corpus, glasswork, trained};

/// A corpus that holds `exported`, the last checkpoint as a model folder, and sequences to score.
pub(crate) fn exported() -> Corpus {
    let trained = trained();
    let corpus = Corpus::new();
    let release = trained.corpus.release();
    let release = release.to_string_lossy();
    let export = ["export", "hf", &release, "-o", "exported"];
    corpus.glasswork(&export).exits(0);
    let line = |length: u32, step: u32| {
        let tokens: Vec<u32> = (0..length).map(|i| (i * step + i * i) % 320).collect();
        format!("{tokens:?}\n")
    };
    let lines: String = [(33, 3), (9, 5), (2, 7), (33, 11)]
        .map(|(n, s)| line(n, s))
        .concat();
    corpus.put("tokens.jsonl", lines.as_bytes());
    corpus
}

fn score(corpus: &Corpus, options: &[&str], isa: Option<&str>) -> Value {
    let arguments = [&["score", "exported", "--json"], options].concat();
    let mut command = glasswork(corpus.path(), &arguments);
    if let Some(isa) = isa {
        command.env("GLASSWORK_ISA", isa);
    }
    Answer::of(&mut command).exits(0).json()
}

#[test]
fn threads_memory_and_instruction_set_change_no_bit() {
    let corpus = exported();
    let tokens = ["--tokens", "tokens.jsonl"];
    for profile in ["f32-v1", "bf16-v1"] {
        let with = |options: &[&str], isa| {
            let options = [&tokens[..], &["--profile", profile], options].concat();
            let scored = score(&corpus, &options, isa);
            assert_eq!(scored["tokens"], 32 + 8 + 1 + 32);
            assert_eq!(scored["profile"], profile);
            assert_eq!(scored["length"], 32);
            assert_eq!(scored["version"], env!("CARGO_PKG_VERSION"));
            for (key, file) in [
                ("config_digest", "exported/config.json"),
                ("input_digest", "tokens.jsonl"),
            ] {
                let digest = Digest::of_file(&corpus.path().join(file)).expect("reads");
                assert_eq!(scored[key], digest.to_string(), "{key}");
            }
            scored["log_likelihoods"].clone()
        };
        let first = with(&[], None);
        assert_eq!(first.as_array().expect("an array").len(), 4);
        assert_eq!(first, with(&["--threads", "3"], None));
        assert_eq!(first, with(&["--threads", "1"], Some("scalar")));
        assert_eq!(first, with(&["--memory", "25.4MB"], None));
    }
}

#[test]
fn text_is_scored_by_the_byte_with_the_folders_tokenizer() {
    let corpus = exported();
    let text = "The compiler checks the value at once.\nA reference moves.\n\nEvery thread\n";
    corpus.put("text.txt", text.as_bytes());
    let scored = score(&corpus, &["--text", "text.txt"], None);
    // Two documents, the line end within the first counted, the ones around them not.
    assert_eq!(scored["bytes"], text.len() - 3);
    assert_eq!(scored["log_likelihoods"].as_array().map(Vec::len), Some(2));
    let bits = scored["bits_per_byte"].as_f64().expect("a number");
    assert!(bits > 0.5 && bits < 8.0, "{bits}");
    let whole = scored["log_likelihood"].as_f64().expect("a number");
    let by_hand = -whole / std::f64::consts::LN_2 / (text.len() - 3) as f64;
    assert!((bits - by_hand).abs() < 1e-12);
    // Shorter windows see less before each token, and still predict every token once.
    let narrow = score(&corpus, &["--text", "text.txt", "--length", "4"], None);
    assert_eq!(narrow["tokens"], scored["tokens"]);
    assert_ne!(narrow["log_likelihood"], scored["log_likelihood"]);
}

#[test]
fn plan_says_what_scoring_takes() {
    let corpus = exported();
    let plan = |options: &[&str]| {
        let arguments = [&["plan", "exported", "--json"], options].concat();
        corpus.glasswork(&arguments).exits(0).json()
    };
    let one = plan(&["--tokens", "3200"]);
    assert_eq!((&one["waves"], &one["length"]), (&1.into(), &32.into()));
    assert!(one["seconds"].as_f64().is_some_and(|s| s > 0.0), "{one}");
    let scored = score(&corpus, &["--tokens", "tokens.jsonl"], None);
    let peak = scored["peak_memory_bytes"].as_f64().expect("a number");
    let planned = one["memory_bytes"].as_f64().expect("a number");
    assert!(peak < planned, "{peak} of {planned}");
    let tight = plan(&["--tokens", "3200000", "--memory", "60MB"]);
    assert!(
        tight["waves"].as_u64().is_some_and(|waves| waves > 1),
        "{tight}"
    );
    assert!(
        tight["memory_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes <= 60_000_000)
    );
}

#[test]
fn a_score_that_is_no_number_is_an_error_that_names_the_line() {
    let corpus = exported();
    let path = corpus.path().join("exported/model.safetensors");
    let tensors = SafeTensors::open(&path).expect("opens");
    // The embedding of token 300: only the last line holds it.
    let name = "model.embed_tokens.weight";
    let info = tensors.info(name).expect("there");
    let data: u64 = tensors
        .names()
        .map(|name| tensors.bytes(name).expect("there").len() as u64)
        .sum();
    let mut file = std::fs::read(&path).expect("reads");
    let row = (info.range.1 - info.range.0) / info.shape[0];
    let at = file.len() as u64 - data + info.range.0 + 300 * row;
    let at = usize::try_from(at).expect("small");
    file[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, file).expect("writes");
    corpus.put("some.jsonl", b"[1, 2, 3]\n\n[4, 300, 5]\n");
    let arguments = ["score", "exported", "--tokens", "some.jsonl"];
    let answer = corpus.glasswork(&arguments).exits(1);
    assert!(
        answer
            .err
            .contains("some.jsonl line 3: the log-likelihood is NaN"),
        "{}",
        answer.err
    );
    assert!(answer.err.contains("hint: a weight is"), "{}", answer.err);
    assert_eq!(answer.out, "");
    corpus.put("some.jsonl", b"[1, 2, 3]\n");
    corpus.glasswork(&arguments).exits(0);
}

#[test]
fn plan_and_score_refuse_lengths_beyond_the_positions() {
    let corpus = exported();
    corpus.put("text.txt", b"A line.\n");
    let long = ["--length", "4000000000"];
    for arguments in [
        ["plan", "exported", "--tokens", "10"],
        ["score", "exported", "--text", "text.txt"],
    ] {
        let answer = corpus.glasswork(&[&arguments[..], &long].concat()).exits(1);
        let message = "--length 4000000000 is more than the model has positions (32)";
        assert!(answer.err.contains(message), "{}", answer.err);
    }
    let few = ["plan", "exported", "--tokens", "10", "--json"];
    assert_eq!(corpus.glasswork(&few).exits(0).json()["length"], 10);
}

#[test]
fn plan_refuses_options_of_the_other_kind() {
    let corpus = exported();
    let model = corpus.glasswork(&["plan", "exported", "--micro-batch", "2"]);
    let said = model.exits(2).err;
    let message = "--micro-batch belongs to the plan of a run, and this is a model folder";
    assert!(said.contains(message), "{said}");
    for (option, value) in [
        ("--tokens", "5"),
        ("--length", "5"),
        ("--profile", "f32-v1"),
    ] {
        let run = corpus.glasswork(&["plan", "run.toml", option, value]);
        let said = run.exits(2).err;
        let message = format!("{option} belongs to the plan of a model folder, and this is a run");
        assert!(said.contains(&message), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_tokenizer_that_is_no_plain_file_is_refused() {
    let corpus = exported();
    corpus.put("text.txt", b"A line.\n");
    let path = corpus.path().join("exported/tokenizer.json");
    std::fs::remove_file(&path).expect("removes");
    std::os::unix::fs::symlink("/dev/zero", &path).expect("links");
    let answer = corpus.glasswork(&["score", "exported", "--text", "text.txt"]);
    let answer = answer.exits(1);
    assert!(answer.err.contains("tokenizer.json"), "{}", answer.err);
    assert!(answer.err.contains("no plain file"), "{}", answer.err);
}

#[test]
fn many_threads_and_a_long_sequence_stay_within_the_plan() {
    let corpus = exported();
    let path = corpus.path().join("exported/config.json");
    let config = std::fs::read_to_string(&path).expect("reads");
    let mut config: Value = serde_json::from_str(&config).expect("JSON");
    config["max_position_embeddings"] = 4096.into();
    std::fs::write(&path, config.to_string()).expect("writes");
    let tokens: Vec<u32> = (0..=4096).map(|i| i % 320).collect();
    corpus.put("long.jsonl", format!("{tokens:?}\n").as_bytes());
    for profile in ["f32-v1", "bf16-v1"] {
        let options = ["--threads", "16", "--profile", profile];
        let plan = ["plan", "exported", "--json", "--tokens", "4096"];
        let plan = [&plan[..], &["--length", "4096"], &options].concat();
        let plan = corpus.glasswork(&plan).exits(0).json();
        let options = [&["--tokens", "long.jsonl"], &options[..]].concat();
        let scored = score(&corpus, &options, None);
        let planned = plan["memory_bytes"].as_f64().expect("a number");
        // Linux alone tells a process its peak.
        if let Some(peak) = scored["peak_memory_bytes"].as_f64() {
            assert!(peak <= planned, "{profile}: {peak} of {planned}");
            assert!(peak > 0.5 * planned, "{profile}: {peak} of {planned}");
        }
    }
}
