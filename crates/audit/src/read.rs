//! From a directory to a [`Dossier`].

use std::path::Path;

use glasswork_release::checkpoint::CheckpointManifest;
use glasswork_release::config::RunConfig;
use glasswork_release::core_index::CoreIndex;
use glasswork_release::ledger::{Event, Ledger};
use glasswork_release::{Digest, check, layout};

use crate::dossier::{
    Check, Checkpoint, Dossier, Finding, Incident, Metrics, Publisher, Release, ReleaseFile,
    Segment, SourceCurve,
};
use crate::error::{Error, Result};

mod annexes;
mod run;
mod sources;

/// Least chance that `drawn` of `all` segments include a bad one: 1 − (1 − f)ⁿ.
///
/// f = `bad_share` is the share of all steps that lie in bad segments; segments are drawn at random, each with a
/// probability in proportion to its steps, none twice (which only makes the chance greater). With every segment
/// replayed nothing is left to chance.
#[must_use]
pub fn detection_chance(bad_share: f64, drawn: usize, all: usize) -> f64 {
    if drawn == 0 {
        return 0.0;
    }
    if drawn >= all {
        return 1.0;
    }
    (0..drawn)
        .fold(1.0, |missed, _| missed * (1.0 - bad_share))
        .mul_add(-1.0, 1.0)
}

impl Dossier {
    /// Reads a release, or a run in progress, and checks it. `pinned_root` is the root that the reader knows the
    /// publisher by. What cannot be read is missing in the dossier, or among its findings or refused annexes.
    ///
    /// # Errors
    /// Where nothing can be said: no release, a future format, a disk that fails.
    pub fn read(dir: &Path, pinned_root: Option<Digest>) -> Result<Self> {
        Self::read_with_progress(dir, pinned_root, &|_| {})
    }

