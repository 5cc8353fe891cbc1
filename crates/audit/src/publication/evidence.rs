//! Files that findings and claims stand on, with the digest that the listing states.

use glasswork_published::{Checkpoint, Inventory, StoredFile};

use crate::claims::Evidence;

/// A file shown in `section`; its digest is SHA-256 where the listing has one, and says so.
pub(crate) fn file(path: &str, sha256: Option<&str>, section: &str) -> Evidence {
    Evidence {
        path: path.into(),
        digest: sha256.map(|digest| format!("sha256:{digest}")),
        section: section.into(),
        detail: None,
    }
}

/// A file of a listing.
pub(crate) fn stored(of: &StoredFile, section: &str) -> Evidence {
    file(&of.path, of.sha256.as_deref(), section)
}

/// A checkpoint by its first file of weights, or by its folder; the detail says which checkpoint.
pub(crate) fn weights(of: &Checkpoint) -> Evidence {
    let mut evidence = match of.weights.first() {
        Some(first) => stored(first, "checkpoints"),
        None => file(&of.folder, None, "checkpoints"),
    };
    evidence.detail = Some(match &of.revision {
        Some(revision) => format!("{} @ {revision}", of.name),
        None => of.name.clone(),
    });
    evidence
}

/// Every path that the inventory knows, ascending.
pub(crate) fn paths(inventory: &Inventory) -> std::collections::BTreeSet<&str> {
    let mut paths = std::collections::BTreeSet::new();
    paths.extend(inventory.cards.iter().map(|card| card.path.as_str()));
    for checkpoint in &inventory.checkpoints {
        let files = [
            &checkpoint.weights,
            &checkpoint.optimizer,
            &checkpoint.tokenizer,
            &checkpoint.other,
        ];
        paths.extend(files.into_iter().flatten().map(|file| file.path.as_str()));
    }
    paths.extend(inventory.data.iter().map(|file| file.path.as_str()));
    paths.extend(inventory.evaluations.iter().map(|one| one.path.as_str()));
    paths.extend(inventory.metrics.iter().map(|one| one.path.as_str()));
    paths.extend(inventory.code.iter().map(|file| file.path.as_str()));
    paths.extend(inventory.licences.iter().map(|file| file.path.as_str()));
    paths.extend(inventory.other.iter().map(|file| file.path.as_str()));
    paths.extend(inventory.other.iter().map(|file| file.path.as_str()));
    paths
}
