//! `report`: one page for people.

use super::{parse_root, require_root};
use crate::args::{Lang, ReportArgs};
use crate::code;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::{BYTES, bar};
use glasswork_audit::{Criteria, Decision};
use glasswork_page::{Language, Options, report_data, to_html};
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
        Some(path) => {
            let text = files::read(path, MAX_CRITERIA).map_err(|error| {
                Failure::new(
                    error,
                    Some("check the path of the criteria file".to_owned()),
                )
            })?;
            Criteria::parse(&String::from_utf8_lossy(&text))?
        }
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

/// The decision in a line, and each criterion in one.
fn decision(decision: &Decision) -> String {
    use glasswork_audit::{CriterionVerdict, Verdict};
    let verdict = match decision.verdict {
        Verdict::Adopt => "adopt",
        Verdict::DoNotAdopt => "do not adopt",
        Verdict::NotEnoughEvidence => "not enough evidence",
    };
    let mut text = format!(
        "decision by the criteria `{}`: {verdict}\n",
        decision.criteria_name
    );
    for criterion in &decision.criteria {
        let word = match criterion.verdict {
            CriterionVerdict::Met => "met",
            CriterionVerdict::NotMet => "NOT MET",
            CriterionVerdict::Unknown => "evidence missing",
        };
        text.push_str(&format!("  {:<18} {word}\n", criterion.id));
    }
    text
}
