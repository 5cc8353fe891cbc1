//! Which pickled files are looked into, and what they name.
//!
//! PyTorch's files are pickles within a zip archive, or pickles one after the other; a trainer's settings and
//! states are, too. Of each the names are read, within bounds, and nothing else: nothing is built or called.

mod archive;
mod names;

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::headers::problem;
use crate::inventory::{Checkpoint, Pickle, Problem};
use crate::ranged::Ranged;
use crate::store::{Store, StoredFile};

/// Longest pickle that is looked into: some eighty times that of a 65B model's weights.
const MOST_PICKLE: u64 = 16 << 20;
/// The same of a trainer's settings and states, whose pickles are small though their tensors are not.
const MOST_STATE: u64 = 1 << 20;
/// Read from the beginning of a file that is no archive; four times as much until it is enough.
const FIRST: u64 = 256 << 10;
/// Pickles at the beginning of a file of PyTorch before 1.6, one after the other; what other programs pickle is one.
const PICKLES: usize = 5;
/// Names that are kept of a file.
const MOST_NAMES: usize = 64;
/// Files of states and settings that are looked into; those of sharded optimizers are many.
const MOST_STATES: usize = 128;
/// Endings of files that Python and PyTorch pickle into.
const ENDINGS: [&str; 8] = [
    ".pt",
    ".pth",
    ".ckpt",
    ".pkl",
    ".pickle",
    "training_args.bin",
    "optimizer.bin",
    "scheduler.bin",
];

/// Looks into files, and counts how many of a trainer's may still be looked into.
#[derive(Debug)]
pub(crate) struct Looks {
    left: usize,
}

impl Default for Looks {
    fn default() -> Self {
        Self { left: MOST_STATES }
    }
}

type Found = (Vec<Pickle>, Vec<Problem>);

impl Looks {
    /// What the pickled files of a checkpoint name beyond tensors, and which could not be looked into.
    pub(crate) fn at(&mut self, store: &dyn Store, checkpoint: &Checkpoint) -> Found {
        let safe = |file: &&StoredFile| file.path.ends_with(".safetensors");
        let beside_safetensors = checkpoint.weights.iter().any(|file| safe(&file));
        let (mut pickles, mut problems) = (Vec::new(), Vec::new());
        for file in checkpoint.weights.iter().filter(|file| !safe(file)) {
            match named(store, &file.path, MOST_PICKLE) {
                Ok(names) => pickles.extend(pickle(file, true, names)),
                // Headers say it of weights that are read.
                Err(_) if !beside_safetensors => {}
                Err(error) => problems.push(problem(&file.path, &error)),
            }
        }
        let states = checkpoint.optimizer.iter().chain(&checkpoint.other);
        let (more, bad) = self.of_states(store, states);
        pickles.extend(more);
        problems.extend(bad);
        for pickle in &mut pickles {
            pickle.checkpoint = Some(checkpoint.name.clone());
            pickle.beside_safetensors = beside_safetensors;
        }
        (pickles, problems)
    }

    /// The same of files that belong to no checkpoint, where the store has them.
    pub(crate) fn elsewhere(&mut self, store: &dyn Store, files: &[StoredFile]) -> Found {
        let there = files.iter().filter(|file| store.file(&file.path).is_ok());
        self.of_states(store, there)
    }

    fn of_states<'f>(
        &mut self,
        store: &dyn Store,
        files: impl Iterator<Item = &'f StoredFile>,
    ) -> Found {
        let (mut pickles, mut problems) = (Vec::new(), Vec::new());
        for file in files.filter(|file| is_pickled(&file.path)) {
            let Some(left) = self.left.checked_sub(1) else {
                break;
            };
            self.left = left;
            match named(store, &file.path, MOST_STATE) {
                Ok(names) => pickles.extend(pickle(file, false, names)),
                Err(error) => problems.push(problem(&file.path, &error)),
            }
        }
        (pickles, problems)
    }
}

fn pickle(file: &StoredFile, weights: bool, names: BTreeSet<String>) -> Option<Pickle> {
    (!names.is_empty()).then(|| Pickle {
        path: file.path.clone(),
        weights,
        names: names.into_iter().collect(),
        ..Pickle::default()
    })
}

/// Whether a file that is not named as weights is a pickle by its name.
fn is_pickled(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ENDINGS.iter().any(|end| path.ends_with(end))
}

/// What a file names beyond what tensors need.
///
/// # Errors
/// What is no pickle before it named anything; archives that are damaged; what reading fails with.
fn named(store: &dyn Store, path: &str, most: u64) -> Result<BTreeSet<String>> {
    let ranged = Ranged::new(store, path)?;
    let length = store.file(path)?.bytes;
    let fail = |problem: String| Error::Content {
        path: path.into(),
        problem,
    };
    let mut found = BTreeSet::new();
    let mut keep = |names: names::Names| {
        for name in names.all {
            if found.len() < MOST_NAMES && !names::is_plain(&name) {
                found.insert(name);
            }
        }
        names.problem.filter(|_| names.whole == 0)
    };
    let start = ranged.stretch(0..length.min(2))?;
    let mut problems = Vec::new();
    if start == b"PK" {
        for pickle in archive::pickles(&ranged, length, most).map_err(fail)? {
            problems.extend(keep(names::of(&pickle, 1)));
        }
    } else {
        let mut ask = FIRST;
        loop {
            let names = names::of(&ranged.stretch(0..length.min(ask))?, PICKLES);
            if names.whole == PICKLES || ask >= length.min(most) {
                problems.extend(keep(names));
                break;
            }
            ask *= 4;
        }
        if length > most && !problems.is_empty() {
            problems = vec![format!(
                "was looked into for {most} bytes, in which its pickle does not end"
            )];
        }
    }
    match problems.pop() {
        Some(problem) if found.is_empty() => Err(fail(problem)),
        _ => Ok(found),
    }
}
