//! Attacks on a whole release, each on a fresh copy: the check must name the file, and the step and tensor where there
//! is one.

#![allow(clippy::unwrap_used)] // A test that panics with the error in hand says enough.

#[allow(dead_code)] // Each test file uses a part of it.
mod made;

use std::fs;
use std::path::Path;

use glasswork_release::check::{CheckReport, check, check_with_progress};
use glasswork_release::checkpoint::CheckpointManifest;
use glasswork_release::core_index::CoreIndex;
use glasswork_release::state::state_digest;
use glasswork_release::{Digest, Error, Finding, canonical, layout, ledger, seal};
use tempfile::TempDir;

/// A fresh release and its root.
fn release() -> (TempDir, Digest) {
    let dir = tempfile::tempdir().unwrap();
    let root = made::release(dir.path());
    (dir, root)
}

/// Writes `core.json` and `release.json` anew, as somebody would who wants a change to go unnoticed.
fn cover_up(dir: &Path) -> Digest {
    let root = CoreIndex::build(dir).unwrap().write(dir).unwrap();
    let index = seal::ReleaseIndex {
        root,
        ..seal::ReleaseIndex::load(dir).unwrap()
    };
    fs::write(
        dir.join(layout::RELEASE),
        serde_json::to_vec(&index).unwrap(),
    )
    .unwrap();
    root
}

fn flip(path: &Path, from_end: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() - 1 - from_end;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[track_caller]
fn expect<'a>(report: &'a CheckReport, path: &str, step: Option<u64>, what: &str) -> &'a Finding {
    report
        .findings
        .iter()
        .find(|f| f.path == path && f.step == step && f.what.contains(what))
        .unwrap_or_else(|| {
            panic!(
                "no finding {path} at {step:?} about {what:?} in\n{}",
                listing(report)
            )
        })
}

fn listing(report: &CheckReport) -> String {
    report.findings.iter().map(|f| format!("{f}\n")).collect()
}

#[test]
fn an_untouched_release_holds() {
    let (dir, root) = release();
    for pinned in [None, Some(root)] {
        let report = check(dir.path(), pinned).unwrap();
        assert!(report.holds(), "{}", listing(&report));
        assert_eq!((report.root, report.pinned), (root, pinned.is_some()));
        assert!(report.files >= 15 && report.bytes > 1000 && report.unchecked.is_empty());
    }
    // Sealing again, and adding annexes, does not move the root.
    fs::create_dir_all(dir.path().join("evals/000004")).unwrap();
    fs::write(dir.path().join("evals/000004/held_out.json"), "{}").unwrap();
    fs::write(dir.path().join("README.md"), "x").unwrap();
    assert_eq!(seal::seal(dir.path(), "small").unwrap(), root);
    let report = check(dir.path(), Some(root)).unwrap();
    assert!(report.holds(), "{}", listing(&report));
    assert_eq!(
        seal::ReleaseIndex::load(dir.path()).unwrap().annexes,
        ["README.md", "evals/000004/held_out.json"]
    );
}

#[test]
fn progress_ends_where_it_said() {
    let (dir, root) = release();
    let last = std::cell::Cell::new((0, 1));
    check_with_progress(dir.path(), Some(root), &|p| last.set((p.done, p.total))).unwrap();
    assert_eq!(last.get().0, last.get().1);
}

#[test]
fn attack_bit_of_an_optimizer_tensor() {
    let (dir, root) = release();
    let path = "checkpoints/step-000002/optimizer.safetensors";
    flip(&dir.path().join(path), 0);
    let report = check(dir.path(), Some(root)).unwrap();
    let first = &report.findings[0];
    assert_eq!(
        (first.path.as_str(), first.step),
        (path, Some(2)),
        "{}",
        listing(&report)
    );
    assert_eq!(
        first.tensor.as_deref(),
        Some("optimizer.v.model.norm.weight")
    );
    expect(&report, path, Some(2), "digest of the file");
    // With the index rewritten the tensor still gives it away, pinned or not.
    cover_up(dir.path());
    let report = check(dir.path(), Some(root)).unwrap();
    assert_eq!(report.findings[0].path, layout::CORE);
    assert_eq!(
        report.findings[1].tensor.as_deref(),
        Some("optimizer.v.model.norm.weight")
    );
    assert!(!check(dir.path(), None).unwrap().holds());
}

