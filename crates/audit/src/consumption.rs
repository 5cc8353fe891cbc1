//! What training consumed of which document, under which licence, from which step to which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use glasswork_release::layout;
use glasswork_release::licence::LicenceClass;
use glasswork_release::table::Table;

use crate::dossier::{Consumption, LicenceRow, Rejection};
use crate::error::{Error, Result};
use crate::terms::{allowed_by, expression_terms};

/// What stands for "no licence is stated", as SPDX documents write it.
pub(crate) const NO_LICENCE: &str = "NOASSERTION";

/// The comparison of `documents.parquet` with the segments of the training sequence.
pub(crate) struct Compared {
    pub(crate) consumption: Consumption,
    pub(crate) licences: Vec<LicenceRow>,
    pub(crate) by_source: BTreeMap<String, Used>,
    /// By source and `name@version`, as the ids of documents of packages begin.
    pub(crate) by_package: BTreeMap<(String, String), Used>,
    pub(crate) refused_licences: Vec<Rejection>,
}

/// What training consumed of some documents.
#[derive(Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) documents: u64,
    pub(crate) tokens: u64,
    /// First and last update that consumed a token.
    pub(crate) steps: Option<(u64, u64)>,
}

impl Used {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        let steps = match (self.steps, other.steps) {
            (Some(own), Some(others)) => Some((own.0.min(others.0), own.1.max(others.1))),
            (own, others) => own.or(others),
        };
        Self {
            documents: self.documents.saturating_add(other.documents),
            tokens: self.tokens.saturating_add(other.tokens),
            steps,
        }
    }
}

/// A document's target tokens, first and last step.
#[derive(Clone, Copy, Default)]
struct Use {
    tokens: u64,
    steps: Option<(u64, u64)>,
}

/// Reads the documents and every segment table of a release.
///
/// # Errors
/// A table that cannot be read, lacks a column, or names a document that is not there.
pub(crate) fn compare(release: &Path, allowed: &[String]) -> Result<Compared> {
    let documents = Table::read(&release.join(layout::DOCUMENTS))?;
    let uses = uses(release, documents.rows())?;
    let (source, licence) = (
        documents.utf8("source_id")?,
        documents.nullable_utf8("licence_spdx")?,
    );
    let id = documents.utf8("source_doc_id")?;
    let (split, bytes) = (documents.utf8("split")?, documents.u64("n_bytes")?);

    let mut consumption = Consumption::default();
    let mut classes = BTreeSet::new();
    let mut rows: BTreeMap<(&str, &str), LicenceRow> = BTreeMap::new();
    let mut by_source: BTreeMap<String, Used> = BTreeMap::new();
    let mut by_package: BTreeMap<(String, String), Used> = BTreeMap::new();
    let mut fits: BTreeMap<&str, bool> = BTreeMap::new();
    for (doc, used) in uses.iter().enumerate() {
        let expression = licence[doc].as_deref().unwrap_or(NO_LICENCE);
        consumption.held_out += u64::from(split[doc] == "held-out");
        if used.tokens == 0 && split[doc] == "rejected" {
            continue;
        }
        let row = rows.entry((&source[doc], expression)).or_insert_with(|| {
            let terms = expression_terms(expression);
            LicenceRow {
                source: source[doc].clone(),
                licence: expression.to_owned(),
                class: terms.class,
                attribution: terms.attribution,
                notice: terms.notice,
                share_alike: terms.share_alike,
                documents: 0,
                used_documents: 0,
                bytes: 0,
                consumed_tokens: Some(0),
                first_step: None,
                last_step: None,
            }
        });
        row.documents += 1;
        row.bytes = row.bytes.saturating_add(bytes[doc]);
        let Some((first, last)) = used.steps else {
            continue;
        };
        row.consumed_tokens = row
            .consumed_tokens
            .map(|tokens| tokens.saturating_add(used.tokens));
        row.first_step = Some(row.first_step.map_or(first, |step| step.min(first)));
        row.last_step = Some(row.last_step.map_or(last, |step| step.max(last)));
        row.used_documents += 1;
        let own = Used {
            documents: 1,
            tokens: used.tokens,
            steps: used.steps,
        };
        let sum = by_source.entry(source[doc].clone()).or_default();
        *sum = sum.and(own);
        if let Some((package, _)) = id[doc]
            .split_once('/')
            .filter(|(name, _)| name.contains('@'))
        {
            let sum = by_package
                .entry((source[doc].clone(), package.to_owned()))
                .or_default();
            *sum = sum.and(own);
        }
        classes.insert(row.class);
        let fit = *fits
            .entry(expression)
            .or_insert_with(|| allowed_by(expression, allowed));
        consumption.documents += 1;
        consumption.tokens = consumption.tokens.saturating_add(used.tokens);
        consumption.unknown_licence += u64::from(row.class == LicenceClass::Unknown);
        consumption.outside_gate += u64::from(!fit || split[doc] == "rejected");
        consumption.leaked += u64::from(split[doc] == "held-out");
    }
    consumption.classes = classes.into_iter().collect();
    let refused_licences = refused_licences(release, source, licence, bytes)?;
    Ok(Compared {
        consumption,
        licences: rows.into_values().collect(),
        by_source,
        by_package,
        refused_licences,
    })
}

