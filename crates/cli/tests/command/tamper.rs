//! A release that was changed after it was made: the announced root finds every change and names
//! it; a replay finds the changes that a forger made consistent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_release::{layout, npy};
use serde_json::Value;
use tempfile::TempDir;

use crate::corpus::{Answer, Trained, glasswork, trained};
use crate::forger::{
    correct_everything, correct_index, correct_manifest, edit_metrics, flip, flip_tensor,
};

const OPTIMIZER_TENSOR: &str = "optimizer.m.model.layers.1.mlp.up_proj.weight";
const WEIGHT: &str = "model.layers.0.self_attn.q_proj.weight";

/// A copy to be tampered with, and the release that it was.
struct Victim {
    whole: Arc<Trained>,
    copy: TempDir,
}

impl Victim {
    fn new() -> Self {
        let whole = trained();
        Self {
            copy: whole.copy(),
            whole,
        }
    }

    fn release(&self) -> PathBuf {
        self.copy.path().join("tiny")
    }

    fn glasswork(&self, arguments: &[&str]) -> Answer {
        Answer::of(&mut glasswork(self.copy.path(), arguments))
    }

    /// What `check` with the announced root finds; insists on exit code 3.
    #[track_caller]
    fn findings(&self) -> Findings {
        let answer = self
            .glasswork(&["check", "tiny", "--root", &self.whole.root, "--json"])
            .exits(3);
        let said = self
            .glasswork(&["check", "tiny", "--root", &self.whole.root])
            .exits(3);
        let findings = answer.json()["findings"]
            .as_array()
            .expect("a list")
            .clone();
        assert!(said.out.contains("differs "), "{}", said.out);
        Findings {
            all: findings,
            said: said.out,
        }
    }

    /// What a replay says of a segment that is not what it claims; insists on exit code 3.
    #[track_caller]
    fn replay(&self, segment: &str) -> String {
        self.glasswork(&["replay", "tiny", "--segments", segment, "--threads", "1"])
            .exits(3)
            .out
    }

    /// Every digest was corrected: the release agrees with itself, but not with the announced root.
    #[track_caller]
    fn is_well_forged(&self) {
        let plain = self.glasswork(&["check", "tiny"]).exits(0);
        assert!(
            plain.out.contains("self-consistent; publisher unverified"),
            "{}",
            plain.out
        );
        self.findings().name("core.json", None, None);
        let replay = self
            .glasswork(&["replay", "tiny", "--root", &self.whole.root])
            .exits(3);
        assert!(
            replay.err.contains("the publisher announced"),
            "{}",
            replay.err
        );
    }
}

struct Findings {
    all: Vec<Value>,
    said: String,
}

impl Findings {
    /// Insists that a finding names this file and, where given, this step and this tensor.
    #[track_caller]
    fn name(&self, path: &str, step: Option<u64>, tensor: Option<&str>) {
        let covers = |f: &Value| match (step, f["step"].as_u64(), f["last_step"].as_u64()) {
            (None, ..) => true,
            (Some(step), Some(first), last) => (first..=last.unwrap_or(first)).contains(&step),
            _ => false,
        };
        let named = self.all.iter().any(|f| {
            f["path"] == path && covers(f) && tensor.is_none_or(|tensor| f["tensor"] == tensor)
        });
        assert!(
            named,
            "nothing names {path}, {step:?}, {tensor:?}:\n{}",
            self.said
        );
    }
}

fn file(step: u64, name: &str) -> String {
    format!("{}/{name}", layout::checkpoint_dir(step))
}

#[test]
fn a_bit_of_an_optimizer_tensor() {
    let victim = Victim::new();
    let path = file(10, layout::OPTIMIZER);
    flip_tensor(&victim.release().join(&path), OPTIMIZER_TENSOR);
    let findings = victim.findings();
    findings.name(&path, Some(10), Some(OPTIMIZER_TENSOR));
    let first = findings
        .said
        .lines()
        .find(|line| line.starts_with("differs"))
        .expect("a finding");
    assert!(
        first.contains(&format!("{path}, step 10, tensor {OPTIMIZER_TENSOR}")),
        "{first}"
    );
    // Both segments that touch the checkpoint say the same, without any root.
    for segment in ["3", "4"] {
        let said = victim.replay(segment);
        assert!(
            said.contains(&format!(
                "diverged at step 10 in tensor {OPTIMIZER_TENSOR} ({path})"
            )),
            "{said}"
        );
    }
    victim
        .glasswork(&["replay", "tiny", "--segments", "1..2"])
        .exits(0);
}

