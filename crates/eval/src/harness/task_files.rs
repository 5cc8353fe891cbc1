//! Task files: YAML with `include` and `!function`, and which file describes which task, group or tag.

use super::node::Node;
use super::python::DEEPEST;
use crate::EvalError;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Longest task file.
const LONGEST_FILE: u64 = 4 << 20;
/// Most task files in one folder; the harness itself has 14,000.
const MOST_FILES: usize = 50_000;
/// Deepest folders.
const DEEPEST_FOLDER: usize = 12;
/// Deepest includes, and most files that one task file draws in.
const DEEPEST_INCLUDE: usize = 32;
const MOST_INCLUDED: usize = 1000;
/// Most keys of a map.
const MOST_KEYS: usize = 4096;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The task of a file.
    Task(String),
    /// The group of a file.
    Group(String),
    /// All tasks with a tag.
    Tag(BTreeSet<String>),
}

/// A set of task files and what they name.
#[derive(Clone, Debug, Default)]
pub struct TaskFiles {
    /// Text by path from the set's root, parts divided by `/`.
    texts: BTreeMap<String, String>,
    entries: BTreeMap<String, Entry>,
    /// Files that could not be read, and why: an error only for who asks for what they hold.
    unread: Vec<(String, String)>,
}

impl TaskFiles {
    /// The files below a folder whose names end in `yaml` or `yml`.
    ///
    /// # Errors
    /// A folder that cannot be read, or is no folder of task files by its size.
    pub fn open(folder: &Path) -> Result<Self, EvalError> {
        let mut texts = BTreeMap::new();
        gather(folder, "", 0, &mut texts)?;
        Ok(Self::new(texts))
    }

    /// From paths and texts.
    pub fn new(texts: BTreeMap<String, String>) -> Self {
        let mut files = Self {
            texts,
            ..Self::default()
        };
        for (path, text) in &files.texts {
            match parse(path, text) {
                Ok(config) => index(&mut files.entries, path, &config),
                Err(reason) => files.unread.push((path.clone(), reason)),
            }
        }
        files
    }

    /// These files, and those of `others` where these name nothing.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        for (path, text) in others.texts {
            self.texts.entry(path).or_insert(text);
        }
        Self::new(self.texts)
    }

    /// Names of tasks and groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// What a name stands for.
    pub(super) fn entry(&self, name: &str) -> Result<&Entry, EvalError> {
        self.entries.get(name).ok_or_else(|| {
            let unread: Vec<String> = self
                .unread
                .iter()
                .take(3)
                .map(|(p, r)| format!("{p}: {r}"))
                .collect();
            let unread = match unread.is_empty() {
                true => String::new(),
                false => format!("; not read were {}", unread.join("; ")),
            };
            EvalError::Task {
                task: name.to_owned(),
                reason: format!("no task file names it{unread}"),
            }
        })
    }

    /// The configuration in a file, with what it includes.
    pub(super) fn config(&self, path: &str) -> Result<Node, EvalError> {
        self.with_includes(path, &mut Vec::new(), &mut 0)
            .map_err(|reason| EvalError::Task {
                task: path.to_owned(),
                reason,
            })
    }

    fn with_includes(
        &self,
        path: &str,
        within: &mut Vec<String>,
        count: &mut usize,
    ) -> Result<Node, String> {
        if within.iter().any(|file| file == path) {
            return Err(format!("{path} includes itself"));
        }
        *count += 1;
        if within.len() > DEEPEST_INCLUDE || *count > MOST_INCLUDED {
            return Err(format!(
                "includes more than {MOST_INCLUDED} files, or deeper than {DEEPEST_INCLUDE}"
            ));
        }
        let text = self.texts.get(path);
        let text = text.ok_or_else(|| format!("there is no file {path} to include"))?;
        let config = parse(path, text)?;
        within.push(path.to_owned());
        let included = match config.get("include") {
            None => Vec::new(),
            Some(Node::Text(one)) => vec![one.clone()],
            Some(Node::List(several)) => several
                .iter()
                .filter_map(|n| n.text().map(str::to_owned))
                .collect(),
            Some(_) => return Err(format!("include of {path} is no file name")),
        };
        let mut merged = Node::Map(Vec::new());
        for file in included {
            let beside = resolve(path, &file)
                .ok_or_else(|| format!("{path} includes {file}, outside of its folder"))?;
            let base = self.with_includes(&beside, within, count)?;
            for (key, value) in base.entries().unwrap_or_default() {
                merged.set(key, value.clone());
            }
        }
        for (key, value) in config.entries().unwrap_or_default() {
            if key != "include" {
                merged.set(key, value.clone());
            }
        }
        within.pop();
        Ok(merged)
    }
}

