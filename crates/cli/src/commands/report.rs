//! `report`: one page for people.

use super::judge::{criteria, decision, language};
use super::{parse_root, require_root};
use crate::args::ReportArgs;
use crate::code;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::{BYTES, bar};
use glasswork_audit::Criteria;
use glasswork_page::{Options, report_data, to_html};
use glasswork_release::atomic;
use std::process::ExitCode;

pub(super) fn run(args: ReportArgs, output: &Output) -> Result<ExitCode, Failure> {
    let pinned_root = parse_root(args.root.as_ref())?;
    if pinned_root.is_some() {
        require_root(&args.release, pinned_root)?;
    }
    let criteria = criteria(args.criteria.as_deref(), Criteria::shipped)?;
    let language = language(args.lang);
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
        own_replays: args.own_replays,
        progress: &progress,
    };
    let report = report_data(&args.release, &options);
    bar.finish_and_clear();
    let report = report?;
    let html = to_html(&report)?;
    let path = args
        .output
        .unwrap_or_else(|| args.release.join("report.html"));
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        let hint = Some("make it first, or name another place with -o".to_owned());
        return Err(Failure::new(
            format!("{} is no directory", parent.display()),
            hint,
        ));
    }
    atomic::write_file(&path, &html)?;
    let value =
        serde_json::json!({ "path": path, "bytes": html.len(), "decision": report.decision });
    output.result(&value, || {
        format!(
            "{}report in {}\n",
            decision(&report.decision),
            path.display()
        )
    });
    Ok(ExitCode::SUCCESS)
}