#[test]
fn attack_bit_of_a_weight() {
    let (dir, root) = release();
    let path = "checkpoints/step-000004/model.safetensors";
    flip(&dir.path().join(path), 21);
    let report = check(dir.path(), Some(root)).unwrap();
    assert_eq!(
        report.findings[0].tensor.as_deref(),
        Some("model.embed.weight"),
        "{}",
        listing(&report)
    );
    assert_eq!(
        (report.findings[0].path.as_str(), report.findings[0].step),
        (path, Some(4))
    );
}

#[test]
fn attack_token_of_the_sequence() {
    let (dir, root) = release();
    // The last row of the first chunk is the first row of step 3.
    flip(&dir.path().join(layout::chunk(0)), 3);
    for covered in [false, true] {
        if covered {
            cover_up(dir.path());
        }
        let report = check(dir.path(), Some(root)).unwrap();
        let joined = format!("{} and {}", layout::chunk(0), layout::chunk(1));
        expect(&report, &joined, Some(3), "digest of the batch");
        expect(&report, layout::SEQUENCE, None, "digest of the sequence");
        assert_eq!(
            report
                .findings
                .iter()
                .filter(|f| f.what == "digest of the batch")
                .count(),
            1
        );
    }
}

#[test]
fn attack_metrics_row() {
    let (dir, root) = release();
    let path = dir.path().join(layout::STEPS);
    let mut metrics = glasswork_release::metrics::Metrics::read(&path).unwrap();
    metrics.rows[2].loss = f64::from_bits(metrics.rows[2].loss.to_bits() ^ 1);
    metrics.write(&path).unwrap();
    cover_up(dir.path());
    let report = check(dir.path(), None).unwrap();
    let finding = expect(&report, layout::STEPS, Some(3), "digest of the rows");
    assert_eq!(finding.last_step, Some(4));
    assert_eq!(
        report.findings.len(),
        1,
        "nothing else is to blame:\n{}",
        listing(&report)
    );
    // Any bit of the file, without a cover-up: the file is named at least.
    let (dir, root_again) = release();
    assert_eq!(root, root_again);
    let path = dir.path().join(layout::STEPS);
    for from_end in (0..fs::read(&path).unwrap().len()).step_by(97) {
        flip(&path, from_end);
        let report = check(dir.path(), Some(root)).unwrap();
        expect(&report, layout::STEPS, None, "digest of the file");
        flip(&path, from_end);
    }
}

#[test]
fn attack_ledger_line() {
    let (dir, root) = release();
    let path = dir.path().join(layout::LEDGER);
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[2] = lines[2].replacen("\"tokens\":0", "\"tokens\":1", 1);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let report = check(dir.path(), Some(root)).unwrap();
    expect(&report, layout::LEDGER, None, "digest of the file");
    let finding = expect(&report, layout::LEDGER, None, "content");
    assert!(
        finding.found.starts_with("ledger.jsonl line 4"),
        "{finding}"
    );
    // The last line has no line after it; what it says disagrees with the checkpoint.
    fs::write(
        &path,
        text.replace("\"to\":4,\"tokens\":256", "\"to\":4,\"tokens\":255"),
    )
    .unwrap();
    cover_up(dir.path());
    let report = check(dir.path(), None).unwrap();
    expect(
        &report,
        "checkpoints/step-000004/manifest.json",
        Some(4),
        "tokens against the ledger",
    );
}

