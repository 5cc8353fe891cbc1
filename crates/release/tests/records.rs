//! Attacks on records: metrics, manifests, ledgers, canonical JSON. Round trips by property.

#![allow(clippy::unwrap_used)] // A test that panics with the error in hand says enough.

#[allow(dead_code)] // Each test file uses a part of it.
mod made;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use glasswork_release::checkpoint::{CheckpointManifest, read_checkpoint, verify_checkpoint};
use glasswork_release::ledger::{Event, Ledger};
use glasswork_release::metrics::Metrics;
use glasswork_release::safetensors;
use glasswork_release::table::Column;
use glasswork_release::{Digest, Dtype, Error, canonical, layout};
use proptest::prelude::*;

// ── metrics ──────────────────────────────────────────────────────────────────────────────────────

#[test]
fn metrics_come_back_and_truncate() {
    let dir = tempfile::tempdir().unwrap();
    made::release(dir.path());
    let path = dir.path().join(layout::STEPS);
    let metrics = Metrics::read(&path).unwrap();
    assert_eq!(metrics.sources, ["code", "docs"]);
    assert!(metrics.rows[0].sources[1].loss.is_nan());
    assert_eq!(metrics.row(4).unwrap().step, 4);
    assert!(metrics.row(0).is_none() && metrics.row(5).is_none());
    assert!(metrics.rows_digest(3..5).is_err());
    assert_ne!(
        metrics.rows_digest(0..0).unwrap(),
        metrics.rows_digest(0..1).unwrap()
    );
    let mut shorter = metrics.clone();
    shorter.truncate_after(2);
    assert_eq!(
        shorter.rows_digest(0..2).unwrap(),
        metrics.rows_digest(0..2).unwrap()
    );
    shorter.write(&path).unwrap();
    assert_eq!(Metrics::read(&path).unwrap().steps(), 2);
    // Columns that do not belong there, and steps that are not 1, 2, 3, …, are refused.
    let mut table = metrics.table().unwrap();
    table.push("extra", Column::U64(vec![0; 4])).unwrap();
    table.write(&path).unwrap();
    assert!(Metrics::read(&path).is_err());
    let mut holes = metrics;
    holes.rows.remove(1);
    assert!(holes.write(&path).is_err());
}

// ── checkpoints ──────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_checkpoint_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    made::release(dir.path());
    let at = dir.path().join(layout::checkpoint_dir(2));
    let checkpoint = read_checkpoint(&at).unwrap();
    assert_eq!(
        (checkpoint.manifest.step, checkpoint.manifest.tensors.len()),
        (2, 6)
    );
    assert_eq!(
        checkpoint.model.names().collect::<Vec<_>>(),
        ["model.embed.weight", "model.norm.weight"]
    );
    assert_eq!(
        checkpoint
            .optimizer
            .info("optimizer.m.model.norm.weight")
            .unwrap()
            .shape,
        [5]
    );
    assert!(verify_checkpoint(&at).is_empty());
}

#[test]
fn attack_bit_of_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    made::release(dir.path());
    let at = dir.path().join(layout::checkpoint_dir(2));
    let path = at.join(layout::MODEL);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    match read_checkpoint(&at).unwrap_err() {
        Error::TensorMismatch { tensor, path, .. } => {
            assert_eq!(tensor, "model.norm.weight");
            assert!(path.ends_with("checkpoints/step-000002/model.safetensors"));
        }
        other => panic!("{other}"),
    }
    // A tensor more, and a tensor less, are named too.
    safetensors::write(
        &path,
        &[("model.other", Dtype::U8, &[1], b"x")],
        &BTreeMap::new(),
    )
    .unwrap();
    let findings = verify_checkpoint(&at);
    let tensors: Vec<_> = findings
        .iter()
        .map(|f| f.tensor.as_deref().unwrap())
        .collect();
    assert_eq!(
        tensors,
        ["model.embed.weight", "model.norm.weight", "model.other"]
    );
    assert!(findings.iter().all(|f| f.step == Some(2)));
}

