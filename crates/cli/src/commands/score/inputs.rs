//! What is to be scored: token ids, or text in windows.

use super::{Sequence, usual_length};
use crate::args::ScoreArgs;
use crate::failure::Failure;
use glasswork_data::PublishedTokenizer;
use glasswork_eval::windows;
use glasswork_model::{Checkpoint, Decoder};
use glasswork_release::Digest;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Sequences, and which document each is of.
pub(super) struct Inputs {
    pub(super) sequences: Vec<Sequence>,
    pub(super) document_of: Vec<usize>,
    pub(super) documents: usize,
    /// Line of the file on which each document begins, from 1.
    lines: Vec<usize>,
    path: PathBuf,
    /// BLAKE3 of the file.
    pub(super) digest: Digest,
    /// Of text.
    pub(super) bytes: Option<u64>,
}

impl Inputs {
    pub(super) fn read(args: &ScoreArgs, checkpoint: &Checkpoint) -> Result<Self, Failure> {
        let inputs = match (&args.tokens, &args.text) {
            (Some(path), _) => tokens(path, checkpoint.decoder())?,
            (None, Some(path)) => text(path, args, checkpoint)?,
            (None, None) => unreachable!("clap asks for one of them"),
        };
        if inputs.sequences.iter().all(|s| s.targets() == 0) {
            let path = args.tokens.as_ref().or(args.text.as_ref());
            let path = path.map(|p| p.display().to_string()).unwrap_or_default();
            return Err(Failure::new(
                format!("{path} holds nothing to score"),
                Some("a sequence needs two tokens: the first one is only read".to_owned()),
            ));
        }
        Ok(inputs)
    }

    /// Where a document stands, for messages.
    pub(super) fn place(&self, document: usize) -> String {
        let (path, line) = (self.path.display(), self.lines[document]);
        match self.bytes {
            Some(_) => format!("{path}: document {} (from line {line})", document + 1),
            None => format!("{path} line {line}"),
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let failure = |error| {
        let hint = "name a file of text in UTF-8".to_owned();
        Failure::new(
            format!("cannot read {}: {error}", path.display()),
            Some(hint),
        )
    };
    std::fs::read_to_string(path).map_err(failure)
}

/// A JSON array of token ids a line, or an object that holds one as `token_ids`.
fn tokens(path: &Path, decoder: &Decoder) -> Result<Inputs, Failure> {
    let (mut sequences, mut lines) = (Vec::new(), Vec::new());
    let content = read(path)?;
    for (number, line) in content.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let place = format!("{} line {}", path.display(), number + 1);
        let wrong = || {
            let hint = "a line is a JSON array of token ids, as in [1, 529, 18]".to_owned();
            Failure::new(format!("{place}: no array of token ids"), Some(hint))
        };
        let value: Value = serde_json::from_str(line).map_err(|_| wrong())?;
        let ids = value.get("token_ids").unwrap_or(&value);
        let ids = ids.as_array().ok_or_else(wrong)?.iter();
        let ids = ids.map(|id| token_id(id, &place));
        let ids = ids.collect::<Result<Vec<u32>, Failure>>()?;
        check_vocabulary(&ids, decoder, &place)?;
        let inputs = ids.len().saturating_sub(1);
        if inputs > decoder.positions {
            return Err(Failure::new(
                format!(
                    "{place} has {inputs} inputs, the model takes {}",
                    decoder.positions
                ),
                Some("cut it into shorter sequences".to_owned()),
            ));
        }
        sequences.push(Sequence::new(ids));
        lines.push(number + 1);
    }
    Ok(Inputs {
        document_of: (0..sequences.len()).collect(),
        documents: sequences.len(),
        sequences,
        lines,
        path: path.into(),
        digest: Digest::of(content.as_bytes()),
        bytes: None,
    })
}

fn token_id(id: &Value, place: &str) -> Result<u32, Failure> {
    let number = id.as_u64().and_then(|id| u32::try_from(id).ok());
    number.ok_or_else(|| {
        let shown: String = id.to_string().chars().take(40).collect();
        Failure::new(
            format!("{place}: {shown} is no token id"),
            Some("token ids are whole numbers from 0 on".to_owned()),
        )
    })
}

fn check_vocabulary(ids: &[u32], decoder: &Decoder, place: &str) -> Result<(), Failure> {
    let vocabulary = decoder.vocabulary;
    match ids.iter().find(|&&id| id as usize >= vocabulary) {
        None => Ok(()),
        Some(id) => Err(Failure::new(
            format!("{place}: token {id} is outside the vocabulary of {vocabulary}"),
            Some("tokens must come from this model's own tokenizer".to_owned()),
        )),
    }
}

/// Documents between empty lines, each after the model's first token, in windows that predict every
/// token once.
fn text(path: &Path, args: &ScoreArgs, checkpoint: &Checkpoint) -> Result<Inputs, Failure> {
    let decoder = checkpoint.decoder();
    let first = decoder.first_token.ok_or_else(|| {
        Failure::new(
            "config.json names no token that texts begin with (bos_token_id or eos_token_id)",
            Some("score token ids with --tokens instead".to_owned()),
        )
    })?;
    let length = usual_length(args.length, checkpoint)?;
    let tokenizer = checkpoint.folder().join("tokenizer.json");
    if !tokenizer.exists() {
        return Err(Failure::new(
            format!("{} holds no tokenizer.json", checkpoint.folder().display()),
            Some("add the model's tokenizer, or score token ids with --tokens".to_owned()),
        ));
    }
    let tokenizer = PublishedTokenizer::open(&tokenizer)?;
    let (mut sequences, mut document_of, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut lines = Vec::new();
    let content = read(path)?;
    for (line, document) in documents_of(&content) {
        let mut tokens = vec![first];
        tokens.extend(tokenizer.encode(&document)?);
        let place = format!("{} from line {line}", path.display());
        check_vocabulary(&tokens, decoder, &place)?;
        for window in windows(&tokens, length) {
            let mut tokens = window.inputs.to_vec();
            tokens.extend(window.targets.last());
            sequences.push(Sequence::counting_last(tokens, window.counted));
            document_of.push(lines.len());
        }
        lines.push(line);
        bytes += document.len() as u64;
    }
    Ok(Inputs {
        sequences,
        document_of,
        documents: lines.len(),
        lines,
        path: path.into(),
        digest: Digest::of(content.as_bytes()),
        bytes: Some(bytes),
    })
}

/// Stretches of lines that are not empty, and the number of the first line of each, from 1.
fn documents_of(text: &str) -> Vec<(usize, String)> {
    let mut documents = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for (number, line) in text.lines().chain([""]).enumerate() {
        if !line.trim().is_empty() {
            lines.push(line);
        } else if !lines.is_empty() {
            documents.push((number + 1 - lines.len(), lines.join("\n")));
            lines.clear();
        }
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_part_documents() {
        let expected = [(1, "a\nb".to_owned()), (5, "c".to_owned())];
        assert_eq!(documents_of("a\nb\n\n \nc\n"), expected);
        assert!(documents_of("\n\n").is_empty());
    }
}
