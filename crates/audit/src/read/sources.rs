//! Sources, licences and packages, joined with what training consumed.

use std::collections::BTreeMap;
use std::path::Path;

use glasswork_release::layout;
use glasswork_release::sources::{PackageRecord, SourcesFile};

use crate::consumption::{self, Used};
use crate::dossier::{Dossier, Package, RefusedAnnex, Rejection, Source, sum_by};

impl Dossier {
    pub(super) fn read_sources(&mut self, dir: &Path) {
        let Ok(file) = SourcesFile::load(dir) else {
            return;
        };
        let compared = match consumption::compare(dir, &file.allowed) {
            Ok(compared) => Some(compared),
            Err(error) => {
                let reason =
                    format!("documents could not be compared with the training sequence: {error}");
                self.refused.push(RefusedAnnex {
                    path: layout::DOCUMENTS.into(),
                    reason,
                });
                None
            }
        };
        let consumed = |id: &str| {
            compared
                .as_ref()
                .map(|all| all.by_source.get(id).copied().unwrap_or_default())
        };
        let all_consumed = compared
            .as_ref()
            .map(|all| all.consumption.tokens)
            .filter(|tokens| *tokens > 0);
        let mut packages: BTreeMap<(String, String, String), Package> = BTreeMap::new();
        for record in &file.sources {
            let used = consumed(&record.id);
            let consumed_tokens = used.map(|used| used.tokens);
            let kept = record
                .train
                .documents
                .saturating_add(record.held_out.documents);
            let rejected = sum_by(
                &record.rejected,
                |count| count.stage == "dedup",
                |count| count.documents,
            );
            self.sources.push(Source {
                id: record.id.clone(),
                kind: record.kind.clone(),
                reference: record.reference.clone(),
                pinned_by: Some(format!(
                    "{} (blake3 {})",
                    record.pinned_by.path, record.pinned_by.digest
                )),
                licence: record.licence.clone(),
                licence_evidence: record.licence_evidence.clone(),
                attribution: record.attribution.clone(),
                text_included: Some(record.redistributable && kept > 0),
                share: consumed_tokens
                    .zip(all_consumed)
                    .map(|(own, all)| own as f64 / all as f64),
                weight: Some(record.weight),
                documents: Some(record.train.documents),
                bytes: Some(record.train.bytes),
                tokens: Some(record.train.tokens),
                used_documents: used.map(|used| used.documents),
                held_out_documents: Some(record.held_out.documents),
                rejected_documents: Some(rejected.get(&false).copied().unwrap_or(0)),
                duplicate_documents: Some(rejected.get(&true).copied().unwrap_or(0)),
                consumed_tokens,
                // Nothing read of nothing is 0 times.
                epochs: consumed_tokens.map(|own| own as f64 / record.train.tokens.max(1) as f64),
            });
            for package in &record.packages {
                let key = (
                    package.name.clone(),
                    package.version.clone(),
                    package.sha256.clone(),
                );
                let title = format!("{}@{}", package.name, package.version);
                let taken = compared.as_ref().map(|all| {
                    let found = all.by_package.get(&(record.id.clone(), title));
                    found.copied().unwrap_or_default()
                });
                let entry = packages.entry(key).or_insert_with(|| Package {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    licence: package.licence.clone(),
                    licence_evidence: package.licence_evidence.clone(),
                    refused: package.refused.clone(),
                    sha256: package.sha256.clone(),
                    sources: Vec::new(),
                    repository: package.repository.clone(),
                    copyright: notices(package),
                    licence_files: package
                        .licence_files
                        .iter()
                        .map(|file| format!("{} sha256:{}", file.path, file.sha256))
                        .collect(),
                    consumed_tokens: None,
                    first_step: None,
                    last_step: None,
                });
                entry.sources.push(record.id.clone());
                if let Some(taken) = taken {
                    let before = Used {
                        documents: 0,
                        tokens: entry.consumed_tokens.unwrap_or(0),
                        steps: entry.first_step.zip(entry.last_step),
                    };
                    let sum = before.and(taken);
                    entry.consumed_tokens = Some(sum.tokens);
                    (entry.first_step, entry.last_step) = sum.steps.unzip();
                }
            }
            // The licence gate's rows come from the table, which also knows the licences.
            let others = record
                .rejected
                .iter()
                .filter(|count| compared.is_none() || count.stage != "licence");
            self.rejections.extend(others.map(|count| Rejection {
                stage: count.stage.clone(),
                source: record.id.clone(),
                rule: count.rule.clone(),
                licence: None,
                documents: count.documents,
                bytes: count.bytes,
            }));
        }
        self.packages = packages.into_values().collect();
        if let Some(compared) = compared {
            self.licences = compared.licences;
            self.rejections.splice(0..0, compared.refused_licences);
            self.consumption = Some(compared.consumption);
        }
    }
}

/// The copyright lines of a package's licence files, each once; where there are none, the authors of its manifest.
fn notices(package: &PackageRecord) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in package
        .licence_files
        .iter()
        .flat_map(|file| &file.copyright)
    {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
    if lines.is_empty() {
        lines.clone_from(&package.authors);
    }
    lines
}

#[cfg(test)]
mod tests {
    use glasswork_release::sources::LicenceFile;

    use super::*;

    #[test]
    fn a_notice_is_shown_once_and_authors_stand_in_for_none() {
        let file = |path: &str, lines: &[&str]| LicenceFile {
            path: path.into(),
            sha256: "0".repeat(64),
            copyright: lines.iter().map(|line| (*line).to_owned()).collect(),
        };
        let mut package = PackageRecord {
            name: "p".into(),
            version: "1.0.0".into(),
            sha256: "0".repeat(64),
            licence: None,
            licence_evidence: String::new(),
            refused: None,
            authors: vec!["A".into()],
            repository: None,
            licence_files: vec![
                file("COPYRIGHT", &["© A", "© B"]),
                file("LICENSE-MIT", &["© B"]),
            ],
        };
        assert_eq!(notices(&package), ["© A", "© B"]);
        package.licence_files = vec![file("LICENSE-APACHE", &[])];
        assert_eq!(notices(&package), ["A"]);
    }
}
