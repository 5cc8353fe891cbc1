//! From a run file to the `data/` directory of a release.
//!
//! The directory appears whole or not at all, and names the digest of everything that it was made
//! from: a second call with the same inputs finds it and has nothing to do, and an interrupted one
//! leaves nothing behind that counts.

use std::path::{Path, PathBuf};

use glasswork_release::atomic::{self, StagedDir};
use glasswork_release::config::RunConfig;
use glasswork_release::lock::RunLock;
use glasswork_release::sources::SourcesFile;
use glasswork_release::{Digest, canonical, layout};
use rayon::prelude::*;
use serde_json::json;

use crate::corpus::{self, Document, Split};
use crate::error::{Error, Result};
use crate::mixture::{Mixture, MixtureSource};
use crate::order::{MixtureFile, Order};
use crate::progress::Progress;
use crate::record::{self, SourceInfo, below_data, kind_name};
use crate::sequence;
use crate::source::licence::Gate;
use crate::source::{self, read_limited};
use crate::stream::Stream;
use crate::tokenizer::{END_OF_TEXT_ID, Tokenizer};

/// Changes whenever equal inputs would give another `data/`: extraction, rules, tokenizer, order, records.
const PREP_VERSION: u32 = 2;

/// Largest lock or pins file.
const MAX_PIN_FILE: u64 = 64 << 20;

/// Where this machine keeps what sources are read from; nothing of it enters a release.
#[derive(Clone, Debug)]
pub struct Places {
    /// Cargo's home: archives lie below `registry/cache/*/`.
    pub cargo_home: PathBuf,
    /// The toolchain's documentation: `<sysroot>/share/doc/rust/html`.
    pub rust_docs: PathBuf,
}

/// What `prep` did or found.
#[derive(Clone, Debug)]
pub struct PrepReport {
    /// Whether the data was there already, made from the same inputs.
    pub already_done: bool,
    /// `sources.json`.
    pub sources: SourcesFile,
    /// `mixture.json`; sources that no document is left of are not in it.
    pub mixture: MixtureFile,
    /// Digest of the whole sequence.
    pub sequence_digest: Digest,
}

/// A lock or pins file, read.
struct PinFile {
    path: PathBuf,
    text: String,
}

/// Prepares the data of a run in the release directory `out`: `run.toml` and `data/`.
///
/// Relative paths of the run file are taken from `run_toml_dir`.
///
/// # Errors
/// Missing or changed inputs, nothing left to train on, too little text for the vocabulary or one
/// row, a full disk; and `out` holding a run that was begun from other inputs. In each case `out`
/// is as it was.
pub fn prep(
    config: &RunConfig,
    run_toml_dir: &Path,
    places: &Places,
    out: &Path,
    progress: &dyn Progress,
) -> Result<PrepReport> {
    let gate = Gate::new(&config.gate.allow)?;
    let pins = read_pin_files(config, run_toml_dir)?;
    let inputs = inputs_digest(config, &pins)?;
    let _lock = RunLock::acquire(out)?;
    let present = out.join(layout::SOURCES).exists();
    let done = present && SourcesFile::load_inputs_digest(out)? == Some(inputs);
    if out.join(layout::LEDGER).exists() {
        let same = RunConfig::load(&out.join(layout::RUN))?.digest() == config.digest();
        if !done || !same {
            return Err(Error::OtherRun { path: out.into() });
        }
    }
    if !done {
        atomic::sweep_stale(out)?;
        build(config, &gate, &pins, inputs, places, out, progress)?;
    }
    let toml = config.to_toml();
    if std::fs::read(out.join(layout::RUN)).ok().as_deref() != Some(toml.as_bytes()) {
        atomic::write_file(&out.join(layout::RUN), toml.as_bytes())?;
    }
    Ok(PrepReport {
        already_done: done,
        sources: SourcesFile::load(out)?,
        mixture: sequence::load_mixture(out)?,
        sequence_digest: glasswork_release::sequence::sequence_digest_of(out)?,
    })
}

