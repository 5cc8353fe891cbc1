//! House rules that a compiler does not hold: crate edges, file sizes, names, documents.

use crate::shell::{self, Result, cargo, output, root};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which crate of ours may import which: the layers of ARCHITECTURE.md.
const EDGES: &[(&str, &[&str])] = &[
    ("release", &[]),
    ("data", &["release"]),
    ("kernels", &[]),
    ("model", &["kernels", "release"]),
    ("train", &["data", "kernels", "model", "release"]),
    ("replay", &["data", "kernels", "model", "release", "train"]),
    ("eval", &["data", "kernels", "model", "release"]),
    ("hub", &["release"]),
    ("licence", &["release"]),
    ("published", &["hub", "model", "release"]),
    ("audit", &["licence", "published", "release"]),
    (
        "poc",
        &[
            "audit",
            "data",
            "eval",
            "kernels",
            "model",
            "published",
            "release",
        ],
    ),
    ("page", &["audit", "licence", "release"]),
    (
        "cli",
        &[
            "audit",
            "data",
            "eval",
            "hub",
            "kernels",
            "licence",
            "model",
            "page",
            "poc",
            "published",
            "release",
            "replay",
            "train",
        ],
    ),
];

/// Lines above which a source file must say why at its top.
const LONG_FILE: usize = 700;
/// Names that say nothing about what a file holds.
const VAGUE: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// Formatting, lints, edges, files, documents.
pub(crate) fn run() -> Result {
    shell::run(&root(), &cargo(), &["fmt", "--all", "--check"])?;
    shell::run(
        &root(),
        &cargo(),
        &[
            "clippy",
            "--release",
            "--locked",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    let mut problems = edges()?;
    problems.extend(files()?);
    problems.extend(expected_digest()?);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("house rules broken:\n  {}", problems.join("\n  ")))
    }
}

/// Imports between our crates that [`EDGES`] does not allow.
fn edges() -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let crates = root().join("crates");
    let entries = std::fs::read_dir(&crates).map_err(|e| format!("{}: {e}", crates.display()))?;
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    for directory in entries.flatten().map(|entry| entry.path()) {
        let name = directory
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let Some(allowed) = allowed.get(name.as_str()) else {
            problems.push(format!("crates/{name} is not in the table of edges"));
            continue;
        };
        let manifest = read(&directory.join("Cargo.toml"))?;
        let dependencies = manifest
            .split("[dev-dependencies]")
            .next()
            .unwrap_or_default();
        for line in dependencies.lines() {
            if let Some(import) = line
                .strip_prefix("glasswork-")
                .and_then(|l| l.split(['.', ' ']).next())
                && !allowed.contains(&import)
            {
                problems.push(format!(
                    "crates/{name} imports {import}, which the table of edges does not allow"
                ));
            }
        }
    }
    Ok(problems)
}

/// Files with vague names, too long without a reason, or crates without a README.
fn files() -> Result<Vec<String>> {
    let listed = output("git", &["-C", &root().to_string_lossy(), "ls-files"])
        .ok_or("`git ls-files` does not run")?;
    let mut problems = Vec::new();
    for path in listed.lines() {
        let stem = Path::new(path)
            .file_stem()
            .map(|s| s.to_string_lossy().into_owned())
            .unwrap_or_default();
        if VAGUE.contains(&stem.as_str()) {
            problems.push(format!("{path}: `{stem}` does not say what the file holds"));
        }
        let source = [".rs", ".ts", ".svelte", ".py"]
            .iter()
            .any(|end| path.ends_with(end));
        if source && root().join(path).exists() {
            let text = read(&root().join(path))?;
            let reason = text
                .lines()
                .take(12)
                .any(|line| line.contains("long because"));
            if text.lines().count() > LONG_FILE && !reason {
                problems.push(format!(
                    "{path} has more than {LONG_FILE} lines and no `long because …` at its top"
                ));
            }
        }
    }
    for (name, _) in EDGES {
        if !root().join("crates").join(name).join("README.md").exists() {
            problems.push(format!("crates/{name} has no README.md"));
        }
    }
    Ok(problems)
}

/// README must state the digest that the demo compares with.
fn expected_digest() -> Result<Vec<String>> {
    let expected = read(&root().join("examples/demo/expected.json"))?;
    let digest = expected
        .split('"')
        .find(|part| part.len() == 64)
        .unwrap_or("none");
    let readme = read(&root().join("README.md"))?;
    Ok(if readme.contains(digest) {
        Vec::new()
    } else {
        vec![format!(
            "README.md does not state the demo's digest {digest} of examples/demo/expected.json"
        )]
    })
}

fn read(path: &Path) -> Result<String> {
    let path: PathBuf = path.into();
    std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
}
