//! `audit`: what does not fit in what was published.

use super::{Entrance, criteria, drawn, language, look, text};
use crate::MISMATCH;
use crate::args::AuditArgs;
use crate::code;
use crate::failure::Failure;
use crate::output::Output;
use glasswork_audit::measured::Measurements;
use glasswork_audit::publication::{Samples, Severity};
use glasswork_audit::{Criteria, Verdict};
use glasswork_page::{Comparison, decision};
use glasswork_release::atomic;
use std::process::ExitCode;

pub(in crate::commands) fn run(
    args: &AuditArgs,
    offline: bool,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let criteria = criteria(args.criteria.as_deref(), Criteria::shipped_for_publications)?;
    let entrance = Entrance::new(&args.door, offline, &[&args.model])?;
    let publication = entrance.open(&args.model)?;
    let measured = Measurements::default();
    let samples = if args.headers_only {
        Samples::default()
    } else {
        drawn(&publication)
    };
    let assessment = look(&publication, &samples, &measured, &criteria, &entrance);
    if let Some(path) = &args.output {
        let models = vec![assessment.clone()];
        let page = Comparison::new(models, &criteria, language(args.lang), code::program());
        atomic::write_file(path, &decision(&page)?)?;
        output.note(&format!("decision page in {}", path.display()));
    }
    output.result(&assessment, || text::assessment(&assessment));
    let refused = assessment.decision.verdict == Verdict::DoNotAdopt;
    let contradicted = assessment
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Contradiction);
    Ok(if contradicted || refused {
        ExitCode::from(MISMATCH)
    } else {
        ExitCode::SUCCESS
    })
}
