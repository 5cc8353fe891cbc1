//! A publication: opened, looked through, and its weights sampled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use glasswork_hub::{Repo, RepoKind};

use crate::error::{Error, Result};
use crate::gathered::Gathered;
use crate::headers;
use crate::inventory::{Inventory, Layout, MetricSeries, Problem};
use crate::limits::{Door, spread_in_pairs};
use crate::names::{CheckpointName, Family};
use crate::pickles::Looks;
use crate::place::Place;
use crate::store::{FolderStore, HubStore, Store, StoredFile};
use crate::survey::Survey;
use crate::values;

/// What a model at the top of a folder or repository is called.
const MAIN: &str = "main";
/// Tensors of all checkpoints together, after which headers are left for [`Publication::read_headers`].
const MOST_TENSORS: usize = 2 << 20;
/// Endings of weights that nothing here reads.
const UNREAD: [&str; 6] = [
    ".gguf",
    ".ggml",
    ".onnx",
    ".msgpack",
    "tf_model.h5",
    ".ckpt",
];
/// Files of these that are told of.
const MOST_TOLD: usize = 16;
/// Logs of one key that a repeated one is compared with.
const MOST_LOGS: usize = 16;

/// A published model with all of its checkpoints.
#[derive(Debug)]
pub struct Publication {
    inventory: Inventory,
    /// The folder, or the repository at the revision named.
    top: Arc<dyn Store>,
    /// The store of each checkpoint of the inventory, and its index files.
    stores: Vec<Arc<dyn Store>>,
    indices: Vec<Vec<StoredFile>>,
    looks: Looks,
}

impl Publication {
    /// Lists what is named, reads headers and small files, and nothing else.
    ///
    /// A repository named without a revision has a checkpoint for each branch or tag that is named as one.
    ///
    /// # Errors
    /// What is not there or has too many files; the Hub's errors about the repository as a whole. What concerns one
    /// file becomes a [`Problem`] of the inventory.
    pub fn open(place: &Place, door: &Door) -> Result<Self> {
        let mut opened = Opened::new(door);
        let top: Arc<dyn Store> = match place {
            Place::Folder(path) => {
                let (store, problems) = FolderStore::open(path)?;
                opened.gathered.inventory.problems = problems;
                let store: Arc<dyn Store> = Arc::new(store);
                opened.take(&store, &top_name(path), None, Part::All);
                store
            }
            Place::Hub { repo, revision } => {
                opened.repository(place, repo, revision.as_deref(), door)?
            }
        };
        opened.order();
        opened.tell_apart();
        let mut publication = Self {
            top,
            stores: opened.stores,
            indices: opened.indices,
            inventory: opened.gathered.inventory,
            looks: Looks::default(),
        };
        publication.inventory.place = place.to_string();
        publication.number_main();
        publication.inventory.layout = publication.layout();
        drop_repeated_logs(&mut publication.inventory.metrics);
        let mut tensors = 0;
        // From the last on: that is what people load.
        let chosen = spread_in_pairs(publication.stores.len(), door.limits.headers);
        for checkpoint in chosen.into_iter().rev() {
            if tensors > MOST_TENSORS {
                break;
            }
            publication.read_headers(checkpoint)?;
            tensors += publication.inventory.checkpoints[checkpoint].tensors.len();
        }
        publication.look_elsewhere(match place {
            Place::Folder(_) => None,
            Place::Hub { revision, .. } => Some(revision.as_deref().unwrap_or(MAIN)),
        });
        let problems = &mut publication.inventory.problems;
        problems.sort();
        problems.dedup();
        Ok(publication)
    }

    /// What there is.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Where the files of no single checkpoint lie: data, logs, cards.
    #[must_use]
    pub fn top(&self) -> &dyn Store {
        self.top.as_ref()
    }

    /// Where the files of a checkpoint lie; those of the top for a number that no checkpoint has.
    #[must_use]
    pub fn store(&self, checkpoint: usize) -> &dyn Store {
        self.stores.get(checkpoint).unwrap_or(&self.top).as_ref()
    }

