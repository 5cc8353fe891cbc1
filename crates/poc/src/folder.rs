//! A checkpoint as a folder that the model's crate opens.

use crate::{Error, Result};
use glasswork_published::{Checkpoint, Store};
use std::path::PathBuf;

/// Names of what a model folder needs besides its weights.
fn is_needed(name: &str) -> bool {
    name == "config.json"
        || name == "generation_config.json"
        || name == "special_tokens_map.json"
        || name.starts_with("tokenizer")
        || name.ends_with(".index.json")
}

/// The folder on this disk, with everything fetched that scoring reads.
///
/// # Errors
/// What fetching fails with; a checkpoint without `config.json`.
pub fn on_disk(store: &dyn Store, checkpoint: &Checkpoint) -> Result<PathBuf> {
    let inside = |path: &str| -> Option<String> {
        let prefix = &checkpoint.folder;
        let rest = match prefix.is_empty() {
            true => path,
            false => path.strip_prefix(prefix.as_str())?.strip_prefix('/')?,
        };
        (!rest.contains('/')).then(|| rest.to_owned())
    };
    // The same weights may be there in several formats; one is read (`glasswork_model::Checkpoint`).
    let safe = |path: &str| path.ends_with(".safetensors");
    let any_safe = checkpoint.weights.iter().any(|file| safe(&file.path));
    let mut folder = None;
    for file in store.files() {
        let Some(name) = inside(&file.path) else {
            continue;
        };
        let weights = checkpoint.weights.iter().any(|own| own.path == file.path);
        if weights && any_safe && !safe(&file.path) {
            continue;
        }
        if !weights && !is_needed(&name) {
            continue;
        }
        let path = store.local(&file.path)?;
        if name == "config.json" {
            folder = path.parent().map(PathBuf::from);
        }
    }
    folder.ok_or_else(|| Error::NoConfig {
        checkpoint: checkpoint.name.clone(),
    })
}
