//! `report`: one page for people.

use super::{parse_root, require_root};
use crate::args::{Lang, ReportArgs};
use crate::code;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::{BYTES, bar};
use glasswork_audit::Criteria;
use glasswork_page::{Language, Options, report};
use glasswork_release::{atomic, files};
use std::process::ExitCode;

/// Criteria are a page of text.
const MAX_CRITERIA: u64 = 1 << 20;

pub(super) fn run(args: ReportArgs, output: &Output) -> Result<ExitCode, Failure> {
    let pinned_root = parse_root(args.root.as_ref())?;
    if pinned_root.is_some() {
        require_root(&args.release, pinned_root)?;
    }
    let criteria = match &args.criteria {
        Some(path) => Criteria::parse(&String::from_utf8_lossy(&files::read(path, MAX_CRITERIA)?))?,
        None => Criteria::shipped(),
    };
    let language = match args.lang {
        Lang::Ja => Language::Ja,
        Lang::En => Language::En,
    };
    let bar = bar(0, BYTES).with_prefix("report");
    let progress = |progress: glasswork_release::check::Progress<'_>| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
    let options = Options {
        language,
        pinned_root,
        criteria,
        program: code::program(),
        progress: &progress,
    };
    let html = report(&args.release, &options);
    bar.finish_and_clear();
    let html = html?;
    let path = args
        .output
        .unwrap_or_else(|| args.release.join("report.html"));
    atomic::write_file(&path, &html)?;
    let value = serde_json::json!({ "path": path, "bytes": html.len() });
    output.result(&value, || format!("report in {}\n", path.display()));
    Ok(ExitCode::SUCCESS)
}