#[test]
fn attack_truncated_and_missing_files() {
    let (dir, root) = release();
    for path in [
        "checkpoints/step-000002/model.safetensors",
        "data/sequence/chunk-001.npy",
        "run.toml",
        "code.json",
    ] {
        let bytes = fs::read(dir.path().join(path)).unwrap();
        fs::write(dir.path().join(path), &bytes[..bytes.len() - 1]).unwrap();
        let report = check(dir.path(), Some(root)).unwrap();
        assert!(
            report
                .findings
                .iter()
                .any(|f| f.path == path && f.what == "length"),
            "{}",
            listing(&report)
        );
        fs::remove_file(dir.path().join(path)).unwrap();
        let report = check(dir.path(), Some(root)).unwrap();
        assert!(
            report
                .findings
                .iter()
                .any(|f| f.path == path && f.found == "absent"),
            "{}",
            listing(&report)
        );
        fs::write(dir.path().join(path), bytes).unwrap();
    }
    assert!(check(dir.path(), Some(root)).unwrap().holds());
}

/// Exchanges the checkpoints of steps 2 and 4 and edits their manifests so that each is true to itself.
fn swap_checkpoints(dir: &Path) {
    let [a, b] = [2, 4].map(|step| dir.join(layout::checkpoint_dir(step)));
    let aside = dir.join("aside");
    fs::rename(&a, &aside).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&aside, &b).unwrap();
    let manifests = [&a, &b].map(|d| CheckpointManifest::read(&d.join(layout::MANIFEST)).unwrap());
    for (d, own, other) in [
        (&a, &manifests[0], &manifests[1]),
        (&b, &manifests[1], &manifests[0]),
    ] {
        let edited = CheckpointManifest {
            step: other.step,
            tokens: other.tokens,
            parent: other.parent,
            commitment: other.commitment,
            state_digest: state_digest(other.step, &own.entries()),
            ..own.clone()
        };
        fs::write(
            d.join(layout::MANIFEST),
            canonical::to_canonical(&edited).unwrap(),
        )
        .unwrap();
        CheckpointManifest::read(&d.join(layout::MANIFEST)).unwrap();
    }
}

#[test]
fn attack_two_checkpoints_swapped_with_their_digests_corrected() {
    let (dir, root) = release();
    swap_checkpoints(dir.path());
    assert_ne!(cover_up(dir.path()), root);
    let report = check(dir.path(), Some(root)).unwrap();
    assert_eq!(
        report.findings[0].path,
        layout::CORE,
        "{}",
        listing(&report)
    );
    assert_eq!(report.findings[0].expected, root.to_string());
    for step in [2, 4] {
        let manifest = format!("{}/manifest.json", layout::checkpoint_dir(step));
        for what in [
            "state digest against the ledger",
            "state digest against the metrics row",
            "commitment recomputed",
        ] {
            expect(&report, &manifest, Some(step), what);
        }
    }
    // Without a pinned root the history still gives it away.
    let report = check(dir.path(), None).unwrap();
    assert!(
        !report.holds() && report.findings.iter().all(|f| f.path != layout::CORE),
        "{}",
        listing(&report)
    );
}

