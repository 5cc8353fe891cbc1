//! A first look into data: the first lines of a file of documents. A chunk of training data has tens of gigabytes, and
//! a line of it may be of any length.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::inventory::{DataKind, DataSample};
use crate::json;
use crate::store::{Store, StoredFile};

/// Bytes that are looked at, and once more where they hold no whole line.
const FIRST: [u64; 2] = [128 << 10, 4 << 20];
/// Documents that are looked at.
const DOCUMENTS: usize = 64;
/// Keys and sources that are kept, and characters of one.
const MOST_NAMES: usize = 200;
const MOST_TEXT: usize = 200;
/// Names of the list of token ids.
const TOKENS: [&str; 4] = ["token_ids", "input_ids", "tokens", "ids"];
/// Names of the source.
const SOURCES: [&str; 5] = [
    "source",
    "subset_name",
    "subset",
    "dataset",
    "pile_set_name",
];

/// Looks at the first documents of a file, where its kind has lines.
///
/// # Errors
/// Lines that are no documents; what reading fails with.
pub(crate) fn look(
    store: &dyn Store,
    file: &StoredFile,
    kind: DataKind,
) -> Result<Option<DataSample>> {
    let fail = |problem: String| Error::Content {
        path: file.path.clone(),
        problem,
    };
    let packed = match kind {
        DataKind::Jsonl => false,
        DataKind::CompressedJsonl if file.path.ends_with(".gz") => true,
        _ => return Ok(None),
    };
    if file.bytes == 0 {
        return Err(fail("is empty".into()));
    }
    for first in FIRST {
        let mut begin = store.read(&file.path, 0..file.bytes.min(first))?;
        let mut whole = file.bytes <= first;
        if packed {
            let (unpacked, all) = unpack(&begin, first);
            whole &= all;
            begin = unpacked;
        }
        let end = if whole {
            begin.len()
        } else {
            begin
                .iter()
                .rposition(|&b| b == b'\n')
                .map_or(0, |at| at + 1)
        };
        if end > 0 {
            return documents(&begin[..end], &file.path).map(Some);
        }
        if whole {
            break;
        }
    }
    Err(fail(format!(
        "has no line of documents in its first {} bytes",
        file.bytes.min(FIRST[1])
    )))
}

/// At most `most` bytes of what is packed, and whether that is all.
fn unpack(packed: &[u8], most: u64) -> (Vec<u8>, bool) {
    let mut reader = flate2::read::MultiGzDecoder::new(packed).take(most + 1);
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    // The end of what was read is mostly within a block: what came before it counts.
    let all = loop {
        match reader.read(&mut chunk) {
            Ok(0) => break true,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(_) => break false,
        }
    };
    let all = all && bytes.len() as u64 <= most;
    bytes.truncate(most as usize);
    (bytes, all)
}

fn documents(lines: &[u8], path: &str) -> Result<DataSample> {
    let (mut keys, mut sources) = (BTreeSet::new(), BTreeMap::new());
    let (mut documents, mut range) = (0, None::<(u64, u64)>);
    let lines = lines.split(|&b| b == b'\n');
    for line in lines
        .filter(|line| !line.trim_ascii().is_empty())
        .take(DOCUMENTS)
    {
        let Value::Object(document) = json::parse(line, path)? else {
            return Err(Error::Content {
                path: path.into(),
                problem: format!("document {} is no object", documents + 1),
            });
        };
        documents += 1;
        let list = |key: &&str| document.get(*key).and_then(Value::as_array);
        if let Some(ids) = TOKENS.iter().find_map(list) {
            let count = ids.len() as u64;
            let (least, most) = range.unwrap_or((count, count));
            range = Some((least.min(count), most.max(count)));
        }
        let meta = document.get("meta").and_then(Value::as_object);
        let named = |key: &&str| document.get(*key).or_else(|| meta?.get(*key))?.as_str();
        if let Some(source) = SOURCES.iter().find_map(named) {
            let source: String = source.chars().take(MOST_TEXT).collect();
            if sources.len() < MOST_NAMES || sources.contains_key(&source) {
                *sources.entry(source).or_insert(0) += 1;
            }
        }
        for key in document.into_iter().map(|(key, _)| key) {
            if keys.len() < MOST_NAMES {
                keys.insert(key.chars().take(MOST_TEXT).collect::<String>());
            }
        }
    }
    Ok(DataSample {
        documents,
        tokens_per_document: range,
        keys: keys.into_iter().collect(),
        sources,
    })
}