    /// Reads the headers of a checkpoint that the limits left out. Its tensors are in the inventory then.
    ///
    /// # Errors
    /// A number that no checkpoint has.
    pub fn read_headers(&mut self, checkpoint: usize) -> Result<()> {
        let there = self.stores.len();
        let Some(own) = self.inventory.checkpoints.get_mut(checkpoint) else {
            return Err(Error::NoCheckpoint {
                place: self.inventory.place.clone(),
                there,
                asked: checkpoint,
            });
        };
        let store = self.stores[checkpoint].as_ref();
        let indices: Vec<&StoredFile> = self.indices[checkpoint].iter().collect();
        let (tensors, problems) = headers::tensors(store, &own.weights, &indices);
        own.tensors = tensors;
        let (mut pickles, unread) = self.looks.at(store, own);
        for pickle in &mut pickles {
            pickle.revision.clone_from(&own.revision);
        }
        let known = &mut self.inventory.pickles;
        known.retain(|one| pickles.iter().all(|new| !new.is_same_file(one)));
        known.extend(pickles);
        known.sort();
        let first = self.inventory.problems.len();
        self.inventory.problems.extend(problems);
        self.inventory.problems.extend(unread);
        say_where(
            &mut self.inventory.problems[first..],
            own.revision.as_deref(),
        );
        self.inventory.problems.sort();
        self.inventory.problems.dedup();
        Ok(())
    }

    /// Looks into pickled files that belong to no checkpoint.
    fn look_elsewhere(&mut self, revision: Option<&str>) {
        let other = &self.inventory.other;
        let (mut pickles, mut problems) = self.looks.elsewhere(self.top.as_ref(), other);
        for pickle in &mut pickles {
            pickle.revision = revision.map(str::to_owned);
        }
        say_where(&mut problems, revision);
        self.inventory.pickles.extend(pickles);
        self.inventory.problems.extend(problems);
    }

    /// At most `at_most` values of a tensor, in eight stretches evenly spread over it: the same places for every
    /// tensor of its size, whatever its type. All of it where it is not larger.
    ///
    /// # Errors
    /// A checkpoint or a tensor that is not there, a type that is no float of 16, 32 or 64 bits, a tensor that does
    /// not lie row by row, what reading fails with.
    pub fn sample(&self, checkpoint: usize, tensor: &str, at_most: usize) -> Result<Vec<f32>> {
        let Some(own) = self.inventory.checkpoints.get(checkpoint) else {
            return Err(Error::NoCheckpoint {
                place: self.inventory.place.clone(),
                there: self.stores.len(),
                asked: checkpoint,
            });
        };
        let fail = |problem: &str| Error::Tensor {
            checkpoint: own.name.clone(),
            tensor: tensor.chars().take(200).collect(),
            problem: problem.into(),
        };
        let found = own
            .tensors
            .binary_search_by(|one| one.name.as_str().cmp(tensor));
        let found = found.map_err(|_| match own.tensors.is_empty() {
            true => fail("is not known: no header of this checkpoint was read"),
            false => fail("is not there"),
        })?;
        values::sample(
            self.stores[checkpoint].as_ref(),
            &own.tensors[found],
            at_most,
            &fail,
        )
    }

    /// LLM360 serves its last checkpoint as `main` only: it has the number after the highest, where none is missing.
    fn number_main(&mut self) {
        let checkpoints = &mut self.inventory.checkpoints;
        let in_line = |name: &str| name.starts_with("ckpt_");
        let numbers: Vec<u64> = checkpoints
            .iter()
            .filter(|one| in_line(&one.name))
            .filter_map(|one| one.chunk)
            .collect();
        let whole = numbers.iter().copied().eq(0..numbers.len() as u64);
        if let Some(main) = checkpoints.iter_mut().find(|one| one.name == MAIN)
            && whole
            && !numbers.is_empty()
        {
            main.chunk = Some(numbers.len() as u64);
        }
    }

