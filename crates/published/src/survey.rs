//! From the listing of one store to the parts of an inventory.

use std::collections::{BTreeMap, BTreeSet};

use crate::card;
use crate::evaluation;
use crate::gathered::Gathered;
use crate::inventory::{Checkpoint, DataFile, DataKind, LicenceFile};
use crate::json;
use crate::kinds::Kind;
use crate::limits::spread;
use crate::metrics;
use crate::names::CheckpointName;
use crate::sample;
use crate::store::{Store, StoredFile};

/// Longest licence text that is read.
const MOST_LICENCE: u64 = 1 << 20;
/// Cards and licence texts of a publication.
const MOST_CARDS: usize = 200;
/// Longest `config.json`.
const MOST_CONFIG: u64 = 1 << 20;

/// Files of a listing, sorted out.
#[derive(Default)]
pub(crate) struct Survey {
    /// By folder, the name and what is in it.
    pub(crate) checkpoints: BTreeMap<String, Found>,
    cards: Vec<StoredFile>,
    licences: Vec<StoredFile>,
    evaluations: Vec<(StoredFile, Option<String>)>,
    logs: Vec<(StoredFile, Option<DataKind>)>,
    data: Vec<(StoredFile, DataKind)>,
    code: Vec<StoredFile>,
    other: Vec<StoredFile>,
}

/// A checkpoint of a listing.
pub(crate) struct Found {
    /// What is known of it without reading.
    pub(crate) checkpoint: Checkpoint,
    /// `config.json`, index files, `trainer_state.json`.
    pub(crate) config: Option<String>,
    pub(crate) indices: Vec<StoredFile>,
    pub(crate) trainer_state: Option<String>,
}

/// The folder of a path; empty at the top.
fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn last_part(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

/// Folders from `folder` up to the top.
fn upwards(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| {
        (!folder.is_empty()).then(|| folder_of(folder))
    })
}

impl Survey {
    /// Sorts out the files of a store. `top` is what a model at its top is called.
    pub(crate) fn of(files: &[StoredFile], top: &str) -> Self {
        let folders = model_folders(files);
        let mut survey = Self::default();
        for folder in &folders {
            let name = match folder.as_str() {
                "" => top.to_owned(),
                folder if CheckpointName::parse(last_part(folder)).is_some() => {
                    last_part(folder).to_owned()
                }
                folder => folder.to_owned(),
            };
            let parsed = CheckpointName::parse(&name);
            let checkpoint = Checkpoint {
                step: parsed.as_ref().and_then(|one| one.step),
                chunk: parsed.as_ref().and_then(|one| one.chunk),
                tokens: parsed.as_ref().and_then(|one| one.tokens),
                name,
                folder: folder.clone(),
                ..Checkpoint::default()
            };
            let found = Found {
                checkpoint,
                config: None,
                indices: Vec::new(),
                trainer_state: None,
            };
            survey.checkpoints.insert(folder.clone(), found);
        }
        for file in files {
            survey.sort_in(file.clone(), &folders);
        }
        survey
    }

    fn sort_in(&mut self, file: StoredFile, folders: &BTreeSet<String>) {
        let folder = folder_of(&file.path);
        let home = upwards(folder).find(|folder| folders.contains(*folder));
        let direct = home == Some(folder);
        let mut own = home.and_then(|home| self.checkpoints.get_mut(home));
        match (Kind::of(&file.path), &mut own) {
            (Kind::Weights, Some(own)) if direct => own.checkpoint.weights.push(file),
            (Kind::Optimizer, Some(own)) => own.checkpoint.optimizer.push(file),
            (Kind::Tokenizer, Some(own)) => own.checkpoint.tokenizer.push(file),
            (kind @ (Kind::Config | Kind::Index | Kind::TrainerState), Some(own)) if direct => {
                match kind {
                    Kind::Config => own.config = Some(file.path.clone()),
                    Kind::TrainerState => own.trainer_state = Some(file.path.clone()),
                    _ => own.indices.push(file.clone()),
                }
                own.checkpoint.other.push(file);
            }
            (Kind::Card, _) => self.cards.push(file),
            (Kind::Licence, _) => self.licences.push(file),
            (Kind::Evaluation, own) => {
                let beside = own.as_ref().map(|own| own.checkpoint.name.clone());
                let named = evaluation::checkpoint_in(&file.path);
                self.evaluations.push((file, named.or(beside)));
            }
            (Kind::Log(data), _) => self.logs.push((file, data)),
            (Kind::Data(kind), _) => self.data.push((file, kind)),
            (Kind::Code, _) => self.code.push(file),
            (_, Some(own)) => own.checkpoint.other.push(file),
            (_, None) => self.other.push(file),
        }
    }

