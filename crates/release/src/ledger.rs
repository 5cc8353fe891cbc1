//! The ledger: what happened to the training, one canonical JSON object a line, each with the digest of the line before.
//!
//! Restarts are not in it: they change neither order nor bits.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::{atomic, files};

/// The largest ledger that is read: 256 MiB.
const MAX_LEDGER: u64 = 256 << 20;

/// One event of a training run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
pub enum Event {
    /// The first line: what run this is.
    Run {
        /// The format number, first thing to look at.
        format: u64,
        /// [`crate::config::RunConfig::digest`].
        config_digest: Digest,
        /// The numerics profile.
        profile: String,
        /// [`crate::sequence_digest`].
        sequence_digest: Digest,
        /// The run's name.
        name: String,
    },
    /// A stage of the data preparation ended.
    Stage {
        /// Its name.
        stage: String,
        /// The digest of what it made.
        digest: Digest,
    },
    /// The steps between two checkpoints were done.
    Segment {
        /// The step of the checkpoint before (state after this many updates).
        from: u64,
        /// The step of the checkpoint at its end. Segment 0 to 0 is the initialisation.
        to: u64,
        /// Target tokens consumed up to `to`.
        tokens: u64,
        /// Commitment of the checkpoint at `to`.
        commitment: Digest,
        /// State digest at `to`.
        state_digest: Digest,
        /// [`crate::metrics::Metrics::rows_digest`] of `from..to`.
        metrics_digest: Digest,
        /// [`crate::sequence::batches_digest`] of the steps' batch digests.
        batches_digest: Digest,
    },
    /// Something that a reader of the loss curve should know of.
    Incident {
        /// The step.
        step: u64,
        /// `spike`, `rollback`, `skip`, `reorder`, `rate-change`, `non-finite`, ….
        kind: String,
        /// In words.
        detail: String,
    },
}

/// A ledger in memory, and where it lies.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
    lines: Vec<Vec<u8>>,
    events: Vec<Event>,
}

impl Ledger {
    /// Reads a ledger, or starts one where no file is; the chain is verified.
    pub fn open(path: &Path) -> Result<Self> {
        match path.symlink_metadata() {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self {
                path: path.into(),
                lines: Vec::new(),
                events: Vec::new(),
            }),
            _ => Self::read(path),
        }
    }

    /// Reads a ledger that must be there, and verifies its chain; an error names the first line that breaks it.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path, MAX_LEDGER)?;
        let mut ledger = Self {
            path: path.into(),
            lines: Vec::new(),
            events: Vec::new(),
        };
        let Some(body) = bytes.strip_suffix(b"\n") else {
            let line = bytes.split(|&b| b == b'\n').count();
            return Err(ledger.fail(
                line,
                "does not end with a line feed: the file is cut off or empty".into(),
            ));
        };
        for line in body.split(|&b| b == b'\n') {
            let event = ledger.parse(line)?;
            ledger.lines.push(line.to_vec());
            ledger.events.push(event);
        }
        Ok(ledger)
    }

    fn fail(&self, line: usize, problem: String) -> Error {
        Error::Ledger {
            path: self.path.clone(),
            line,
            problem,
        }
    }

    /// Checks the line that would come next.
    fn parse(&self, line: &[u8]) -> Result<Event> {
        let number = self.lines.len() + 1;
        let what = format!("{} line {number}", self.path.display());
        let bad = |problem: String| self.fail(number, problem);
        let mut value = canonical::parse_value(line, &what)?;
        if number == 1 {
            canonical::expect_format(&value, crate::FORMAT, &what)?;
        }
        canonical::expect_canonical(&value, line, &what)?;
        let fields = value
            .as_object_mut()
            .ok_or_else(|| bad("is not an object".into()))?;
        let previous: Option<Digest> = match fields.remove("previous") {
            Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.parse().map_err(|e: Error| bad(e.to_string()))?),
            _ => return Err(bad("has no field `previous` with a digest or null".into())),
        };
        if previous != self.head() {
            let show = |d: Option<Digest>| d.map_or("null".into(), |d| d.to_string());
            return Err(bad(format!(
                "names {} as the line before it, whose digest is {}: that line was changed, or lines were moved, added or removed",
                show(previous),
                show(self.head())
            )));
        }
        let event = serde_json::from_value(value).map_err(|e| bad(e.to_string()))?;
        if matches!(event, Event::Run { .. }) != (number == 1) {
            return Err(bad("a ledger has one event `run`, on its first line".into()));
        }
        Ok(event)
    }

    /// Adds an event; the file is replaced atomically.
    pub fn append(&mut self, event: Event) -> Result<()> {
        let mut value = serde_json::to_value(&event).map_err(|e| Error::NotJson {
            problem: e.to_string(),
        })?;
        let fields = value.as_object_mut().expect("an event is a JSON object");
        fields.insert(
            "previous".into(),
            self.head()
                .map_or(Value::Null, |d| Value::String(d.to_string())),
        );
        let line = canonical::to_canonical(&value)?;
        let event = self.parse(&line)?;
        self.lines.push(line);
        self.events.push(event);
        let result = self.save();
        if result.is_err() {
            // The file still is what it was before.
            self.lines.pop();
            self.events.pop();
        }
        result
    }

    /// Keeps the first `count` events; the file is replaced atomically (used when resuming from an older checkpoint).
    pub fn truncate(&mut self, count: usize) -> Result<()> {
        if count >= self.lines.len() {
            return Ok(());
        }
        let mut shorter = self.clone();
        shorter.lines.truncate(count);
        shorter.events.truncate(count);
        shorter.save()?;
        *self = shorter;
        Ok(())
    }

    fn save(&self) -> Result<()> {
        if self.lines.is_empty() {
            return std::fs::remove_file(&self.path)
                .map_err(|e| Error::io("remove", &self.path, 0, e));
        }
        let mut bytes = self.lines.join(&b'\n');
        bytes.push(b'\n');
        atomic::write_file(&self.path, &bytes)
    }

    /// The events, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The digest of the last line (without its line feed); `None` for an empty ledger.
    #[must_use]
    pub fn head(&self) -> Option<Digest> {
        self.lines.last().map(|line| Digest::of(line))
    }
}
