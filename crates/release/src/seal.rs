//! Sealing: a finished run becomes a release.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::core_index::{CoreIndex, Tree};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout::{self, Part};
use crate::ledger::{Event, Ledger};
use crate::metrics::Metrics;
use crate::{atomic, canonical, files};

/// `release.json`: what somebody who opens the directory first wants to know. Not covered by the root, not proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseIndex {
    /// The format number.
    pub format: u64,
    /// The run's name.
    pub name: String,
    /// The root: digest of `core.json`.
    pub root: Digest,
    /// Annex files that were there when this was written.
    pub annexes: Vec<String>,
}

impl ReleaseIndex {
    /// Reads `release.json`: strict, format number first.
    pub fn load(dir: &Path) -> Result<Self> {
        let bytes = files::read(&dir.join(layout::RELEASE), canonical::MAX_DOCUMENT as u64)?;
        let value = canonical::parse_value(&bytes, layout::RELEASE)?;
        canonical::expect_format(&value, crate::FORMAT, layout::RELEASE)?;
        serde_json::from_value(value).map_err(|e| Error::Json {
            what: layout::RELEASE.into(),
            problem: e.to_string(),
        })
    }
}

/// Writes `core.json` and `release.json` of a finished run and returns the root. Call it under the run's lock.
///
/// Fails when steps, checkpoints or ledger lines are missing. Doing it again, for instance after annexes were added,
/// gives the same root.
pub fn seal(dir: &Path, name: &str) -> Result<Digest> {
    layout::valid_id("name", name)?;
    let config = RunConfig::load(&dir.join(layout::RUN))?;
    expect_finished(dir, &config)?;
    atomic::sweep_stale(dir)?;
    let core = CoreIndex::build(dir)?;
    let root = core.root()?;
    let annexes = Tree::walk(dir)?.files.into_keys();
    let annexes = annexes
        .filter(|p| layout::part(p) == Part::Annex && p != layout::RELEASE)
        .collect();
    let index = ReleaseIndex {
        format: crate::FORMAT,
        name: name.into(),
        root,
        annexes,
    };
    let mut json = serde_json::to_vec_pretty(&index).map_err(|e| Error::NotJson {
        problem: e.to_string(),
    })?;
    json.push(b'\n');
    atomic::write_file(&dir.join(layout::RELEASE), &json)?;
    // Last, because it is what makes the directory a release: where it lies, nothing is missing.
    core.write(dir)
}

fn expect_finished(dir: &Path, config: &RunConfig) -> Result<()> {
    let fail = |problem: String| Error::NotARelease {
        path: dir.into(),
        problem,
    };
    let steps = config.training.steps;
    let present = layout::checkpoint_steps(dir)?;
    if present != config.training.checkpoint_steps {
        return Err(fail(format!(
            "has checkpoints {present:?}, not {:?}",
            config.training.checkpoint_steps
        )));
    }
    let rows = Metrics::read(&dir.join(layout::STEPS))?.steps();
    if rows != steps {
        return Err(fail(format!("has metrics of {rows} steps, not {steps}")));
    }
    let ledger = Ledger::read(&dir.join(layout::LEDGER))?;
    let last = ledger.events().iter().rev().find_map(|event| match event {
        Event::Segment { to, .. } => Some(*to),
        _ => None,
    });
    if last != Some(steps) {
        return Err(fail(format!(
            "has a ledger that ends at step {}, not {steps}",
            last.unwrap_or(0)
        )));
    }
    Ok(())
}
