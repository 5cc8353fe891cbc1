//! What headers of weights say: tensors and their places. Of weights themselves nothing is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use glasswork_release::canonical;
use glasswork_release::safetensors::{MAX_HEADER, read_header};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::inventory::{Problem, Tensor};
use crate::json;
use crate::ranged::Ranged;
use crate::store::{Store, StoredFile};

/// Most tensors of a checkpoint: a hundred times those of the largest models.
const MOST_TENSORS: usize = 1 << 18;
/// Absent files of an index that are told one by one.
const MOST_ABSENT: usize = 1000;

/// The tensors of a checkpoint's files, by name, and what could not be read.
///
/// Where the same weights are there as safetensors and as PyTorch's files, the first are read.
pub(crate) fn tensors(
    store: &dyn Store,
    weights: &[StoredFile],
    indices: &[&StoredFile],
) -> (Vec<Tensor>, Vec<Problem>) {
    let mut problems = Vec::new();
    let safe = |file: &&StoredFile| file.path.ends_with(".safetensors");
    let mut files: Vec<&StoredFile> = weights.iter().filter(safe).collect();
    let torch = files.is_empty();
    if torch {
        files = weights.iter().collect();
    }
    let mut all: BTreeMap<String, Tensor> = BTreeMap::new();
    for file in files {
        let found = if torch {
            of_torch(store, file)
        } else {
            of_safetensors(store, file)
        };
        match found {
            Ok((tensors, problem)) => {
                problems.extend(problem);
                let mut again = None;
                for tensor in tensors {
                    if let Some(other) = all.get(&tensor.name) {
                        again.get_or_insert_with(|| {
                            format!("holds `{}`, as {} does", tensor.name, other.file)
                        });
                    } else if all.len() == MOST_TENSORS {
                        again = Some(format!(
                            "was not read to its end: the checkpoint has more than {MOST_TENSORS} tensors"
                        ));
                        break;
                    } else {
                        all.insert(tensor.name.clone(), tensor);
                    }
                }
                problems.extend(again.map(|reason| Problem::new(&file.path, reason)));
            }
            Err(error) => problems.push(problem(&file.path, &error)),
        }
    }
    let unreadable = !problems.is_empty();
    for index in indices {
        let of_torch = !index.path.ends_with(".safetensors.index.json");
        if weights.is_empty() || of_torch == torch {
            problems.extend(against_index(store, index, weights, &all, unreadable));
        }
    }
    (all.into_values().collect(), problems)
}

/// A problem of a file whose message begins with its path only once.
pub(crate) fn problem(path: &str, error: &Error) -> Problem {
    let reason = match error {
        Error::Content { problem, .. } => problem.clone(),
        other => other.to_string(),
    };
    Problem::new(path, reason)
}

fn content(path: &str, problem: impl Into<String>) -> Error {
    let (path, problem) = (path.to_owned(), problem.into());
    Error::Content { path, problem }
}

type Found = (Vec<Tensor>, Option<Problem>);

/// A header is believed about a file that is shorter or longer than it says, and that is told: what is missing of a
/// cut file is the question then.
fn of_safetensors(store: &dyn Store, file: &StoredFile) -> Result<Found> {
    let path = file.path.as_str();
    let ranged = Ranged::new(store, path)?;
    let name = Path::new(path);
    let told = |error: glasswork_release::Error| content(path, error.to_string());
    let needed = needed(&ranged, file)?;
    let header = read_header(&mut &ranged, needed, name).map_err(told)?;
    let tensors = header.tensors.into_iter().map(|(name, info)| Tensor {
        name,
        shape: info.shape,
        dtype: info.dtype.name().into(),
        file: path.into(),
        start: Some(header.start + info.range.0),
        end: Some(header.start + info.range.1),
    });
    let reason = (needed != file.bytes)
        .then(|| format!("has {} bytes; its header says {needed}", file.bytes));
    let problem = reason.map(|reason| Problem::new(path, reason));
    Ok((tensors.collect(), problem))
}

