//! Attacks on containers: tensor files, arrays, tables. Round trips by property.

#![allow(clippy::unwrap_used)] // A test that panics with the error in hand says enough.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use glasswork_release::npy::{TokenFile, TokenType, write_tokens};
use glasswork_release::safetensors::{self, SafeTensors, TensorView};
use glasswork_release::table::{Column, Table};
use glasswork_release::{Digest, Dtype, Error};
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
