//! The files of a model folder: one, or shards and their index.

use super::Shard;
use crate::ModelError;
use glasswork_release::safetensors::{TensorInfo, read_header};
use glasswork_release::{Error, canonical};
use memmap2::Mmap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

type Places = BTreeMap<String, (usize, TensorInfo)>;

/// Maps the weights of a folder and lists every tensor.
pub(super) fn open(folder: &Path) -> Result<(Vec<Shard>, Places), ModelError> {
    let single = folder.join(SINGLE);
    if single.exists() {
        let (shard, tensors) = map(&single)?;
        let places = tensors.into_iter().map(|(name, info)| (name, (0, info)));
        return Ok((vec![shard], places.collect()));
    }
    let path = folder.join(INDEX);
    if !path.exists() {
        return Err(ModelError::NoWeights {
            folder: folder.into(),
            pickled: pickled(folder),
        });
    }
    let fail = |problem: String| ModelError::Index {
        path: path.clone(),
        problem,
    };
    let index = read_text(&path, canonical::MAX_DOCUMENT as u64)?;
    let index = canonical::parse_value(&index, &path.display().to_string())?;
    let listed = index.get("weight_map").and_then(Value::as_object);
    let listed = listed.ok_or_else(|| fail("has no object `weight_map`".into()))?;
    let mut file_of = BTreeMap::new();
    for (tensor, file) in listed {
        let file = file.as_str().unwrap_or_default();
        if !plain_name(file) {
            let shown: String = file.chars().take(80).collect();
            return Err(fail(format!(
                "{shown:?} is no name of a shard in this folder"
            )));
        }
        file_of.insert(tensor.as_str(), file);
    }
    let files: BTreeSet<&str> = file_of.values().copied().collect();
    let (mut shards, mut places) = (Vec::new(), Places::new());
    for file in files {
        let path = folder.join(file);
        if !path.exists() {
            return Err(fail(format!("names {file}, which is not there")));
        }
        let (shard, tensors) = map(&path)?;
        for (name, info) in tensors {
            let expected = file_of.get(name.as_str());
            if expected != Some(&file) {
                let problem = match expected {
                    Some(other) => format!("places `{name}` in {other}, but {file} holds it too"),
                    None => format!("does not list `{name}`, which {file} holds"),
                };
                return Err(fail(problem));
            }
            places.insert(name, (shards.len(), info));
        }
        shards.push(shard);
    }
    match file_of
        .iter()
        .find(|(name, _)| !places.contains_key(**name))
    {
        Some((name, file)) => Err(fail(format!(
            "places `{name}` in {file}, which does not hold it"
        ))),
        None => Ok((shards, places)),
    }
}

/// A name that stays in its folder.
fn plain_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    name.len() <= 256
        && name.ends_with(".safetensors")
        && !name.starts_with('.')
        && name.bytes().all(plain)
}

/// Whether PyTorch's own format lies in the folder.
fn pickled(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name());
    names.any(|name| {
        let name = name.to_string_lossy();
        name.starts_with("pytorch_model") && name.contains(".bin")
    })
}

/// Opens a plain file, or what a link leads to, and tells its length.
fn open_plain(path: &Path) -> Result<(File, u64), ModelError> {
    let io = |source| Error::Io {
        action: "open",
        path: path.into(),
        source,
    };
    // Asked before it is opened: opening a pipe could block for ever.
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(Error::NotAPlainFile {
            path: path.into(),
            kind: "directory or device",
        }
        .into());
    }
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    Ok((file, length))
}

/// A whole file of at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let (file, length) = open_plain(path)?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Io {
            action: "read",
            path: path.into(),
            source,
        })?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge {
            path: path.into(),
            length,
            limit,
        }
        .into());
    }
    Ok(bytes)
}

fn map(path: &Path) -> Result<(Shard, BTreeMap<String, TensorInfo>), ModelError> {
    let (mut file, length) = open_plain(path)?;
    let header = read_header(&mut file, length, path)?;
    // SAFETY: nobody writes through the map; that the file is not changed beneath it is the promise
    // that the crate's documentation asks of whoever names the folder.
    let map = unsafe { Mmap::map(&file) }.map_err(|source| Error::Io {
        action: "map",
        path: path.into(),
        source,
    })?;
    // The file may have shrunk since its length was taken.
    if (map.len() as u64) < length {
        return Err(Error::Tensors {
            path: path.into(),
            problem: "became shorter while it was opened".into(),
        }
        .into());
    }
    let start = header.start as usize;
    Ok((Shard { map, start }, header.tensors))
}
