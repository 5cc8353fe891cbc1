//! Checkpoints: a manifest, the weights, the optimizer state; the commitment that chains them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic::{self, StagedDir};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::safetensors::{self, Dtype, SafeTensors, TensorInfo, TensorView, valid_tensor_name};
use crate::state::{TensorEntry, state_digest};
use crate::{canonical, files, layout};

/// Everything that a checkpoint's place in the history depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Commitment of the checkpoint before; `None` for the initialisation.
    pub parent: Option<Digest>,
    /// [`crate::config::RunConfig::digest`].
    pub config_digest: Digest,
    /// The numerics profile.
    pub profile: String,
    /// [`crate::sequence_digest`].
    pub sequence_digest: Digest,
    /// Batch digests of the steps since the parent, in order.
    pub batch_digests: Vec<Digest>,
    /// [`crate::metrics::Metrics::rows_digest`] of the steps since the parent.
    pub metrics_digest: Digest,
    /// [`crate::state::state_digest`] of this checkpoint.
    pub state_digest: Digest,
}

impl Commitment {
    /// The commitment: `of_parts("glasswork/commitment/1", parts)` with seven parts:
    ///
    /// 1. the parent's commitment (32 bytes; 0 bytes when there is none),
    /// 2. the configuration digest (32),
    /// 3. the profile's name (UTF-8),
    /// 4. the sequence digest (32),
    /// 5. the batch digests one after the other (32 each),
    /// 6. the metrics rows digest (32),
    /// 7. the state digest (32).
    #[must_use]
    pub fn commitment(&self) -> Digest {
        let parent = self.parent.as_ref().map_or(&[][..], |d| &d.0);
        let batches: Vec<u8> = self.batch_digests.iter().flat_map(|d| d.0).collect();
        Digest::of_parts(
            "glasswork/commitment/1",
            &[
                parent,
                &self.config_digest.0,
                self.profile.as_bytes(),
                &self.sequence_digest.0,
                &batches,
                &self.metrics_digest.0,
                &self.state_digest.0,
            ],
        )
    }
}

/// A tensor and the file of the checkpoint that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredTensor {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<u64>,
    /// [`Digest::of`] its raw bytes.
    pub digest: Digest,
    /// `model.safetensors` or `optimizer.safetensors`.
    pub file: String,
}

/// `manifest.json` of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointManifest {
    /// The format number.
    pub format: u64,
    /// Updates done: 0 is the initialisation.
    pub step: u64,
    /// Target tokens consumed.
    pub tokens: u64,
    /// Commitment of the checkpoint before.
    pub parent: Option<Digest>,
    /// This checkpoint's commitment.
    pub commitment: Digest,
    /// [`state_digest`] over `tensors` and `step`.
    pub state_digest: Digest,
    /// All tensors of model and optimizer, by name bytes.
    pub tensors: Vec<StoredTensor>,
}

impl CheckpointManifest {
    /// Reads and checks a manifest: format number first, canonical form, names, order, state digest.
    pub fn read(path: &Path) -> Result<Self> {
        let manifest = Self::read_unchecked(path)?;
        let found = manifest.computed_state_digest();
        if found != manifest.state_digest {
            let problem = format!(
                "states the state digest {}, but its tensors give {found}",
                manifest.state_digest
            );
            return Err(Error::Checkpoint {
                path: path.into(),
                problem,
            });
        }
        Ok(manifest)
    }

    /// The same without the state digest, for readers that list every disagreement.
    pub(crate) fn read_unchecked(path: &Path) -> Result<Self> {
        let bytes = files::read(path, canonical::MAX_DOCUMENT as u64)?;
        Self::parse(&bytes, path)
    }

    /// The same from bytes; `path` is for messages.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let manifest: Self = canonical::parse_document(bytes, &path.display().to_string())?;
        let fail = |problem: String| Error::Checkpoint {
            path: path.into(),
            problem,
        };
        let mut previous: Option<&str> = None;
        for tensor in &manifest.tensors {
            valid_tensor_name(&tensor.name)?;
            if previous.is_some_and(|p| p.as_bytes() >= tensor.name.as_bytes()) {
                return Err(fail(format!(
                    "tensor {} occurs twice or is out of order",
                    tensor.name
                )));
            }
            previous = Some(&tensor.name);
            if tensor.file != layout::MODEL && tensor.file != layout::OPTIMIZER {
                return Err(fail(format!(
                    "tensor {} is said to be in {:?}",
                    tensor.name, tensor.file
                )));
            }
        }
        Ok(manifest)
    }

    /// The tensors as the state digest sees them.
    #[must_use]
    pub fn entries(&self) -> Vec<TensorEntry> {
        let entry = |t: &StoredTensor| TensorEntry {
            name: t.name.clone(),
            dtype: t.dtype,
            shape: t.shape.clone(),
            digest: t.digest,
        };
        self.tensors.iter().map(entry).collect()
    }

    /// The state digest that the manifest's own tensors give.
    #[must_use]
    pub fn computed_state_digest(&self) -> Digest {
        state_digest(self.step, &self.entries())
    }
}