fn read_pin_files(config: &RunConfig, run_toml_dir: &Path) -> Result<Vec<PinFile>> {
    let read = |source| {
        let path = source::pin_file(source, run_toml_dir)?;
        let bytes = read_limited(&path, MAX_PIN_FILE)?;
        let text = String::from_utf8(bytes)
            .map_err(|error| Error::read(&path)(std::io::Error::other(error.utf8_error())))?;
        Ok(PinFile { path, text })
    };
    config.sources.iter().map(read).collect()
}

/// The digest of all that `data/` depends on. Learning rates, checkpoints and prompts are not in it.
fn inputs_digest(config: &RunConfig, pins: &[PinFile]) -> Result<Digest> {
    let sources = config.sources.iter().zip(pins).map(|(source, pin)| {
        json!({
            "source": source,
            "pinned": Digest::of(pin.text.as_bytes()),
        })
    });
    let inputs = json!({
        "prep": PREP_VERSION,
        "seed": config.seed.to_string(),
        "vocabulary": config.model.vocabulary,
        "sequence": config.model.sequence,
        "tokenizer": config.tokenizer.kind,
        "sources": sources.collect::<Vec<_>>(),
        "allow": config.gate.allow,
        "held_out": glasswork_release::hexfloat::hex_f64::to_text(config.split.held_out),
        "steps": config.training.steps,
        "batch": config.training.batch,
    });
    Ok(Digest::of_parts(
        "glasswork/prep/1",
        &[&canonical::to_canonical(&inputs)?],
    ))
}

/// Builds `data/` and puts it in its place.
fn build(
    config: &RunConfig,
    gate: &Gate,
    pins: &[PinFile],
    inputs: Digest,
    places: &Places,
    out: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let mut collected = Vec::new();
    let mut infos = Vec::new();
    for (source, pin) in config.sources.iter().zip(pins) {
        let mut from = source::collect(source, &pin.path, &pin.text, places, gate, progress)?;
        let named = source.lock.as_ref().or(source.pins.as_ref());
        infos.push(SourceInfo {
            pinned_path: named.cloned().unwrap_or_default(),
            pinned_digest: Digest::of(pin.text.as_bytes()),
            entries: from.entries,
            evidence: from.evidence.take(),
            packages: std::mem::take(&mut from.packages),
        });
        collected.push(from);
    }
    let mut documents = corpus::assemble(collected, config.split.held_out);
    expect_documents(config, &documents)?;

    let tokenizer = train_tokenizer(config, &documents, progress)?;
    let tokens = encode(&tokenizer, &mut documents, progress);
    let (order, streams) = arrange(config, &documents, &tokens)?;
    drop(tokens);

    // The text and the tables compress; the sequence does not.
    let text: u64 = documents
        .iter()
        .map(|document| document.candidate.text.len() as u64)
        .sum();
    let needed = text + config.rows() * (config.model.sequence as u64 + 1) * 2;
    atomic::expect_free(out, needed)?;

    let staged = StagedDir::begin(&out.join("data"))?;
    let data = staged.path();
    let sources = record::sources_file(config, inputs, &documents, infos);
    record::write_tables(data, &sources, &documents)?;
    let put = |path: &str, bytes: &[u8]| atomic::write_file(&data.join(below_data(path)), bytes);
    put(layout::TOKENIZER, tokenizer.json().as_bytes())?;
    let positions = config.model.sequence as u64;
    put(
        layout::TOKENIZER_CONFIG,
        Tokenizer::config_json(positions).as_bytes(),
    )?;
    let lengths: Vec<u64> = streams.iter().map(Stream::len).collect();
    let mixture = MixtureFile::describe(&order, positions, config.rows(), &lengths);
    put(layout::MIXTURE, &canonical::to_canonical(&mixture)?)?;
    sequence::write(data, &order, &streams, config, progress)?;
    let record = canonical::to_canonical(&sources)?;
    if record.len() > canonical::MAX_DOCUMENT {
        let (path, most) = (layout::SOURCES.into(), canonical::MAX_DOCUMENT);
        let reason = format!(
            "would have {} bytes, and at most {most} are read",
            record.len()
        );
        return Err(Error::Inconsistent { path, reason });
    }
    put(layout::SOURCES, &record)?;
    staged.commit()?;
    Ok(())
}

