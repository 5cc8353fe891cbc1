//! The names that are kept of a file: those that run code before all others, whichever come first.

use std::collections::BTreeSet;

use super::names::is_plain;
use super::runs::runs;

/// Names that are kept of a file.
const MOST_NAMES: usize = 64;

/// Names beyond those that tensors need, within bounds. The same name twice is one.
#[derive(Debug, Default)]
pub(super) struct Kept {
    running: BTreeSet<String>,
    others: BTreeSet<String>,
    more: bool,
}

impl Kept {
    pub(super) fn insert(&mut self, name: String) {
        if is_plain(&name) {
            return;
        }
        let names = match runs(&name) {
            true => &mut self.running,
            false => &mut self.others,
        };
        if names.len() < MOST_NAMES {
            names.insert(name);
        } else {
            self.more |= !names.contains(&name);
        }
    }

    /// What to say where not every name is kept.
    pub(super) fn cut(&self) -> Option<String> {
        let more = self.more || self.running.len() + self.others.len() > MOST_NAMES;
        more.then(|| format!("names more than {MOST_NAMES} things, which are not all told"))
    }

    /// The names, ascending.
    pub(super) fn names(self) -> Vec<String> {
        let mut names: Vec<String> = self.running.into_iter().chain(self.others).collect();
        names.truncate(MOST_NAMES);
        names.sort_unstable();
        names
    }
}