/// Per document: the target tokens of the sequence that came from it. Token 0 of a row is never a target: it stands
/// at the end of the window before.
fn uses(release: &Path, documents: usize) -> Result<Vec<Use>> {
    let mut uses = vec![Use::default(); documents];
    for chunk in 0..layout::chunk_files(release).len() {
        let path = release.join(layout::chunk_segments(chunk));
        let table = Table::read(&path)?;
        let (step, doc) = (table.u64("step")?, table.u64("doc")?);
        let (start, end) = (table.u32("seq_start")?, table.u32("seq_end")?);
        for row in 0..table.rows() {
            let used = usize::try_from(doc[row])
                .ok()
                .and_then(|doc| uses.get_mut(doc));
            let Some(used) = used else {
                return Err(Error::Contradiction {
                    path,
                    problem: format!("row {row} names document {} of {documents}", doc[row]),
                });
            };
            used.tokens = used
                .tokens
                .saturating_add(u64::from(end[row].saturating_sub(start[row].max(1))));
            let (first, last) = used.steps.unwrap_or((step[row], step[row]));
            used.steps = Some((first.min(step[row]), last.max(step[row])));
        }
    }
    Ok(uses)
}

/// What the licence gate turned away, by source, rule and licence.
fn refused_licences(
    release: &Path,
    source: &[String],
    licence: &[Option<String>],
    bytes: &[u64],
) -> Result<Vec<Rejection>> {
    let path = release.join(layout::attributes("licence")?);
    let table = Table::read(&path)?;
    let (doc, verdict, rule) = (
        table.u64("doc")?,
        table.utf8("verdict")?,
        table.nullable_utf8("rule")?,
    );
    let mut counts: BTreeMap<(&str, &str, Option<&str>), (u64, u64)> = BTreeMap::new();
    for row in (0..table.rows()).filter(|row| verdict[*row] == "reject") {
        let at = usize::try_from(doc[row])
            .ok()
            .filter(|at| *at < source.len());
        let Some(at) = at else {
            let problem = format!("row {row} names document {} of {}", doc[row], source.len());
            return Err(Error::Contradiction { path, problem });
        };
        let rule = rule[row].as_deref().unwrap_or("");
        let count = counts
            .entry((&source[at], rule, licence[at].as_deref()))
            .or_default();
        *count = (count.0 + 1, count.1.saturating_add(bytes[at]));
    }
    let rejections = counts
        .into_iter()
        .map(|((source, rule, licence), (documents, bytes))| Rejection {
            stage: "licence".into(),
            source: source.into(),
            rule: rule.into(),
            licence: licence.map(str::to_owned),
            documents,
            bytes,
        });
    Ok(rejections.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_adds_up_over_sources() {
        let used = |tokens, steps| Used {
            documents: 1,
            tokens,
            steps,
        };
        let never = Used::default();
        let sum = never.and(used(5, Some((3, 9)))).and(used(7, Some((1, 4))));
        assert_eq!(
            (sum.documents, sum.tokens, sum.steps),
            (2, 12, Some((1, 9)))
        );
        assert_eq!(sum.and(never).steps, Some((1, 9)));
        assert_eq!(never.and(never).steps, None);
    }
}
