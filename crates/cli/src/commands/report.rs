//! `report`: one page for people.

use super::{parse_root, require_root};
use crate::args::{Lang, ReportArgs};
use crate::failure::Failure;
use crate::output::Output;
use glasswork_release::atomic;
use std::process::ExitCode;

pub(super) fn run(args: ReportArgs, output: &Output) -> Result<ExitCode, Failure> {
    let pinned = parse_root(args.root.as_ref())?;
    require_root(&args.release, pinned)?;
    let lang = match args.lang {
        Lang::Ja => glasswork_page::Lang::Ja,
        Lang::En => glasswork_page::Lang::En,
    };
    let html = glasswork_page::report(&args.release, lang)?;
    let path = args.output.unwrap_or_else(|| args.release.join("report.html"));
    atomic::write_file(&path, &html)?;
    let value = serde_json::json!({ "path": path, "bytes": html.len() });
    output.result(&value, || format!("report in {}\n", path.display()));
    Ok(ExitCode::SUCCESS)
}