    /// [`Dossier::read`], telling how far the check of the files is.
    ///
    /// # Errors
    /// As [`Dossier::read`].
    pub fn read_with_progress(
        dir: &Path,
        pinned_root: Option<Digest>,
        progress: &dyn Fn(check::Progress<'_>),
    ) -> Result<Self> {
        let sealed = dir.join(layout::CORE).symlink_metadata().is_ok();
        if !sealed && dir.join(layout::RUN).symlink_metadata().is_err() {
            return Err(Error::NothingThere {
                path: dir.to_owned(),
            });
        }
        let mut dossier = Self::default();
        if sealed {
            dossier.check_files(dir, pinned_root, progress)?;
        }
        let config = RunConfig::load(&dir.join(layout::RUN)).ok();
        dossier.read_run(dir, config.as_ref());
        dossier.read_checkpoints(dir)?;
        dossier.read_ledger(dir, config.as_ref());
        dossier.read_metrics(dir, config.as_ref());
        dossier.read_sources(dir);
        annexes::read(dir, &mut dossier);
        dossier.judge_segments();
        Ok(dossier)
    }

    fn check_files(
        &mut self,
        dir: &Path,
        pinned_root: Option<Digest>,
        progress: &dyn Fn(check::Progress<'_>),
    ) -> Result<()> {
        let report = check::check_with_progress(dir, pinned_root, progress)?;
        let root = report.root.to_string();
        let publisher = match pinned_root {
            None => Publisher::NotPinned,
            Some(pinned) if pinned == report.root => Publisher::Matches,
            Some(_) => Publisher::Differs,
        };
        // That the root is another one than expected is said of the publisher, not of the files.
        let pinned = pinned_root.map(|root| root.to_string());
        let about_pin = |finding: &glasswork_release::Finding| {
            finding.path == layout::CORE && pinned.as_ref() == Some(&finding.expected)
        };
        let findings = report
            .findings
            .into_iter()
            .filter(|finding| !about_pin(finding));
        self.check = Check {
            files: report.files,
            bytes: report.bytes,
            findings: findings
                .map(|finding| Finding {
                    path: finding.path,
                    step: finding.step,
                    tensor: finding.tensor,
                    what: finding.what,
                    expected: Some(finding.expected),
                    found: Some(finding.found),
                })
                .collect(),
        };
        if let Ok(index) = CoreIndex::load(dir) {
            let length = |path: &str| {
                dir.join(path)
                    .symlink_metadata()
                    .ok()
                    .map(|metadata| metadata.len())
            };
            self.files.push(ReleaseFile {
                path: layout::CORE.into(),
                bytes: length(layout::CORE),
                digest: root.clone(),
                core: true,
            });
            self.files
                .extend(index.entries.into_iter().map(|entry| ReleaseFile {
                    path: entry.path,
                    bytes: Some(entry.length),
                    digest: entry.digest.to_string(),
                    core: true,
                }));
        }
        self.release = Release {
            name: String::new(),
            sealed: true,
            root: Some(root),
            publisher,
        };
        Ok(())
    }

    fn read_checkpoints(&mut self, dir: &Path) -> Result<()> {
        for step in layout::checkpoint_steps(dir)? {
            let at = layout::checkpoint_dir(step);
            let Ok(manifest) = CheckpointManifest::read(&dir.join(&at).join(layout::MANIFEST))
            else {
                continue;
            };
            let bytes = [layout::MODEL, layout::OPTIMIZER]
                .iter()
                .try_fold(0_u64, |sum, file| {
                    let metadata = dir.join(&at).join(file).symlink_metadata().ok()?;
                    sum.checked_add(metadata.len())
                });
            let elements = manifest
                .tensors
                .iter()
                .filter(|tensor| tensor.file == layout::MODEL);
            let elements = elements
                .map(|tensor| {
                    tensor
                        .shape
                        .iter()
                        .fold(1_u64, |product, length| product.saturating_mul(*length))
                })
                .fold(0_u64, u64::saturating_add);
            self.run.parameters = Some(elements)
                .filter(|elements| *elements > 0)
                .or(self.run.parameters);
            self.checkpoints.push(Checkpoint {
                step,
                tokens: Some(manifest.tokens),
                state_digest: manifest.state_digest.to_string(),
                commitment: manifest.commitment.to_string(),
                parent: manifest.parent.map(|parent| parent.to_string()),
                tensors: manifest.tensors.len() as u64,
                bytes,
                has_optimizer: manifest
                    .tensors
                    .iter()
                    .any(|tensor| tensor.file == layout::OPTIMIZER),
            });
        }
        Ok(())
    }

    fn read_ledger(&mut self, dir: &Path, config: Option<&RunConfig>) {
        let Ok(ledger) = Ledger::read(&dir.join(layout::LEDGER)) else {
            return;
        };
        let mut segments: Vec<Segment> = Vec::new();
        let mut tokens_before = 0;
        for event in ledger.events() {
            match event {
                Event::Run { config_digest, .. } => {
                    self.configuration_agrees =
                        config.map(|config| config.digest() == *config_digest);
                }
                Event::Segment {
                    from,
                    to,
                    tokens,
                    commitment,
                    ..
                } => {
                    if from < to {
                        segments.push(Segment {
                            index: segments.len() as u64,
                            from: *from,
                            to: *to,
                            tokens: tokens.saturating_sub(tokens_before),
                            commitment: commitment.to_string(),
                            verdict: None,
                        });
                    }
                    tokens_before = *tokens;
                }
                Event::Incident { step, kind, detail } => {
                    self.incidents.push(Incident {
                        step: *step,
                        kind: kind.clone(),
                        detail: detail.clone(),
                    });
                }
                Event::Stage { .. } => {}
            }
        }
        self.segments = Some(segments);
    }

    fn read_metrics(&mut self, dir: &Path, config: Option<&RunConfig>) {
        use glasswork_release::metrics::Metrics as Steps;
        let Ok(steps) = Steps::read(&dir.join(layout::STEPS)) else {
            return;
        };
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let rows = &steps.rows;
        let curve = |(at, id): (usize, &String)| SourceCurve {
            id: id.clone(),
            loss: rows
                .iter()
                .map(|row| row.sources.get(at).and_then(|source| finite(source.loss)))
                .collect(),
        };
        self.metrics = Some(Metrics {
            batch_tokens: config.map(RunConfig::tokens_per_step),
            step: rows.iter().map(|row| row.step).collect(),
            tokens: rows.iter().map(|row| row.tokens).collect(),
            loss: rows.iter().map(|row| finite(row.loss)).collect(),
            grad_norm: rows.iter().map(|row| finite(row.grad_norm)).collect(),
            learning_rate: rows
                .iter()
                .map(|row| finite(shortest(row.learning_rate)))
                .collect(),
            sources: steps.sources.iter().enumerate().map(curve).collect(),
        });
    }

    /// Joins replays and segments: of several replays of a segment the worst verdict counts.
    fn judge_segments(&mut self) {
        for segment in self.segments.iter_mut().flatten() {
            let covering = self
                .replays
                .iter()
                .filter(|replay| replay.from <= segment.from && segment.to <= replay.to);
            segment.verdict = covering.map(|replay| replay.verdict).max();
        }
    }
}

/// A float as the shortest decimal that is the same f32, so that 3e-3 is not shown as 0.003000000026077032.
fn shortest(value: f32) -> f64 {
    value
        .to_string()
        .parse()
        .unwrap_or_else(|_| f64::from(value))
}

#[cfg(test)]
mod tests {
    use glasswork_release::annex::ReplayVerdict;

    use super::*;

    #[test]
    fn the_chance_to_find_a_bad_segment() {
        let near = |found: f64, wanted: f64| (found - wanted).abs() < 1e-12;
        assert!(near(detection_chance(0.25, 2, 11), 0.4375));
        assert!(near(detection_chance(0.25, 0, 11), 0.0));
        assert!(near(detection_chance(0.25, 11, 11), 1.0));
        assert!(near(detection_chance(0.25, 0, 0), 0.0));
    }

    #[test]
    fn verdicts_are_ordered_from_best_to_worst() {
        assert!(ReplayVerdict::BitwiseEqual < ReplayVerdict::WithinBound);
        assert!(ReplayVerdict::WithinBound < ReplayVerdict::Diverged);
    }

    #[test]
    fn rates_are_shown_as_they_were_written() {
        assert_eq!(shortest(3e-3).to_string(), "0.003");
    }
}
