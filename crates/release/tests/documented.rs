//! `docs/release-format.md` and the schemas, held against the program: the digests are made here by hand, as the text
//! says, from the bytes of a made release.

#![allow(clippy::unwrap_used)] // A test that panics with the error in hand says enough.

#[allow(dead_code)] // Each test file uses a part of it.
mod made;

use std::fs;
use std::path::Path;

use glasswork_release::checkpoint::CheckpointManifest;
use glasswork_release::licence::LicenceClass;
use glasswork_release::metrics::Metrics;
use glasswork_release::sources::{
    LanguageCount, LicenceCount, LicenceFile, PackageRecord, PinnedBy, RejectedCount, SourceRecord,
    SourcesFile, SplitCount, StageCount,
};
use glasswork_release::{Digest, canonical, layout};
use serde_json::{Value, json};

/// D(tag; parts) of section 2.
fn d(tag: &str, parts: &[Vec<u8>]) -> Digest {
    let mut bytes = Vec::new();
    for part in std::iter::once(&tag.as_bytes().to_vec()).chain(parts) {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    Digest::of(&bytes)
}

fn raw(digest: Digest) -> Vec<u8> {
    digest.0.to_vec()
}

/// Schema and cells of some metrics rows, section 8.
fn metrics_rows_digest(metrics: &Metrics, from: usize, to: usize) -> Digest {
    let mut schema = String::from(
        r#"[["step","u64"],["tokens","u64"],["loss","f64"],["grad_norm","f64"],["learning_rate","f32"],["batch_digest","utf8"],["state_digest","utf8"]"#,
    );
    for source in &metrics.sources {
        schema += &format!(r#",["loss/{source}","f64?"],["targets/{source}","u64"]"#);
    }
    let mut parts = vec![(schema + "]").into_bytes()];
    for row in &metrics.rows[from..to] {
        let mut cells = Vec::new();
        cells.extend(row.step.to_le_bytes());
        cells.extend(row.tokens.to_le_bytes());
        cells.extend(row.loss.to_bits().to_le_bytes());
        cells.extend(row.grad_norm.to_bits().to_le_bytes());
        cells.extend(row.learning_rate.to_bits().to_le_bytes());
        for digest in [row.batch_digest, row.state_digest] {
            cells.extend(64u64.to_le_bytes());
            cells.extend(digest.to_string().into_bytes());
        }
        for source in &row.sources {
            cells.push(u8::from(source.targets > 0));
            if source.targets > 0 {
                cells.extend(source.loss.to_bits().to_le_bytes());
            }
            cells.extend(source.targets.to_le_bytes());
        }
        parts.push(cells);
    }
    d("glasswork/metrics-rows/1", &parts)
}

/// The configuration digest of section 4, for the made configuration with its defaults.
fn config_digest() -> Digest {
    let hex = |x: f64| format!("\"{:016x}\"", x.to_bits());
    let json = format!(
        concat!(
            r#"{{"evaluation":{{"prompts":["The ","fn main() {{\n","This function returns"],"sample_tokens":16}},"#,
            r#""format":1,"gate":{{"allow":["MIT"]}},"#,
            r#""model":{{"architecture":"llama","heads":2,"hidden":8,"initial_std":{std},"kv_heads":2,"layers":1,"mlp":16,"#,
            r#""norm_eps":{eps},"rope_theta":{theta},"sequence":32,"tied_head":false,"vocabulary":300}},"name":"small","#,
            r#""optimizer":{{"beta1":{beta1},"beta2":{beta2},"clip":{one},"epsilon":{epsilon},"final_learning_rate":{last},"#,
            r#""kind":"adamw","learning_rate":{rate},"warm_up_steps":0,"weight_decay":{decay}}},"profile":"f32-v1","#,
            r#""seed":"7","source":[{{"id":"code","kind":"crate-code","lock":"Cargo.lock","reference":"https://crates.io","#,
            r#""weight":3}},{{"id":"docs","kind":"html-docs","licence":"MIT OR Apache-2.0","#,
            r#""licence_evidence":"COPYRIGHT.html","pins":"pins.txt","reference":"https://doc.rust-lang.org","weight":1}}],"#,
            r#""split":{{"eval_bytes":262144,"held_out":{held_out}}},"tokenizer":{{"kind":"byte-bpe"}},"#,
            r#""training":{{"batch":2,"checkpoint_steps":[0,2,4],"reduction_groups":1,"steps":4}}}}"#,
        ),
        std = hex(0.02),
        eps = hex(1e-5),
        theta = hex(10_000.0),
        beta1 = hex(0.9),
        beta2 = hex(0.95),
        one = hex(1.0),
        epsilon = hex(1e-8),
        last = hex(1e-3 / 10.0),
        rate = hex(1e-3),
        decay = hex(0.1),
        held_out = hex(0.01),
    );
    d("glasswork/config/1", &[json.into_bytes()])
}

#[test]
fn every_digest_is_the_one_that_the_text_defines() {
    let dir = tempfile::tempdir().unwrap();
    let root = made::release(dir.path());
    assert_eq!(
        root,
        Digest::of(&fs::read(dir.path().join("core.json")).unwrap())
    );
    assert_eq!(config_digest(), made::config().digest());
    let chunks: Vec<Vec<u8>> = (0..2)
        .map(|n| fs::read(dir.path().join(layout::chunk(n))).unwrap())
        .collect();
    let sequence = d(
        "glasswork/sequence/1",
        &[raw(Digest::of(&chunks[0])), raw(Digest::of(&chunks[1]))],
    );
    // Without their 128 bytes of header the chunks are one array of u16 in rows of 33.
    let rows: Vec<u8> = chunks
        .iter()
        .flat_map(|chunk| chunk[128..].to_vec())
        .collect();
    let batches: Vec<Digest> = rows
        .chunks(2 * 33 * 2)
        .map(|raw| d("glasswork/batch/1", &[raw.to_vec()]))
        .collect();
    let metrics = Metrics::read(&dir.path().join(layout::STEPS)).unwrap();
    assert_eq!(
        metrics
            .rows
            .iter()
            .map(|r| r.batch_digest)
            .collect::<Vec<_>>(),
        batches
    );
    let ledger = fs::read_to_string(dir.path().join(layout::LEDGER)).unwrap();
    let mut previous = Value::Null;
    for line in ledger.strip_suffix('\n').unwrap().split('\n') {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["previous"], previous);
        previous = Digest::of(line.as_bytes()).to_string().into();
        if event["event"] == "run" {
            assert_eq!(event["sequence_digest"], sequence.to_string());
        }
        if event["event"] != "segment" {
            continue;
        }
        let [from, to] = ["from", "to"].map(|key| event[key].as_u64().unwrap() as usize);
        let path = format!("checkpoints/step-{to:06}/manifest.json");
        let manifest: Value =
            serde_json::from_slice(&fs::read(dir.path().join(path)).unwrap()).unwrap();
        let tensors: Vec<Value> = manifest["tensors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| json!([t["name"], t["dtype"], t["shape"], t["digest"]]))
            .collect();
        let state = d(
            "glasswork/state/1",
            &[json!([to, tensors]).to_string().into_bytes()],
        );
        assert_eq!(event["state_digest"], state.to_string());
        assert_eq!(manifest["state_digest"], state.to_string());
        let rows = metrics_rows_digest(&metrics, from, to);
        assert_eq!(event["metrics_digest"], rows.to_string());
        let listed: Vec<Vec<u8>> = batches[from..to].iter().copied().map(raw).collect();
        assert_eq!(
            event["batches_digest"],
            d("glasswork/batches/1", &listed).to_string()
        );
        let parent = manifest["parent"]
            .as_str()
            .map_or(vec![], |p| raw(p.parse().unwrap()));
        assert_eq!(parent.is_empty(), to == 0);
        let commitment = d(
            "glasswork/commitment/1",
            &[
                parent,
                raw(config_digest()),
                b"f32-v1".to_vec(),
                raw(sequence),
                listed.concat(),
                raw(rows),
                raw(state),
            ],
        );
        assert_eq!(event["commitment"], commitment.to_string());
        assert_eq!(manifest["commitment"], commitment.to_string());
    }
}

// ── schemas ──────────────────────────────────────────────────────────────────────────────────────

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/schemas")
        .join(format!("{name}.schema.json"));
    canonical::parse_strict(&fs::read(path).unwrap(), name).unwrap()
}

/// Whether `value` fits, for the keywords that our schemas use; an unknown keyword is a failure of this test.
fn fits(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    let fail = |keyword: &str| Err(format!("{value} breaks {keyword} of {schema}"));
    for (keyword, rule) in schema.as_object().unwrap() {
        let ok = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" | "additionalProperties" => true,
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                fits(value, &root["$defs"][name], root)?;
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|t| is(value, t)),
                one => is(value, one),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_u64() >= rule.as_u64(),
            "maximum" => value.as_u64() <= rule.as_u64(),
            "pattern" => value
                .as_str()
                .is_some_and(|text| pattern(text, rule.as_str().unwrap())),
            // A length says nothing of what has none, such as the null of a text or null.
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "items" => {
                for item in value.as_array().ok_or("not an array")? {
                    fits(item, rule, root)?;
                }
                true
            }
            "oneOf" => {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .filter(|s| fits(value, s, root).is_ok())
                    .count()
                    == 1
            }
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => {
                // Everything in our schemas is closed.
                if schema["additionalProperties"] != Value::Bool(false) {
                    return fail("additionalProperties");
                }
                for (key, item) in value.as_object().ok_or("not an object")? {
                    let known = rule
                        .get(key)
                        .ok_or_else(|| format!("{key} is not in {schema}"))?;
                    fits(item, known, root)?;
                }
                true
            }
            other => return fail(other),
        };
        if !ok {
            return fail(keyword);
        }
    }
    Ok(())
}