    /// The family that names most checkpoints.
    fn layout(&self) -> Layout {
        let checkpoints = &self.inventory.checkpoints;
        let mut counts: BTreeMap<Family, usize> = BTreeMap::new();
        for checkpoint in checkpoints {
            if let Some(name) = CheckpointName::parse(&checkpoint.name) {
                *counts.entry(name.layout).or_default() += 1;
            }
        }
        let most = counts.into_iter().max_by_key(|&(_, count)| count);
        match most {
            Some((family, _)) => family.into(),
            None if checkpoints.is_empty() => Layout::Unknown,
            None => Layout::HuggingFace,
        }
    }
}

/// A folder that is itself named as a checkpoint is that.
fn top_name(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.into());
    let name = whole.file_name().and_then(|name| name.to_str());
    name.filter(|name| CheckpointName::parse(name).is_some())
        .unwrap_or(MAIN)
        .to_owned()
}

/// On the Hub, the same path is another file in each revision.
fn say_where(problems: &mut [Problem], revision: Option<&str>) {
    for problem in problems {
        problem.revision = revision.map(str::to_owned);
    }
}

/// The state of each of a trainer's checkpoints repeats the log from the beginning: what another one goes on from is
/// dropped.
fn drop_repeated_logs(metrics: &mut Vec<MetricSeries>) {
    let of_trainer = |one: &MetricSeries| one.path.ends_with("trainer_state.json");
    let same = |(a, b): (&(u64, f64), &(u64, f64))| a.0 == b.0 && a.1.to_bits() == b.1.to_bits();
    let mut longest: Vec<usize> = (0..metrics.len())
        .filter(|&i| of_trainer(&metrics[i]))
        .collect();
    longest.sort_by_key(|&i| (&metrics[i].key, std::cmp::Reverse(metrics[i].points.len())));
    let mut kept: Vec<usize> = Vec::new();
    let mut dropped = BTreeSet::new();
    for i in longest {
        let one = &metrics[i];
        let goes_on = kept
            .iter()
            .rev()
            .map(|&k| &metrics[k])
            .take_while(|k| k.key == one.key);
        let mut goes_on = goes_on.take(MOST_LOGS);
        if goes_on.any(|k| k.points.iter().zip(&one.points).all(same)) {
            dropped.insert(i);
        } else {
            kept.push(i);
        }
    }
    let mut at = 0;
    metrics.retain(|_| {
        at += 1;
        !dropped.contains(&(at - 1))
    });
}

/// A publication while it is opened.
struct Opened {
    gathered: Gathered,
    stores: Vec<Arc<dyn Store>>,
    indices: Vec<Vec<StoredFile>>,
}

/// How much of a store is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    /// A checkpoint and its results: what else lies beside it is that of `main` again.
    Checkpoint,
}

impl Opened {
    fn new(door: &Door) -> Self {
        Self {
            gathered: Gathered::new(door.limits),
            stores: Vec::new(),
            indices: Vec::new(),
        }
    }

    /// Takes in what a store holds. `top` is what a model at its top is called.
    fn take(&mut self, store: &Arc<dyn Store>, top: &str, revision: Option<&str>, part: Part) {
        let first = self.gathered.inventory.problems.len();
        let mut survey = Survey::of(store.files(), top);
        match part {
            Part::All => survey.read(store.as_ref(), &mut self.gathered),
            Part::Checkpoint => survey.read_beside(store.as_ref(), &mut self.gathered),
        }
        self.say_what_is_no_model(&survey, store, part);
        for mut found in survey.checkpoints.into_values() {
            found.read(store.as_ref(), &mut self.gathered);
            found.checkpoint.revision = revision.map(str::to_owned);
            self.gathered.inventory.checkpoints.push(found.checkpoint);
            self.stores.push(Arc::clone(store));
            self.indices.push(found.indices);
        }
        say_where(&mut self.gathered.inventory.problems[first..], revision);
    }