    /// Reads what is small: cards, licences, results, logs, first lines of data.
    pub(crate) fn read(&mut self, store: &dyn Store, into: &mut Gathered) {
        self.read_cards(store, into);
        self.read_licences(store, into);
        self.read_evaluations(store, into);
        self.read_logs(store, into);
        self.read_data(store, into);
        into.inventory.code.append(&mut self.code);
        into.inventory.other.append(&mut self.other);
    }

    /// What lies beside a checkpoint of another revision, where only results are of interest.
    pub(crate) fn read_beside(&mut self, store: &dyn Store, into: &mut Gathered) {
        self.read_evaluations(store, into);
        let rest = std::mem::take(&mut self.cards)
            .into_iter()
            .chain(std::mem::take(&mut self.licences))
            .chain(std::mem::take(&mut self.code))
            .chain(std::mem::take(&mut self.other))
            .chain(self.logs.drain(..).map(|(file, _)| file))
            .chain(self.data.drain(..).map(|(file, _)| file));
        match self.checkpoints.values_mut().next() {
            Some(first) => first.checkpoint.other.extend(rest),
            None => into.inventory.other.extend(rest),
        }
    }

    fn read_cards(&mut self, store: &dyn Store, into: &mut Gathered) {
        let mut seen = BTreeSet::new();
        for file in self.cards.drain(..) {
            if into.inventory.cards.len() == MOST_CARDS {
                into.inventory.other.push(file);
                continue;
            }
            match into.read(store, &file.path, card::MOST) {
                Ok(bytes) => {
                    let (card, error) = card::parse(&file.path, &bytes);
                    if let Some(error) = error {
                        into.failed(&file.path, &error);
                    }
                    // The same card beside every checkpoint is one card.
                    if seen.insert(glasswork_release::digest::sha256_hex(&bytes)) {
                        into.inventory.cards.push(card);
                    } else {
                        into.inventory.other.push(file);
                    }
                }
                Err(error) => {
                    into.failed(&file.path, &error);
                    into.inventory.other.push(file);
                }
            }
        }
    }

    fn read_licences(&mut self, store: &dyn Store, into: &mut Gathered) {
        for file in self.licences.drain(..) {
            let text = if into.inventory.licences.len() == MOST_CARDS {
                into.inventory.other.push(file);
                continue;
            } else {
                into.read(store, &file.path, MOST_LICENCE)
            };
            match text {
                Ok(bytes) => into.inventory.licences.push(LicenceFile {
                    sha256: Some(glasswork_release::digest::sha256_hex(&bytes)),
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                    path: file.path,
                }),
                Err(error) => {
                    into.failed(&file.path, &error);
                    into.inventory.other.push(file);
                }
            }
        }
    }

    fn read_evaluations(&mut self, store: &dyn Store, into: &mut Gathered) {
        for (file, checkpoint) in self.evaluations.drain(..) {
            if into.inventory.evaluations.len() >= into.limits.evaluations {
                into.inventory.other.push(file);
                continue;
            }
            let found = into
                .read(store, &file.path, evaluation::MOST)
                .and_then(|bytes| evaluation::parse(&file.path, &bytes, checkpoint.as_deref()))
                .and_then(|found| into.add_results(&file.path, found));
            match found {
                Ok(()) => {}
                Err(error) => {
                    into.failed(&file.path, &error);
                    into.inventory.other.push(file);
                }
            }
        }
    }

