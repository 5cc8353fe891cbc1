//! `check`: does everything in a release agree with everything else, and with the root that the reader trusts?
//!
//! Nothing is recomputed here that needs training; that is what a replay is for. A check goes on after a finding and
//! lists them all. It reads every core file about twice, in blocks, and holds no tensor in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use crate::checkpoint;
use crate::core_index::{CoreEntry, CoreIndex, Tree};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::layout::{self, Part};
use crate::seal::ReleaseIndex;

mod history;
mod sequence;

/// How far a check is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Bytes done.
    pub done: u64,
    /// Bytes to do in all.
    pub total: u64,
    /// The file at hand.
    pub what: &'a str,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The root found: digest of `core.json` as it lies there.
    pub root: Digest,
    /// Whether the caller named the root to expect. Without one, the best answer is "self-consistent, publisher
    /// unverified".
    pub pinned: bool,
    /// Core files looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Everything that does not agree, the most telling first; empty when all holds.
    pub findings: Vec<Finding>,
    /// What could not be compared because it is not part of this release.
    pub unchecked: Vec<String>,
}

impl CheckReport {
    /// Whether nothing disagrees.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Checks a release; see [`check_with_progress`].
pub fn check(dir: &Path, pinned_root: Option<Digest>) -> Result<CheckReport> {
    check_with_progress(dir, pinned_root, &|_| {})
}

/// Checks a release against itself and, when given, against the root that the caller trusts.
///
/// Errors only where there is nothing to check: no directory, no `core.json`, a future format, a disk that fails. All
/// else is a finding.
pub fn check_with_progress(
    dir: &Path,
    pinned_root: Option<Digest>,
    progress: &dyn Fn(Progress<'_>),
) -> Result<CheckReport> {
    // The release itself may be reached by a link: the caller named it. Nothing inside may be one.
    let core = CoreIndex::read_bytes(dir)?;
    let mut report = CheckReport {
        root: Digest::of(&core),
        pinned: pinned_root.is_some(),
        files: 0,
        bytes: 0,
        findings: Vec::new(),
        unchecked: Vec::new(),
    };
    let root = report.root;
    if let Some(expected) = pinned_root.filter(|expected| *expected != root) {
        report
            .findings
            .push(Finding::new(layout::CORE, PINNED, expected, root));
    }
    let tree = Tree::walk(dir)?;
    check_entries(&tree, &mut report);
    match CoreIndex::parse(&core) {
        Ok(index) => {
            check_listing(&tree, &index, &mut report);
            check_files(dir, &tree, &index, &mut report, progress)?;
        }
        // The format number is checked before anything else is believed.
        Err(error @ Error::FutureFormat { .. }) => return Err(error),
        Err(error) => {
            let finding = Finding::new(layout::CORE, "index", "a readable index", error);
            report.findings.push(finding);
        }
    }
    check_release_json(dir, &tree, root, &mut report);
    let parts = Parts { dir, tree: &tree };
    for step in parts.checkpoint_steps() {
        report.findings.extend(checkpoint::verify_checkpoint(
            &dir.join(layout::checkpoint_dir(step)),
        ));
    }
    history::check(&parts, &mut report);
    // The same release gives the same report wherever it lies.
    let here = format!("{}/", dir.display());
    for finding in &mut report.findings {
        finding.found = finding.found.replace(&here, "");
    }
    let mut seen = BTreeSet::new();
    report
        .findings
        .retain(|finding| seen.insert(finding.to_string()));
    report.findings.sort_by_key(rank);
    Ok(report)
}

const PINNED: &str = "root (digest of core.json) against the announced one";

/// The order of findings: what the trusted root says, then what names a tensor, a step, a file.
fn rank(finding: &Finding) -> u8 {
    match finding {
        f if f.what == PINNED => 0,
        f if f.tensor.is_some() => 1,
        f if f.step.is_some() => 2,
        _ => 3,
    }
}

/// Things that are not plain files, and names that collide.
fn check_entries(tree: &Tree, report: &mut CheckReport) {
    for (path, kind) in &tree.odd {
        report.findings.push(Finding::new(
            path,
            "kind of entry",
            "a plain file or directory",
            kind,
        ));
    }
    let mut lower: BTreeMap<String, &str> = BTreeMap::new();
    for path in tree.files.keys() {
        if let Some(other) = lower.insert(path.to_lowercase(), path) {
            let what = "name where case is ignored";
            report.findings.push(Finding::new(
                path,
                what,
                "one of its kind",
                format!("also {other}"),
            ));
        }
    }
}

/// Files that nobody names.
fn check_listing(tree: &Tree, index: &CoreIndex, report: &mut CheckReport) {
    for path in tree.files.keys() {
        let found = match layout::part(path) {
            Part::Annex | Part::Frame => continue,
            Part::Core
                if index
                    .entries
                    .binary_search_by(|e| e.path.as_str().cmp(path))
                    .is_ok() =>
            {
                continue;
            }
            Part::Core => "not in it",
            Part::Unknown => "a file that the format has no place for",
        };
        report.findings.push(Finding::new(
            path,
            "listing in core.json",
            "every file of the core",
            found,
        ));
    }
}

/// The unsigned index proves nothing, but it must not say something else.
fn check_release_json(dir: &Path, tree: &Tree, root: Digest, report: &mut CheckReport) {
    if !tree.files.contains_key(layout::RELEASE) {
        report
            .unchecked
            .push(format!("{} is absent", layout::RELEASE));
        return;
    }
    match ReleaseIndex::load(dir) {
        Ok(index) if index.root == root => {}
        Ok(index) => report.findings.push(Finding::new(
            layout::RELEASE,
            "root (digest of core.json)",
            root,
            index.root,
        )),
        Err(error) => report.findings.push(Finding::new(
            layout::RELEASE,
            "index",
            "a readable index",
            error,
        )),
    }
}

/// Length and digest of every file that the index names.
fn check_files(
    dir: &Path,
    tree: &Tree,
    index: &CoreIndex,
    report: &mut CheckReport,
    progress: &dyn Fn(Progress<'_>),
) -> Result<()> {
    let present = |entry: &CoreEntry| tree.files.get(&entry.path).copied();
    let total = index
        .entries
        .iter()
        .filter_map(present)
        .fold(0, u64::saturating_add);
    let mut done = 0;
    for entry in &index.entries {
        let CoreEntry {
            path,
            stored_digest,
            length,
            ..
        } = entry;
        let Some(found) = present(entry) else {
            report.findings.push(at_path_step(Finding::new(
                path, "file", "present", "absent",
            )));
            continue;
        };
        progress(Progress {
            done,
            total,
            what: path,
        });
        let digest = Digest::of_file(&dir.join(path))?;
        done += found;
        report.files += 1;
        report.bytes += found;
        if found != *length {
            let bytes = |n: u64| format!("{n} bytes");
            report.findings.push(at_path_step(Finding::new(
                path,
                "length",
                bytes(*length),
                bytes(found),
            )));
        } else if digest != *stored_digest {
            report.findings.push(at_path_step(Finding::new(
                path,
                "digest of the file",
                stored_digest,
                digest,
            )));
        }
    }
    progress(Progress {
        done,
        total,
        what: "",
    });
    Ok(())
}

/// A finding about a checkpoint's file names its step.
fn at_path_step(finding: Finding) -> Finding {
    let mut parts = finding.path.split('/');
    let step = match (parts.next(), parts.next()) {
        (Some(layout::CHECKPOINTS), Some(name)) => layout::parse_step_name(name),
        _ => None,
    };
    Finding { step, ..finding }
}

/// The files of a release that may be read: those met on a walk that follows no link.
struct Parts<'a> {
    dir: &'a Path,
    tree: &'a Tree,
}

impl Parts<'_> {
    fn has(&self, path: &str) -> bool {
        self.tree.files.contains_key(path)
    }

    /// Loads a part of the release; that it is absent or cannot be read is a finding.
    fn load<T>(
        &self,
        path: &str,
        read: impl FnOnce(&Path) -> Result<T>,
        report: &mut CheckReport,
    ) -> Option<T> {
        if !self.has(path) {
            report
                .findings
                .push(Finding::new(path, "file", "present", "absent"));
            return None;
        }
        match read(&self.dir.join(path)) {
            Ok(value) => Some(value),
            Err(error) => {
                let finding = Finding::new(path, "content", "readable by format 1", error);
                report.findings.push(finding);
                None
            }
        }
    }

    /// The chunks of the training sequence, from 0 on without a gap.
    fn chunks(&self) -> Vec<String> {
        (0..)
            .map(layout::chunk)
            .take_while(|path| self.has(path))
            .collect()
    }

    /// The steps whose checkpoints have files, ascending.
    fn checkpoint_steps(&self) -> Vec<u64> {
        let step = |path: &String| {
            let name = path.strip_prefix(layout::CHECKPOINTS)?.strip_prefix('/')?;
            layout::parse_step_name(name.split_once('/')?.0)
        };
        let steps: BTreeSet<u64> = self.tree.files.keys().filter_map(step).collect();
        steps.into_iter().collect()
    }
}
