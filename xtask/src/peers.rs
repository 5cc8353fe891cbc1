//! Independent programs beside ours: tokenizers, transformers, PyTorch.

use crate::shell::{self, Result, cargo, output, root};
use std::path::Path;

/// Python of the pinned environment under `target/`, made where it is missing.
pub(crate) fn python() -> Result<String> {
    if output("python3", &["--version"]).is_none() {
        return Err(
            "Python is missing: the peers run in it. Install Python 3.11 or later with venv \
                    (`apt-get install -y python3 python3-venv`)"
                .to_owned(),
        );
    }
    shell::run(&root(), "sh", &["peers/setup.sh"])?;
    Ok(root()
        .join("target/peers-env/bin/python")
        .to_string_lossy()
        .into_owned())
}

/// A small release of its own, then every peer against it.
pub(crate) fn run() -> Result {
    let python = python()?;
    let root = root();
    let directory = root.join("target/peers");
    let release = directory.join("release").to_string_lossy().into_owned();
    let dump = directory.join("dump").to_string_lossy().into_owned();
    let export = directory.join("export").to_string_lossy().into_owned();
    let run_file = "examples/demo/peers.toml";
    let glasswork = |arguments: &[&str]| shell::run(&root, "target/release/glasswork", arguments);
    let cargo = cargo();
    crate::web::build()?;
    // The whole workspace, as the tests build it: another choice of packages would unify the
    // dependencies' features in another way and compile them again.
    let everything = [
        "build",
        "--release",
        "--locked",
        "--workspace",
        "--all-targets",
    ];
    shell::run(&root, &cargo, &everything)?;
    shell::run(
        &root,
        &cargo,
        &[
            "fetch",
            "--locked",
            "--manifest-path",
            "examples/demo/corpus/Cargo.toml",
        ],
    )?;
    // A run of an earlier program would be refused; this one takes a minute.
    remove(&directory)?;
    glasswork(&["prep", run_file, "-o", &release])?;
    glasswork(&["train", run_file, "-o", &release])?;
    glasswork(&["export", "hf", &release, "-o", &export])?;
    let example = format!(
        "target/release/examples/dump_for_peers{}",
        std::env::consts::EXE_SUFFIX
    );
    shell::run(&root, &example, &[&release, &dump])?;
    let middle = "10";
    let peer = |arguments: &[&str]| shell::run(&root, &python, arguments);
    peer(&["peers/self_test.py"])?;
    peer(&[
        "peers/tokenizers_agree.py",
        &release,
        &format!("{dump}/encodings.json"),
    ])?;
    peer(&["peers/order_reference.py", &release])?;
    peer(&["docs/recompute.py", &release])?;
    peer(&[
        "peers/transformers_logits.py",
        &export,
        &format!("{dump}/logits.safetensors"),
    ])?;
    peer(&[
        "peers/torch_gradients.py",
        &format!("{dump}/step.safetensors"),
        &release,
        "--checkpoint",
        middle,
    ])?;
    peer(&["peers/torch_follow.py", &release, "--steps", "20"])?;
    architectures(&python)?;
    publications(&python)?;
    harness(&python)
}

/// lm-evaluation-harness by itself, with our scorer as its model, and our own evaluation.
fn harness(python: &str) -> Result {
    let root = root();
    let folder = root.join("target/peers/harness");
    remove(&folder)?;
    let folder = folder.to_string_lossy().into_owned();
    let peer = |arguments: &[&str]| shell::run(&root, python, arguments);
    peer(&["peers/harness_tasks.py", &folder])?;
    peer(&["peers/harness_agree.py", &folder])
}

/// Publications of real names, shapes and shard counts, written by PyTorch without their weights.
fn publications(python: &str) -> Result {
    let root = root();
    let folder = root.join("target/peers/publications");
    remove(&folder)?;
    let folder = folder.to_string_lossy().into_owned();
    shell::run(
        &root,
        python,
        &["peers/publications.py", "--real-shapes", &folder],
    )?;
    for layout in ["amber", "crystal", "k2", "olmo", "pythia"] {
        let place = format!("{folder}/{layout}");
        // Weights of nothing but zeros say nothing: headers only.
        let audit = ["audit", &place, "--headers-only"];
        shell::run(&root, "target/release/glasswork", &audit)?;
    }
    // Sparse: copied by a tool that does not know holes, they would fill a disk.
    remove(Path::new(&folder))
}

/// Small random models of every architecture: their logits there against ours.
fn architectures(python: &str) -> Result {
    let root = root();
    let models = root.join("target/peers/architectures");
    remove(&models)?;
    let models = models.to_string_lossy().into_owned();
    shell::run(&root, python, &["peers/architectures.py", &models])?;
    let example = format!(
        "target/release/examples/architectures{}",
        std::env::consts::EXE_SUFFIX
    );
    shell::run(&root, &example, &[&models])
}

fn remove(directory: &Path) -> Result {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", directory.display()))
        }
        _ => Ok(()),
    }
}