/// What [`write_checkpoint`] needs besides the tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointInputs {
    /// Updates done.
    pub step: u64,
    /// Target tokens consumed.
    pub tokens: u64,
    /// What the commitment is made of; its state digest must be that of the tensors.
    pub commitment: Commitment,
}

/// Writes `checkpoints/step-…` under `run_dir`, staged and atomic, and returns its manifest.
///
/// `config_json` becomes `config.json` as it is. Fails before anything is written when the disk has no room, or when
/// the tensors do not give the state digest that the commitment names.
pub fn write_checkpoint(
    run_dir: &Path,
    inputs: &CheckpointInputs,
    model: &[TensorView<'_>],
    optimizer: &[TensorView<'_>],
    config_json: &[u8],
) -> Result<CheckpointManifest> {
    let target = run_dir.join(layout::checkpoint_dir(inputs.step));
    let fail = |problem: String| Error::Checkpoint {
        path: target.clone(),
        problem,
    };
    let stored = |file: &'static str| {
        move |&(name, dtype, shape, bytes): &TensorView<'_>| {
            let TensorEntry {
                name,
                dtype,
                shape,
                digest,
            } = TensorEntry::of(name, dtype, shape, bytes);
            StoredTensor {
                name,
                dtype,
                shape,
                digest,
                file: file.into(),
            }
        }
    };
    let mut tensors: Vec<StoredTensor> = model.iter().map(stored(layout::MODEL)).collect();
    tensors.extend(optimizer.iter().map(stored(layout::OPTIMIZER)));
    tensors.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    if let Some(pair) = tensors.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(fail(format!("tensor {} occurs twice", pair[0].name)));
    }
    let manifest = CheckpointManifest {
        format: crate::FORMAT,
        step: inputs.step,
        tokens: inputs.tokens,
        parent: inputs.commitment.parent,
        commitment: inputs.commitment.commitment(),
        state_digest: inputs.commitment.state_digest,
        tensors,
    };
    let found = manifest.computed_state_digest();
    if found != manifest.state_digest {
        return Err(fail(format!(
            "the tensors give the state digest {found}, not {}",
            manifest.state_digest
        )));
    }
    let json = canonical::to_canonical(&manifest)?;
    let tensor_bytes: u64 = model
        .iter()
        .chain(optimizer)
        .map(|t| t.3.len() as u64)
        .sum();
    let staged = StagedDir::begin(&target)?;
    // Headers and block rounding: a sixteenth of a mebibyte is more than both.
    atomic::expect_free(
        staged.path(),
        tensor_bytes + 2 * json.len() as u64 + (1 << 16),
    )?;
    safetensors::write(
        &staged.path().join(layout::MODEL),
        model,
        &BTreeMap::from([("format".into(), "pt".into())]),
    )?;
    safetensors::write(
        &staged.path().join(layout::OPTIMIZER),
        optimizer,
        &BTreeMap::new(),
    )?;
    atomic::write_file(&staged.path().join(layout::MODEL_CONFIG), config_json)?;
    atomic::write_file(&staged.path().join(layout::MANIFEST), &json)?;
    staged.commit()?;
    Ok(manifest)
}

/// A checkpoint, read whole; every tensor's digest has been confirmed.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Its manifest.
    pub manifest: CheckpointManifest,
    /// The weights.
    pub model: SafeTensors,
    /// The optimizer state.
    pub optimizer: SafeTensors,
}

/// Reads a checkpoint's directory and believes only what its manifest names and a digest confirms.
///
/// The first disagreement is the error; [`verify_checkpoint`] lists them all.
pub fn read_checkpoint(dir: &Path) -> Result<Checkpoint> {
    let path = dir.join(layout::MANIFEST);
    let manifest = CheckpointManifest::read(&path)?;
    if dir
        .file_name()
        .and_then(|n| n.to_str())
        .and_then(layout::parse_step_name)
        .is_some_and(|s| s != manifest.step)
    {
        let problem = format!("says it is of step {}", manifest.step);
        return Err(Error::Checkpoint { path, problem });
    }
    let model = SafeTensors::open(&dir.join(layout::MODEL))?;
    let optimizer = SafeTensors::open(&dir.join(layout::OPTIMIZER))?;
    for (file, tensors) in [(layout::MODEL, &model), (layout::OPTIMIZER, &optimizer)] {
        if let Some(mismatch) = compare(&manifest, file, &tensors.digests())
            .into_iter()
            .next()
        {
            let path = dir.join(file);
            return Err(match mismatch {
                Mismatch::Digest {
                    tensor,
                    expected,
                    found,
                } => Error::TensorMismatch {
                    path,
                    tensor,
                    expected,
                    found,
                },
                Mismatch::Other {
                    tensor,
                    expected,
                    found,
                } => Error::Tensor {
                    path,
                    tensor,
                    problem: format!("the manifest says {expected}, the file {found}"),
                },
            });
        }
    }
    Ok(Checkpoint {
        manifest,
        model,
        optimizer,
    })
}

