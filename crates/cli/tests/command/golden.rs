//! The committed digests of the tiny run, and what this program makes of them.

use std::process::Command;

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
    last_digest(corpus, &name, &shape, &mut command)
}

/// The same by whatever `command` makes of the program's arguments.
pub(crate) fn last_digest(
    corpus: &Corpus,
    name: &str,
    shape: &[&str],
    command: &mut dyn FnMut(&[&str]) -> Command,
) -> String {
    let release = corpus.path().join(name);
    copy(&corpus.release(), &release);
    let arguments = [&["train", "run.toml", "--json", "-o", name], shape].concat();
    let said = Answer::of(&mut command(&arguments)).exits(0).json();
    std::fs::remove_dir_all(release).expect("removes");
    said["state_digest"].as_str().expect("a digest").to_owned()
}
