//! Documents of a split: from the files that a task names, or from a folder that mirrors a data set of the Hub.

use super::json;
use super::node::Node;
use super::table;
use super::task_files::{hex, sha256};
use crate::EvalError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// Longest data file.
const LONGEST_FILE: u64 = 2 << 30;
/// Most files of a data set.
const MOST_FILES: usize = 4096;
/// Deepest folders of a mirror.
const DEEPEST: usize = 4;
/// Endings that are read.
const ENDINGS: [&str; 5] = ["jsonl", "json", "csv", "tsv", "parquet"];

/// Where data sets lie.
#[derive(Clone, Debug, Default)]
pub struct Datasets {
    /// What `data_files` of a task are relative to.
    pub files: PathBuf,
    /// Folders with `owner/name/…`, each as the Hub shows that data set.
    pub mirrors: Vec<PathBuf>,
}

/// A split's documents.
#[derive(Clone, Debug)]
pub(super) struct Dataset {
    /// Names of the columns.
    pub(super) features: Vec<String>,
    /// Maps with all columns.
    pub(super) documents: Vec<Node>,
    /// SHA-256 over the files, in order.
    pub(super) digest: String,
}

impl Dataset {
    /// From documents: columns are gathered in the order of their first appearance, what lacks one gets null.
    pub(super) fn new(mut documents: Vec<Node>, digest: String) -> Result<Self, String> {
        let mut features: Vec<String> = Vec::new();
        let mut places = BTreeMap::new();
        for document in &documents {
            let entries = document.entries().ok_or("a document is no map")?;
            for (key, _) in entries {
                if !places.contains_key(key) {
                    places.insert(key.clone(), features.len());
                    features.push(key.clone());
                }
            }
        }
        // A column of whole and broken numbers is one of floats.
        let mut floats = vec![false; features.len()];
        for document in &documents {
            for (key, value) in document.entries().unwrap_or_default() {
                floats[places[key]] |= matches!(value, Node::Float(_));
            }
        }
        for document in &mut documents {
            let Node::Map(entries) = document else {
                continue;
            };
            let mut row: Vec<(String, Node)> = features
                .iter()
                .map(|key| (key.clone(), Node::Null))
                .collect();
            for (key, value) in entries.drain(..) {
                let place = places[&key];
                row[place].1 = match value {
                    Node::Int(whole) if floats[place] => Node::Float(whole as f64),
                    value => value,
                };
            }
            *entries = row;
        }
        Ok(Self {
            features,
            documents,
            digest,
        })
    }
}

impl Datasets {
    /// The documents of a split of the data set that a task names.
    pub(super) fn split(
        &self,
        path: &str,
        name: Option<&str>,
        kwargs: &Node,
        split: &str,
    ) -> Result<Dataset, EvalError> {
        let wrong = |reason: String| EvalError::Dataset {
            dataset: format!(
                "{path}{}",
                name.map(|n| format!("/{n}")).unwrap_or_default()
            ),
            reason,
        };
        let files = match path {
            "json" | "csv" | "parquet" => self.named(kwargs, split),
            _ => self.mirrored(path, name, split),
        };
        let files = files.map_err(wrong)?;
        let mut documents = Vec::new();
        let mut digests = Sha256::new();
        for file in &files {
            let bytes = read(file)?;
            digests.update(sha256(&bytes));
            let read = read_documents(file, bytes);
            documents
                .extend(read.map_err(|reason| wrong(format!("{}: {reason}", file.display())))?);
        }
        if documents.is_empty() {
            return Err(wrong(format!("split {split} has no documents")));
        }
        Dataset::new(documents, hex(&digests.finalize())).map_err(wrong)
    }

    /// `data_files` of a task: one name, several, or either for each split.
    fn named(&self, kwargs: &Node, split: &str) -> Result<Vec<PathBuf>, String> {
        let given = kwargs.get("data_files").ok_or("data_files are missing")?;
        let given = match given {
            // Without names all is the training split, as for the `datasets` library.
            Node::Map(_) => given.get(split),
            given => (split == "train").then_some(given),
        };
        let names = match given {
            Some(Node::Text(one)) => vec![one.as_str()],
            Some(Node::List(several)) => several.iter().filter_map(Node::text).collect(),
            _ => return Err(format!("there is no split {split}")),
        };
        let place = |name: &str| {
            let plain = Path::new(name)
                .components()
                .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            match plain {
                true => Ok(self.files.join(name)),
                false => Err(format!("{name} leaves the folder of the data")),
            }
        };
        names.into_iter().map(place).collect()
    }