#[test]
fn attack_every_truncation_and_many_edits_of_a_manifest() {
    let dir = tempfile::tempdir().unwrap();
    made::release(dir.path());
    let path = dir
        .path()
        .join(layout::checkpoint_dir(2))
        .join(layout::MANIFEST);
    let good = fs::read_to_string(&path).unwrap();
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(CheckpointManifest::read(&path).is_err(), "{length}");
    }
    for (attack, from, to) in [
        (
            "duplicate key",
            "{\"commitment\"",
            "{\"format\":1,\"commitment\"",
        ),
        ("unknown field", "\"format\":1", "\"extra\":0,\"format\":1"),
        ("white space", "\"format\":1", "\"format\": 1"),
        ("float", "\"step\":2", "\"step\":2.0"),
        ("negative", "\"step\":2", "\"step\":-2"),
        ("other step", "\"step\":2", "\"step\":3"),
        (
            "path",
            "\"file\":\"model.safetensors\"",
            "\"file\":\"../../../etc/passwd\"",
        ),
        (
            "other file",
            "\"file\":\"model.safetensors\"",
            "\"file\":\"other.safetensors\"",
        ),
        (
            "tensor name",
            "\"name\":\"model.norm.weight\"",
            "\"name\":\"model/../norm\"",
        ),
        (
            "tensor twice",
            "\"name\":\"model.norm.weight\"",
            "\"name\":\"model.embed.weight\"",
        ),
        ("digest", "\"digest\":\"", "\"digest\":\"0"),
        ("trailing", "\"tokens\":128}", "\"tokens\":128}\n"),
    ] {
        assert!(good.contains(from), "{attack}");
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        assert!(CheckpointManifest::read(&path).is_err(), "{attack}");
        // A file's name is not part of the state digest: only this reading of the manifest refuses it.
        assert!(
            !verify_checkpoint(path.parent().unwrap()).is_empty(),
            "{attack}"
        );
    }
    fs::write(&path, good.replacen("\"format\":1", "\"format\":7", 1)).unwrap();
    let error = CheckpointManifest::read(&path).unwrap_err();
    assert!(
        matches!(
            error,
            Error::FutureFormat {
                found: 7,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_checkpoint_whose_tensors_are_not_those_committed_to_is_not_written() {
    use glasswork_release::checkpoint::{CheckpointInputs, Commitment, write_checkpoint};
    let dir = tempfile::tempdir().unwrap();
    let zero = Digest([0; 32]);
    let commitment = Commitment {
        parent: None,
        config_digest: zero,
        profile: "f32-v1".into(),
        sequence_digest: zero,
        batch_digests: vec![],
        metrics_digest: zero,
        state_digest: zero,
    };
    let inputs = CheckpointInputs {
        step: 0,
        tokens: 0,
        commitment,
    };
    let state = made::State::at(0);
    assert!(
        write_checkpoint(
            dir.path(),
            &inputs,
            &state.views(false),
            &state.views(true),
            b"{}"
        )
        .is_err()
    );
    assert!(
        write_checkpoint(
            dir.path(),
            &inputs,
            &state.views(false),
            &state.views(false),
            b"{}"
        )
        .is_err()
    );
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
}

// ── ledgers ──────────────────────────────────────────────────────────────────────────────────────

fn small_ledger(path: &Path) -> Vec<u8> {
    let zero = Digest([0; 32]);
    let mut ledger = Ledger::open(path).unwrap();
    assert_eq!(ledger.head(), None);
    let run = Event::Run {
        format: 1,
        config_digest: zero,
        profile: "f32-v1".into(),
        sequence_digest: zero,
        name: "small".into(),
    };
    assert!(
        ledger
            .append(Event::Stage {
                stage: "x".into(),
                digest: zero
            })
            .is_err(),
        "a run comes first"
    );
    ledger.append(run.clone()).unwrap();
    assert!(ledger.append(run).is_err(), "and only once");
    ledger
        .append(Event::Stage {
            stage: "x".into(),
            digest: zero,
        })
        .unwrap();
    let incident = Event::Incident {
        step: 3,
        kind: "spike".into(),
        detail: "loss 9 \"日本\"\n".into(),
    };
    ledger.append(incident).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn a_ledger_comes_back_and_can_be_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let bytes = small_ledger(&path);
    let mut ledger = Ledger::read(&path).unwrap();
    assert_eq!(ledger.events().len(), 3);
    let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
    assert_eq!(ledger.head(), Some(Digest::of(lines[2])));
    assert!(
        lines[1].ends_with(
            format!(
                "\"previous\":\"{}\",\"stage\":\"x\"}}",
                Digest::of(lines[0])
            )
            .as_bytes()
        )
    );
    for line in &lines[..3] {
        canonical::parse_canonical::<serde_json::Value>(line, "line").unwrap();
    }
    ledger.truncate(2).unwrap();
    assert_eq!(Ledger::read(&path).unwrap().events().len(), 2);
    ledger.truncate(0).unwrap();
    assert!(!path.exists());
}

#[test]
fn attack_every_truncation_of_a_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let bytes = small_ledger(&path);
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        // Whole lines removed from the end leave a valid chain: the index and the history tell, not the ledger.
        let whole = length > 0 && bytes[length - 1] == b'\n';
        assert_eq!(Ledger::read(&path).is_ok(), whole, "{length}");
    }
}

#[test]
fn attack_every_flipped_bit_of_a_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let bytes = small_ledger(&path);
    let last = bytes[..bytes.len() - 1]
        .iter()
        .rposition(|&b| b == b'\n')
        .unwrap()
        + 1;
    for at in 0..last {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        let error = Ledger::read(&path).unwrap_err();
        let line = bytes[..at].iter().filter(|&&b| b == b'\n').count() + 1;
        // The line itself where it became nonsense, else the next one, whose `previous` no longer fits.
        let text = error.to_string();
        assert!(
            (line..=line + 1).any(|n| text.contains(&format!("line {n}"))),
            "{at}: {text}"
        );
    }
}

