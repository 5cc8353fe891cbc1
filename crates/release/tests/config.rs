//! `run.toml`: what is accepted, what is refused, and with what words.

#![allow(clippy::unwrap_used)] // A test that panics with the error in hand says enough.

#[allow(dead_code)] // Each test file uses a part of it.
mod made;

use std::path::Path;

use glasswork_release::config::RunConfig;
use glasswork_release::{Error, hexfloat};

fn parse(text: &str) -> Result<RunConfig, Error> {
    RunConfig::parse(text, Path::new("run.toml"))
}

/// The small configuration with one line replaced (or added where `from` is a section's header).
fn with(from: &str, to: &str) -> Result<RunConfig, Error> {
    assert!(made::RUN.contains(from), "{from}");
    parse(&made::RUN.replacen(from, to, 1))
}

#[track_caller]
fn refused(from: &str, to: &str, message: &str, hint: &str) {
    let error = with(from, to).unwrap_err();
    assert_eq!(error.to_string(), message, "for {to:?}");
    assert_eq!(error.hint().unwrap_or_default(), hint, "for {to:?}");
}

#[test]
fn defaults_are_filled_in_and_written_out() {
    let config = made::config();
    assert_eq!(config.profile, "f32-v1");
    assert_eq!((config.model.kv_heads, config.model.head_dim()), (2, 4));
    assert_eq!(
        (config.model.rope_theta, config.model.tied_head),
        (10_000.0, false)
    );
    assert_eq!(config.optimizer.final_learning_rate, 1e-3 / 10.0);
    assert_eq!((config.tokens_per_step(), config.rows()), (64, 8));
    let text = config.to_toml();
    for key in [
        "kv_heads",
        "rope_theta",
        "norm_eps",
        "kind",
        "held_out",
        "reduction_groups",
        "clip",
        "sample_tokens",
    ] {
        assert!(text.contains(&format!("{key} = ")), "{key} in\n{text}");
    }
    let again = parse(&text).unwrap();
    assert_eq!(again, config);
    assert_eq!(again.digest(), config.digest());
    assert_eq!(again.to_toml(), text);
}

#[test]
fn the_digest_follows_every_value_and_no_comment() {
    let base = made::config().digest();
    assert_eq!(with("seed = 7", "seed = 7 # seven").unwrap().digest(), base);
    assert_eq!(
        with("learning_rate = 1e-3", "learning_rate = 0.001")
            .unwrap()
            .digest(),
        base
    );
    for (from, to) in [
        ("seed = 7", "seed = 8"),
        (
            "learning_rate = 1e-3",
            "learning_rate = 1.0000000000000002e-3",
        ),
        ("mlp = 16", "mlp = 32"),
        ("weight = 3", "weight = 4"),
        ("[\"MIT\"]", "[\"MIT\", \"ISC\"]"),
        ("[0, 2, 4]", "[0, 3, 4]"),
    ] {
        assert_ne!(with(from, to).unwrap().digest(), base, "{to}");
    }
    // −0 and +0 are the same rate of decay.
    let zero = |zero| {
        with(
            "[optimizer]",
            &format!("[optimizer]\nweight_decay = {zero}"),
        )
        .unwrap()
        .digest()
    };
    assert_eq!(zero("-0.0"), zero("0"));
    assert_eq!(hexfloat::hex_f64::to_text(1e-3), "3f50624dd2f1a9fc");
}

#[test]
fn checkpoints_by_list_or_by_interval() {
    let steps = |line: &str| {
        with("checkpoint_steps = [0, 2, 4]", line)
            .unwrap()
            .training
            .checkpoint_steps
    };
    assert_eq!(steps("checkpoint_every = 3"), [0, 3, 4]);
    assert_eq!(steps("checkpoint_every = 9"), [0, 4]);
    assert_eq!(steps("checkpoint_steps = [1]"), [0, 1, 4]);
    assert_eq!(steps(""), [0, 4]);
}

