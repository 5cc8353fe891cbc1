//! Where everything lies in a release directory, and which names are allowed there.
//!
//! Paths are relative to the release, with `/`, and made of names of `[a-z0-9_.-]`, 1 to 64 long, never `.` or `..`.
//! (Annexes may have upper-case letters too, as in `README.md`.)

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The index of the core; its digest is the root.
pub const CORE: &str = "core.json";
/// The unsigned index.
pub const RELEASE: &str = "release.json";
/// The semantic configuration.
pub const RUN: &str = "run.toml";
/// Program version, source digest, toolchain.
pub const CODE: &str = "code.json";
/// The hash-chained ledger.
pub const LEDGER: &str = "ledger.jsonl";
/// Licences and counts per source.
pub const SOURCES: &str = "data/sources.json";
/// One row per document.
pub const DOCUMENTS: &str = "data/documents.parquet";
/// The tokenizer, in the format of Hugging Face's `tokenizers`.
pub const TOKENIZER: &str = "data/tokenizer.json";
/// What `transformers` wants beside it.
pub const TOKENIZER_CONFIG: &str = "data/tokenizer_config.json";
/// All that the order of training depends on.
pub const MIXTURE: &str = "data/mixture.json";
/// The directory of the chunks.
pub const SEQUENCE: &str = "data/sequence";
/// The directory of verdicts per document.
pub const ATTRIBUTES: &str = "data/attributes";
/// The directory of redistributable text.
pub const TEXT: &str = "data/text";
/// The directory of the checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// A checkpoint's manifest.
pub const MANIFEST: &str = "manifest.json";
/// A checkpoint's model configuration, as `transformers` reads it.
pub const MODEL_CONFIG: &str = "config.json";
/// A checkpoint's weights.
pub const MODEL: &str = "model.safetensors";
/// A checkpoint's optimizer state.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// One row per step.
pub const STEPS: &str = "metrics/steps.parquet";
/// Rates and times per step (annex).
pub const TIMING: &str = "metrics/timing.parquet";
/// How the run was executed (annex).
pub const EXECUTION: &str = "execution.toml";
/// Restarts and the like (annex).
pub const OPERATIONS: &str = "operations.jsonl";
/// Evaluations (annex).
pub const EVALS: &str = "evals";
/// Attestations of replays (annex).
pub const ATTESTATIONS: &str = "attestations";
/// Analyses (annex).
pub const ANALYSIS: &str = "analysis";
/// The lock of the process that works on the run; not part of a release.
pub const LOCK: &str = ".lock";

/// Annex files at the top, beside the directories of [`ANNEX_DIRECTORIES`].
const ANNEX_FILES: &[&str] = &[
    RELEASE,
    EXECUTION,
    OPERATIONS,
    TIMING,
    "model.sig",
    "data/retrieval.json",
    "README.md",
    "DATA.md",
    "croissant.json",
    "bom.cdx.json",
    "mof.yaml",
    "report.html",
];

/// Directories whose whole content is annex.
const ANNEX_DIRECTORIES: &[&str] = &[EVALS, ATTESTATIONS, ANALYSIS, "outboard", "data/index"];

/// Files and directories that the core is made of.
const CORE_FILES: &[&str] = &[RUN, CODE, LEDGER, STEPS];
const CORE_DIRECTORIES: &[&str] = &["data", CHECKPOINTS, "blobs"];

/// `step-000120`: a checkpoint's name, at least six digits.
#[must_use]
pub fn step_name(step: u64) -> String {
    format!("step-{step:06}")
}

/// The step behind a checkpoint's name; `None` unless it is exactly what [`step_name`] gives.
#[must_use]
pub fn parse_step_name(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (step_name(step) == name).then_some(step)
}

/// A checkpoint's directory, relative to the release: `checkpoints/step-000120`.
#[must_use]
pub fn checkpoint_dir(step: u64) -> String {
    format!("{CHECKPOINTS}/{}", step_name(step))
}

/// The tokens of chunk `n`: `data/sequence/chunk-000.npy`.
#[must_use]
pub fn chunk(n: usize) -> String {
    format!("{SEQUENCE}/chunk-{n:03}.npy")
}

/// The segments of chunk `n`: `data/sequence/chunk-000.segments.parquet`.
#[must_use]
pub fn chunk_segments(n: usize) -> String {
    format!("{SEQUENCE}/chunk-{n:03}.segments.parquet")
}

/// The verdicts of one stage: `data/attributes/licence.parquet`.
pub fn attributes(stage: &str) -> Result<String> {
    Ok(format!(
        "{ATTRIBUTES}/{}.parquet",
        valid_id("stage", stage)?
    ))
}

/// The text of one source: `data/text/code.parquet`.
pub fn text(source: &str) -> Result<String> {
    Ok(format!("{TEXT}/{}.parquet", valid_id("source", source)?))
}

/// An evaluation's result: `evals/000120/held-out.json`.
pub fn eval(step: u64, task: &str) -> Result<String> {
    Ok(format!(
        "{EVALS}/{step:06}/{}.json",
        valid_id("task", task)?
    ))
}

/// The numbers of the chunks under `release`, which must be 0, 1, 2, … without a gap.
pub fn chunk_files(release: &Path) -> Vec<PathBuf> {
    (0..)
        .map(|n| release.join(chunk(n)))
        .take_while(|path| path.symlink_metadata().is_ok())
        .collect()
}