    fn read_logs(&mut self, store: &dyn Store, into: &mut Gathered) {
        let mut read = 0;
        for (file, data) in std::mem::take(&mut self.logs) {
            let room = read < into.limits.logs && into.has_room_for_logs();
            let found = if !room || file.bytes > metrics::MOST {
                None
            } else {
                read += 1;
                Some(
                    store
                        .local(&file.path)
                        .and_then(|local| metrics::read(&file.path, &local)),
                )
            };
            match (found, data) {
                (Some(Ok(log)), _) => into.add_log(&file.path, log),
                // A table without steps may be data.
                (_, Some(kind)) => self.data.push((file, kind)),
                (Some(Err(error)), None) => {
                    into.failed(&file.path, &error);
                    into.inventory.other.push(file);
                }
                (None, None) => into.inventory.other.push(file),
            }
        }
    }

    fn read_data(&mut self, store: &dyn Store, into: &mut Gathered) {
        self.data.sort_by(|(a, _), (b, _)| a.cmp(b));
        let looked: BTreeSet<usize> = spread(self.data.len(), into.limits.samples)
            .into_iter()
            .collect();
        for (i, (file, kind)) in std::mem::take(&mut self.data).into_iter().enumerate() {
            let sampled = match looked.contains(&i) {
                true => sample::look(store, &file, kind),
                false => Ok(None),
            };
            // Logs whose names do not say so: `train.jsonl` of a trainer.
            if let Ok(Some(sample)) = &sampled
                && kind == DataKind::Jsonl
                && sample.tokens_per_document.is_none()
                && file.bytes <= metrics::MOST
                && into.has_room_for_logs()
                && metrics::is_log(sample.keys.iter().map(String::as_str))
                && let Ok(log) = store
                    .local(&file.path)
                    .and_then(|local| metrics::read(&file.path, &local))
            {
                into.add_log(&file.path, log);
                continue;
            }
            let sampled = sampled.unwrap_or_else(|error| {
                into.failed(&file.path, &error);
                None
            });
            into.inventory.data.push(DataFile {
                path: file.path,
                bytes: file.bytes,
                sha256: file.sha256,
                kind,
                sampled,
            });
        }
    }
}

impl Found {
    /// Reads `config.json` and the trainer's state.
    pub(crate) fn read(&mut self, store: &dyn Store, into: &mut Gathered) {
        if let Some(path) = &self.config {
            let config = into.read(store, path, MOST_CONFIG);
            match config.and_then(|bytes| json::parse(&bytes, path)) {
                Ok(config) => self.checkpoint.config = Some(config),
                Err(error) => into.failed(path, &error),
            }
        }
        if let Some(path) = &self.trainer_state {
            let state = into
                .read(store, path, json::MOST)
                .and_then(|bytes| metrics::trainer_state(path, &bytes));
            match state {
                Ok((state, log)) => {
                    let checkpoint = &mut self.checkpoint;
                    checkpoint.step = checkpoint.step.or(state.global_step);
                    checkpoint.tokens = checkpoint.tokens.or(state.tokens_seen);
                    checkpoint.trainer_state = Some(state);
                    if into.has_room_for_logs() {
                        into.add_log(path, log);
                    }
                }
                Err(error) => into.failed(path, &error),
            }
        }
    }
}

/// Folders that hold a model: weights, a configuration, or what a trainer saves.
///
/// A folder within such a folder is one of its own only if it is named as a checkpoint: else it belongs to it, as
/// `original/` of a converted model does.
fn model_folders(files: &[StoredFile]) -> BTreeSet<String> {
    let mut candidates = BTreeSet::new();
    for file in files {
        let folder = folder_of(&file.path);
        let named = CheckpointName::parse(last_part(folder)).is_some();
        let holds = match Kind::of(&file.path) {
            Kind::Weights => true,
            Kind::Config | Kind::Optimizer | Kind::TrainerState | Kind::Index => {
                named || folder.is_empty()
            }
            _ => false,
        };
        if holds {
            candidates.insert(folder.to_owned());
        }
    }
    let own = |folder: &&String| {
        CheckpointName::parse(last_part(folder)).is_some()
            || !upwards(folder)
                .skip(1)
                .any(|above| candidates.contains(above))
    };
    // DeepSpeed's `checkpoint-500/global_step500` is state of the first.
    let within_named = |folder: &&String| {
        !last_part(folder).starts_with("global_step")
            || !upwards(folder)
                .skip(1)
                .any(|above| candidates.contains(above))
    };
    candidates
        .iter()
        .filter(own)
        .filter(within_named)
        .cloned()
        .collect()
}
