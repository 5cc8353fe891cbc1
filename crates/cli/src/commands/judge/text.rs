//! An assessment in the terminal.

use crate::output::{bytes, grouped, one_line};
use glasswork_audit::publication::{Assessment, ComponentState, Finding, OpennessClass, Severity};
use glasswork_audit::{CriterionVerdict, Decision, Param, Params, Verdict};
use std::fmt::Write;

/// Findings that are listed; the rest is counted.
const LISTED: usize = 40;

/// Everything worth a line.
pub(super) fn assessment(one: &Assessment) -> String {
    let checked = &one.checked;
    let mut text = format!(
        "model        {}\n\
         read         {} files known ({}), {} requests, {} fetched; weights of {} checkpoints sampled\n\
         openness     {}\n",
        one_line(&one.place),
        grouped(checked.files),
        bytes(checked.listed_bytes),
        grouped(checked.requests),
        bytes(checked.fetched_bytes),
        grouped(checked.sampled_checkpoints),
        openness(one),
    );
    if let Some(more) = checked
        .unread
        .len()
        .checked_sub(LISTED)
        .filter(|&more| more > 0)
    {
        line(
            &mut text,
            &format!("not read     {more} files more than are listed here: --json lists all"),
        );
    }
    for unread in checked.unread.iter().take(LISTED) {
        line(
            &mut text,
            &one_line(&format!("not read     {}: {}", unread.path, unread.why)),
        );
    }
    for finding in one.findings.iter().take(LISTED) {
        text.push_str(&described(finding));
    }
    if let Some(more) = one
        .findings
        .len()
        .checked_sub(LISTED)
        .filter(|&more| more > 0)
    {
        line(
            &mut text,
            &format!("… and {more} more findings: --json lists all"),
        );
    }
    text.push_str(&decision(&one.decision));
    text
}

fn line(text: &mut String, words: &str) {
    writeln!(text, "{words}").expect("a string takes what is written to it");
}

fn openness(one: &Assessment) -> String {
    let OpennessClass { shown, declared } = one.openness;
    let class = |class: Option<u8>| match class {
        Some(1) => "class I",
        Some(2) => "class II",
        Some(_) => "class III",
        None => "below class III",
    };
    let count = |state| one.components.iter().filter(|c| c.state == state).count();
    format!(
        "{} of the Model Openness Framework by what is there ({} if all that cards name were): \
         of {} components {} consistent, {} present, {} contradictory, {} missing",
        class(shown),
        class(declared),
        one.components.len(),
        count(ComponentState::Consistent),
        count(ComponentState::Present),
        count(ComponentState::Contradictory),
        count(ComponentState::Missing),
    )
}

/// A finding: how much it weighs, what it is about, why.
fn described(finding: &Finding) -> String {
    let weight = match finding.severity {
        Severity::Contradiction => "CONTRADICTION",
        Severity::Doubt => "doubt",
        Severity::Note => "note",
    };
    let reason = finding.reason.replace('_', " ");
    let mut text = format!(
        "{weight:<13} {}: {reason}{}\n",
        one_line(&finding.subject),
        one_line(&values(&finding.params))
    );
    if let Some(ask) = &finding.ask {
        line(
            &mut text,
            &format!("{:<13} ask the publisher: {}", "", ask.id.replace('_', " ")),
        );
    }
    text
}

/// Values in brackets.
fn values(params: &Params) -> String {
    let written: Vec<String> = params
        .iter()
        .filter_map(|(name, value)| {
            let value = match value {
                Param::Null => return None,
                Param::Number(number)
                    if number.fract() == 0.0 && *number >= 0.0 && *number < 1e15 =>
                {
                    grouped(*number as u64)
                }
                Param::Number(number) => format!("{number:.4}"),
                Param::Text(text) => text.clone(),
                Param::List(texts) => texts.join(", "),
            };
            let value = value.trim().trim_end_matches(':');
            if value.is_empty() {
                return None;
            }
            Some(format!("{} {value}", name.replace('_', " ")))
        })
        .collect();
    if written.is_empty() {
        String::new()
    } else {
        format!(" ({})", written.join("; "))
    }
}

/// The decision in a line, and each criterion in one.
pub(in crate::commands) fn decision(decision: &Decision) -> String {
    let verdict = match decision.verdict {
        Verdict::Adopt => "adopt",
        Verdict::DoNotAdopt => "do not adopt",
        Verdict::NotEnoughEvidence => "not enough evidence",
    };
    let mut text = format!(
        "decision by the criteria `{}`: {verdict}\n",
        one_line(&decision.criteria_name)
    );
    for criterion in &decision.criteria {
        let word = match criterion.verdict {
            CriterionVerdict::Met => "met",
            CriterionVerdict::NotMet => "NOT MET",
            CriterionVerdict::Unknown => "evidence missing",
        };
        line(&mut text, &format!("  {:<18} {word}", criterion.id));
    }
    text
}
