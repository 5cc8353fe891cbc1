//! The files of a model folder: one, or shards and their index; safetensors, or what `torch.save` writes.

use super::{Shard, torch};
use crate::ModelError;
use glasswork_release::safetensors::{TensorInfo, read_header};
use glasswork_release::{Error, canonical};
use memmap2::Mmap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How weights are stored: one file, or shards with an index.
#[derive(Debug)]
struct Format {
    single: &'static str,
    index: &'static str,
    extension: &'static str,
    map: fn(&Path) -> Result<Mapped, ModelError>,
}

/// In the order in which they are looked for: a folder may hold the same weights in both.
const FORMATS: [Format; 2] = [
    Format {
        single: "model.safetensors",
        index: "model.safetensors.index.json",
        extension: ".safetensors",
        map: map_safetensors,
    },
    Format {
        single: "pytorch_model.bin",
        index: "pytorch_model.bin.index.json",
        extension: ".bin",
        map: map_torch,
    },
];

/// A mapped file and its tensors.
type Mapped = (Shard, BTreeMap<String, TensorInfo>);
type Places = BTreeMap<String, (usize, TensorInfo)>;

/// Maps the weights of a folder and lists every tensor.
pub(super) fn open(folder: &Path) -> Result<(Vec<Shard>, Places), ModelError> {
    for format in &FORMATS {
        let single = folder.join(format.single);
        if single.exists() {
            let (shard, tensors) = (format.map)(&single)?;
            let places = tensors.into_iter().map(|(name, info)| (name, (0, info)));
            return Ok((vec![shard], places.collect()));
        }
        let index = folder.join(format.index);
        if index.exists() {
            return sharded(folder, format, &index);
        }
    }
    Err(ModelError::NoWeights(folder.into()))
}

/// The same of the shards that an index lists.
fn sharded(
    folder: &Path,
    format: &Format,
    path: &Path,
) -> Result<(Vec<Shard>, Places), ModelError> {
    let fail = |problem: String| ModelError::Index {
        path: path.into(),
        problem,
    };
    let index = read_text(path, canonical::MAX_DOCUMENT as u64)?;
    let index = canonical::parse_value(&index, &path.display().to_string())?;
    let listed = index.get("weight_map").and_then(Value::as_object);
    let listed = listed.ok_or_else(|| fail("has no object `weight_map`".into()))?;
    let mut file_of = BTreeMap::new();
    for (tensor, file) in listed {
        let file = file.as_str().unwrap_or_default();
        if !plain_name(file, format.extension) {
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
        let (shard, tensors) = (format.map)(&path)?;
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
fn plain_name(name: &str, extension: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    name.len() <= 256
        && name.ends_with(extension)
        && !name.starts_with('.')
        && name.bytes().all(plain)
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

fn map_safetensors(path: &Path) -> Result<Mapped, ModelError> {
    let (mut file, length) = open_plain(path)?;
    let header = read_header(&mut file, length, path)?;
    let map = map(&file, length, path)?;
    let start = header.start as usize;
    Ok((Shard { map, start }, header.tensors))
}

fn map_torch(path: &Path) -> Result<Mapped, ModelError> {
    let (file, length) = open_plain(path)?;
    let map = map(&file, length, path)?;
    let tensors = torch::tensors(&map, path)?;
    Ok((Shard { map, start: 0 }, tensors))
}

fn map(file: &File, length: u64, path: &Path) -> Result<Mmap, ModelError> {
    // SAFETY: nobody writes through the map; that the file is not changed beneath it is the promise
    // that the crate's documentation asks of whoever names the folder.
    let map = unsafe { Mmap::map(file) }.map_err(|source| Error::Io {
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
    Ok(map)
}
