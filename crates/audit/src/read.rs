//! From a directory to a [`Dossier`].

use std::collections::BTreeMap;
use std::path::Path;

use glasswork_release::checkpoint::CheckpointManifest;
use glasswork_release::config::RunConfig;
use glasswork_release::core_index::CoreIndex;
use glasswork_release::ledger::{Event, Ledger};
use glasswork_release::sources::SourcesFile;
use glasswork_release::{Digest, canonical, check, files, layout};

use crate::consumption;
use crate::dossier::{
    Check, Checkpoint, Dossier, FactGroup, Finding, Incident, Metrics, Package, Publisher,
    RefusedAnnex, Rejection, Release, ReleaseFile, Run, Segment, Source, SourceCurve, sum_by,
};
use crate::error::{Error, Result};

mod annexes;

/// The largest text file (run.toml, execution.toml) that is shown.
const MAX_TEXT: u64 = 1 << 20;

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

    fn read_run(&mut self, dir: &Path, config: Option<&RunConfig>) {
        let text = |path: &str| {
            let bytes = files::read(&dir.join(path), MAX_TEXT).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let name = config.map_or_else(|| "?".to_owned(), |config| config.name.clone());
        self.release.name.clone_from(&name);
        self.run = Run {
            name,
            parameters: None,
            facts: config.map(facts).unwrap_or_default(),
            toml: text(layout::RUN).unwrap_or_default(),
            digest: config.map(|config| config.digest().to_string()),
            code: files::read(&dir.join(layout::CODE), MAX_TEXT)
                .and_then(|bytes| canonical::parse_value(&bytes, layout::CODE))
                .map(|value| flattened(&value))
                .unwrap_or_default(),
            execution: text(layout::EXECUTION),
        };
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

    fn read_sources(&mut self, dir: &Path) {
        let Ok(file) = SourcesFile::load(dir) else {
            return;
        };
        let compared = match consumption::compare(dir, &file.allowed) {
            Ok(compared) => Some(compared),
            Err(error) => {
                let reason =
                    format!("documents could not be compared with the training sequence: {error}");
                self.refused.push(RefusedAnnex {
                    path: layout::DOCUMENTS.into(),
                    reason,
                });
                None
            }
        };
        let consumed = |id: &str| {
            compared
                .as_ref()
                .map(|all| all.by_source.get(id).copied().unwrap_or(0))
        };
        let all_consumed = compared
            .as_ref()
            .map(|all| all.consumption.tokens)
            .filter(|tokens| *tokens > 0);
        let mut packages: BTreeMap<(String, String, String), Package> = BTreeMap::new();
        for record in &file.sources {
            let consumed_tokens = consumed(&record.id);
            let rejected = sum_by(
                &record.rejected,
                |count| count.stage == "dedup",
                |count| count.documents,
            );
            self.sources.push(Source {
                id: record.id.clone(),
                kind: record.kind.clone(),
                reference: record.reference.clone(),
                pinned_by: Some(format!(
                    "{} (blake3 {})",
                    record.pinned_by.path, record.pinned_by.digest
                )),
                licence: record.licence.clone(),
                licence_evidence: record.licence_evidence.clone(),
                attribution: record.attribution.clone(),
                text_included: Some(record.redistributable),
                share: consumed_tokens
                    .zip(all_consumed)
                    .map(|(own, all)| own as f64 / all as f64),
                weight: Some(record.weight),
                documents: Some(record.train.documents),
                bytes: Some(record.train.bytes),
                tokens: Some(record.train.tokens),
                held_out_documents: Some(record.held_out.documents),
                rejected_documents: Some(rejected.get(&false).copied().unwrap_or(0)),
                duplicate_documents: Some(rejected.get(&true).copied().unwrap_or(0)),
                consumed_tokens,
                // Nothing read of nothing is 0 times.
                epochs: consumed_tokens.map(|own| own as f64 / record.train.tokens.max(1) as f64),
            });
            for package in &record.packages {
                let key = (
                    package.name.clone(),
                    package.version.clone(),
                    package.sha256.clone(),
                );
                let entry = packages.entry(key).or_insert_with(|| Package {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    licence: package.licence.clone(),
                    licence_evidence: package.licence_evidence.clone(),
                    refused: package.refused.clone(),
                    sha256: package.sha256.clone(),
                    sources: Vec::new(),
                });
                entry.sources.push(record.id.clone());
            }
            // The licence gate's rows come from the table, which also knows the licences.
            let others = record
                .rejected
                .iter()
                .filter(|count| compared.is_none() || count.stage != "licence");
            self.rejections.extend(others.map(|count| Rejection {
                stage: count.stage.clone(),
                source: record.id.clone(),
                rule: count.rule.clone(),
                licence: None,
                documents: count.documents,
                bytes: count.bytes,
            }));
        }
        self.packages = packages.into_values().collect();
        if let Some(compared) = compared {
            self.licences = compared.licences;
            self.rejections.splice(0..0, compared.refused_licences);
            self.consumption = Some(compared.consumption);
        }
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

/// The main values of a configuration, named as in run.toml.
fn facts(config: &RunConfig) -> Vec<FactGroup> {
    let group = |group: &str, values: &[(&str, String)]| FactGroup {
        group: group.into(),
        values: values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
    };
    let (model, training, optimizer) = (&config.model, &config.training, &config.optimizer);
    vec![
        group(
            "model",
            &[
                ("architecture", model.architecture.clone()),
                ("vocabulary", model.vocabulary.to_string()),
                ("hidden", model.hidden.to_string()),
                ("layers", model.layers.to_string()),
                ("heads", model.heads.to_string()),
                ("kv_heads", model.kv_heads.to_string()),
                ("mlp", model.mlp.to_string()),
                ("sequence", model.sequence.to_string()),
            ],
        ),
        group(
            "training",
            &[
                ("steps", training.steps.to_string()),
                ("batch", training.batch.to_string()),
                ("reduction_groups", training.reduction_groups.to_string()),
                ("profile", config.profile.clone()),
                ("seed", config.seed.to_string()),
            ],
        ),
        group(
            "optimizer",
            &[
                ("kind", optimizer.kind.clone()),
                ("learning_rate", optimizer.learning_rate.to_string()),
                (
                    "final_learning_rate",
                    optimizer.final_learning_rate.to_string(),
                ),
                ("warm_up_steps", optimizer.warm_up_steps.to_string()),
                ("beta1", optimizer.beta1.to_string()),
                ("beta2", optimizer.beta2.to_string()),
                ("epsilon", format!("{:e}", optimizer.epsilon)),
                ("weight_decay", optimizer.weight_decay.to_string()),
                ("clip", optimizer.clip.to_string()),
            ],
        ),
        group(
            "data",
            &[
                ("tokenizer", config.tokenizer.kind.clone()),
                ("held_out", config.split.held_out.to_string()),
                ("eval_bytes", config.split.eval_bytes.to_string()),
                ("allow", config.gate.allow.join(", ")),
            ],
        ),
    ]
}

/// A JSON object as lines of key and value, nested keys joined by dots.
fn flattened(value: &serde_json::Value) -> Vec<(String, String)> {
    fn descend(prefix: &str, value: &serde_json::Value, out: &mut Vec<(String, String)>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (key, value) in fields {
                    let name = if prefix.is_empty() {
                        key.clone()
                    } else {
                        format!("{prefix}.{key}")
                    };
                    descend(&name, value, out);
                }
            }
            serde_json::Value::String(text) => out.push((prefix.to_owned(), text.clone())),
            other => out.push((prefix.to_owned(), other.to_string())),
        }
    }
    let mut out = Vec::new();
    descend("", value, &mut out);
    out
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