    /// The files of a split in a mirror of the Hub.
    fn mirrored(
        &self,
        path: &str,
        name: Option<&str>,
        split: &str,
    ) -> Result<Vec<PathBuf>, String> {
        let part = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\\', '\0'])
        };
        if !path.split('/').all(part) || !name.is_none_or(part) {
            return Err("is no name of a data set".to_owned());
        }
        let folder = self
            .mirrors
            .iter()
            .map(|root| root.join(path))
            .find(|folder| folder.is_dir());
        let folder = folder.ok_or("is not on this machine")?;
        let mut all = Vec::new();
        list(&folder, "", 0, &mut all).map_err(|error| format!("{}: {error}", folder.display()))?;
        all.sort();
        // A configuration is a folder, or stands before the split in a file's name.
        let of_name: Vec<&String> = match name {
            Some(name) => {
                let inside: Vec<&String> = all
                    .iter()
                    .filter(|file| file.split('/').any(|part| part == name))
                    .collect();
                match inside.is_empty() {
                    true => all
                        .iter()
                        .filter(|file| {
                            file_name(file).starts_with(&format!("{name}-"))
                                || file_name(file).starts_with(&format!("{name}_"))
                        })
                        .collect(),
                    false => inside,
                }
            }
            None => all.iter().collect(),
        };
        // One data set without configurations in its files' names may still be asked for by one.
        let of_name = if of_name.is_empty() {
            all.iter().collect()
        } else {
            of_name
        };
        let found: Vec<PathBuf> = of_name
            .iter()
            .filter(|file| is_split(file, split))
            .map(|file| folder.join(file))
            .collect();
        match found.is_empty() {
            true => Err(format!("{} has no file of split {split}", folder.display())),
            false => Ok(found),
        }
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file's name, or its folder's, says that it belongs to a split.
fn is_split(path: &str, split: &str) -> bool {
    let names: &[&str] = match split {
        "validation" => &["validation", "valid", "val", "dev"],
        "train" => &["train", "training"],
        "test" => &["test", "eval"],
        other => &[other],
    };
    let stem = file_name(path).split('.').next().unwrap_or_default();
    let words: Vec<&str> = stem.split(['-', '_']).collect();
    let folder = path.rsplit('/').nth(1).unwrap_or_default();
    // The split's own name goes before what it is also called.
    words.contains(&split)
        || folder == split
        || names
            .iter()
            .any(|name| words.contains(name) || folder == *name)
}

fn list(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<String>) -> Result<(), String> {
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = entry.path();
        if name.starts_with('.') {
            continue;
        }
        // Links are followed: download caches consist of them.
        if path.is_dir() && depth < DEEPEST {
            list(&path, &format!("{prefix}{name}/"), depth + 1, files)?;
        } else if path.is_file()
            && ENDINGS
                .iter()
                .any(|ending| name.ends_with(&format!(".{ending}")))
        {
            if files.len() == MOST_FILES {
                return Err(format!("has more than {MOST_FILES} files"));
            }
            files.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

/// A whole plain file, or what a link leads to.
fn read(path: &Path) -> Result<Vec<u8>, EvalError> {
    let io = |source| EvalError::Read {
        path: path.into(),
        source,
    };
    let wrong = |reason: String| EvalError::Dataset {
        dataset: path.display().to_string(),
        reason,
    };
    // Asked before it is opened: opening a pipe could block for ever.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(wrong("is no plain file".to_owned()));
    }
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(wrong(format!("has more than {LONGEST_FILE} bytes")));
    }
    Ok(bytes)
}

/// The documents of one file, read by what its name ends in.
fn read_documents(path: &Path, bytes: Vec<u8>) -> Result<Vec<Node>, String> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    if ending == Some("parquet") {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        return table::parquet(file);
    }
    let text = String::from_utf8(bytes).map_err(|_| "is no UTF-8")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match ending {
        Some("csv") => table::separated(text, b','),
        Some("tsv") => table::separated(text, b'\t'),
        _ if text.trim_start().starts_with('[') => match json::parse(text)? {
            Node::List(documents) => Ok(documents),
            _ => Err("is no list of documents".to_owned()),
        },
        _ => json::parse_lines(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("makes");
            std::fs::write(path, text).expect("writes");
        }
        folder
    }

    #[test]
    fn splits_of_a_mirror() {
        let there = folder(&[
            (
                "o/d/ARC-Easy/test-00000-of-00001.jsonl",
                "{\"a\": 1}\n{\"b\": 2.5}\n",
            ),
            (
                "o/d/ARC-Challenge/test-00000-of-00001.jsonl",
                "{\"a\": 2}\n",
            ),
            ("o/flat/validation.csv", "q,n\nx,1\n"),
            ("o/jp/data/valid-v1.1.json", "[{\"q\": \"x\"}]"),
        ]);
        let data = Datasets {
            mirrors: vec![there.path().into()],
            ..Datasets::default()
        };
        let none = Node::Null;
        let easy = data
            .split("o/d", Some("ARC-Easy"), &none, "test")
            .expect("reads");
        assert_eq!(easy.features, ["a", "b"]);
        assert_eq!(
            easy.documents[1],
            Node::Map(vec![
                ("a".into(), Node::Null),
                ("b".into(), Node::Float(2.5))
            ])
        );
        let hard = data
            .split("o/d", Some("ARC-Challenge"), &none, "test")
            .expect("reads");
        assert_eq!(hard.documents.len(), 1);
        assert_ne!(hard.digest, easy.digest);
        assert!(data.split("o/flat", None, &none, "validation").is_ok());
        assert!(data.split("o/jp", None, &none, "validation").is_ok());
        assert!(data.split("o/flat", None, &none, "train").is_err());
        assert!(data.split("o/none", None, &none, "train").is_err());
    }

    #[test]
    fn attack_no_name_leaves_the_folder() {
        let there = folder(&[
            ("in/o/d/train.jsonl", "{\"a\": 1}"),
            ("secret/train.jsonl", "{\"a\": 1}"),
        ]);
        let data = Datasets {
            files: there.path().join("in"),
            mirrors: vec![there.path().join("in")],
        };
        let none = Node::Null;
        for path in ["../secret", "..", "o/../../secret", "/etc", ""] {
            assert!(data.split(path, None, &none, "train").is_err(), "{path}");
        }
        assert!(
            data.split("o/d", Some("../../../secret"), &none, "train")
                .is_err()
        );
        for name in ["../secret/train.jsonl", "/etc/passwd"] {
            let kwargs = super::super::node::map([(
                "data_files",
                super::super::node::map([("train", name.into())]),
            )]);
            assert!(
                data.split("json", None, &kwargs, "train").is_err(),
                "{name}"
            );
        }
    }
}
