//! Attacks on single files: tensors, arrays, tables, manifests, ledgers. Round trips by property.

#![allow(clippy::unwrap_used)] // A test that panics with the error in hand says enough.

#[allow(dead_code)] // Each test file uses a part of it.
mod made;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use glasswork_release::checkpoint::{CheckpointManifest, read_checkpoint, verify_checkpoint};
use glasswork_release::ledger::{Event, Ledger};
use glasswork_release::metrics::Metrics;
use glasswork_release::npy::{TokenFile, TokenType, write_tokens};
use glasswork_release::safetensors::{self, SafeTensors, TensorView};
use glasswork_release::table::{Column, Table};
use glasswork_release::{Digest, Dtype, Error, canonical, layout};
use proptest::prelude::*;

// ── safetensors ──────────────────────────────────────────────────────────────────────────────────

fn small_tensors(path: &Path) -> Vec<u8> {
    let tensors: [TensorView<'_>; 3] = [
        ("b", Dtype::U8, &[3], b"xyz"),
        (
            "a.weight",
            Dtype::F32,
            &[1, 2],
            &[0, 0, 128, 63, 0, 0, 0, 64],
        ),
        ("empty", Dtype::I64, &[0, 5], b""),
    ];
    safetensors::write(
        path,
        &tensors,
        &BTreeMap::from([("format".into(), "pt".into())]),
    )
    .unwrap();
    fs::read(path).unwrap()
}

fn with_header(header: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn open(bytes: Vec<u8>) -> Result<SafeTensors, Error> {
    SafeTensors::from_bytes(Path::new("x.safetensors"), bytes)
}

#[test]
fn tensors_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let bytes = small_tensors(&path);
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert!(n.is_multiple_of(8) && bytes[8] == b'{');
    let file = SafeTensors::open(&path).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["a.weight", "b", "empty"]);
    assert_eq!(file.f32("a.weight").unwrap(), [1.0, 2.0]);
    assert_eq!(file.bytes("b").unwrap(), b"xyz");
    assert_eq!(file.info("empty").unwrap().shape, [0, 5]);
    assert_eq!(file.metadata()["format"], "pt");
    assert!(file.f32("b").is_err() && file.bytes("c").is_err());
    assert_eq!(safetensors::digests(&path).unwrap(), file.digests());
    assert_eq!(file.digests()["b"].1, Digest::of(b"xyz"));
}

#[test]
fn attack_every_truncation_of_a_tensor_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let bytes = small_tensors(&path);
    for length in 0..bytes.len() {
        assert!(open(bytes[..length].to_vec()).is_err(), "{length}");
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(
            SafeTensors::open(&path).is_err() && safetensors::digests(&path).is_err(),
            "{length}"
        );
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(
        open(longer)
            .unwrap_err()
            .to_string()
            .contains("1 bytes follow the last tensor")
    );
}

#[test]
fn attack_header_of_gigabytes() {
    let mut bytes = vec![0; 64];
    for claimed in [u64::MAX, 1 << 40, 4 << 30, safetensors::MAX_HEADER + 1, 57] {
        bytes[..8].copy_from_slice(&claimed.to_le_bytes());
        assert!(open(bytes.clone()).is_err(), "{claimed}");
    }
}

#[test]
fn attack_headers_that_lie() {
    let ok = r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#;
    assert!(open(with_header(ok, b"xy")).is_ok());
    for (attack, header, body) in [
        (
            "duplicate tensor",
            r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#,
            2,
        ),
        (
            "duplicate field",
            r#"{"a":{"dtype":"U8","dtype":"I8","shape":[2],"data_offsets":[0,2]}}"#,
            2,
        ),
        (
            "unknown field",
            r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"x":1}}"#,
            2,
        ),
        (
            "unknown type",
            r#"{"a":{"dtype":"Q8","shape":[2],"data_offsets":[0,2]}}"#,
            2,
        ),
        (
            "wrong length",
            r#"{"a":{"dtype":"U16","shape":[2],"data_offsets":[0,2]}}"#,
            2,
        ),
        (
            "backward offsets",
            r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}}"#,
            2,
        ),
        (
            "beyond the end",
            r#"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}"#,
            2,
        ),
        (
            "overflowing shape",
            r#"{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
            0,
        ),
        (
            "overflowing to zero",
            r#"{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}"#,
            0,
        ),
        (
            "negative size",
            r#"{"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}}"#,
            2,
        ),
        (
            "gap at the start",
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
            2,
        ),
        (
            "gap between",
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}"#,
            3,
        ),
        (
            "overlap",
            r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#,
            3,
        ),
        (
            "same bytes twice",
            r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#,
            2,
        ),
        (
            "path as a name",
            r#"{"../../a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#,
            2,
        ),
        (
            "dots in a name",
            r#"{"a..b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#,
            2,
        ),
        (
            "nine dimensions",
            r#"{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,2]}}"#,
            2,
        ),
        ("metadata of numbers", r#"{"__metadata__":{"a":1}}"#, 0),
        ("list", "[]", 0),
        ("space first", " {}", 0),
        ("text after", "{}x", 0),
        ("not UTF-8", "{\"\u{0}\":1}", 0),
    ] {
        assert!(
            open(with_header(header, &vec![0; body])).is_err(),
            "{attack}"
        );
    }
}

