//! `audit`: what does not fit in what was published.

use super::{Entrance, Seen, criteria, language, look, text};
use crate::MISMATCH;
use crate::args::{AuditArgs, Lang};
use crate::code;
use crate::commands::create_folder;
use crate::failure::Failure;
use crate::output::{Output, one_line};
use glasswork_audit::measured::Measurements;
use glasswork_audit::publication::{Licences, Severity, usual_use};
use glasswork_audit::{Criteria, Verdict};
use glasswork_page::{Comparison, decision};
use glasswork_release::atomic;
use std::collections::BTreeMap;
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
    let seen = Seen::new(&publication, &entrance, args.headers_only);
    let assessment = look(&seen, &measured, &criteria, &entrance);
    let models = vec![assessment.clone()];
    let page = Comparison::new(models, &criteria, language(args.lang), code::program());
    if let Some(path) = &args.output {
        atomic::write_file(path, &decision(&page)?)?;
        output.note(&format!("decision page in {}", path.display()));
    }
    if let Some(directory) = &args.licences {
        let japanese = matches!(args.lang, Lang::Ja);
        let papers = Licences::papers(
            publication.inventory(),
            &usual_use(),
            &facts(&page),
            japanese,
        );
        create_folder(directory)?;
        for (name, text) in papers {
            atomic::write_file(&directory.join(name), text.as_bytes())?;
        }
        output.note(&format!("files for lawyers in {}", directory.display()));
    }
    for (reference, why) in &seen.references.unasked {
        output.note(&one_line(&format!("not asked for: {reference}: {why}")));
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

/// What answers the questions that countries ask, as the page holds it.
fn facts(page: &Comparison) -> BTreeMap<String, String> {
    let questions = page.questions.iter().flatten();
    questions
        .flat_map(|sheet| &sheet.questions)
        .flat_map(|question| question.facts.clone())
        .collect()
}
