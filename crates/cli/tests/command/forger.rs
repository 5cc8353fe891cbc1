//! What somebody does who damages a release, by accident or on purpose, and covers it up.

use std::path::Path;

use glasswork_release::checkpoint::{CheckpointManifest, Commitment};
use glasswork_release::config::RunConfig;
use glasswork_release::ledger::{Event, Ledger};
use glasswork_release::metrics::Metrics;
use glasswork_release::safetensors::SafeTensors;
use glasswork_release::sequence::{batches_digest, sequence_digest_of};
use glasswork_release::{Digest, atomic, canonical, layout, seal};

/// Flips the lowest bit of the byte at `at`.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("reads");
    bytes[at] ^= 1;
    std::fs::write(path, bytes).expect("writes");
}

/// Flips a low bit in the fourth element of a tensor.
pub(crate) fn flip_tensor(path: &Path, tensor: &str) {
    let tensors = SafeTensors::open(path).expect("opens");
    let data: u64 = tensors
        .names()
        .map(|name| tensors.bytes(name).expect("there").len() as u64)
        .sum();
    let header = std::fs::metadata(path).expect("there").len() - data;
    let start = tensors.info(tensor).expect("there").range.0;
    flip(path, usize::try_from(header + start).expect("small") + 12);
}

/// Changes the metrics, and nothing else.
pub(crate) fn edit_metrics(release: &Path, edit: impl FnOnce(&mut Metrics)) {
    let path = release.join(layout::STEPS);
    let mut metrics = Metrics::read(&path).expect("reads");
    edit(&mut metrics);
    metrics.write(&path).expect("writes");
}

fn manifest(path: &Path) -> CheckpointManifest {
    serde_json::from_slice(&std::fs::read(path).expect("reads")).expect("a manifest")
}

/// Makes core.json and release.json agree with what lies there.
pub(crate) fn correct_index(release: &Path) {
    seal::seal(release, "tiny").expect("seals");
}

/// Makes one checkpoint's manifest agree with its step and its tensors, and with nothing else.
pub(crate) fn correct_manifest(release: &Path, step: u64) -> CheckpointManifest {
    let directory = release.join(layout::checkpoint_dir(step));
    let path = directory.join(layout::MANIFEST);
    let mut manifest = manifest(&path);
    manifest.step = step;
    for tensor in &mut manifest.tensors {
        let file = SafeTensors::open(&directory.join(&tensor.file)).expect("opens");
        tensor.digest = Digest::of(file.bytes(&tensor.name).expect("there"));
    }
    manifest.state_digest = manifest.computed_state_digest();
    atomic::write_file(
        &path,
        &canonical::to_canonical(&manifest).expect("plain data"),
    )
    .expect("writes");
    manifest
}

/// The careful forger: every digest, from the tensors to the root, made to agree with what lies
/// there. Only the root that was announced, and the training itself, are out of reach.
pub(crate) fn correct_everything(release: &Path) {
    let config = RunConfig::load(&release.join(layout::RUN)).expect("reads");
    let steps = layout::checkpoint_steps(release).expect("lists");
    let manifests: Vec<_> = steps
        .iter()
        .map(|&step| correct_manifest(release, step))
        .collect();
    edit_metrics(release, |metrics| {
        for manifest in manifests.iter().filter(|manifest| manifest.step > 0) {
            metrics.rows[manifest.step as usize - 1].state_digest = manifest.state_digest;
        }
    });
    let metrics = Metrics::read(&release.join(layout::STEPS)).expect("reads");
    let sequence_digest = sequence_digest_of(release).expect("reads");
    let path = release.join(layout::LEDGER);
    let before = Ledger::read(&path).expect("reads");
    std::fs::remove_file(&path).expect("removes");
    let mut ledger = Ledger::open(&path).expect("begins");
    for event in before.events() {
        match event.clone() {
            Event::Segment { .. } => {}
            Event::Run {
                format,
                config_digest,
                profile,
                name,
                ..
            } => ledger
                .append(Event::Run {
                    format,
                    config_digest,
                    profile,
                    sequence_digest,
                    name,
                })
                .expect("appends"),
            other => ledger.append(other).expect("appends"),
        }
    }
    let mut parent: Option<(u64, Digest)> = None;
    for mut manifest in manifests {
        let (from, to) = (parent.map_or(0, |parent| parent.0), manifest.step);
        let inputs = Commitment {
            parent: parent.map(|parent| parent.1),
            config_digest: config.digest(),
            profile: config.profile.clone(),
            sequence_digest,
            batch_digests: metrics.batch_digests(from..to),
            metrics_digest: metrics.rows_digest(from..to).expect("there"),
            state_digest: manifest.state_digest,
        };
        manifest.parent = inputs.parent;
        manifest.commitment = inputs.commitment();
        manifest.tokens = to * config.tokens_per_step();
        let path = release
            .join(layout::checkpoint_dir(to))
            .join(layout::MANIFEST);
        atomic::write_file(
            &path,
            &canonical::to_canonical(&manifest).expect("plain data"),
        )
        .expect("writes");
        let segment = Event::Segment {
            from,
            to,
            tokens: manifest.tokens,
            commitment: manifest.commitment,
            state_digest: manifest.state_digest,
            metrics_digest: inputs.metrics_digest,
            batches_digest: batches_digest(&inputs.batch_digests),
        };
        ledger.append(segment).expect("appends");
        parent = Some((to, manifest.commitment));
    }
    correct_index(release);
}
