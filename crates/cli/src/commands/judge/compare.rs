//! `compare`: models side by side, one page for the decision.

use super::{Entrance, Seen, criteria, language, look, text};
use crate::args::CompareArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::{code, pdf};
use glasswork_audit::measured::Measurements;
use glasswork_audit::publication::{ASSESSMENT_FORMAT, Assessment};
use glasswork_audit::{Criteria, Verdict};
use glasswork_page::{Comparison, decision};
use glasswork_release::{atomic, canonical, files};
use std::path::Path;
use std::process::ExitCode;

/// Longest assessment that is read: claims, findings and files of a large publication.
const MAX_ASSESSMENT: u64 = 64 << 20;
/// Most models on a page.
const MOST_MODELS: usize = 12;

pub(in crate::commands) fn run(
    args: &CompareArgs,
    offline: bool,
    output: &Output,
) -> Result<ExitCode, Failure> {
    if args.models.len() > MOST_MODELS {
        return Err(Failure::usage(
            format!(
                "{} models; at most {MOST_MODELS} fit side by side",
                args.models.len()
            ),
            "compare fewer at a time",
        ));
    }
    let printed = args.pdf.then(|| args.output.with_extension("pdf"));
    if printed.as_ref() == Some(&args.output) {
        return Err(Failure::usage(
            "the page itself would be overwritten by its PDF",
            "name the page FILE.html with -o: the PDF lies beside it",
        ));
    }
    let criteria = criteria(args.criteria.as_deref(), Criteria::shipped_for_publications)?;
    let names: Vec<&str> = args.models.iter().map(String::as_str).collect();
    let entrance = Entrance::new(&args.door, offline, &names)?;
    let mut models = Vec::new();
    for name in &names {
        models.push(one(name, &criteria, &entrance)?);
    }
    let page = Comparison::new(models, &criteria, language(args.lang), code::program());
    atomic::write_file(&args.output, &decision(&page)?)?;
    if let Some(to) = &printed {
        pdf::print(&args.output, to)?;
    }
    output.result(&page, || {
        let mut written = String::new();
        for model in &page.models {
            written.push_str(&format!(
                "{}\n{}",
                model.place,
                text::decision(&model.decision)
            ));
        }
        written.push_str(&format!("decision page in {}\n", args.output.display()));
        if let Some(to) = &printed {
            written.push_str(&format!("printed to {}\n", to.display()));
        }
        written
    });
    let any = |verdict| {
        page.models
            .iter()
            .any(|model| model.decision.verdict == verdict)
    };
    Ok(if any(Verdict::Adopt) {
        ExitCode::SUCCESS
    } else if any(Verdict::NotEnoughEvidence) {
        ExitCode::from(crate::NOT_ENOUGH)
    } else {
        ExitCode::from(crate::MISMATCH)
    })
}

/// An assessment that was written before, decided anew by these criteria, or one made now. Only a file that is named
/// itself is taken for one: a publication could bring its own along.
fn one(name: &str, criteria: &Criteria, entrance: &Entrance) -> Result<Assessment, Failure> {
    let path = Path::new(name);
    if name.ends_with(".json") && path.is_file() {
        return Ok(read(path)?.decided_by(criteria));
    }
    let publication = entrance.open(name)?;
    let seen = Seen::new(&publication, entrance, false);
    Ok(look(&seen, &Measurements::default(), criteria, entrance))
}

pub(super) fn read(path: &Path) -> Result<Assessment, Failure> {
    let bytes = files::read(path, MAX_ASSESSMENT)?;
    let what = path.display().to_string();
    let value = canonical::parse_value(&bytes, &what)?;
    canonical::expect_format(&value, ASSESSMENT_FORMAT, &what)?;
    serde_json::from_value(value).map_err(|error| {
        Failure::new(
            format!("{what} is no assessment: {error}"),
            Some(
                "make it anew with `glasswork audit MODEL --json` or `glasswork poc MODEL`"
                    .to_owned(),
            ),
        )
    })
}
