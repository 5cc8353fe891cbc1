//! Which pickled files are looked into, and what they name.
//!
//! PyTorch's files are pickles within a zip archive, or pickles one after the other; a trainer's settings and
//! states are, too. Of each the names are read, within bounds, and nothing else: nothing is built or called.

mod archive;
mod kept;
mod names;
mod runs;

use crate::error::Result;
use crate::headers::problem;
use crate::inventory::{Checkpoint, Pickle, Problem};
use crate::ranged::Ranged;
use crate::store::{Store, StoredFile};

use self::kept::Kept;

/// Longest pickle that is looked into: some eighty times that of a 65B model's weights.
const MOST_PICKLE: u64 = 16 << 20;
/// The same of a trainer's settings and states, whose pickles are small though their tensors are not.
const MOST_STATE: u64 = 1 << 20;
/// Read from the beginning of a file that is no archive; four times as much until it is enough.
const FIRST: u64 = 256 << 10;
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
            let found = look(store, file, true, MOST_PICKLE);
            // Headers say it of weights that are read and name nothing.
            if found.0.is_some() || beside_safetensors {
                problems.extend(found.1);
            }
            pickles.extend(found.0);
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
            let (pickle, problem) = look(store, file, false, MOST_STATE);
            pickles.extend(pickle);
            problems.extend(problem);
        }
        (pickles, problems)
    }
}

/// What a file names beyond tensors, and why there may be more.
fn look(
    store: &dyn Store,
    file: &StoredFile,
    weights: bool,
    most: u64,
) -> (Option<Pickle>, Option<Problem>) {
    let mut kept = Kept::default();
    let unread = match named(store, &file.path, most, &mut kept) {
        Ok(None) => kept.cut(),
        Ok(unread) => unread,
        Err(error) => return (None, Some(problem(&file.path, &error))),
    };
    let names = kept.names();
    let pickle = (!names.is_empty()).then(|| Pickle {
        path: file.path.clone(),
        weights,
        names,
        ..Pickle::default()
    });
    (
        pickle,
        unread.map(|reason| Problem::new(&file.path, reason)),
    )
}

/// Whether a file that is not named as weights is a pickle by its name.
fn is_pickled(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ENDINGS.iter().any(|end| path.ends_with(end))
}

/// Keeps what a file names, and says why there may be more. What was named before a fault counts: a pickle acts as it
/// is read.
///
/// # Errors
/// What reading fails with.
fn named(store: &dyn Store, path: &str, most: u64, kept: &mut Kept) -> Result<Option<String>> {
    let ranged = Ranged::new(store, path)?;
    let length = store.file(path)?.bytes;
    if ranged.stretch(0..length.min(4))? == b"PK\x03\x04" {
        let (pickles, mut unread) = archive::pickles(&ranged, length, most);
        for pickle in pickles {
            let problem = names::one(&pickle, kept);
            unread = unread.or(problem);
        }
        return Ok(unread);
    }
    let mut ask = FIRST;
    loop {
        let read = names::all(&ranged.stretch(0..length.min(ask))?, kept);
        if read.tensors_follow || read.problem.is_none() && ask >= length {
            return Ok(None);
        }
        if ask >= length.min(most) {
            let beyond =
                || format!("was looked into for {most} bytes, in which its pickle does not end");
            return Ok(match length > most {
                true => Some(beyond()),
                false => read.problem,
            });
        }
        ask *= 4;
    }
}
