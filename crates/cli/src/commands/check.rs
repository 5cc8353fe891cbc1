//! `check`: digests and chain.

use super::parse_root;
use crate::args::CheckArgs;
use crate::failure::Failure;
use crate::output::{Output, bytes, grouped};
use crate::progress::{BYTES, bar};
use glasswork_release::check::{CheckReport, check_with_progress};
use std::fmt::Write;
use std::process::ExitCode;

pub(super) fn run(args: &CheckArgs, output: &Output) -> Result<ExitCode, Failure> {
    let root = parse_root(args.root.as_ref())?;
    let bar = bar(0, BYTES).with_prefix("check");
    let report = check_with_progress(&args.release, root, &|progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    let report = report?;
    output.result(&report, || text(&report, output));
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(crate::MISMATCH)
    })
}

fn text(report: &CheckReport, output: &Output) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("strings take all");
    line(format!("root   {}", report.root));
    line(format!(
        "core   {} files, {}",
        grouped(report.files),
        bytes(report.bytes)
    ));
    for finding in &report.findings {
        line(format!("{} {finding}", output.style("differs", "1;31")));
    }
    for unchecked in &report.unchecked {
        line(format!("not checked: {unchecked}"));
    }
    line(match (report.holds(), report.pinned) {
        (true, true) => "everything agrees with the announced root".to_owned(),
        (true, false) => {
            "self-consistent; publisher unverified (announce the root above, check with --root)"
                .to_owned()
        }
        (false, _) => match report.findings.len() {
            1 => "1 thing differs".to_owned(),
            count => format!("{count} things differ"),
        },
    });
    text
}
