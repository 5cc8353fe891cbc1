//! The data of a report, field by field as `web/src/report.ts` reads it.

use glasswork_audit::dossier::{
    Check, Checkpoint, Evaluation, FactGroup, FaultDrill, Incident, LicenceRow, Metrics, Package,
    RefusedAnnex, Rejection, Release, ReleaseFile, Replay, Samples, Segment, Source,
};
use glasswork_audit::{Claim, Command, Decision, Dossier, claims, commands, decide, release_place};
use glasswork_release::annex::Program;
use serde::{Deserialize, Serialize};

use crate::Options;

/// The format number of the data block.
const FORMAT: u32 = 1;

/// A language that the page speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// Japanese.
    Ja,
}

/// Everything that the page shows. `None` is missing, and is shown so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Format of this block.
    pub format: u32,
    /// What made the report.
    pub program: Program,
    /// The language to open in.
    pub language: Language,
    /// Which release.
    pub release: Release,
    /// What the check of the files said.
    pub check: Check,
    /// Everything that can be said, with rungs and evidence.
    pub claims: Vec<Claim>,
    /// What follows from it by the criteria.
    pub decision: Decision,
    /// How the model was trained.
    pub run: DecidedRun,
    /// Sources of text.
    pub sources: Vec<Source>,
    /// Licences by source.
    pub licences: Vec<LicenceRow>,
    /// Packages with their licences.
    pub packages: Vec<Package>,
    /// What was turned away.
    pub rejections: Vec<Rejection>,
    /// Values of every step.
    pub metrics: Option<Metrics>,
    /// Checkpoints.
    pub checkpoints: Vec<Checkpoint>,
    /// Stretches between checkpoints.
    pub segments: Vec<Segment>,
    /// Held-out scores.
    pub evaluations: Vec<Evaluation>,
    /// Samples.
    pub samples: Vec<Samples>,
    /// Replays.
    pub replays: Vec<Replay>,
    /// The fault drill.
    pub fault_drill: Option<FaultDrill>,
    /// Incidents of the ledger.
    pub incidents: Vec<Incident>,
    /// Files with digests.
    pub files: Vec<ReleaseFile>,
    /// Annexes that support nothing.
    pub refused: Vec<RefusedAnnex>,
}

/// How the model was trained, and the commands that check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecidedRun {
    /// The run's name.
    pub name: String,
    /// Elements of all model tensors.
    pub parameters: Option<u64>,
    /// Main values of the configuration.
    pub facts: Vec<FactGroup>,
    /// `run.toml`, whole.
    pub toml: String,
    /// The configuration's digest.
    pub digest: Option<String>,
    /// `code.json`: key and value.
    pub code: Vec<(String, String)>,
    /// `execution.toml`, whole.
    pub execution: Option<String>,
    /// Commands to check the release.
    pub commands: Vec<Command>,
}

impl Report {
    pub(crate) fn new(dossier: Dossier, options: &Options<'_>) -> Self {
        let claims = claims(&dossier);
        let decision = decide(&claims, &options.criteria, &release_place(&dossier));
        let commands = commands(&dossier);
        Self {
            format: FORMAT,
            program: options.program.clone(),
            language: options.language,
            release: dossier.release,
            check: dossier.check,
            claims,
            decision,
            run: DecidedRun {
                name: dossier.run.name,
                parameters: dossier.run.parameters,
                facts: dossier.run.facts,
                toml: dossier.run.toml,
                digest: dossier.run.digest,
                code: dossier.run.code,
                execution: dossier.run.execution,
                commands,
            },
            sources: dossier.sources,
            licences: dossier.licences,
            packages: dossier.packages,
            rejections: dossier.rejections,
            metrics: dossier.metrics,
            checkpoints: dossier.checkpoints,
            segments: dossier.segments.unwrap_or_default(),
            evaluations: dossier.evaluations,
            samples: dossier.samples,
            replays: dossier.replays,
            fault_drill: dossier.fault_drill,
            incidents: dossier.incidents,
            files: dossier.files,
            refused: dossier.refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &str = include_str!("../../../web/tests/fixture.json");

    /// The fixture that the page's tests draw has every field and no other: the contract holds in both directions.
    #[test]
    fn the_fixture_is_the_contract() {
        let report: Report = serde_json::from_str(FIXTURE).expect("the fixture is a report");
        let again = serde_json::to_value(&report).expect("is JSON");
        let fixture: serde_json::Value = serde_json::from_str(FIXTURE).expect("is JSON");
        let keys = |value: &serde_json::Value| -> Vec<String> {
            let mut keys = Vec::new();
            collect(value, "", &mut keys);
            keys.sort();
            keys.dedup();
            keys
        };
        assert_eq!(keys(&again), keys(&fixture));
    }

    /// Paths of all keys, array places left out. Values of sentences are the claims' own affair.
    fn collect(value: &serde_json::Value, prefix: &str, keys: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (key, value) in fields {
                    let path = format!("{prefix}.{key}");
                    if key != "params" && key != "title" && !value.is_null() {
                        collect(value, &path, keys);
                    }
                    if !value.is_null() {
                        keys.push(path);
                    }
                }
            }
            serde_json::Value::Array(items) => {
                items.iter().for_each(|item| collect(item, prefix, keys))
            }
            _ => {}
        }
    }
}