#[test]
fn tensors_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let none = BTreeMap::new();
    for tensors in [
        vec![("a", Dtype::F32, &[2][..], &b"1234"[..])],
        vec![
            ("a", Dtype::U8, &[1][..], &b"1"[..]),
            ("a", Dtype::U8, &[1][..], &b"2"[..]),
        ],
        vec![("a/b", Dtype::U8, &[1][..], &b"1"[..])],
        vec![("__metadata__", Dtype::U8, &[1][..], &b"1"[..])],
        vec![("a", Dtype::F32, &[usize::MAX, 2][..], &b"1"[..])],
    ] {
        assert!(
            safetensors::write(&path, &tensors, &none).is_err(),
            "{tensors:?}"
        );
        assert!(!path.exists());
    }
}

proptest! {
    #[test]
    fn tensor_round_trip(sizes in prop::collection::btree_map("[a-z][a-z0-9_]{0,6}(\\.[a-z0-9]{1,4})?", 0usize..40, 0..6)) {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        let bodies: Vec<(String, [usize; 1], Vec<u8>)> =
            sizes.iter().map(|(name, n)| (name.clone(), [*n], (0..n * 2).map(|i| i as u8).collect())).collect();
        let views: Vec<TensorView<'_>> =
            bodies.iter().map(|(name, shape, bytes)| (name.as_str(), Dtype::Bf16, &shape[..], &bytes[..])).collect();
        let reversed: Vec<_> = views.iter().rev().copied().collect();
        safetensors::write(&path, &views, &BTreeMap::new()).unwrap();
        safetensors::write(&other, &reversed, &BTreeMap::new()).unwrap();
        // The order in which tensors are handed over leaves no trace.
        prop_assert_eq!(fs::read(&path).unwrap(), fs::read(&other).unwrap());
        let file = SafeTensors::open(&path).unwrap();
        prop_assert_eq!(file.names().count(), views.len());
        for (name, _, _, bytes) in views {
            prop_assert_eq!(file.bytes(name).unwrap(), bytes);
        }
    }

    #[test]
    fn tensor_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), n in 0u64..200) {
        if bytes.len() >= 8 {
            bytes[..8].copy_from_slice(&n.to_le_bytes());
        }
        let _ = open(bytes);
    }
}

// ── npy ──────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn arrays_are_numpys_own_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    write_tokens(&path, 2, 3, &[1u16, 2, 3, 4, 5, 65_535]).unwrap();
    let bytes = fs::read(&path).unwrap();
    let header =
        b"\x93NUMPY\x01\x00v\x00{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }";
    assert_eq!(&bytes[..header.len()], header);
    assert_eq!(bytes.len(), 128 + 12);
    assert_eq!(bytes[127], b'\n');
    let file = TokenFile::open(&path).unwrap();
    assert_eq!(
        (file.rows(), file.cols(), file.token_type()),
        (2, 3, TokenType::U16)
    );
    assert_eq!(file.read_rows(1..2).unwrap(), [4, 5, 65_535]);
    assert_eq!(file.read_raw_rows(0..1).unwrap(), [1, 0, 2, 0, 3, 0]);
    assert!(file.read_rows(1..1).unwrap().is_empty());
    assert!(file.read_rows(1..3).is_err());
    assert!(
        write_tokens(&path, 2, 2, &[1u16]).is_err()
            && write_tokens(&path, usize::MAX, 2, &[1u16]).is_err()
    );
}

#[test]
fn attack_every_truncation_of_an_array() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    write_tokens(&path, 2, 3, &[1u32, 2, 3, 4, 5, 70_000]).unwrap();
    assert_eq!(
        TokenFile::open(&path).unwrap().read_rows(0..2).unwrap(),
        [1, 2, 3, 4, 5, 70_000]
    );
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(TokenFile::open(&path).is_err(), "{length}");
    }
    fs::write(&path, [&bytes[..], b"\0"].concat()).unwrap();
    assert!(TokenFile::open(&path).is_err());
}