    /// Tells of weights that nothing here reads, and of a revision that is named as a checkpoint and holds none.
    fn say_what_is_no_model(&mut self, survey: &Survey, store: &Arc<dyn Store>, part: Part) {
        let mut found = survey.checkpoints.values();
        if found.any(|found| !found.checkpoint.weights.is_empty()) {
            return;
        }
        let unread = |file: &&StoredFile| UNREAD.iter().any(|end| file.path.ends_with(end));
        let mut told = false;
        for file in store.files().iter().filter(unread).take(MOST_TOLD) {
            let reason = "holds weights in a format that is not read".to_owned();
            self.gathered.told(&file.path, reason);
            told = true;
        }
        if part == Part::Checkpoint && !told {
            let reason = "is named as a checkpoint and holds no weights".to_owned();
            self.gathered.told(&store.place(), reason);
        }
    }

    fn repository(
        &mut self,
        place: &Place,
        repo: &Repo,
        revision: Option<&str>,
        door: &Door,
    ) -> Result<Arc<dyn Store>> {
        let hub = door.hub.as_ref();
        let hub = hub.ok_or_else(|| Error::NoHub(place.to_string()))?;
        let open = |revision: &str, commit| -> Result<Arc<dyn Store>> {
            let store = HubStore::open(Arc::clone(hub), repo.clone(), revision.to_owned(), commit)?;
            Ok(Arc::new(match &door.watch {
                Some(watch) => store.watched(Arc::clone(watch)),
                None => store,
            }))
        };
        let named = revision.unwrap_or(MAIN);
        let top = open(named, hub.resolve(repo, named)?)?;
        self.take(&top, named, Some(named), Part::All);
        if revision.is_some() || repo.kind() == RepoKind::Dataset {
            return Ok(top);
        }
        let refs = hub.refs(repo)?;
        let mut others: BTreeMap<(CheckpointName, String), _> = BTreeMap::new();
        for one in refs.tags.into_iter().chain(refs.branches) {
            if let Some(name) = CheckpointName::parse(&one.name) {
                others.insert((name, one.name), one.commit);
            }
        }
        let limit = door.limits.revisions;
        if others.len() > limit {
            let reason = format!(
                "has {} more revisions than are looked at",
                others.len() - limit
            );
            self.gathered.told(&place.to_string(), reason);
        }
        for ((_, name), commit) in others.into_iter().take(limit) {
            match open(&name, commit) {
                Ok(store) => self.take(&store, &name, Some(&name), Part::Checkpoint),
                Err(error) => self.gathered.failed(&name, &error),
            }
        }
        Ok(top)
    }

    /// Checkpoints of one name, such as a branch's and a folder's, are called by where they lie.
    fn tell_apart(&mut self) {
        let checkpoints = &mut self.gathered.inventory.checkpoints;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for one in checkpoints.iter() {
            *counts.entry(one.name.clone()).or_default() += 1;
        }
        let mut told = Vec::new();
        for one in checkpoints.iter_mut().filter(|one| counts[&one.name] > 1) {
            let place = match (one.revision.as_deref(), one.folder.as_str()) {
                (Some(revision), "") => revision.to_owned(),
                (Some(revision), folder) => format!("{revision}/{folder}"),
                (None, folder) => folder.to_owned(),
            };
            if !place.is_empty() && place != one.name {
                let reason = format!("is named `{}`, as another checkpoint is", one.name);
                told.push((place.clone(), reason));
                one.name = place;
            }
        }
        for (place, reason) in told {
            self.gathered.told(&place, reason);
        }
    }

    /// As training went; what has no such name, as `main`, last.
    fn order(&mut self) {
        let key = |i: &usize| {
            let checkpoint = &self.gathered.inventory.checkpoints[*i];
            let parsed = CheckpointName::parse(&checkpoint.name);
            (parsed.is_none(), parsed, checkpoint.folder.clone())
        };
        let mut order: Vec<usize> = (0..self.stores.len()).collect();
        order.sort_by_cached_key(key);
        let checkpoints = &mut self.gathered.inventory.checkpoints;
        let take = |i: &usize| std::mem::take(&mut checkpoints[*i]);
        let sorted: Vec<_> = order.iter().map(take).collect();
        *checkpoints = sorted;
        self.stores = order.iter().map(|&i| Arc::clone(&self.stores[i])).collect();
        let indices = &mut self.indices;
        *indices = order
            .iter()
            .map(|&i| std::mem::take(&mut indices[i]))
            .collect();
    }
}