#[test]
fn attack_the_same_with_ledger_and_metrics_rewritten_needs_a_pinned_root() {
    let (dir, root) = release();
    swap_checkpoints(dir.path());
    // Metrics, commitments and the whole ledger are made anew around the swapped checkpoints.
    let steps_path = dir.path().join(layout::STEPS);
    let mut metrics = glasswork_release::metrics::Metrics::read(&steps_path).unwrap();
    let ledger_path = dir.path().join(layout::LEDGER);
    let old = ledger::Ledger::read(&ledger_path).unwrap();
    let mut manifests = Vec::new();
    for step in [0, 2, 4] {
        let path = dir
            .path()
            .join(layout::checkpoint_dir(step))
            .join(layout::MANIFEST);
        manifests.push(CheckpointManifest::read(&path).unwrap());
        if step > 0 {
            metrics.rows[step as usize - 1].state_digest = manifests.last().unwrap().state_digest;
        }
    }
    metrics.write(&steps_path).unwrap();
    fs::remove_file(&ledger_path).unwrap();
    let mut new = ledger::Ledger::open(&ledger_path).unwrap();
    let mut parent = None;
    for event in old.events() {
        let mut event = event.clone();
        if let ledger::Event::Segment {
            from,
            to,
            commitment,
            state_digest,
            metrics_digest,
            ..
        } = &mut event
        {
            let manifest = manifests.iter_mut().find(|m| m.step == *to).unwrap();
            *state_digest = manifest.state_digest;
            *metrics_digest = metrics.rows_digest(*from..*to).unwrap();
            let made = glasswork_release::checkpoint::Commitment {
                parent,
                config_digest: made::config().digest(),
                profile: "f32-v1".into(),
                sequence_digest: glasswork_release::sequence::sequence_digest_of(dir.path())
                    .unwrap(),
                batch_digests: metrics.batch_digests(*from..*to),
                metrics_digest: *metrics_digest,
                state_digest: manifest.state_digest,
            };
            *commitment = made.commitment();
            (manifest.parent, manifest.commitment) = (parent, *commitment);
            let path = dir
                .path()
                .join(layout::checkpoint_dir(manifest.step))
                .join(layout::MANIFEST);
            fs::write(path, canonical::to_canonical(manifest).unwrap()).unwrap();
            parent = Some(*commitment);
        }
        new.append(event).unwrap();
    }
    cover_up(dir.path());
    // Everything agrees with everything: only the pinned root, or a replay, can tell.
    let report = check(dir.path(), None).unwrap();
    assert!(report.holds() && !report.pinned, "{}", listing(&report));
    assert_eq!(
        check(dir.path(), Some(root)).unwrap().findings[0].path,
        layout::CORE
    );
}

#[test]
fn attack_checkpoint_removed_or_added() {
    let (dir, _) = release();
    let gone = dir.path().join(layout::checkpoint_dir(2));
    fs::rename(&gone, dir.path().join(layout::checkpoint_dir(3))).unwrap();
    cover_up(dir.path());
    let report = check(dir.path(), None).unwrap();
    expect(&report, "checkpoints/step-000002", Some(2), "checkpoint");
    expect(&report, "checkpoints/step-000003", Some(3), "checkpoint");
    expect(
        &report,
        "checkpoints/step-000003/manifest.json",
        Some(3),
        "step",
    );
}

#[test]
fn attack_configuration_changed() {
    let (dir, _) = release();
    let path = dir.path().join(layout::RUN);
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("weight_decay = 0.1", "weight_decay = 0.2");
    fs::write(&path, text).unwrap();
    cover_up(dir.path());
    expect(
        &check(dir.path(), None).unwrap(),
        layout::RUN,
        None,
        "digest of the configuration",
    );
}

#[test]
fn attack_stage_output_changed() {
    let (dir, _) = release();
    fs::write(dir.path().join(layout::SOURCES), "{\"a\":1}").unwrap();
    cover_up(dir.path());
    expect(
        &check(dir.path(), None).unwrap(),
        layout::SOURCES,
        None,
        "against the ledger",
    );
}

#[test]
fn attack_files_that_nobody_names() {
    let (dir, root) = release();
    for path in [
        "data/extra.bin",
        "surprise.sh",
        "RUN.toml",
        "checkpoints/step-000002/.tmp-1-0-x",
    ] {
        fs::write(dir.path().join(path), "x").unwrap();
    }
    let report = check(dir.path(), Some(root)).unwrap();
    expect(&report, "data/extra.bin", None, "listing in core.json");
    expect(&report, "surprise.sh", None, "listing in core.json");
    expect(
        &report,
        "checkpoints/step-000002/.tmp-1-0-x",
        None,
        "kind of entry",
    );
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.what == "name where case is ignored"),
        "{}",
        listing(&report)
    );
    assert!(matches!(
        CoreIndex::build(dir.path()),
        Err(Error::NotAPlainFile { .. })
    ));
    fs::remove_file(dir.path().join("checkpoints/step-000002/.tmp-1-0-x")).unwrap();
    assert!(matches!(
        CoreIndex::build(dir.path()),
        Err(Error::UnknownFile { .. })
    ));
}