#[test]
fn attack_ledger_lines_moved_added_or_of_another_kind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let text = String::from_utf8(small_ledger(&path)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for bad in [
        [lines[0], lines[2], lines[1]].join("\n") + "\n",
        [lines[0], lines[1], lines[1], lines[2]].join("\n") + "\n",
        [lines[0], lines[2]].join("\n") + "\n",
        [lines[1], lines[2]].join("\n") + "\n",
        text.replace('\n', "\r\n"),
        text.clone() + "\n",
        text.replacen("\"stage\":\"x\"", "\"stage\":\"x\",\"x\":0", 1),
        text.replacen("\"event\":\"stage\"", "\"event\":\"party\"", 1),
        text.replacen("\"previous\":null", "\"previous\":0", 1),
    ] {
        fs::write(&path, &bad).unwrap();
        assert!(Ledger::read(&path).is_err(), "{bad}");
    }
    fs::write(&path, text.replacen("\"format\":1", "\"format\":2", 1)).unwrap();
    assert!(matches!(
        Ledger::read(&path),
        Err(Error::FutureFormat { found: 2, .. })
    ));
}

// ── canonical JSON ───────────────────────────────────────────────────────────────────────────────

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-(1i64 << 53) + 1..1i64 << 53).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_json_round_trip(value in json()) {
        let bytes = canonical::to_canonical(&value).unwrap();
        let back: serde_json::Value = canonical::parse_canonical(&bytes, "x").unwrap();
        prop_assert_eq!(&back, &value);
        // And any JSON parser understands it the same way.
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), value);
    }
}
