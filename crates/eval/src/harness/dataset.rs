//! Documents of a split: from the files that a task names, or from a folder that mirrors a data set of the Hub.

use super::json;
use super::node::{Node, map};
use super::source::{DataSource, fetch, with_owner};
use super::split_files::{Asked, LONGEST_CARD, is_data, of_split};
use super::table;
use super::task_files::{hex, sha256};
use crate::EvalError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Longest data file.
const LONGEST_FILE: u64 = 2 << 30;
/// Most files of a data set.
const MOST_FILES: usize = 4096;
/// Deepest folders of a mirror.
const DEEPEST: usize = 4;

/// Where data sets lie.
#[derive(Clone, Debug, Default)]
pub struct Datasets {
    /// What `data_files` of a task are relative to.
    pub files: PathBuf,
    /// Folders with `owner/name/…`, each as the Hub shows that data set.
    pub mirrors: Vec<PathBuf>,
    /// Where those come from that no mirror has.
    pub source: Option<Arc<dyn DataSource>>,
}

/// What a split was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The data set as the task names it.
    pub(super) dataset: String,
    pub(super) split: String,
    /// The commit, where it was fetched.
    pub(super) commit: Option<String>,
    /// Path and SHA-256 of each file.
    pub(super) files: Vec<(String, String)>,
}

impl Origin {
    /// As results show it.
    pub(super) fn node(&self) -> Node {
        let file = |(path, digest): &(String, String)| (path.clone(), digest.as_str().into());
        let files = Node::Map(self.files.iter().map(file).collect());
        map([
            ("dataset", self.dataset.as_str().into()),
            ("split", self.split.as_str().into()),
            (
                "commit",
                self.commit.as_deref().map_or(Node::Null, Node::from),
            ),
            ("files_sha256", files),
        ])
    }
}

/// Files of a split: path as the data set names it, and place on this disk.
struct Files {
    commit: Option<String>,
    places: Vec<(String, PathBuf)>,
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
    /// The files; empty for documents that were made.
    pub(super) origin: Option<Origin>,
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
            origin: None,
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
        let asked = Asked {
            config: name,
            kwargs,
            split,
        };
        let files = match path {
            "json" | "csv" | "parquet" => self.named(kwargs, split),
            _ => self.of_name(path, asked),
        };
        let files = files.map_err(wrong)?;
        let mut documents = Vec::new();
        let mut digests = Sha256::new();
        let mut origin = Origin {
            dataset: path.to_owned(),
            split: split.to_owned(),
            commit: files.commit,
            files: Vec::new(),
        };
        for (name, file) in files.places {
            let bytes = read(&file)?;
            let digest = sha256(&bytes);
            digests.update(&digest);
            origin.files.push((name, digest));
            let read = read_documents(&file, bytes);
            documents
                .extend(read.map_err(|reason| wrong(format!("{}: {reason}", file.display())))?);
        }
        if documents.is_empty() {
            return Err(wrong(format!("split {split} has no documents")));
        }
        let dataset = Dataset::new(documents, hex(&digests.finalize())).map_err(wrong)?;
        Ok(Dataset {
            origin: Some(origin),
            ..dataset
        })
    }

    /// `data_files` of a task: one name, several, or either for each split.
    fn named(&self, kwargs: &Node, split: &str) -> Result<Files, String> {
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
                true => Ok((name.to_owned(), self.files.join(name))),
                false => Err(format!("{name} leaves the folder of the data")),
            }
        };
        Ok(Files {
            commit: None,
            places: names.into_iter().map(place).collect::<Result<_, _>>()?,
        })
    }

    /// The files of a split of a data set that has a name: in a mirror, else fetched.
    fn of_name(&self, path: &str, asked: Asked<'_>) -> Result<Files, String> {
        let part = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\\', '\0'])
        };
        if !path.split('/').all(part) || !asked.config.is_none_or(part) {
            return Err("is no name of a data set".to_owned());
        }
        let folder = self
            .mirrors
            .iter()
            .flat_map(|root| [root.join(path), root.join(with_owner(path))])
            .find(|folder| folder.is_dir());
        match (folder, &self.source) {
            (Some(folder), _) => mirrored(&folder, path, asked),
            (None, Some(source)) => {
                let (commit, places) = fetch(source.as_ref(), path, asked)?;
                Ok(Files {
                    commit: Some(commit),
                    places,
                })
            }
            (None, None) => Err("is not on this machine".to_owned()),
        }
    }
}

/// The files of a split in a folder that shows a data set as the Hub does.
fn mirrored(folder: &Path, name: &str, asked: Asked<'_>) -> Result<Files, String> {
    let mut all = Vec::new();
    list(folder, "", 0, &mut all).map_err(|error| format!("{}: {error}", folder.display()))?;
    let card = folder.join("README.md");
    let card = match std::fs::metadata(&card) {
        Ok(found) if found.is_file() && found.len() <= LONGEST_CARD => {
            let text = read(&card).map_err(|error| error.to_string())?;
            Some(String::from_utf8_lossy(&text).into_owned())
        }
        _ => None,
    };
    let chosen = of_split(&all, card.as_deref(), asked)
        .map_err(|reason| format!("{name}, in {}, {reason}", folder.display()))?;
    // What a script reads is not what it makes: several of its files may be languages, or parts of another set.
    let script = format!("{}.py", name.rsplit('/').next().unwrap_or(name));
    let of_config = |file: &String| {
        let config = asked.config.unwrap_or("default");
        file.split('/').any(|part| part == config)
    };
    if chosen.len() > 1 && folder.join(&script).is_file() && !chosen.iter().all(of_config) {
        return Err(format!(
            "{} is made by {script}, and nothing of a data set is executed: have there what the Hub's branch \
             refs/convert/parquet holds",
            folder.display()
        ));
    }
    let place = |file: String| {
        let place = folder.join(&file);
        (file, place)
    };
    Ok(Files {
        commit: None,
        places: chosen.into_iter().map(place).collect(),
    })
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
        } else if path.is_file() && is_data(&name) {
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
    fn files_that_a_script_reads_are_not_taken_together() {
        let there = folder(&[
            ("o/d/d.py", "raise"),
            ("o/d/data/test.jsonl", "{\"a\": 1}"),
            ("o/d/data/test_de.jsonl", "{\"a\": 2}"),
            ("o/d/en/test/0000.jsonl", "{\"a\": 3}"),
            ("o/d/en/test/0001.jsonl", "{\"a\": 4}"),
        ]);
        let data = Datasets {
            mirrors: vec![there.path().into()],
            ..Datasets::default()
        };
        let split = |config| data.split("o/d", Some(config), &Node::Null, "test");
        let refused = split("default").expect_err("refuses").to_string();
        assert!(refused.contains("made by d.py"), "{refused}");
        assert_eq!(split("en").expect("reads").documents.len(), 2);
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
            source: None,
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
