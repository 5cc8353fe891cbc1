//! Timings beside peers, taking turns within one run, so that a noisy machine treats both alike.
//!
//! A [`Contest`] is a handful of programs that wait for `go N` on standard input, do N pieces of work and
//! print one JSON line. All of them are started first; then each has its turn, in one order and in the other,
//! and every question (a [`Question`]) is answered by the median over turns of a ratio within the turn.

mod contest;
mod eval;
mod gemm;
mod machine;
mod options;
mod record;
mod score;
mod series;
mod side;
mod table;
mod train;

use crate::peers;
use crate::shell::{self, Result, cargo, root};
use contest::{Contest, Program};
use options::Options;
use std::path::PathBuf;

/// `bench [gemm|train|score|eval] [NAME...] [--only NAME]...`.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let Some(options) = Options::parse(arguments)? else {
        print!("{}", options::HELP);
        return Ok(());
    };
    let machine = machine::Machine::here();
    let mut contests = Vec::new();
    for bench in &options.benches {
        contests.extend(match *bench {
            "gemm" => gemm::contests(),
            "score" => score::contests(),
            "eval" => eval::contests(),
            _ => train::contests(),
        });
    }
    let all: Vec<String> = contests.iter().map(|c| c.section.clone()).collect();
    let contests = options.choose(contests)?;
    let mut sections: Vec<&str> = contests.iter().map(|c| c.section.as_str()).collect();
    // A section of the document is one run, not rows of several.
    let count = |section: &&str| {
        let chosen = contests.iter().filter(|c| c.section == **section);
        (chosen.count(), all.iter().filter(|s| s == section).count())
    };
    let part = |section: &&&str| matches!(count(section), (chosen, whole) if chosen < whole);
    if let Some(section) = sections.iter().find(part).filter(|_| options.write) {
        return Err(format!(
            "--write is for whole sections, and this would run a part of `{section}`"
        ));
    }
    sections.dedup();
    let python = prepare(&contests, &machine)?;
    let versions = machine::versions(&python)?;
    let command = format!("cargo xtask bench {}", arguments.join(" "));
    for section in sections {
        let mut rows = Vec::new();
        for contest in contests.iter().filter(|c| c.section == section) {
            rows.extend(contest.run(&python, &machine, options.turns, options.work)?);
        }
        let result = record::Section {
            name: section,
            machine: &machine,
            versions: &versions,
            command: command.trim(),
            rows: &rows,
        };
        print!("{}", result.markdown());
        result.save()?;
        if options.write {
            result.write()?;
        }
    }
    Ok(())
}

/// Builds our programs, and makes the peers' environment and their models; gives Python's path.
fn prepare(contests: &[Contest], machine: &machine::Machine) -> Result<String> {
    let programs = || {
        let sides = contests.iter().flat_map(|c| &c.sides);
        sides.filter(|side| machine.has(side.needs))
    };
    // The whole workspace's features, as the tests build it: nothing is compiled twice.
    let mut build = vec!["build", "--release", "--locked", "--workspace"];
    for side in programs() {
        if let Program::Example(name) = side.program
            && !build.contains(&name)
        {
            build.extend(["--example", name]);
        }
    }
    shell::run(&root(), &cargo(), &build)?;
    if !programs().any(|side| matches!(side.program, Program::Peer(_))) {
        return Ok(String::new());
    }
    let python = peers::python()?;
    for side in programs() {
        if let Program::Peer(script) = side.program
            && !root().join(script).exists()
        {
            return Err(format!("{script} is missing"));
        }
    }
    let mut models: Vec<&str> = contests.iter().filter_map(|c| c.model).collect();
    models.dedup();
    if !models.is_empty() {
        let mut make = vec!["peers/make_models.py", score::MODELS];
        make.extend(models);
        shell::run(&root(), &python, &make)?;
    }
    eval::prepare(contests, &python)?;
    Ok(python)
}

/// An example of the workspace, as built.
fn example(name: &str) -> PathBuf {
    root().join(format!(
        "target/release/examples/{name}{}",
        std::env::consts::EXE_SUFFIX
    ))
}