#[test]
fn a_bit_of_a_weight() {
    let victim = Victim::new();
    let path = file(15, layout::MODEL);
    flip_tensor(&victim.release().join(&path), WEIGHT);
    victim.findings().name(&path, Some(15), Some(WEIGHT));
    let said = victim.replay("4");
    assert!(
        said.contains(&format!("diverged at step 15 in tensor {WEIGHT} ({path})")),
        "{said}"
    );
    // Nothing damaged is passed on.
    let export = victim
        .glasswork(&["export", "hf", "tiny", "--step", "15", "-o", "out"])
        .exits(1);
    assert!(export.err.contains(WEIGHT), "{}", export.err);
    assert!(!victim.copy.path().join("out").exists());
}

/// Flips a bit of a token that step 8 reads.
fn flip_token(release: &Path) {
    let path = release.join(layout::chunk(0));
    let chunk = npy::TokenFile::open(&path).expect("opens");
    let row = chunk.cols() * chunk.token_type().size();
    let header = std::fs::read(&path).expect("reads").len() - chunk.rows() * row;
    flip(&path, header + (7 * 6 + 2) * row + 20);
}

#[test]
fn a_bit_of_a_token() {
    let victim = Victim::new();
    flip_token(&victim.release());
    victim.findings().name(&layout::chunk(0), Some(8), None);
    let said = victim.replay("3");
    assert!(said.contains("diverged at step 8"), "{said}");
    assert!(said.contains("batch digest"), "{said}");
    // No other segment is called equal either: it would speak of a sequence that the root does not cover.
    let said = victim.replay("1,2,4,5");
    assert!(said.contains(&layout::chunk(0)), "{said}");
    assert!(said.contains("0 of 4 recomputed segments"), "{said}");
}

#[test]
fn a_metrics_row() {
    let victim = Victim::new();
    edit_metrics(&victim.release(), |metrics| metrics.rows[11].loss -= 0.5);
    victim.findings().name(layout::STEPS, Some(12), None);
    let said = victim.replay("4");
    assert!(
        said.contains("diverged at step 12") && said.contains("loss recomputed is"),
        "{said}"
    );
}

#[test]
fn any_bit_of_the_metrics_file() {
    let victim = Victim::new();
    let path = victim.release().join(layout::STEPS);
    let length = std::fs::metadata(&path).expect("there").len() as usize;
    for at in (0..length).step_by(length / 7) {
        flip(&path, at);
        victim.findings().name(layout::STEPS, None, None);
        flip(&path, at);
    }
    victim
        .glasswork(&["check", "tiny", "--root", &victim.whole.root])
        .exits(0);
}

#[test]
fn a_ledger_line() {
    let victim = Victim::new();
    let path = victim.release().join(layout::LEDGER);
    let text = std::fs::read_to_string(&path).expect("reads");
    // The fourth last line is the segment that ends at step 5.
    let line = text.lines().nth_back(3).expect("a line");
    let forged = line.replace("\"from\":1,", "\"from\":2,");
    assert_ne!(line, forged);
    std::fs::write(&path, text.replace(line, &forged)).expect("writes");
    let findings = victim.findings();
    findings.name(layout::LEDGER, None, None);
    let number = text.lines().count() - 2;
    assert!(
        findings.said.contains(&format!("line {number}")),
        "{}",
        findings.said
    );
    let replay = victim.glasswork(&["replay", "tiny"]).exits(1);
    assert!(
        replay
            .err
            .contains("hint: the file is damaged or was edited"),
        "{}",
        replay.err
    );
}

#[test]
fn a_truncated_file_of_every_kind() {
    let victim = Victim::new();
    let release = victim.release();
    for (path, step) in [
        (file(5, layout::MODEL), Some(5)),
        (file(5, layout::OPTIMIZER), Some(5)),
        (file(5, layout::MANIFEST), Some(5)),
        (layout::chunk(0), None),
        (layout::STEPS.to_owned(), None),
        (layout::LEDGER.to_owned(), None),
        (layout::TOKENIZER.to_owned(), None),
        (layout::RUN.to_owned(), None),
    ] {
        let whole = std::fs::read(release.join(&path)).expect("reads");
        std::fs::write(release.join(&path), &whole[..whole.len() - 9]).expect("writes");
        victim.findings().name(&path, step, None);
        std::fs::remove_file(release.join(&path)).expect("removes");
        victim.findings().name(&path, step, None);
        std::fs::write(release.join(&path), &whole).expect("writes");
    }
    victim
        .glasswork(&["check", "tiny", "--root", &victim.whole.root])
        .exits(0);
}

