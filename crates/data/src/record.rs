//! What is written about the documents: `documents.parquet`, a table of verdicts per stage, the
//! text that may be passed on, and `sources.json`.

use std::collections::BTreeMap;
use std::path::Path;

use glasswork_release::config::{RunConfig, SourceKind};
use glasswork_release::licence::{self, LicenceClass, LicenceTerms};
use glasswork_release::sources::{
    LanguageCount, LicenceCount, PackageRecord, PinnedBy, RejectedCount, SourceRecord, SourcesFile,
    SplitCount, StageCount,
};
use glasswork_release::table::{Column, Table};
use glasswork_release::{Digest, layout};

use crate::corpus::{Document, Split};
use crate::error::Result;
use crate::source::licence::evaluate;
use crate::source::{SourcePackage, Stage};

/// What `prep` knows about a source besides its documents.
pub(crate) struct SourceInfo {
    pub(crate) pinned_path: String,
    pub(crate) pinned_digest: Digest,
    pub(crate) entries: u64,
    pub(crate) evidence: Option<String>,
    pub(crate) packages: Vec<SourcePackage>,
}

/// A kind's name in run files and records.
pub(crate) fn kind_name(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::CrateCode => "crate-code",
        SourceKind::CrateProse => "crate-prose",
        SourceKind::HtmlDocs => "html-docs",
    }
}

/// The path below `data/` of a path in a release.
pub(crate) fn below_data(path: &str) -> &str {
    path.strip_prefix("data/")
        .expect("layout places all data below data/")
}

/// `sources.json`.
pub(crate) fn sources_file(
    config: &RunConfig,
    inputs_digest: Digest,
    documents: &[Document],
    infos: Vec<SourceInfo>,
) -> SourcesFile {
    let records = config
        .sources
        .iter()
        .zip(infos)
        .enumerate()
        .map(|(at, (source, info))| {
            let own: Vec<&Document> = documents
                .iter()
                .filter(|document| document.source == at)
                .collect();
            let kept: Vec<&Document> = own
                .iter()
                .copied()
                .filter(|document| document.split != Split::Rejected)
                .collect();
            let licences = licence_counts(&kept);
            let asked: Vec<LicenceTerms> =
                licences.iter().map(|count| terms(&count.spdx)).collect();
            let split = |split| {
                let mut count = SplitCount::default();
                for document in own.iter().filter(|document| document.split == split) {
                    count.documents += 1;
                    count.bytes += document.candidate.n_bytes;
                    count.tokens += document.n_tokens;
                }
                count
            };
            SourceRecord {
                id: source.id.clone(),
                kind: kind_name(source.kind).into(),
                reference: source.reference.clone(),
                weight: source.weight,
                pinned_by: PinnedBy {
                    path: info.pinned_path,
                    digest: info.pinned_digest,
                    entries: info.entries,
                },
                licence: source.licence.clone(),
                licence_evidence: info.evidence,
                attribution: source.attribution.clone(),
                notice: asked.iter().any(|terms| terms.notice),
                share_alike: asked.iter().any(|terms| terms.share_alike),
                redistributable: asked.iter().all(|terms| redistributable(*terms)),
                licences,
                stages: stage_counts(&own),
                train: split(Split::Train),
                held_out: split(Split::HeldOut),
                rejected: rejected_counts(&own),
                languages: tally(&kept, |document| document.candidate.lang.to_owned())
                    .into_iter()
                    .map(|(lang, (documents, bytes))| LanguageCount {
                        lang,
                        documents,
                        bytes,
                    })
                    .collect(),
                packages: info.packages.into_iter().map(package_record).collect(),
            }
        });
    SourcesFile {
        format: glasswork_release::FORMAT,
        inputs_digest,
        allowed: config.gate.allow.clone(),
        sources: records.collect(),
    }
}

fn package_record(package: SourcePackage) -> PackageRecord {
    PackageRecord {
        name: package.name,
        version: package.version,
        sha256: package.sha256,
        licence: package.licence.spdx,
        licence_evidence: package.licence.evidence,
        refused: package.licence.refused.map(|(rule, _)| rule.to_owned()),
        authors: package.notices.authors,
        repository: package.notices.repository,
        licence_files: package.notices.files,
    }
}