#[test]
fn mistakes_name_key_and_line_and_what_to_do() {
    refused(
        "hidden = 8",
        "hiden = 8",
        "run.toml line 7: model.hiden: is not a known key",
        "did you mean `hidden`?",
    );
    refused(
        "seed = 7",
        "sede = 7",
        "run.toml line 3: sede: is not a known key",
        "did you mean `seed`?",
    );
    refused(
        "steps = 4",
        "steps = 4\nclip = 1.0",
        "run.toml line 34: training.clip: is not a known key",
        "`clip` belongs in [optimizer]",
    );
    refused(
        "[gate]",
        "[gates]",
        "run.toml line 29: gates: is not a known key",
        "did you mean the section `gate`?",
    );
    refused(
        "weight = 1",
        "weigth = 1",
        "run.toml line 23: source.2.weigth: is not a known key",
        "did you mean `weight`?",
    );
    refused(
        "heads = 2",
        "heads = 3",
        "run.toml line 9: model.heads: 3 heads do not share a width of 8 in even parts",
        "hidden / heads must be a whole, even number, such as 64",
    );
    refused(
        "sequence = 32",
        "sequence = 40",
        "run.toml line 11: model.sequence: 40 is not a multiple of 32",
        "use 32 or 64",
    );
    refused(
        "vocabulary = 300",
        "vocabulary = 70000",
        "run.toml line 6: model.vocabulary: is 70000; it must be 257 to 65536",
        "256 bytes and <|endoftext|> are the least; 4096 suits a small run",
    );
    refused(
        "lock = \"Cargo.lock\"",
        "",
        "run.toml line 13: source.1.lock: is missing",
        "a source of this kind needs it",
    );
    refused(
        "lock = \"Cargo.lock\"",
        "lock = \"../../etc/passwd\"",
        "run.toml line 18: source.1.lock: leaves its directory",
        "use a relative path without `..`",
    );
    refused(
        "id = \"docs\"",
        "id = \"code\"",
        "run.toml line 21: source.2.id: \"code\" occurs twice",
        "give every source an id of its own",
    );
    refused(
        "checkpoint_steps = [0, 2, 4]",
        "checkpoint_steps = [0, 9]",
        "run.toml line 35: training.checkpoint_steps: step 9 lies after the last one, 4",
        "remove it, or train longer",
    );
    refused(
        "batch = 2",
        "batch = 2\nreduction_groups = 3",
        "run.toml line 35: training.reduction_groups: is 3; it must be a power of two of at most 2 (the batch)",
        "1 is right for one machine",
    );
    refused(
        "seed = 7",
        "seed = 7\nprofile = \"f32-v2\"",
        "run.toml line 4: profile: \"f32-v2\" is not known",
        "did you mean \"f32-v1\"?",
    );
    refused(
        "seed = 7",
        "seed = 7\nprofile = \"fp64\"",
        "run.toml line 4: profile: \"fp64\" is not known",
        "known: f32-v1, bf16-v1",
    );
}

#[test]
fn wrong_types_and_broken_syntax_name_the_place() {
    let error = with("hidden = 8", "hidden = \"8\"")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("run.toml line 7: model.hidden: invalid type"),
        "{error}"
    );
    let error = with("kind = \"crate-code\"", "kind = \"crate-cod\"")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("run.toml line 15: source.1.kind: unknown variant"),
        "{error}"
    );
    let error = with("weight = 3", "weight = -3").unwrap_err().to_string();
    assert!(
        error.starts_with("run.toml line 16: source.1.weight: "),
        "{error}"
    );
    let error = with("[model]", "[model").unwrap_err();
    assert!(
        error.to_string().starts_with("run.toml line 5: syntax: ") && error.hint().is_some(),
        "{error}"
    );
    let error = with("steps = 4", "").unwrap_err().to_string();
    assert!(error.contains("steps"), "{error}");
    assert!(with("seed = 7", "seed = 7\nseed = 8").is_err());
    assert!(with("learning_rate = 1e-3", "learning_rate = nan").is_err());
    assert!(with("learning_rate = 1e-3", "learning_rate = inf").is_err());
}

#[test]
fn attack_nesting() {
    for text in [
        format!("format = {}", "[".repeat(200_000)),
        format!("format = 1\na{}", ".a".repeat(200_000)),
    ] {
        assert!(parse(&text).is_err());
    }
}

#[test]
fn the_format_number_comes_first() {
    // A future file may hold keys of a future meaning: none of them is looked at.
    let error = parse("format = 2\nfrobnicate = true\nmodel = 3\n").unwrap_err();
    assert!(
        matches!(
            error,
            Error::FutureFormat {
                found: 2,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("newer version"));
    let error = with("format = 1\n", "").unwrap_err();
    assert_eq!(error.to_string(), "run.toml: format: is missing");
    assert!(with("format = 1", "format = 0").is_err());
}

#[test]
fn the_demos_own_configuration_is_accepted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/demo/run.toml");
    RunConfig::load(&path).unwrap();
}

proptest::proptest! {
    #[test]
    fn text_never_panics(line in 0usize..40, junk in "\\PC{0,24}") {
        let mut lines: Vec<&str> = made::RUN.lines().collect();
        lines.insert(line.min(lines.len()), &junk);
        let _ = parse(&lines.join("\n"));
        lines.remove(line.min(lines.len() - 1));
        let _ = parse(&lines[..line.min(lines.len())].join("\n"));
    }
}