/// A source may lose all its documents to the licence gate, and then gives nothing to the mixture;
/// any other way of coming out empty is a mistake in the run, and so is an empty corpus.
fn expect_documents(config: &RunConfig, documents: &[Document]) -> Result<()> {
    let mut last = None;
    let mut any = false;
    for (at, source) in config.sources.iter().enumerate() {
        let own = || documents.iter().filter(|document| document.source == at);
        let count = |split| own().filter(|document| document.split == split).count() as u64;
        if count(Split::Train) > 0 {
            any = true;
            continue;
        }
        let error = Error::NoDocuments {
            id: source.id.clone(),
            kind: kind_name(source.kind),
            seen: own().count() as u64,
            rejected: count(Split::Rejected),
            rules: rules(own()),
            held_out: count(Split::HeldOut),
        };
        let by_licence = |document: &Document| {
            let refused = document.candidate.refused.as_ref();
            refused.is_some_and(|refusal| refusal.stage == source::Stage::Licence)
        };
        if !own().any(by_licence) {
            return Err(error);
        }
        last = Some(error);
    }
    match last {
        Some(error) if !any => Err(error),
        _ => Ok(()),
    }
}

/// How many of these documents each rule rejected, for a message.
fn rules<'a>(documents: impl Iterator<Item = &'a Document>) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for refusal in documents.filter_map(|document| document.candidate.refused.as_ref()) {
        *counts.entry(refusal.rule).or_insert(0u64) += 1;
    }
    let counts: Vec<_> = counts
        .into_iter()
        .map(|(rule, count)| format!("{rule} {count}"))
        .collect();
    if counts.is_empty() {
        String::new()
    } else {
        format!(" ({})", counts.join(", "))
    }
}

fn train_tokenizer(
    config: &RunConfig,
    documents: &[Document],
    progress: &dyn Progress,
) -> Result<Tokenizer> {
    let texts: Vec<&str> = documents
        .iter()
        .filter(|document| document.split == Split::Train)
        .map(|document| document.candidate.text.as_str())
        .collect();
    let bytes = texts.iter().map(|text| text.len() as u64).sum();
    progress.stage("train the tokenizer", bytes, "bytes");
    Tokenizer::train(&texts, config.model.vocabulary, progress)
}

/// The tokens of every document that was kept (none for the others), and their count in its record.
fn encode(
    tokenizer: &Tokenizer,
    documents: &mut [Document],
    progress: &dyn Progress,
) -> Vec<Vec<u16>> {
    let bytes = documents
        .iter()
        .map(|document| document.candidate.text.len() as u64)
        .sum();
    progress.stage("encode", bytes, "bytes");
    let token = |id: u32| u16::try_from(id).expect("a vocabulary holds at most 65,536 tokens");
    documents
        .par_iter_mut()
        .map(|document| {
            let text = &document.candidate.text;
            let tokens: Vec<u16> = if document.split == Split::Rejected {
                Vec::new()
            } else {
                tokenizer.encode(text).into_iter().map(token).collect()
            };
            progress.advance(text.len() as u64);
            document.n_tokens = tokens.len() as u64;
            tokens
        })
        .collect()
}

/// The order of the run and, beside each of its sources, that source's stream.
fn arrange(
    config: &RunConfig,
    documents: &[Document],
    tokens: &[Vec<u16>],
) -> Result<(Order, Vec<Stream>)> {
    let length = config.model.sequence as u64;
    let mut streams = std::collections::BTreeMap::new();
    let mut sources = Vec::new();
    for (at, source) in config.sources.iter().enumerate() {
        let mut stream = Stream::default();
        for doc in corpus::training_order(documents, at) {
            stream.push(doc, &tokens[doc as usize], END_OF_TEXT_ID as u16);
        }
        if stream.len() == 0 {
            continue;
        }
        let windows = stream.windows(length);
        if windows == 0 {
            let (id, tokens) = (source.id.clone(), stream.len());
            return Err(Error::SequenceTooLong {
                id,
                tokens,
                needed: length + 1,
            });
        }
        sources.push(MixtureSource {
            id: source.id.clone(),
            weight: source.weight,
            windows,
        });
        streams.insert(source.id.clone(), stream);
    }
    let order = Order::new(config.seed, Mixture::new(sources)?);
    // A map of strings and the mixture sort alike: by the bytes of the id.
    Ok((order, streams.into_values().collect()))
}