#[test]
fn attack_array_headers_that_lie() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    write_tokens(&path, 2, 3, &[0u16; 6]).unwrap();
    let good = fs::read(&path).unwrap();
    let text = String::from_utf8(good[10..128].to_vec()).unwrap();
    for (from, to) in [
        ("'<u2'", "'|O' "),
        ("'<u2'", "'>u2'"),
        ("'<u2'", "'<f2'"),
        ("False", "True "),
        ("(2, 3)", "(3, 2)"),
        ("(2, 3)", "(2,3) "),
        ("(2, 3)", "(6,)  "),
        ("(2, 3)", "(02, 3)"),
        ("(2, 3)", "(9999999999999999999999, 3)"),
        ("(2, 3)", "(9223372036854775808, 4)"),
        ("(2, 3)", "(-2, -3)"),
        ("'shape'", "'shapE'"),
        (", }", "}  "),
    ] {
        // Every length of padding, so that only the content can be what is refused.
        let mut header = text.trim_end().replacen(from, to, 1);
        assert_ne!(header, text.trim_end());
        header.push_str(&" ".repeat(117usize.saturating_sub(header.len())));
        header.push('\n');
        let mut bytes = good[..8].to_vec();
        bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&[0; 12]);
        fs::write(&path, bytes).unwrap();
        let result = TokenFile::open(&path);
        // Three rows of two is another true description of twelve bytes; everything else is refused.
        assert_eq!(result.is_ok(), to == "(3, 2)", "{to}: {result:?}");
    }
    let mut version_2 = good.clone();
    version_2[6] = 2;
    fs::write(&path, version_2).unwrap();
    assert!(TokenFile::open(&path).is_err());
}

// ── tables ───────────────────────────────────────────────────────────────────────────────────────

fn small_table() -> Table {
    Table::from_columns([
        ("u32", Column::U32(vec![1, u32::MAX])),
        ("u64", Column::U64(vec![0, u64::MAX])),
        ("i64", Column::I64(vec![i64::MIN, 5])),
        ("f32", Column::F32(vec![-0.0, f32::NAN])),
        ("f64", Column::F64(vec![1.5, f64::INFINITY])),
        ("bool", Column::Bool(vec![true, false])),
        ("utf8", Column::Utf8(vec!["".into(), "日本 \0".into()])),
        ("nullable u64", Column::NullableU64(vec![None, Some(3)])),
        ("nullable f64", Column::NullableF64(vec![Some(-1.0), None])),
        (
            "nullable utf8",
            Column::NullableUtf8(vec![None, Some(String::new())]),
        ),
    ])
    .unwrap()
}

#[test]
fn tables_come_back_with_every_type() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    let table = small_table();
    table.write(&path).unwrap();
    let first = fs::read(&path).unwrap();
    let read = Table::read(&path).unwrap();
    assert_eq!(read, table);
    assert_eq!(read.row_digest(1), table.row_digest(1));
    assert_ne!(read.row_digest(0), read.row_digest(1));
    assert_eq!(
        read.nullable_utf8("nullable utf8").unwrap()[1].as_deref(),
        Some("")
    );
    assert!(read.u32("u64").is_err() && read.u32("absent").is_err());
    table.write(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first);
    let empty = Table::from_columns([("a", Column::Utf8(vec![]))]).unwrap();
    empty.write(&path).unwrap();
    assert_eq!(Table::read(&path).unwrap(), empty);
}

#[test]
fn tables_that_cannot_be() {
    assert!(
        Table::from_columns([("a", Column::U32(vec![1])), ("a", Column::U32(vec![1]))]).is_err()
    );
    assert!(
        Table::from_columns([("a", Column::U32(vec![1])), ("b", Column::U32(vec![]))]).is_err()
    );
    assert!(Table::from_columns([("", Column::U32(vec![1]))]).is_err());
}

#[test]
fn the_logical_digest_sees_names_types_order_and_nulls() {
    let digest = |name: &str, column: Column| {
        Table::from_columns([(name, column)])
            .unwrap()
            .logical_digest()
    };
    let all = [
        digest("a", Column::U64(vec![1, 2])),
        digest("b", Column::U64(vec![1, 2])),
        digest("a", Column::I64(vec![1, 2])),
        digest("a", Column::U64(vec![2, 1])),
        digest("a", Column::NullableU64(vec![Some(1), Some(2)])),
        digest("a", Column::NullableU64(vec![Some(1), None])),
        digest("a", Column::Utf8(vec!["ab".into(), "".into()])),
        digest("a", Column::Utf8(vec!["a".into(), "b".into()])),
        digest("a", Column::F64(vec![0.0])),
        digest("a", Column::F64(vec![-0.0])),
    ];
    for (i, a) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|b| a != b), "{i}");
    }
}

#[test]
fn attack_every_truncation_and_flipped_byte_of_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    small_table().write(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(3) {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(Table::read(&path).is_err(), "{length}");
    }
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x55;
        fs::write(&path, bad).unwrap();
        // Either refused or another table: never a crash. (The file digest tells in any case.)
        let _ = Table::read(&path);
    }
}

#[test]
fn large_text_is_written_in_batches() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    let text: Vec<String> = (0..20_000).map(|i| format!("{i:>50}")).collect();
    let table = Table::from_columns([("text", Column::Utf8(text))]).unwrap();
    table.write(&path).unwrap();
    assert_eq!(Table::read(&path).unwrap(), table);
}

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