/// The steps of the checkpoints under `run`, ascending; none where there is no such directory.
pub fn checkpoint_steps(run: &Path) -> Result<Vec<u64>> {
    let directory = run.join(CHECKPOINTS);
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", &directory, 0, e)),
    };
    let mut steps = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("list", &directory, 0, e))?;
        // A link to a directory is not a checkpoint: nothing of a release lies outside it.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            steps.extend(entry.file_name().to_str().and_then(parse_step_name));
        }
    }
    steps.sort_unstable();
    Ok(steps)
}

/// `id` itself, when it is 1 to 64 of `[a-z0-9_.-]` and neither `.` nor `..`.
pub fn valid_id<'a>(what: &'static str, id: &'a str) -> Result<&'a str> {
    valid_component(what, id, false)
}

fn valid_component<'a>(what: &'static str, name: &'a str, upper: bool) -> Result<&'a str> {
    let fail = |problem| Error::BadName {
        what,
        name: name.chars().take(80).collect(),
        problem,
    };
    let allowed = |b: u8| {
        b.is_ascii_lowercase()
            || b.is_ascii_digit()
            || matches!(b, b'_' | b'.' | b'-')
            || upper && b.is_ascii_uppercase()
    };
    if name.is_empty() || name.len() > 64 {
        Err(fail("it must have 1 to 64 characters"))
    } else if !name.bytes().all(allowed) {
        Err(fail("it may hold only a-z, 0-9, `_`, `.` and `-`"))
    } else if name == "." || name == ".." {
        Err(fail("it must not be `.` or `..`"))
    } else {
        Ok(name)
    }
}

/// Checks a path of the core: relative, at most 8 valid names joined by `/`.
pub fn valid_path(path: &str) -> Result<&str> {
    valid_path_of(path, false)
}

fn valid_path_of(path: &str, upper: bool) -> Result<&str> {
    let mut depth = 0;
    for component in path.split('/') {
        valid_component("path in a release", component, upper).map_err(|error| match error {
            Error::BadName { what, problem, .. } => Error::BadName {
                what,
                name: path.chars().take(200).collect(),
                problem,
            },
            other => other,
        })?;
        depth += 1;
    }
    if depth > 8 {
        return Err(Error::BadName {
            what: "path in a release",
            name: path.chars().take(200).collect(),
            problem: "it is deeper than 8 names",
        });
    }
    Ok(path)
}

/// What part of a release a path belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Covered by the root.
    Core,
    /// Not covered; anybody may add some.
    Annex,
    /// `core.json` itself, locks: the machinery around both.
    Frame,
    /// The format has no place for it.
    Unknown,
}

/// Which part of a release the file at this relative path (with `/`) belongs to.
#[must_use]
pub fn part(path: &str) -> Part {
    let under = |directory: &str| {
        path.strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    if path == CORE || path == LOCK {
        Part::Frame
    } else if valid_path_of(path, true).is_err() {
        Part::Unknown
    } else if ANNEX_FILES.contains(&path) || ANNEX_DIRECTORIES.iter().any(|d| under(d)) {
        Part::Annex
    } else if (CORE_FILES.contains(&path) || CORE_DIRECTORIES.iter().any(|d| under(d)))
        && valid_path(path).is_ok()
    {
        Part::Core
    } else {
        Part::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_names_have_one_spelling() {
        assert_eq!(checkpoint_dir(120), "checkpoints/step-000120");
        assert_eq!(parse_step_name("step-000120"), Some(120));
        assert_eq!(parse_step_name("step-12345678"), Some(12_345_678));
        for bad in [
            "step-120",
            "step-0000120",
            "step-+00120",
            "step-",
            "000120",
            "step-00012a",
        ] {
            assert_eq!(parse_step_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn attack_names_that_leave_the_directory() {
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "A",
            "é",
            "a b",
            "a\0",
            &"a".repeat(65),
            "a:b",
        ] {
            assert!(valid_id("source", bad).is_err(), "{bad:?}");
        }
        for bad in [
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            "a/b/c/d/e/f/g/h/i",
            "data/Ünicode",
        ] {
            assert!(valid_path(bad).is_err(), "{bad:?}");
            assert_eq!(part(bad), Part::Unknown, "{bad:?}");
        }
        assert!(text("../code").is_err() && attributes("a/b").is_err() && eval(1, "..").is_err());
    }

    #[test]
    fn parts() {
        for (path, expected) in [
            ("run.toml", Part::Core),
            ("data/sequence/chunk-000.npy", Part::Core),
            ("checkpoints/step-000000/manifest.json", Part::Core),
            ("metrics/steps.parquet", Part::Core),
            ("metrics/timing.parquet", Part::Annex),
            ("evals/000000/held-out.json", Part::Annex),
            ("README.md", Part::Annex),
            ("data/retrieval.json", Part::Annex),
            ("core.json", Part::Frame),
            ("Data/x", Part::Unknown),
            ("data/X", Part::Unknown),
            ("metrics/other.parquet", Part::Unknown),
            ("evalsx/a", Part::Unknown),
            ("surprise.sh", Part::Unknown),
        ] {
            assert_eq!(part(path), expected, "{path}");
        }
    }
}