/// SHA-256, hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The path of `file` as seen from the folder of `from`; `None` where it leaves the root.
fn resolve(from: &str, file: &str) -> Option<String> {
    if file.starts_with('/') || file.contains(['\\', '\0']) {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn gather(
    folder: &Path,
    prefix: &str,
    depth: usize,
    texts: &mut BTreeMap<String, String>,
) -> Result<(), EvalError> {
    let io = |source| EvalError::Read {
        path: folder.into(),
        source,
    };
    if depth > DEEPEST_FOLDER {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(folder)
        .map_err(io)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(io)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(io)?;
        if kind.is_dir() {
            gather(&entry.path(), &format!("{path}/"), depth + 1, texts)?;
        } else if kind.is_file() && (name.ends_with("yaml") || name.ends_with("yml")) {
            if texts.len() == MOST_FILES {
                return Err(EvalError::Task {
                    task: folder.display().to_string(),
                    reason: format!("has more than {MOST_FILES} task files"),
                });
            }
            let bytes = glasswork_release::files::read(&entry.path(), LONGEST_FILE)?;
            texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(())
}

/// One task file, without what it includes.
fn parse(path: &str, text: &str) -> Result<Node, String> {
    if text.len() as u64 > LONGEST_FILE {
        return Err(format!("is longer than {LONGEST_FILE} bytes"));
    }
    let mut value: serde_norway::Value =
        serde_norway::from_str(text).map_err(|error| error.to_string())?;
    value.apply_merge().map_err(|error| error.to_string())?;
    // A function is named by the folder of the file that asks for it.
    let folder = path.rsplit('/').nth(1).unwrap_or_default();
    match convert(value, folder, 0)? {
        Node::Null => Ok(Node::Map(Vec::new())),
        node @ Node::Map(_) => Ok(node),
        _ => Err("is no map".to_owned()),
    }
}

fn convert(value: serde_norway::Value, folder: &str, depth: usize) -> Result<Node, String> {
    use serde_norway::Value;
    if depth > DEEPEST {
        return Err(format!("is nested deeper than {DEEPEST}"));
    }
    Ok(match value {
        Value::Null => Node::Null,
        Value::Bool(value) => Node::Bool(value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Node::Int(whole),
            None => Node::Float(number.as_f64().ok_or("holds a number that is none")?),
        },
        Value::String(text) => Node::Text(text),
        Value::Sequence(items) => {
            let items = items
                .into_iter()
                .map(|item| convert(item, folder, depth + 1));
            Node::List(items.collect::<Result<_, _>>()?)
        }
        Value::Mapping(entries) => {
            if entries.len() > MOST_KEYS {
                return Err(format!("has a map of more than {MOST_KEYS} keys"));
            }
            let mut map = Node::Map(Vec::new());
            for (key, item) in entries {
                let key = match convert(key, folder, depth + 1)? {
                    key @ (Node::Text(_) | Node::Int(_) | Node::Bool(_) | Node::Float(_)) => {
                        super::python::text_of(&key)
                    }
                    _ => return Err("has a key that is no text".to_owned()),
                };
                map.set(&key, convert(item, folder, depth + 1)?);
            }
            map
        }
        Value::Tagged(tagged) => match (tagged.tag == "function", tagged.value) {
            (true, Value::String(name)) => Node::Function(format!("{folder}/{name}")),
            _ => return Err("has a YAML tag other than !function".to_owned()),
        },
    })
}

fn index(entries: &mut BTreeMap<String, Entry>, path: &str, config: &Node) {
    if let Some(group) = config.get("group").and_then(Node::text) {
        entries.insert(group.to_owned(), Entry::Group(path.to_owned()));
        return;
    }
    let Some(task) = config.get("task").and_then(Node::text) else {
        return;
    };
    entries.insert(task.to_owned(), Entry::Task(path.to_owned()));
    let tags: Vec<&str> = match config.get("tag") {
        Some(Node::Text(tag)) => vec![tag],
        Some(Node::List(tags)) => tags.iter().filter_map(Node::text).collect(),
        _ => Vec::new(),
    };
    for tag in tags {
        let tagged = entries.entry(tag.to_owned());
        let tagged = tagged.or_insert_with(|| Entry::Tag(BTreeSet::new()));
        // A task or group of the same name goes before the tag.
        if let Entry::Tag(tasks) = tagged {
            tasks.insert(task.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> TaskFiles {
        TaskFiles::new(
            texts
                .iter()
                .map(|&(p, t)| (p.to_owned(), t.to_owned()))
                .collect(),
        )
    }

    #[test]
    fn includes_are_overridden_and_functions_named() {
        let files = files(&[
            (
                "a/_base_yaml",
                "dataset_path: x\nnum_fewshot: 3\ndoc_to_text: !function utils.text\n",
            ),
            (
                "a/b/one.yaml",
                "include: ../_base_yaml\ntask: one\ntag: [t, u]\nnum_fewshot: 5\n",
            ),
            ("two.yaml", "task: two\ntag: t\n"),
        ]);
        let config = files.config("a/b/one.yaml").expect("reads");
        assert_eq!(config.get("num_fewshot"), Some(&Node::Int(5)));
        assert_eq!(config.get("dataset_path"), Some(&"x".into()));
        assert_eq!(
            config.get("doc_to_text"),
            Some(&Node::Function("a/utils.text".into()))
        );
        assert_eq!(
            files.entry("t").expect("is there"),
            &Entry::Tag(["one".to_owned(), "two".to_owned()].into())
        );
        assert!(files.entry("v").is_err());
    }

    #[test]
    fn attack_includes_stay_inside_and_end() {
        let files = files(&[
            ("out.yaml", "include: ../../etc/passwd\ntask: out\n"),
            ("root.yaml", "include: /etc/passwd\ntask: root\n"),
            ("self.yaml", "include: self.yaml\ntask: self\n"),
            ("code.yaml", "task: !python/apply [ls]\n"),
        ]);
        for path in ["out.yaml", "root.yaml", "self.yaml", "code.yaml"] {
            assert!(files.config(path).is_err(), "{path}");
        }
    }

    #[test]
    fn attack_includes_neither_go_deep_nor_multiply() {
        let chain: Vec<(String, String)> = (0..40_000)
            .map(|i| {
                (
                    format!("{i}.yaml"),
                    format!("include: {}.yaml\ntask: t{i}\n", i + 1),
                )
            })
            .collect();
        let chain = TaskFiles::new(chain.into_iter().collect());
        let error = chain.config("0.yaml").expect_err("is bounded").to_string();
        assert!(error.contains("deeper than"), "{error}");
        // Ten files that each include the next ten times over: 10¹⁰ readings.
        let fan = |i: usize| format!("include: [{}]\n", format!("{}.yaml,", i + 1).repeat(10));
        let fan: Vec<(String, String)> = (0..10)
            .map(|i| (format!("{i}.yaml"), fan(i)))
            .chain([("10.yaml".to_owned(), "task: t\n".to_owned())])
            .collect();
        let fan = TaskFiles::new(fan.into_iter().collect());
        let error = fan.config("0.yaml").expect_err("is bounded").to_string();
        assert!(error.contains("more than 1000 files"), "{error}");
    }

    #[test]
    fn attack_a_map_of_too_many_keys_is_an_error() {
        let keys: String = (0..300_000).map(|i| format!("k{i}: 1\n")).collect();
        let error = parse("keys.yaml", &keys).expect_err("is bounded");
        assert!(error.contains("keys"), "{error}");
    }

    #[test]
    fn attack_a_bomb_of_aliases_is_an_error() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{},", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(parse("bomb.yaml", &text).is_err());
    }
}
