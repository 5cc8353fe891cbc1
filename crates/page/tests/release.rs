//! Reports of a small release on disk, of damaged copies and of one that is not finished.

#[allow(clippy::unwrap_used, dead_code)] // The release crate's test release, shared.
#[path = "../../release/tests/made/mod.rs"]
mod made;

use std::fs;
use std::path::Path;

use glasswork_audit::{Rung, Status, Verdict};
use glasswork_page::{Error, Language, Options, Report, report, report_data};
use glasswork_release::annex::{
    HeldOutFile, HeldOutScore, Program, REPLAY_PREDICATE, Replay, ReplayVerdict, Statement,
};
use glasswork_release::checkpoint::CheckpointManifest;
use glasswork_release::{Digest, layout};

fn made() -> (tempfile::TempDir, Digest) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let root = made::release(dir.path());
    (dir, root)
}

fn read(dir: &Path) -> Report {
    report_data(dir, &Options::new(Language::Ja)).expect("a report")
}

fn status(report: &Report, id: &str) -> Status {
    let claim = report.claims.iter().find(|claim| claim.id == id);
    claim.expect("every claim is made").status
}

fn state(dir: &Path, step: u64) -> String {
    let path = dir
        .join(layout::checkpoint_dir(step))
        .join(layout::MANIFEST);
    let manifest = CheckpointManifest::read(&path).expect("a manifest");
    manifest.state_digest.to_string()
}

fn put(dir: &Path, path: &str, value: &impl serde::Serialize) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().expect("has one")).expect("can be made");
    fs::write(path, serde_json::to_vec(value).expect("is JSON")).expect("can be written");
}

fn program() -> Program {
    Program {
        name: "glasswork".into(),
        version: "0.1.0".into(),
        source_digest: None,
    }
}

fn replayed(dir: &Path, root: &str, from: u64, to: u64) -> Statement<Replay> {
    let digest = state(dir, to);
    let predicate = Replay {
        from,
        to,
        steps: to - from,
        verdict: ReplayVerdict::BitwiseEqual,
        bound: None,
        first_divergence: None,
        expected_state_digest: digest.clone(),
        state_digest: digest,
        profile: "f32-v1".into(),
        threads: 1,
        micro_batch: 1,
        isa: "scalar".into(),
        seconds: 1.0,
        tokens: 128,
        tokens_per_second: 128.0,
        chosen: "random".into(),
        program: program(),
    };
    Statement::about_release(root, REPLAY_PREDICATE, predicate)
}

fn evaluated(dir: &Path, step: u64, bits_per_byte: f64) {
    let score = HeldOutScore {
        source: "code".into(),
        bits_per_byte,
        bytes: 100,
        tokens: 30,
        documents: 1,
    };
    let file = HeldOutFile::new(step, state(dir, step), program(), &[score]);
    put(dir, &format!("evals/{step:06}/held_out.json"), &file);
}

#[test]
fn a_release_is_read_whole() {
    let (dir, root) = made();
    let found = read(dir.path());
    assert_eq!(found.release.root, Some(root.to_string()));
    let steps: Vec<_> = found
        .checkpoints
        .iter()
        .map(|checkpoint| checkpoint.step)
        .collect();
    assert_eq!(steps, [0, 2, 4]);
    let segments: Vec<_> = found
        .segments
        .iter()
        .map(|segment| (segment.from, segment.to))
        .collect();
    assert_eq!(segments, [(0, 2), (2, 4)]);
    let metrics = found.metrics.as_ref().expect("there are some");
    assert_eq!(metrics.step, [1, 2, 3, 4]);
    assert_eq!(
        metrics.sources[1].loss, [None; 4],
        "no target, no loss: missing and not 0"
    );
    assert_eq!(found.run.parameters, Some(11));
    for id in [
        "files_intact",
        "chain_consistent",
        "checkpoints_complete",
        "configuration_recorded",
        "order_recorded",
    ] {
        assert_eq!(
            status(&found, id),
            Status::Holds,
            "{id}: {:?}",
            found.check.findings
        );
    }
    // Its sources.json and code.json are empty: what they would support is missing.
    for id in [
        "licences_known",
        "code_recorded",
        "segments_replayed",
        "held_out_better",
    ] {
        assert_eq!(status(&found, id), Status::Missing, "{id}");
    }
    assert_eq!(found.decision.verdict, Verdict::NotEnoughEvidence);
}

