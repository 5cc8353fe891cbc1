//! Prepares the data of a run and prints what became of it; `glasswork prep` does the same with more comfort.
//!
//! ```text
//! cargo run --release -p glasswork-data --example prep -- RUN.toml OUT CARGO_HOME RUST_DOCS_HTML
//! ```

use std::error::Error;
use std::path::Path;

use glasswork_data::{Places, Progress, prep};
use glasswork_release::config::RunConfig;

struct Names;

impl Progress for Names {
    fn stage(&self, name: &str, total: u64, unit: &str) {
        eprintln!("{name}: {total} {unit}");
    }
    fn advance(&self, _units: u64) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [run, out, cargo_home, rust_docs] = arguments.as_slice() else {
        return Err("usage: prep RUN.toml OUT CARGO_HOME RUST_DOCS_HTML".into());
    };
    let run = Path::new(run);
    let config = RunConfig::load(run)?;
    let places = Places {
        cargo_home: cargo_home.into(),
        rust_docs: rust_docs.into(),
    };
    let here = run.parent().unwrap_or(Path::new("."));
    let report = prep(&config, here, &places, Path::new(out), &Names)
        .map_err(|error| format!("{error}\nhint: {}", error.hint().unwrap_or_default()))?;
    println!("already done: {}", report.already_done);
    for source in &report.sources.sources {
        println!(
            "\n{}: train {:?}, held out {:?}",
            source.id, source.train, source.held_out
        );
        for stage in &source.stages {
            println!(
                "  after {}: {} documents, {} bytes",
                stage.stage, stage.documents, stage.bytes
            );
        }
        for rule in &source.rejected {
            println!(
                "  {} {}: {} documents, {} bytes",
                rule.stage, rule.rule, rule.documents, rule.bytes
            );
        }
        for language in &source.languages {
            println!(
                "  {}: {} documents, {} bytes",
                language.lang, language.documents, language.bytes
            );
        }
        for licence in &source.licences {
            println!(
                "  {} ({:?}): {} documents",
                licence.spdx, licence.class, licence.documents
            );
        }
    }
    println!(
        "\n{:#?}\nsequence {}",
        report.mixture, report.sequence_digest
    );
    Ok(())
}