#[cfg(unix)]
#[test]
fn attack_links_and_pipes() {
    let (dir, root) = release();
    let code = dir.path().join(layout::CODE);
    fs::remove_file(&code).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &code).unwrap();
    std::os::unix::fs::symlink("/etc", dir.path().join("evals")).unwrap();
    let report = check(dir.path(), Some(root)).unwrap();
    assert_eq!(
        expect(&report, layout::CODE, None, "kind of entry").found,
        "symbolic link"
    );
    expect(&report, layout::CODE, None, "file");
    expect(&report, "evals", None, "kind of entry");
    assert!(CoreIndex::build(dir.path()).is_err());
    // Directories that are links are not entered, even when what they lead to would fit.
    for directory in ["checkpoints/step-000004", "metrics", "data"] {
        let away = tempfile::tempdir().unwrap();
        let (dir, root) = release();
        let (inside, outside) = (dir.path().join(directory), away.path().join("moved"));
        fs::rename(&inside, &outside).unwrap();
        std::os::unix::fs::symlink(&outside, &inside).unwrap();
        let report = check(dir.path(), Some(root)).unwrap();
        expect(&report, directory, None, "kind of entry");
        let absent = report
            .findings
            .iter()
            .filter(|f| f.found == "absent")
            .count();
        assert!(absent > 0, "{}", listing(&report));
    }
}

#[test]
fn attack_index_with_hostile_paths() {
    let (dir, _) = release();
    let index = CoreIndex::load(dir.path()).unwrap();
    for path in [
        "../run.toml",
        "/etc/passwd",
        "data/../../x",
        "data/X.json",
        "README.md",
        "core.json",
        "surprise.sh",
    ] {
        let mut bad = index.clone();
        bad.entries[0].path = path.into();
        let bytes = canonical::to_canonical(&bad).unwrap();
        assert!(CoreIndex::parse(&bytes).is_err(), "{path}");
        fs::write(dir.path().join(layout::CORE), &bytes).unwrap();
        let report = check(dir.path(), None).unwrap();
        expect(&report, layout::CORE, None, "index");
        assert!(
            report
                .findings
                .iter()
                .all(|f| f.what != "listing in core.json"),
            "{}",
            listing(&report)
        );
    }
    let mut twice = index.clone();
    twice.entries.insert(0, twice.entries[0].clone());
    assert!(CoreIndex::parse(&canonical::to_canonical(&twice).unwrap()).is_err());
}

#[test]
fn attack_every_truncation_and_flipped_byte_of_the_index() {
    let (dir, root) = release();
    let bytes = fs::read(dir.path().join(layout::CORE)).unwrap();
    for length in 0..bytes.len() {
        assert!(CoreIndex::parse(&bytes[..length]).is_err(), "{length}");
    }
    for at in (0..bytes.len()).step_by(13) {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        fs::write(dir.path().join(layout::CORE), &bad).unwrap();
        match check(dir.path(), Some(root)) {
            Ok(report) => assert_eq!(report.findings[0].path, layout::CORE),
            Err(error) => assert!(matches!(error, Error::FutureFormat { .. }), "{error}"),
        }
    }
}

#[test]
fn a_release_of_a_future_format() {
    let (dir, root) = release();
    fs::write(
        dir.path().join(layout::CORE),
        "{\"format\": 2, \"anything\": [1.5]}",
    )
    .unwrap();
    let error = check(dir.path(), Some(root)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::FutureFormat {
                found: 2,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("update"));
}

#[test]
fn a_run_that_is_not_finished_is_not_a_release() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("absent")] {
        assert!(check(&path, None).unwrap_err().hint().is_some());
    }
    let (dir, _) = release();
    fs::remove_dir_all(dir.path().join(layout::checkpoint_dir(4))).unwrap();
    let error = seal::seal(dir.path(), "small").unwrap_err();
    assert!(matches!(error, Error::NotARelease { .. }), "{error}");
}
