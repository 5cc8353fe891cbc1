//! Detection of instruction sets as it happens on other processors: the program under `qemu-x86_64`
//! with a processor's name, nothing forced.

use std::process::Command;

use crate::corpus::{Answer, Corpus};
use crate::golden::{self, last_digest};

/// Haswell without what the emulator lacks and would warn of.
const HASWELL: &str = "Haswell,-pcid,-x2apic,-tsc-deadline,-hle,-rtm,-invpcid";
const NEHALEM: &str = "Nehalem";

/// The program on an emulated `processor`, with nothing of this machine's settings.
fn emulated(processor: &str, corpus: &Corpus, arguments: &[&str]) -> Command {
    let mut command = Command::new("qemu-x86_64");
    command
        .current_dir(corpus.path())
        .args(["-cpu", processor, env!("CARGO_BIN_EXE_glasswork")])
        .args(arguments)
        .env_remove("GLASSWORK_ISA");
    command
}

/// Trains the tiny run on an emulated `processor`; the instruction set that it chose by itself, and
/// the state's digest.
fn on(processor: &str, corpus: &Corpus) -> (String, String) {
    let mut command = |arguments: &[&str]| emulated(processor, corpus, arguments);
    let shape = ["--threads", "1", "--micro-batch", "6"];
    let digest = last_digest(corpus, "emulated", &shape, &mut command);
    (digest.isa, digest.state)
}

fn haswell_gives(profile: &str) {
    // Two groups: the tree is met too, at the price of one run.
    let golden = golden::of(profile, "2");
    let (isa, digest) = on(HASWELL, &golden.prepared());
    assert_eq!(isa, "avx2", "{golden:?}");
    assert_eq!(digest, golden.digest, "{golden:?}");
    println!("Haswell: avx2, {profile} with 2 groups, {digest}");
}

#[test]
#[ignore = "needs qemu-user: `cargo xtask qemu`"]
fn haswell_is_avx2_and_gives_the_digest_of_f32() {
    haswell_gives("f32-v1");
}

#[test]
#[ignore = "needs qemu-user: `cargo xtask qemu`"]
fn haswell_is_avx2_and_gives_the_digest_of_bf16() {
    haswell_gives("bf16-v1");
}

/// A processor without AVX has nothing but the plain text, and says so.
#[test]
#[ignore = "needs qemu-user: `cargo xtask qemu`"]
fn nehalem_has_scalar_only() {
    let corpus = golden::of("f32-v1", "1").prepared();
    let arguments = ["train", "run.toml"];
    let answer = Answer::of(emulated(NEHALEM, &corpus, &arguments).env("GLASSWORK_ISA", "avx2"));
    let err = answer.exits(2).err;
    assert!(err.contains("this machine runs: scalar)"), "{err}");
}
