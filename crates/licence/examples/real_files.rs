//! Runs the recognition of licence files over real ones, and holds it against what their packages state.
//!
//! `cargo run --release -p glasswork-licence --example real_files -- DIRECTORY …` looks for Rust packages (`Cargo.toml`), Python
//! ones (`METADATA`), JavaScript ones (`package.json`), Debian's `copyright` files and its `common-licenses`. Per stated
//! expression it prints how many files were recognised as one of its licences, as none, and as another; each of the
//! last is listed. Of their `README.md` it prints the sentences that were read as closing a use. Links are not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use glasswork_licence::{read, recognise, restrictions};

/// Files recognised as a licence that is stated, as none, as another one.
#[derive(Default)]
struct Row {
    stated: usize,
    unknown: usize,
    other: usize,
}

fn main() -> ExitCode {
    let directories: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if directories.is_empty() {
        eprintln!("usage: real_files DIRECTORY …");
        return ExitCode::from(2);
    }
    let mut rows = BTreeMap::<String, Row>::new();
    let mut others = Vec::new();
    let mut why = Vec::new();
    let (mut readmes, mut closed) = (0, Vec::new());
    for (stated, file) in directories.iter().flat_map(|one| pairs(one)) {
        let Ok(bytes) = fs::read(&file) else { continue };
        if is_readme(&file) {
            readmes += 1;
            closed.extend(restrictions(
                &String::from_utf8_lossy(&bytes),
                &file.to_string_lossy(),
                "text",
            ));
            continue;
        }
        let reading = recognise(&String::from_utf8_lossy(&bytes), &file.to_string_lossy());
        let (key, ids) = licences(&stated);
        let row = rows.entry(key).or_default();
        match reading.expression.as_deref().filter(|_| reading.is_known()) {
            None => {
                row.unknown += 1;
                why.push(format!(
                    "{}: {}",
                    file.display(),
                    reading.unknown.join(", ")
                ));
            }
            // Where nothing readable is stated there is nothing to contradict.
            Some(id) if ids.is_empty() || says(&ids, id) => row.stated += 1,
            Some(id) => {
                row.other += 1;
                others.push(format!("{}: {id}, stated {stated}", file.display()));
            }
        }
    }
    println!(
        "{:>6} {:>10} {:>7} {:>5}  stated",
        "files", "recognised", "unknown", "other"
    );
    let mut sum = Row::default();
    for (stated, row) in &rows {
        let files = row.stated + row.unknown + row.other;
        println!(
            "{files:>6} {:>10} {:>7} {:>5}  {stated}",
            row.stated, row.unknown, row.other
        );
        sum.stated += row.stated;
        sum.unknown += row.unknown;
        sum.other += row.other;
    }
    let files = sum.stated + sum.unknown + sum.other;
    println!(
        "{files:>6} {:>10} {:>7} {:>5}  all",
        sum.stated, sum.unknown, sum.other
    );
    for other in &others {
        println!("other: {other}");
    }
    println!(
        "{readmes} README.md, {} sentences that close a use",
        closed.len()
    );
    for one in &closed {
        println!("closes: {}, {}: {}", one.file, one.place, one.text);
    }
    if std::env::var_os("SHOW").is_some() {
        for one in &why {
            println!("unknown: {one}");
        }
    }
    ExitCode::SUCCESS
}

/// Licence files below a directory, each with what its package states.
fn pairs(directory: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()))
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    let stated = statement(directory);
    let common = directory.ends_with("common-licenses");
    for path in entries {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        if path.is_dir() {
            // What a package's folders hold may be others' work.
            if stated.is_none() || name == "licenses" || name == "node_modules" {
                let below = pairs(&path);
                let inside = below.into_iter().map(|(inner, file)| {
                    let whose = stated.clone().filter(|_| inner.is_empty());
                    (whose.unwrap_or(inner), file)
                });
                found.extend(inside);
            }
        } else if common {
            found.push((name, path));
        } else if name == "copyright" {
            let text = fs::read(&path).unwrap_or_default();
            found.push((debian(&String::from_utf8_lossy(&text)), path));
        } else if is_readme(&path)
            || is_licence(&name) && (stated.is_some() || in_licenses(directory))
        {
            found.push((stated.clone().unwrap_or_default(), path));
        }
    }
    found
}

/// Whether a file of that name, in lower case, is a licence's text.
fn is_licence(name: &str) -> bool {
    let begins = ["license", "licence", "copying", "unlicense"];
    begins.iter().any(|begins| name.starts_with(begins))
        && !name.ends_with(".rs")
        && !name.ends_with(".js")
}

fn is_readme(file: &Path) -> bool {
    file.file_name()
        .is_some_and(|name| name.eq_ignore_ascii_case("readme.md"))
}

/// Whether the directory is one that a Python package keeps its licences in.
fn in_licenses(directory: &Path) -> bool {
    directory
        .ancestors()
        .any(|above| above.file_name().is_some_and(|name| name == "licenses"))
}

/// What the package that lies in this directory states.
fn statement(directory: &Path) -> Option<String> {
    let text = |name: &str| fs::read_to_string(directory.join(name)).ok();
    if let Some(manifest) = text("Cargo.toml") {
        let manifest: toml::Table = manifest.parse().ok()?;
        let license = manifest.get("package")?.get("license");
        return Some(
            license
                .and_then(|one| one.as_str())
                .unwrap_or_default()
                .into(),
        );
    }
    if let Some(manifest) = text("package.json") {
        let manifest: serde_json::Value = serde_json::from_str(&manifest).ok()?;
        return Some(manifest["license"].as_str().unwrap_or_default().into());
    }
    let metadata = fs::read(directory.join("METADATA")).ok()?;
    let metadata = String::from_utf8_lossy(&metadata).into_owned();
    let field = |name: &str| metadata.lines().find_map(|line| line.strip_prefix(name));
    let license = field("License-Expression: ").or_else(|| field("License: "));
    Some(license.unwrap_or_default().into())
}

/// The licences that a `copyright` file of Debian's form names.
fn debian(text: &str) -> String {
    let named: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("License:"))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    named.into_iter().collect::<Vec<_>>().join(" or ")
}

/// The statement for showing, and its ids; `-only` and `-or-later` have the same text.
fn licences(stated: &str) -> (String, BTreeSet<String>) {
    match read(stated).expression {
        Some(expression) => {
            let ids = expression
                .split([' ', '(', ')'])
                .filter(|word| !matches!(*word, "" | "AND" | "OR" | "WITH"))
                .map(plain)
                .collect();
            (expression, ids)
        }
        None => ("(no expression)".into(), BTreeSet::new()),
    }
}

/// An id as packages spell it in many ways: `GPL-3.0-or-later`, `gpl-3`, `LGPLv3`.
fn plain(id: &str) -> String {
    let id = id.trim_end_matches("-only").trim_end_matches("-or-later");
    let id = id.trim_end_matches('+').trim_end_matches(".0");
    id.to_lowercase().replace(['v', '-'], "")
}

/// Whether one of the ids is that licence. `BSD` and `Apache` alone say one of them.
fn says(ids: &BTreeSet<String>, id: &str) -> bool {
    let id = plain(id);
    let one_of = |family: &str| id.starts_with(family) && ids.contains(family);
    ids.contains(&id) || one_of("bsd") || one_of("apache")
}