fn is(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}

/// The patterns that occur: digests and keys by length, names by their letters.
fn pattern(text: &str, pattern: &str) -> bool {
    let hex = |n: usize| {
        text.len() == n
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    match pattern {
        "^[0-9a-f]{64}$" => hex(64),
        "^[0-9a-f]{32}$" => hex(32),
        "^(0|[1-9][0-9]{0,19})$" => text.parse::<u64>().is_ok_and(|n| n.to_string() == text),
        "^[a-z0-9_.-]{1,64}$" => layout::valid_id("name", text).is_ok(),
        "^[a-z0-9_.-]{1,64}(/[a-z0-9_.-]{1,64}){0,7}$" => layout::valid_path(text).is_ok(),
        "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,255}$" => {
            glasswork_release::safetensors::valid_tensor_name(text).is_ok()
        }
        other => panic!("{other}"),
    }
}

#[track_caller]
fn valid(value: &Value, name: &str) {
    let schema = schema(name);
    fits(value, &schema, &schema).unwrap();
    // Whatever is left out or added is noticed, so the schema and the type have the same fields.
    for key in value.as_object().unwrap().keys() {
        let mut less = value.clone();
        less.as_object_mut().unwrap().remove(key);
        assert!(
            fits(&less, &schema, &schema).is_err(),
            "{name} without {key}"
        );
    }
    let mut more = value.clone();
    more["unheard-of"] = Value::Null;
    assert!(fits(&more, &schema, &schema).is_err());
}

#[test]
fn the_schemas_describe_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    made::release(dir.path());
    let read = |path: &str| -> Value {
        serde_json::from_slice(&fs::read(dir.path().join(path)).unwrap()).unwrap()
    };
    valid(&read("core.json"), "core");
    valid(&read("release.json"), "release");
    valid(&read("checkpoints/step-000000/manifest.json"), "manifest");
    valid(&read("checkpoints/step-000004/manifest.json"), "manifest");
    CheckpointManifest::read(&dir.path().join("checkpoints/step-000004/manifest.json")).unwrap();
    for line in fs::read_to_string(dir.path().join(layout::LEDGER))
        .unwrap()
        .lines()
    {
        valid(&serde_json::from_str(line).unwrap(), "ledger");
    }
    let zero = "0".repeat(64);
    valid(
        &json!({"event": "incident", "previous": zero, "step": 1, "kind": "spike", "detail": "x"}),
        "ledger",
    );
    valid(&serde_json::to_value(sources()).unwrap(), "sources");
    let key = "0123456789abcdef".repeat(2);
    let source = json!({"id": "code", "weight": 3, "tokens": 900, "windows": 28, "rows": 6, "epochs_used": 1, "permutation_key": key});
    valid(
        &json!({"format": 1, "seed": "7", "sequence_length": 32, "rows": 8, "sources": [source]}),
        "mixture",
    );
}