#[test]
fn annexes_support_claims_only_about_this_release() {
    let (dir, root) = made();
    let (dir, root) = (dir.path(), root.to_string());
    evaluated(dir, 0, 8.0);
    evaluated(dir, 4, 2.0);
    put(
        dir,
        "attestations/replay-1.json",
        &replayed(dir, &root, 0, 2),
    );
    let found = read(dir);
    assert_eq!(found.refused, []);
    assert_eq!(status(&found, "held_out_better"), Status::Holds);
    assert_eq!(status(&found, "segments_replayed"), Status::Holds);
    let rung = |report: &Report| {
        let mut claims = report.claims.iter();
        claims
            .find(|claim| claim.id == "segments_replayed")
            .and_then(|claim| claim.rung)
    };
    // Anybody can write such a file: it counts only where the reader says that it is the reader's own.
    assert_eq!(rung(&found), Some(Rung::Declared));
    let own = Options {
        own_replays: true,
        ..Options::new(Language::Ja)
    };
    let own = report_data(dir, &own).expect("a report");
    assert_eq!(rung(&own), Some(Rung::ReplayedBitwise));
    assert!(found.segments[0].verdict.is_some() && found.segments[1].verdict.is_none());
    assert!(
        found
            .files
            .iter()
            .any(|file| file.path.starts_with("attestations/") && !file.core)
    );

    // Forged: another release, another state, equal bits with other digests, no such segment, nonsense, another step.
    put(
        dir,
        "attestations/replay-2.json",
        &replayed(dir, &"0".repeat(64), 2, 4),
    );
    let mut other_state = replayed(dir, &root, 2, 4);
    other_state.predicate.expected_state_digest = "0".repeat(64);
    put(dir, "attestations/replay-3.json", &other_state);
    let mut contradiction = replayed(dir, &root, 2, 4);
    contradiction.predicate.state_digest = "0".repeat(64);
    put(dir, "attestations/replay-4.json", &contradiction);
    let mut nowhere = replayed(dir, &root, 2, 4);
    nowhere.predicate.from = 3;
    put(dir, "attestations/replay-5.json", &nowhere);
    let twice = b"{\"_type\":1,\"_type\":2}";
    fs::write(dir.join("attestations/replay-6.json"), twice).expect("can be written");
    evaluated(dir, 2, 0.1);
    fs::rename(dir.join("evals/000002"), dir.join("evals/000003")).expect("can be renamed");
    let forged = read(dir);
    assert_eq!(forged.refused.len(), 6, "{:?}", forged.refused);
    assert_eq!(forged.replays, found.replays);
    assert_eq!(forged.evaluations, found.evaluations);
}

#[test]
fn a_flipped_bit_is_a_finding_and_no_release_to_adopt() {
    let (dir, _) = made();
    let path = dir
        .path()
        .join("checkpoints/step-000002/optimizer.safetensors");
    let mut bytes = fs::read(&path).expect("is there");
    *bytes.last_mut().expect("is not empty") ^= 1;
    fs::write(&path, bytes).expect("can be written");
    let found = read(dir.path());
    assert_eq!(status(&found, "files_intact"), Status::Fails);
    assert_eq!(found.decision.verdict, Verdict::DoNotAdopt);
    let finding = &found.check.findings[0];
    assert_eq!((finding.step, finding.tensor.is_some()), (Some(2), true));
}

#[test]
fn a_pinned_root_verifies_or_refutes_the_publisher() {
    let (dir, root) = made();
    let with = |root| {
        let options = Options {
            pinned_root: Some(root),
            ..Options::new(Language::En)
        };
        report_data(dir.path(), &options).expect("a report")
    };
    assert_eq!(status(&with(root), "publisher_verified"), Status::Holds);
    let other = with(Digest::of(b"another"));
    assert_eq!(status(&other, "publisher_verified"), Status::Fails);
    assert_eq!(
        status(&other, "files_intact"),
        Status::Holds,
        "the files agree among themselves"
    );
    assert_eq!(other.decision.verdict, Verdict::DoNotAdopt);
}

#[test]
fn a_run_that_is_not_finished_is_shown_as_such() {
    let (dir, _) = made();
    fs::remove_file(dir.path().join(layout::CORE)).expect("is there");
    let found = read(dir.path());
    assert!(!found.release.sealed && found.release.root.is_none());
    assert_eq!(
        found.metrics.as_ref().expect("there are some").step.len(),
        4
    );
    assert_eq!(status(&found, "files_intact"), Status::Missing);
}

#[test]
fn a_directory_of_something_else_is_an_error_with_a_hint() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let error = report_data(dir.path(), &Options::new(Language::En)).expect_err("nothing there");
    assert!(error.to_string().contains("neither a release nor a run"));
    assert!(error.hint().is_some());
}

#[test]
fn the_page_holds_the_data_or_says_how_to_build_it() {
    let (dir, _) = made();
    match report(dir.path(), &Options::new(Language::Ja)) {
        Ok(html) => {
            let html = String::from_utf8(html).expect("is text");
            assert!(
                html.contains("Content-Security-Policy") && html.contains("\"language\":\"ja\"")
            );
        }
        Err(error @ Error::PageNotBuilt) => {
            assert!(error.hint().expect("has one").contains("cargo xtask web"));
        }
        Err(other) => panic!("{other}"),
    }
}