/// One tensor that is not what the manifest says.
enum Mismatch {
    Digest {
        tensor: String,
        expected: Digest,
        found: Digest,
    },
    Other {
        tensor: String,
        expected: String,
        found: String,
    },
}

/// Every tensor of `file` that differs between manifest and file, by name.
fn compare(
    manifest: &CheckpointManifest,
    file: &str,
    found: &BTreeMap<String, (TensorInfo, Digest)>,
) -> Vec<Mismatch> {
    let named: BTreeMap<&str, &StoredTensor> = manifest
        .tensors
        .iter()
        .filter(|t| t.file == file)
        .map(|t| (t.name.as_str(), t))
        .collect();
    let all: BTreeSet<&str> = named
        .keys()
        .copied()
        .chain(found.keys().map(String::as_str))
        .collect();
    let describe = |dtype: Dtype, shape: &[u64]| format!("{} of shape {shape:?}", dtype.name());
    let mut mismatches = Vec::new();
    for name in all {
        let mut other = |expected, found| {
            mismatches.push(Mismatch::Other {
                tensor: name.into(),
                expected,
                found,
            });
        };
        match (named.get(name), found.get(name)) {
            (Some(t), Some((info, digest))) => {
                if (info.dtype, &info.shape) != (t.dtype, &t.shape) {
                    other(
                        describe(t.dtype, &t.shape),
                        describe(info.dtype, &info.shape),
                    );
                } else if *digest != t.digest {
                    mismatches.push(Mismatch::Digest {
                        tensor: name.into(),
                        expected: t.digest,
                        found: *digest,
                    });
                }
            }
            (Some(t), None) => other(describe(t.dtype, &t.shape), "no such tensor".into()),
            (None, _) => other("no such tensor".into(), "a tensor".into()),
        }
    }
    mismatches
}

/// Everything in a checkpoint's directory that does not agree with its manifest, file by file, tensor by tensor.
///
/// Paths in the findings are `checkpoints/<name of dir>/…`. A manifest or file that cannot be read is a finding too.
#[must_use]
pub fn verify_checkpoint(dir: &Path) -> Vec<Finding> {
    let name = dir
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let relative = |file: &str| format!("{}/{name}/{file}", layout::CHECKPOINTS);
    let step = layout::parse_step_name(&name);
    let at = |finding: Finding| Finding { step, ..finding };
    let manifest = match CheckpointManifest::read_unchecked(&dir.join(layout::MANIFEST)) {
        Ok(manifest) => manifest,
        Err(error) => {
            return vec![at(Finding::new(
                relative(layout::MANIFEST),
                "manifest",
                "a readable manifest",
                error,
            ))];
        }
    };
    let mut findings = Vec::new();
    if let Some(step) = step.filter(|&s| s != manifest.step) {
        findings.push(at(Finding::new(
            relative(layout::MANIFEST),
            "step",
            step,
            manifest.step,
        )));
    }
    let computed = manifest.computed_state_digest();
    if computed != manifest.state_digest {
        let what = "state digest of the tensors named";
        findings.push(at(Finding::new(
            relative(layout::MANIFEST),
            what,
            manifest.state_digest,
            computed,
        )));
    }
    for file in [layout::MODEL, layout::OPTIMIZER] {
        match safetensors::digests(&dir.join(file)) {
            Ok(tensors) => findings.extend(compare(&manifest, file, &tensors).into_iter().map(
                |mismatch| {
                    at(match mismatch {
                        Mismatch::Digest {
                            tensor,
                            expected,
                            found,
                        } => Finding::new(relative(file), "digest of the tensor", expected, found)
                            .at_tensor(tensor),
                        Mismatch::Other {
                            tensor,
                            expected,
                            found,
                        } => Finding::new(relative(file), "type and shape", expected, found)
                            .at_tensor(tensor),
                    })
                },
            )),
            Err(error) => findings.push(at(Finding::new(
                relative(file),
                "file",
                "a readable tensor file",
                error,
            ))),
        }
    }
    findings
}