/// Documents and bytes by a key, in the order of the keys.
fn tally<K: Ord>(documents: &[&Document], key: impl Fn(&Document) -> K) -> BTreeMap<K, (u64, u64)> {
    let mut counts: BTreeMap<K, (u64, u64)> = BTreeMap::new();
    for document in documents {
        let count = counts.entry(key(document)).or_default();
        count.0 += 1;
        count.1 += document.candidate.n_bytes;
    }
    counts
}

fn licence_counts(kept: &[&Document]) -> Vec<LicenceCount> {
    let spdx = |document: &Document| document.candidate.licence.spdx.clone().unwrap_or_default();
    let counts = tally(kept, spdx)
        .into_iter()
        .map(|(spdx, (documents, bytes))| LicenceCount {
            class: terms(&spdx).class,
            spdx,
            documents,
            bytes,
        });
    counts.collect()
}

/// The terms of an expression: of an `OR` the freer side's, of an `AND` those of both.
fn terms(expression: &str) -> LicenceTerms {
    let freer = |a: LicenceTerms, b: LicenceTerms| if b.class < a.class { b } else { a };
    let both = |a: LicenceTerms, b: LicenceTerms| LicenceTerms {
        class: a.class.max(b.class),
        attribution: a.attribution || b.attribution,
        share_alike: a.share_alike || b.share_alike,
        notice: a.notice || b.notice,
    };
    evaluate(expression, licence::terms, freer, both).unwrap_or_else(|| licence::terms(expression))
}

/// Whether text under these terms may be passed on by anybody, notices and conditions kept.
fn redistributable(terms: LicenceTerms) -> bool {
    !matches!(
        terms.class,
        LicenceClass::NonCommercial | LicenceClass::Unknown
    )
}

/// The stages after which a document is still there: all up to the one that rejected it.
fn survives(document: &Document, stage: Stage) -> bool {
    document
        .candidate
        .refused
        .as_ref()
        .is_none_or(|refusal| refusal.stage > stage)
}

fn stage_counts(own: &[&Document]) -> Vec<StageCount> {
    let count = |name: &str, documents: Vec<&Document>| StageCount {
        stage: name.into(),
        documents: documents.len() as u64,
        bytes: documents
            .iter()
            .map(|document| document.candidate.n_bytes)
            .sum(),
    };
    let mut counts = vec![count("collect", own.to_vec())];
    for stage in [Stage::Extract, Stage::Licence, Stage::Dedup] {
        let left = own
            .iter()
            .copied()
            .filter(|document| survives(document, stage))
            .collect();
        counts.push(count(stage.name(), left));
    }
    counts
}

fn rejected_counts(own: &[&Document]) -> Vec<RejectedCount> {
    let mut counts: BTreeMap<(Stage, &str), (u64, u64)> = BTreeMap::new();
    for document in own {
        if let Some(refusal) = &document.candidate.refused {
            let count = counts.entry((refusal.stage, refusal.rule)).or_default();
            count.0 += 1;
            count.1 += document.candidate.n_bytes;
        }
    }
    let counts = counts
        .into_iter()
        .map(|((stage, rule), (documents, bytes))| RejectedCount {
            stage: stage.name().into(),
            rule: rule.into(),
            documents,
            bytes,
        });
    counts.collect()
}

/// Writes `documents.parquet`, the verdicts and the texts below `data`.
pub(crate) fn write_tables(
    data: &Path,
    sources: &SourcesFile,
    documents: &[Document],
) -> Result<()> {
    documents_table(sources, documents)?.write(&data.join(below_data(layout::DOCUMENTS)))?;
    for stage in Stage::ALL {
        let path = layout::attributes(stage.name())?;
        verdicts(stage, documents)?.write(&data.join(below_data(&path)))?;
    }
    for (at, source) in sources.sources.iter().enumerate() {
        let own: Vec<(u64, &str)> = (0..)
            .zip(documents)
            .filter(|(_, document)| document.source == at && document.split != Split::Rejected)
            .map(|(number, document)| (number, document.candidate.text.as_str()))
            .collect();
        if source.redistributable && !own.is_empty() {
            let table = Table::from_columns([
                (
                    "doc",
                    Column::U64(own.iter().map(|(number, _)| *number).collect()),
                ),
                (
                    "text",
                    Column::Utf8(own.iter().map(|(_, text)| (*text).to_owned()).collect()),
                ),
            ])?;
            table.write(&data.join(below_data(&layout::text(&source.id)?)))?;
        }
    }
    Ok(())
}

