//! Answers as they come: a file that only grows, one line each, so that whoever is interrupted goes on.
//!
//! A line counts once its line break is there; what a crash left half written is cut off. Log-likelihoods
//! are kept as bits.

use super::json;
use super::node::{Node, map};
use crate::EvalError;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Longest file.
const LONGEST: u64 = 8 << 30;

/// What a request was answered with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept {
    Likelihood(f64, bool),
    Text(String),
}

/// Answers by key.
#[derive(Debug, Default)]
pub(super) struct Log {
    answers: BTreeMap<String, Kept>,
    file: Option<(File, PathBuf)>,
}

impl Log {
    /// Opens or begins the file at `path`; without one, answers are only kept in memory.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, EvalError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let io = |source| EvalError::Read {
            path: path.into(),
            source,
        };
        let broken = |line: usize, reason: &str| EvalError::Log {
            path: path.into(),
            line,
            reason: reason.to_owned(),
        };
        if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(broken(0, "it is no plain file"));
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        if length > LONGEST {
            return Err(broken(0, "it is longer than any log"));
        }
        let mut bytes = Vec::new();
        (&mut file)
            .take(length)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        let whole = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(io)?;
        }
        let mut answers = BTreeMap::new();
        let text = std::str::from_utf8(&bytes[..whole]).map_err(|_| broken(0, "it is no UTF-8"))?;
        for (index, line) in text.lines().enumerate() {
            let (key, kept) = read_line(line).map_err(|reason| broken(index + 1, &reason))?;
            answers.insert(key, kept);
        }
        Ok(Self {
            answers,
            file: Some((file, path.into())),
        })
    }

    /// The answer under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Kept> {
        self.answers.get(key)
    }

    /// Keeps answers; they are on the disk when this returns.
    pub(super) fn keep(&mut self, new: Vec<(String, Kept)>) -> Result<(), EvalError> {
        if let Some((file, path)) = &mut self.file {
            let lines: String = new
                .iter()
                .map(|(key, kept)| write_line(key, kept))
                .collect();
            let written = file
                .write_all(lines.as_bytes())
                .and_then(|()| file.sync_data());
            written.map_err(|source| EvalError::Read {
                path: path.clone(),
                source,
            })?;
        }
        self.answers.extend(new);
        Ok(())
    }
}

fn write_line(key: &str, kept: &Kept) -> String {
    let mut line = map([("key", key.into())]);
    match kept {
        Kept::Likelihood(value, greedy) => {
            line.set("bits", format!("{:016x}", value.to_bits()).into());
            line.set("greedy", Node::Bool(*greedy));
        }
        Kept::Text(text) => line.set("text", text.as_str().into()),
    }
    json::write(&line, None) + "\n"
}

fn read_line(line: &str) -> Result<(String, Kept), String> {
    let line = json::parse(line)?;
    let text = |key: &str| line.get(key).and_then(Node::text);
    let key = text("key").ok_or("it has no key")?.to_owned();
    let kept = match (text("bits"), line.get("greedy"), text("text")) {
        (Some(bits), Some(Node::Bool(greedy)), None) => {
            let bits = u64::from_str_radix(bits, 16).map_err(|_| "its bits are none")?;
            Kept::Likelihood(f64::from_bits(bits), *greedy)
        }
        (None, None, Some(text)) => Kept::Text(text.to_owned()),
        _ => return Err("it is no answer".to_owned()),
    };
    Ok((key, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_tail_is_cut() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("answers.jsonl");
        let value = Kept::Likelihood(-0.1 - 0.2, true);
        let mut log = Log::open(Some(&path)).expect("begins");
        log.keep(vec![
            ("a".into(), value.clone()),
            ("b".into(), Kept::Text("x\ny".into())),
        ])
        .expect("keeps");
        drop(log);
        let whole = std::fs::read(&path).expect("reads");
        for cut in 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("writes");
            let mut log = Log::open(Some(&path)).expect("opens");
            let first = whole
                .iter()
                .position(|&byte| byte == b'\n')
                .expect("has lines")
                < cut;
            assert_eq!(log.get("a"), first.then_some(&value));
            assert_eq!(log.get("b"), None);
            log.keep(vec![("c".into(), Kept::Text("z".into()))])
                .expect("keeps");
            assert_eq!(
                Log::open(Some(&path)).expect("opens").get("c"),
                Some(&Kept::Text("z".into()))
            );
        }
    }

    #[test]
    fn attack_a_line_that_is_no_answer_is_an_error() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("answers.jsonl");
        for line in [
            "{}",
            "[1]",
            "{\"key\": \"a\"}",
            "{\"key\": \"a\", \"bits\": \"xyz\", \"greedy\": true}",
            "\u{0}",
        ] {
            std::fs::write(&path, format!("{line}\n")).expect("writes");
            assert!(Log::open(Some(&path)).is_err(), "{line}");
        }
        assert!(Log::open(Some(folder.path())).is_err());
    }
}