fn sources() -> SourcesFile {
    let digest = Digest::of(b"x");
    let count = SplitCount {
        documents: 1,
        bytes: 2,
        tokens: 3,
    };
    let class = LicenceClass::Permissive;
    SourcesFile {
        format: 1,
        inputs_digest: digest,
        allowed: vec!["MIT".into()],
        sources: vec![SourceRecord {
            id: "code".into(),
            kind: "crate-code".into(),
            reference: "https://crates.io".into(),
            weight: 3,
            pinned_by: PinnedBy {
                path: "Cargo.lock".into(),
                digest,
                entries: 1,
            },
            licence: None,
            licence_evidence: None,
            attribution: Some("the authors".into()),
            licences: vec![LicenceCount {
                spdx: "MIT".into(),
                class,
                documents: 1,
                bytes: 2,
            }],
            notice: true,
            share_alike: false,
            redistributable: true,
            stages: vec![StageCount {
                stage: "collect".into(),
                documents: 1,
                bytes: 2,
            }],
            train: count,
            held_out: count,
            rejected: vec![RejectedCount {
                stage: "licence".into(),
                rule: "missing".into(),
                documents: 1,
                bytes: 2,
            }],
            languages: vec![LanguageCount {
                lang: "zxx".into(),
                documents: 1,
                bytes: 2,
            }],
            packages: vec![PackageRecord {
                name: "a".into(),
                version: "1.0.0".into(),
                sha256: "0".repeat(64),
                licence: Some("MIT".into()),
                licence_evidence: "Cargo.toml".into(),
                refused: None,
                authors: vec!["A. Author <a@example.org>".into()],
                repository: Some("https://example.org/a".into()),
                licence_files: vec![LicenceFile {
                    path: "LICENSE-MIT".into(),
                    sha256: "0".repeat(64),
                    copyright: vec!["Copyright (c) 2020 A. Author".into()],
                }],
            }],
        }],
    }
}