fn documents_table(sources: &SourcesFile, documents: &[Document]) -> Result<Table> {
    let text =
        |get: &dyn Fn(&Document) -> String| Column::Utf8(documents.iter().map(get).collect());
    let number = |get: &dyn Fn(&Document) -> u64| Column::U64(documents.iter().map(get).collect());
    let nullable = |get: &dyn Fn(&Document) -> Option<String>| {
        Column::NullableUtf8(documents.iter().map(get).collect())
    };
    let text_ref = |document: &Document| {
        let source = &sources.sources[document.source];
        let kept = source.redistributable && document.split != Split::Rejected;
        kept.then(|| layout::text(&source.id).expect("the run file's ids are valid"))
    };
    Ok(Table::from_columns([
        ("doc", Column::U64((0..documents.len() as u64).collect())),
        (
            "content_hash",
            nullable(&|d| d.candidate.content_hash.map(|hash| hash.to_string())),
        ),
        ("source_id", text(&|d| sources.sources[d.source].id.clone())),
        (
            "source_doc_id",
            text(&|d| d.candidate.source_doc_id.clone()),
        ),
        ("raw_sha256", text(&|d| d.candidate.raw_sha256.clone())),
        ("raw_path", text(&|d| d.candidate.raw_path.clone())),
        ("raw_bytes", number(&|d| d.candidate.raw_bytes)),
        ("extraction", text(&|d| d.candidate.extraction.to_owned())),
        (
            "licence_spdx",
            nullable(&|d| d.candidate.licence.spdx.clone()),
        ),
        (
            "licence_scope",
            text(&|d| d.candidate.licence.scope.to_owned()),
        ),
        ("lang", text(&|d| d.candidate.lang.to_owned())),
        ("n_bytes", number(&|d| d.candidate.n_bytes)),
        ("n_tokens", number(&|d| d.n_tokens)),
        ("dup_cluster", number(&|d| d.dup_cluster)),
        ("dup_count", number(&|d| d.dup_count)),
        ("split", text(&|d| d.split.name().to_owned())),
        ("text_ref", nullable(&text_ref)),
    ])?)
}

/// The verdict of one stage on every document that reached it.
fn verdicts(stage: Stage, documents: &[Document]) -> Result<Table> {
    let (mut doc, mut verdict, mut rule, mut detail) = (vec![], vec![], vec![], vec![]);
    for (number, document) in (0..).zip(documents) {
        let candidate = &document.candidate;
        if candidate
            .refused
            .as_ref()
            .is_some_and(|refusal| refusal.stage < stage)
        {
            continue;
        }
        doc.push(number);
        let evidence = || (stage == Stage::Licence).then(|| candidate.licence.evidence.clone());
        let (said, by, about) = match candidate.refused.as_ref().filter(|by| by.stage == stage) {
            Some(refusal) => {
                let about = match evidence() {
                    Some(evidence) => format!("{} ({evidence})", refusal.found),
                    None => refusal.found.clone(),
                };
                ("reject", Some(refusal.rule.to_owned()), Some(about))
            }
            None if stage == Stage::Split => {
                (document.split.name(), Some("content-hash".into()), None)
            }
            None => ("keep", None, evidence()),
        };
        verdict.push(said.to_owned());
        rule.push(by);
        detail.push(about);
    }
    Ok(Table::from_columns([
        ("doc", Column::U64(doc)),
        ("verdict", Column::Utf8(verdict)),
        ("rule", Column::NullableUtf8(rule)),
        ("detail", Column::NullableUtf8(detail)),
    ])?)
}
