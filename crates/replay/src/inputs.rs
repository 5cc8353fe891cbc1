//! Whether the files that a replay reads are those that the release's root covers, and whether they
//! belong together. Without this, a verdict about one root could rest on the files of another.

use crate::{ReplayError, Segment};
use glasswork_data::SequenceStore;
use glasswork_model::{Layout, ModelConfig, config_json};
use glasswork_release::annex::Divergence;
use glasswork_release::checkpoint::CheckpointManifest;
use glasswork_release::config::RunConfig;
use glasswork_release::core_index::CoreIndex;
use glasswork_release::ledger::{Event, Ledger};
use glasswork_release::{Digest, Dtype, files, layout};
use std::path::Path;

/// A checkpoint's `config.json` is a page of text.
const MAX_CONFIG: u64 = 1 << 20;

/// A difference that is in no tensor.
pub(crate) fn divergence(
    step: u64,
    tensor: Option<&str>,
    file: Option<&str>,
    what: &str,
) -> Divergence {
    Divergence {
        step,
        tensor: tensor.map(str::to_owned),
        file: file.map(str::to_owned),
        what: what.to_owned(),
    }
}

/// Files read for `segment` whose bytes are not those that `core.json` names, and records that
/// contradict each other.
///
/// # Errors
/// When there is no `core.json`, or a file cannot be read.
pub(crate) fn differences(
    release: &Path,
    segment: Segment,
    run: &RunConfig,
    store: &SequenceStore,
) -> Result<Vec<Divergence>, ReplayError> {
    let mut found = uncovered(release, segment)?;
    let ledger = Ledger::read(&release.join(layout::LEDGER))?;
    let mut differ =
        |file: &str, what: String| found.push(divergence(segment.from, None, Some(file), &what));
    match ledger.events().first() {
        Some(Event::Run {
            config_digest,
            sequence_digest,
            ..
        }) => {
            if *config_digest != run.digest() {
                differ(
                    layout::RUN,
                    format!(
                        "has the digest {}, the ledger records {config_digest}",
                        run.digest()
                    ),
                );
            }
            if *sequence_digest != store.digest() {
                differ(
                    layout::SEQUENCE,
                    format!(
                        "has the digest {}, the ledger records {sequence_digest}",
                        store.digest()
                    ),
                );
            }
        }
        _ => differ(layout::LEDGER, "does not begin with the run".to_owned()),
    }
    Ok(found)
}

/// Files of the segment that `core.json` lacks or lists with other bytes.
fn uncovered(release: &Path, segment: Segment) -> Result<Vec<Divergence>, ReplayError> {
    let index = CoreIndex::load(release)?;
    let mut names: Vec<String> = [layout::RUN, layout::LEDGER, layout::STEPS, layout::MIXTURE]
        .map(str::to_owned)
        .into();
    names.extend((0..layout::chunk_files(release).len()).map(layout::chunk));
    for step in [segment.from, segment.to] {
        let directory = layout::checkpoint_dir(step);
        for file in [
            layout::MANIFEST,
            layout::MODEL_CONFIG,
            layout::MODEL,
            layout::OPTIMIZER,
        ] {
            names.push(format!("{directory}/{file}"));
        }
    }
    let mut found = Vec::new();
    for name in names {
        let listed = index.entries.iter().find(|entry| entry.path == name);
        let what = match listed {
            None => "core.json does not list it".to_owned(),
            Some(entry) => {
                let digest = Digest::of_file(&release.join(&name))?;
                if digest == entry.stored_digest {
                    continue;
                }
                format!(
                    "has the digest {digest}, core.json lists {}",
                    entry.stored_digest
                )
            }
        };
        found.push(divergence(segment.from, None, Some(&name), &what));
    }
    Ok(found)
}

/// Whether a checkpoint's tensors are those of the configuration, asked before memory is taken for
/// what an untrusted configuration claims; and whether its `config.json` says the same.
///
/// # Errors
/// When the files cannot be read.
pub(crate) fn misfits(
    release: &Path,
    step: u64,
    model: &ModelConfig,
) -> Result<Vec<Divergence>, ReplayError> {
    let directory = layout::checkpoint_dir(step);
    let path = release.join(&directory);
    let manifest = CheckpointManifest::read(&path.join(layout::MANIFEST))?;
    let places = Layout::new(model);
    let mut found = Vec::new();
    let manifest_file = format!("{directory}/{}", layout::MANIFEST);
    let mut differ = |file: &str, what: &str| found.push(divergence(step, None, Some(file), what));
    for prefix in glasswork_train::TENSOR_PREFIXES {
        let part = manifest.tensors.iter().filter(|tensor| {
            let optimizer = tensor.name.starts_with("optimizer.");
            tensor.name.starts_with(prefix) && optimizer != prefix.is_empty()
        });
        if let Some(tensor) = part.clone().find(|tensor| tensor.dtype != Dtype::F32) {
            differ(
                &manifest_file,
                &format!("tensor `{}` is not of 32-bit floats", tensor.name),
            );
        }
        let shapes = part.map(|tensor| (&tensor.name[prefix.len()..], tensor.shape.as_slice()));
        if let Err(error) = places.expect(shapes) {
            differ(&manifest_file, &format!("{error} (`{prefix}…`)"));
        }
    }
    let config = files::read(&path.join(layout::MODEL_CONFIG), MAX_CONFIG)?;
    let expected =
        glasswork_train::checkpoint_config(&config_json(model, glasswork_data::END_OF_TEXT_ID));
    if config != expected {
        differ(
            &format!("{directory}/{}", layout::MODEL_CONFIG),
            "is not what run.toml gives",
        );
    }
    Ok(found)
}
