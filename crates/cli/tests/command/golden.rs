//! The committed digests of the tiny run, and what this program makes of them.

use std::process::Command;

use glasswork_kernels::Isa;
use glasswork_release::layout;

use crate::corpus::{Answer, Corpus, copy, glasswork};

/// One line of `golden-digests.txt`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Golden {
    pub(crate) profile: &'static str,
    pub(crate) groups: &'static str,
    pub(crate) digest: &'static str,
}

/// Every committed digest.
pub(crate) fn all() -> Vec<Golden> {
    include_str!("../golden-digests.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(
            |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                [profile, groups, digest] => Golden {
                    profile,
                    groups,
                    digest,
                },
                _ => panic!("golden-digests.txt: {line:?} is not profile, groups, digest"),
            },
        )
        .collect()
}

/// The one of `profile` with the gradient summed in `groups` groups.
pub(crate) fn of(profile: &str, groups: &str) -> Golden {
    let mut found = all().into_iter();
    found
        .find(|golden| golden.profile == profile && golden.groups == groups)
        .unwrap_or_else(|| panic!("golden-digests.txt has no {profile} with {groups} groups"))
}

impl Golden {
    /// The tiny run of this profile and these groups, prepared.
    pub(crate) fn prepared(&self) -> Corpus {
        let corpus = Corpus::new()
            .edit(
                "profile = \"f32-v1\"",
                &format!("profile = \"{}\"", self.profile),
            )
            .edit(
                "reduction_groups = 1",
                &format!("reduction_groups = {}", self.groups),
            );
        corpus.prep().exits(0);
        corpus
    }
}

/// How a run is computed: nothing that may change a bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) isa: &'static str,
    pub(crate) threads: &'static str,
    pub(crate) micro_batch: &'static str,
}

/// Trains a copy of the prepared `corpus` and gives the state digest of its last step.
pub(crate) fn trained_digest(corpus: &Corpus, setting: Setting) -> String {
    let mut command = |arguments: &[&str]| {
        let mut command = glasswork(corpus.path(), arguments);
        command.env("GLASSWORK_ISA", setting.isa);
        command
    };
    let name = format!(
        "{}-{}-{}",
        setting.isa, setting.threads, setting.micro_batch
    );
    let shape = [
        "--threads",
        setting.threads,
        "--micro-batch",
        setting.micro_batch,
    ];
    let done = last_digest(corpus, &name, &shape, &mut command);
    assert_eq!(done.isa, setting.isa);
    done.state
}

/// What a finished run says.
pub(crate) struct Done {
    /// The instruction set that it recorded.
    pub(crate) isa: String,
    /// State digest of its last step.
    pub(crate) state: String,
}

/// The same by whatever `command` makes of the program's arguments.
pub(crate) fn last_digest(
    corpus: &Corpus,
    name: &str,
    shape: &[&str],
    command: &mut dyn FnMut(&[&str]) -> Command,
) -> Done {
    let release = corpus.path().join(name);
    copy(&corpus.release(), &release);
    let arguments = [&["train", "run.toml", "--json", "-o", name], shape].concat();
    let said = Answer::of(&mut command(&arguments)).exits(0).json();
    let log = std::fs::read(release.join(layout::OPERATIONS)).expect("reads");
    let trained: serde_json::Value = serde_json::from_slice(&log).expect("one line");
    std::fs::remove_dir_all(release).expect("removes");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    Done {
        isa: text(&trained["isa"]),
        state: text(&said["state_digest"]),
    }
}

/// What `cargo xtask digests` prints: the digest of every profile, number of groups and instruction set of
/// this machine, beside the committed one.
#[test]
#[ignore = "a table: `cargo xtask digests`"]
fn table() {
    let mut changed = 0;
    println!(
        "| {:<7} | groups | {:<6} | {:<64} |",
        "profile", "isa", "state digest"
    );
    for golden in all() {
        let corpus = golden.prepared();
        for isa in Isa::available() {
            let setting = Setting {
                isa: isa.name(),
                threads: "2",
                micro_batch: "4",
            };
            let digest = trained_digest(&corpus, setting);
            let verdict = if digest == golden.digest {
                "ok"
            } else {
                changed += 1;
                "CHANGED"
            };
            println!(
                "| {:<7} | {:<6} | {:<6} | {digest} | {verdict}",
                golden.profile,
                golden.groups,
                isa.name()
            );
        }
    }
    assert_eq!(
        changed, 0,
        "digests that are not those of golden-digests.txt"
    );
}
