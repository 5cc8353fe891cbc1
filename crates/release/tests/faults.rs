//! Faults of the machine: a kill at any moment, a full disk. A second process writes; this one does the harm and looks.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // A test that panics with the error in hand says enough.

#[allow(dead_code)] // Each test file uses a part of it.
mod made;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use glasswork_release::atomic::{StagedDir, sweep_stale, write_file};
use glasswork_release::checkpoint::{
    CheckpointInputs, Commitment, read_checkpoint, write_checkpoint,
};
use glasswork_release::safetensors::TensorView;
use glasswork_release::state::{TensorEntry, state_digest};
use glasswork_release::{Digest, Dtype, Error, layout};

const PLACE: &str = "GLASSWORK_TEST_PLACE";

/// Where this process shall write, when it is the second one.
fn place() -> Option<PathBuf> {
    std::env::var_os(PLACE).map(PathBuf::from)
}

/// Starts one of the writers below in a process of its own, under a shell's `setup`.
fn writer(name: &str, place: &Path, setup: &str) -> Child {
    let script = format!("{setup} exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(PLACE, place)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "the second process of the test below"]
fn writes_for_ever() {
    let Some(place) = place() else { return };
    for n in 0u64.. {
        let body = n.to_string().repeat(10_000);
        write_file(&place.join("file"), body.as_bytes()).unwrap();
        let staged = StagedDir::begin(&place.join("dir")).unwrap();
        for name in ["a", "b"] {
            fs::write(staged.path().join(name), &body).unwrap();
        }
        staged.commit().unwrap();
    }
}

#[test]
fn kill_at_any_moment_leaves_old_or_new() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = BTreeSet::new();
    for round in 0..20 {
        let mut child = writer("writes_for_ever", dir.path(), "");
        let start = Instant::now();
        while !dir.path().join("dir").exists() && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(3_700 * round + 5_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let whole = |path: &str| {
            let text = fs::read_to_string(dir.path().join(path)).unwrap();
            let number = text[..text.len() / 10_000].to_owned();
            assert_eq!(text, number.repeat(10_000), "{path} is torn");
            number
        };
        assert_eq!(whole("dir/a"), whole("dir/b"), "the directory is torn");
        seen.insert(whole("file"));
        sweep_stale(dir.path()).unwrap();
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 2, "something is left over");
    }
    assert!(seen.len() > 1, "every kill came at the same moment");
}

/// Writes a checkpoint whose optimizer has `n` numbers.
fn checkpoint(place: &Path, n: usize) -> Result<(), Error> {
    let (weights, moments) = (vec![1u8; 400], vec![2u8; n * 4]);
    let model: [TensorView<'_>; 1] = [("w", Dtype::F32, &[100], &weights)];
    let optimizer: [TensorView<'_>; 1] = [("optimizer.m.w", Dtype::F32, &[n], &moments)];
    let entries: Vec<TensorEntry> = model
        .iter()
        .chain(&optimizer)
        .map(|(name, dtype, shape, bytes)| TensorEntry::of(name, *dtype, shape, bytes))
        .collect();
    let zero = Digest([0; 32]);
    let commitment = Commitment {
        parent: None,
        config_digest: zero,
        profile: "f32-v1".into(),
        sequence_digest: zero,
        batch_digests: vec![],
        metrics_digest: zero,
        state_digest: state_digest(0, &entries),
    };
    let inputs = CheckpointInputs {
        step: 0,
        tokens: 0,
        commitment,
    };
    write_checkpoint(place, &inputs, &model, &optimizer, b"{}").map(|_| ())
}

#[test]
#[ignore = "the second process of the test below"]
fn writes_a_large_checkpoint() {
    let Some(place) = place() else { return };
    match checkpoint(&place, 100_000) {
        Err(Error::DiskFull { needed, .. }) if needed > 400_000 => std::process::exit(42),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_size_limit_is_a_full_disk_and_leaves_the_old_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    checkpoint(dir.path(), 10).unwrap();
    let at = dir.path().join(layout::checkpoint_dir(0));
    let before = read_checkpoint(&at).unwrap().manifest;
    // 64 KiB for any file, and the signal that would end the process ignored, so that the write itself fails.
    let status = writer(
        "writes_a_large_checkpoint",
        dir.path(),
        "trap '' XFSZ; ulimit -f 128;",
    )
    .wait()
    .unwrap();
    assert_eq!(status.code(), Some(42));
    assert_eq!(read_checkpoint(&at).unwrap().manifest, before);
    assert_eq!(
        fs::read_dir(dir.path().join(layout::CHECKPOINTS))
            .unwrap()
            .count(),
        1,
        "a temporary is left"
    );
    // Without the limit the same call replaces it.
    checkpoint(dir.path(), 100_000).unwrap();
    assert_ne!(read_checkpoint(&at).unwrap().manifest, before);
}