/// Puts the checkpoint of step 5 in the place of that of step 10, and the other way round.
fn swap(release: &Path) {
    let [a, b] = [5, 10].map(|step| release.join(layout::checkpoint_dir(step)));
    let aside = release.join("aside");
    for (from, to) in [(&a, &aside), (&b, &a), (&aside, &b)] {
        std::fs::rename(from, to).expect("renames");
    }
}

#[test]
fn two_checkpoints_swapped_and_their_digests_corrected() {
    let victim = Victim::new();
    let release = victim.release();
    swap(&release);
    let findings = victim.findings();
    findings.name(&file(5, layout::MANIFEST), Some(5), None);
    // The manifests now say the steps where they lie, and the index agrees.
    for step in [5, 10] {
        correct_manifest(&release, step);
    }
    correct_index(&release);
    let findings = victim.findings();
    findings.name("core.json", None, None);
    for step in [5, 10] {
        findings.name(&file(step, layout::MANIFEST), Some(step), None);
    }
    // Whoever has no root still sees that ledger and checkpoints tell two stories …
    victim.glasswork(&["check", "tiny"]).exits(3);
    // … until these are corrected too. Then only the root and a replay tell.
    correct_everything(&release);
    victim.is_well_forged();
    let said = victim.replay("2");
    assert!(said.contains("diverged at step 5 in tensor "), "{said}");
    let said = victim.replay("3");
    assert!(said.contains("diverged at step 6"), "{said}");
}

#[test]
fn the_careful_forger_of_an_optimizer_tensor_is_named_by_a_replay() {
    let victim = Victim::new();
    let path = file(10, layout::OPTIMIZER);
    flip_tensor(&victim.release().join(&path), OPTIMIZER_TENSOR);
    correct_everything(&victim.release());
    victim.is_well_forged();
    let said = victim.replay("3");
    assert!(
        said.contains(&format!(
            "diverged at step 10 in tensor {OPTIMIZER_TENSOR} ({path})"
        )),
        "{said}"
    );
    // From the forged state on, the steps do not lead where the metrics say.
    let said = victim.replay("4");
    assert!(said.contains("diverged at step 11"), "{said}");
    victim
        .glasswork(&["replay", "tiny", "--segments", "1,2,5"])
        .exits(0);
}

#[test]
fn the_careful_forger_of_a_loss_is_named_by_a_replay() {
    let victim = Victim::new();
    edit_metrics(&victim.release(), |metrics| metrics.rows[6].loss = 2.5);
    correct_everything(&victim.release());
    victim.is_well_forged();
    let said = victim.replay("3");
    assert!(
        said.contains("diverged at step 7 (metrics/steps.parquet)\n  loss recomputed is "),
        "{said}"
    );
    assert!(said.contains(", recorded is 2.5 "), "{said}");
}

#[test]
fn the_careful_forger_of_a_source_s_loss_is_named_by_a_replay() {
    let victim = Victim::new();
    edit_metrics(&victim.release(), |metrics| {
        let source = metrics
            .sources
            .iter()
            .position(|source| source == "books")
            .expect("there");
        metrics.rows[6].sources[source].loss = 2.5;
    });
    correct_everything(&victim.release());
    victim.is_well_forged();
    let said = victim.replay("3");
    assert!(
        said.contains("diverged at step 7 (metrics/steps.parquet)\n  loss/books recomputed is "),
        "{said}"
    );
}

#[test]
fn the_careful_forger_of_a_token_is_named_by_a_replay() {
    let victim = Victim::new();
    let release = victim.release();
    flip_token(&release);
    let chunk = npy::TokenFile::open(&release.join(layout::chunk(0))).expect("opens");
    let digest = glasswork_release::batch_digest(&chunk.read_raw_rows(42..48).expect("reads"));
    edit_metrics(&release, |metrics| metrics.rows[7].batch_digest = digest);
    correct_everything(&release);
    victim.is_well_forged();
    let said = victim.replay("3");
    assert!(said.contains("diverged at step 8"), "{said}");
}