/// The length of the file by its header.
fn needed(ranged: &Ranged<'_>, file: &StoredFile) -> Result<u64> {
    let fail = |problem: String| content(&file.path, problem);
    if file.bytes < 8 {
        return Err(fail(format!("has {} bytes: no header", file.bytes)));
    }
    let length = ranged.stretch(0..8)?;
    let length = u64::from_le_bytes(*length.first_chunk().expect("eight bytes were read"));
    if length > MAX_HEADER || length > file.bytes - 8 {
        return Err(fail(format!(
            "claims a header of {length} bytes; the file has {}, and at most {MAX_HEADER} are read",
            file.bytes
        )));
    }
    let header = ranged.stretch(8..8 + length)?;
    json::check_values(&header, &file.path)?;
    let header =
        canonical::parse_value(&header, "header").map_err(|error| fail(error.to_string()))?;
    let end = |entry: &Value| entry.get("data_offsets")?.get(1)?.as_u64();
    let entries = header.as_object().into_iter().flat_map(|all| all.values());
    let body = entries.filter_map(end).max().unwrap_or(0);
    (8 + length)
        .checked_add(body)
        .ok_or_else(|| fail("has a tensor beyond all sizes".into()))
}

fn of_torch(store: &dyn Store, file: &StoredFile) -> Result<Found> {
    let path = file.path.as_str();
    let ranged = Ranged::new(store, path)?;
    let tensors =
        glasswork_model::torch_tensors(&ranged).map_err(|problem| content(path, problem))?;
    let turned = tensors
        .iter()
        .find(|(_, tensor)| tensor.range.is_none())
        .map(|(name, _)| {
            let reason = format!("holds `{name}`, which does not lie row by row");
            Problem::new(path, reason)
        });
    let tensors = tensors.into_iter().map(|(name, tensor)| Tensor {
        name,
        shape: tensor.shape,
        dtype: tensor.dtype.name().into(),
        file: path.into(),
        start: tensor.range.map(|(start, _)| start),
        end: tensor.range.map(|(_, end)| end),
    });
    Ok((tensors.collect(), turned))
}

/// What an index says and the files do not, or the other way round.
fn against_index(
    store: &dyn Store,
    index: &StoredFile,
    weights: &[StoredFile],
    tensors: &BTreeMap<String, Tensor>,
    unreadable: bool,
) -> Vec<Problem> {
    let path = index.path.as_str();
    let listed = match listed(store, path) {
        Ok(listed) => listed,
        Err(error) => return vec![problem(path, &error)],
    };
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let inside = |file: &str| match folder {
        "" => file.to_owned(),
        folder => format!("{folder}/{file}"),
    };
    let mut problems = Vec::new();
    let mut told = |path: &str, reason: String| {
        problems.push(Problem::new(path, reason));
    };
    let there: BTreeSet<&str> = weights.iter().map(|file| file.path.as_str()).collect();
    let mut absent = BTreeSet::new();
    let (mut elsewhere, mut first) = (0, None);
    for (name, file) in &listed {
        let file = inside(file);
        if !there.contains(file.as_str()) {
            absent.insert(file);
        } else if !unreadable && tensors.get(name).is_none_or(|tensor| tensor.file != file) {
            elsewhere += 1;
            first.get_or_insert((name, file));
        }
    }
    let more = absent.len().saturating_sub(MOST_ABSENT);
    for file in absent.into_iter().take(MOST_ABSENT) {
        told(&file, format!("is named by {path} and is not there"));
    }
    if more > 0 {
        told(path, format!("names {more} more files that are not there"));
    }
    if let Some((name, file)) = first {
        told(
            path,
            format!("places `{name}` in {file}, which does not hold it ({elsewhere} such tensors)"),
        );
    }
    let unlisted = tensors.keys().find(|name| !listed.contains_key(*name));
    if let Some(name) = unlisted {
        told(path, format!("does not list `{name}`"));
    }
    problems
}

/// Tensor and file of an index.
fn listed(store: &dyn Store, path: &str) -> Result<BTreeMap<String, String>> {
    let index = json::parse(&store.read_all(path, json::MOST)?, path)?;
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| content(path, "has no object `weight_map`"))?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    map.iter()
        .map(|(name, file)| {
            let file = file.as_str().unwrap_or_default();
            if file.is_empty() || file.starts_with('.') || !file.bytes().all(plain) {
                let shown: String = file.chars().take(80).collect();
                let problem = format!("{shown:?} is no name of a file in its folder");
                return Err(content(path, problem));
            }
            Ok((name.clone(), file.to_owned()))
        })
        .collect()
}
