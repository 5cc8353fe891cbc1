//! The seventeen components of the Model Openness Framework (LF AI & Data, MOF 1.0), and the class that follows from them.
//!
//! The list, its classes and which of them are optional are those of the framework's own tool (`mof.settings.yml` of the
//! Model Openness Tool): arXiv 2403.13784 counts parameters once, the tool final and intermediate ones apart. A class is
//! computed from what is there, never taken from a card.

use serde::{Deserialize, Serialize};

use glasswork_published::{Inventory, StoredFile};

use super::Subject;
use super::evidence;
use super::finding::{Ask, Finding, Severity};
use super::lines::main_line;
use crate::claims::{Evidence, Params, Rung};

/// Names of components, and what to ask for, in English and Japanese.
pub const WORDS: &str = include_str!("data/components.toml");

/// What was found of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentState {
    /// It is there and agrees with the rest.
    Consistent,
    /// It is there.
    Present,
    /// It is not there. With the rung *declared*, a card says that it is somewhere else and nobody looked.
    Missing,
    /// It is there and contradicts the rest.
    Contradictory,
}

/// One component of a publication.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// One of [`COMPONENT_IDS`].
    pub id: String,
    /// The class that needs it: 3, 2 or 1; a class needs those of the higher numbers, too.
    pub class: u8,
    /// Whether that class can be had without it.
    pub optional: bool,
    /// What was found.
    pub state: ComponentState,
    /// How far it was checked; `None` where there is nothing.
    pub rung: Option<Rung>,
    /// Files, or links of a card.
    pub evidence: Vec<Evidence>,
    /// What to ask the publisher for: its id is the component's.
    pub ask: Option<Ask>,
}

/// Openness classes: I (1) open science, II (2) open tooling, III (3) open model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpennessClass {
    /// By what is there; `None` is below class III.
    pub shown: Option<u8>,
    /// If everything that cards only name were there, too.
    pub declared: Option<u8>,
}

/// Every component with its class and whether it is optional.
pub const COMPONENT_IDS: &[(&str, u8, bool)] = &[
    ("model_architecture", 3, false),
    ("final_parameters", 3, false),
    ("evaluation_results", 3, false),
    ("model_card", 3, false),
    ("data_card", 3, false),
    ("technical_report", 3, false),
    ("sample_outputs", 3, true),
    ("training_code", 2, false),
    ("inference_code", 2, false),
    ("evaluation_code", 2, false),
    ("evaluation_data", 2, false),
    ("supporting_libraries", 2, true),
    ("datasets", 1, false),
    ("preprocessing_code", 1, false),
    ("intermediate_parameters", 1, false),
    ("research_paper", 1, false),
    ("model_metadata", 1, true),
];

/// What there is of one component.
#[derive(Default)]
struct Found {
    /// Files that are there.
    files: Vec<Evidence>,
    /// What a card only names.
    named: Vec<Evidence>,
    /// Whether something was compared with it.
    compared: bool,
    /// Detectors whose contradictions speak of it.
    detectors: &'static [&'static str],
}

/// All components, in the order of [`COMPONENT_IDS`].
#[must_use]
pub fn components(of: &Subject<'_>, findings: &[Finding]) -> Vec<Component> {
    COMPONENT_IDS
        .iter()
        .map(|(id, class, optional)| {
            let found = look(of, id);
            let against = findings.iter().any(|finding| {
                finding.severity == Severity::Contradiction
                    && found.detectors.contains(&finding.detector.as_str())
            });
            let doubted = findings.iter().any(|finding| {
                finding.severity == Severity::Doubt
                    && found.detectors.contains(&finding.detector.as_str())
            });
            let (state, rung) = match (found.files.is_empty(), against) {
                (true, _) => (
                    ComponentState::Missing,
                    (!found.named.is_empty()).then_some(Rung::Declared),
                ),
                (false, true) => (ComponentState::Contradictory, Some(Rung::Present)),
                (false, false) if found.compared && !doubted => {
                    (ComponentState::Consistent, Some(Rung::Consistent))
                }
                (false, false) => (ComponentState::Present, Some(Rung::Present)),
            };
            let open = matches!(
                state,
                ComponentState::Missing | ComponentState::Contradictory
            );
            let mut evidence = found.files;
            evidence.extend(found.named);
            evidence.truncate(8);
            Component {
                id: (*id).into(),
                class: *class,
                optional: *optional,
                state,
                rung,
                evidence,
                ask: open.then(|| Ask {
                    id: (*id).into(),
                    params: Params::new(),
                }),
            }
        })
        .collect()
}

/// The class that components reach. `licensed` says whether the model's licence is known and open: without it there is none.
#[must_use]
pub fn openness_class(components: &[Component], licensed: bool) -> OpennessClass {
    let reached = |enough: &dyn Fn(&Component) -> bool| {
        if !licensed {
            return None;
        }
        [1, 2, 3].into_iter().find(|class| {
            components
                .iter()
                .filter(|component| component.class >= *class && !component.optional)
                .all(enough)
        })
    };
    let there = |component: &Component| {
        matches!(
            component.state,
            ComponentState::Consistent | ComponentState::Present
        )
    };
    OpennessClass {
        shown: reached(&there),
        declared: reached(&|component| there(component) || component.rung == Some(Rung::Declared)),
    }
}

fn look(of: &Subject<'_>, id: &str) -> Found {
    let inventory = of.inventory;
    let code = |words: &[&str]| files(&inventory.code, words, "code");
    match id {
        "model_architecture" => Found {
            files: inventory
                .checkpoints
                .iter()
                .rev()
                .filter(|one| one.config.is_some())
                .take(1)
                .map(|one| folder_file(&one.folder, "config.json", "checkpoints"))
                .chain(code(&["modeling", "modelling", "model.py", "architecture"]))
                .collect(),
            compared: inventory
                .checkpoints
                .iter()
                .any(|one| one.config.is_some() && !one.tensors.is_empty()),
            detectors: &["configuration"],
            ..Found::default()
        },
        "final_parameters" => Found {
            files: inventory
                .checkpoints
                .last()
                .into_iter()
                .flat_map(|one| &one.weights)
                .map(|file| evidence::stored(file, "checkpoints"))
                .collect(),
            compared: inventory
                .checkpoints
                .last()
                .is_some_and(|one| !one.tensors.is_empty()),
            detectors: &["pickles", "shards", "configuration", "step_identity"],
            ..Found::default()
        },
        "intermediate_parameters" => {
            let line = main_line(inventory).filter(|line| line.members.len() > 1);
            Found {
                files: line
                    .iter()
                    .flat_map(|line| &line.members)
                    .filter(|(_, index)| !inventory.checkpoints[*index].weights.is_empty())
                    .map(|(_, index)| evidence::weights(&inventory.checkpoints[*index]))
                    .collect(),
                compared: of.samples.values.iter().flatten().count() >= 4,
                detectors: &[
                    "step_identity",
                    "duplicates",
                    "initialisation",
                    "cadence",
                    "shards",
                ],
                ..Found::default()
            }
        }
        "evaluation_results" => Found {
            files: inventory
                .evaluations
                .iter()
                .map(|one| evidence::file(&one.path, None, "evaluations"))
                .collect(),
            compared: inventory.evaluations.len() > 1,
            detectors: &["evaluations"],
            ..Found::default()
        },
        "model_card" => Found {
            files: inventory
                .cards
                .iter()
                .filter(|card| !is_data_card(&card.path) && !card.text.trim().is_empty())
                .map(|card| evidence::file(&card.path, None, "cards"))
                .collect(),
            compared: inventory.cards.iter().any(|card| card.text.len() > 500),
            detectors: &["token_totals", "licences", "references"],
            ..Found::default()
        },
        "data_card" => Found {
            files: inventory
                .cards
                .iter()
                .filter(|card| is_data_card(&card.path))
                .map(|card| evidence::file(&card.path, None, "cards"))
                .collect(),
            named: headings(
                inventory,
                &["dataset", "training data", "data mix", "corpus"],
            ),
            ..Found::default()
        },
        "technical_report" | "research_paper" => {
            let words: &[&str] = if id == "research_paper" {
                &["arxiv.org", "doi.org", "aclanthology", "openreview"]
            } else {
                &["report", "whitepaper", "white-paper"]
            };
            let (seen, named) = links(of, words);
            let mut there = others(inventory, &[".pdf"]);
            let word = if id == "research_paper" {
                "paper"
            } else {
                "report"
            };
            there.retain(|file| file.path.to_ascii_lowercase().contains(word));
            there.extend(seen);
            Found {
                files: there,
                named,
                ..Found::default()
            }
        }
        "sample_outputs" => Found {
            files: others(
                inventory,
                &["sample_output", "sample-output", "samples/", "generations"],
            ),
            named: headings(inventory, &["sample output", "example output", "examples"]),
            ..Found::default()
        },
        "training_code" => with_links(
            of,
            code(&[
                "train",
                "launch",
                "main.py",
                "fsdp",
                "deepspeed",
                "megatron",
            ]),
            &["train", "neox", "olmo", "megatron", "source code"],
        ),
        "inference_code" => with_links(
            of,
            code(&["infer", "generate", "serve", "modeling", "chat.py"]),
            &["infer", "serve", "demo"],
        ),
        "evaluation_code" => with_links(
            of,
            code(&["eval", "benchmark", "harness"]),
            &["eval", "harness", "benchmark", "analysis"],
        ),
        "preprocessing_code" => with_links(
            of,
            code(&[
                "preprocess",
                "prepare",
                "tokeniz",
                "dedup",
                "data_prep",
                "data-prep",
                "filter",
            ]),
            &["data-prep", "data_prep", "preprocess", "dolma", "dedup"],
        ),
        "evaluation_data" => Found {
            files: inventory
                .data
                .iter()
                .filter(|file| is_evaluation_data(&file.path))
                .map(|file| evidence::file(&file.path, file.sha256.as_deref(), "data"))
                .collect(),
            // Tasks named in results are public sets that somebody else publishes.
            named: inventory
                .evaluations
                .iter()
                .take(1)
                .map(|one| evidence::file(&one.path, None, "evaluations"))
                .collect(),
            ..Found::default()
        },
        "supporting_libraries" => Found {
            files: code(&[
                "requirements",
                "environment.y",
                "pyproject",
                "setup.py",
                "dockerfile",
            ])
            .into_iter()
            .chain(others(inventory, &["requirements", "environment.y"]))
            .collect(),
            ..Found::default()
        },
        "datasets" => Found {
            files: inventory
                .data
                .iter()
                .filter(|file| !is_evaluation_data(&file.path))
                .map(|file| evidence::file(&file.path, file.sha256.as_deref(), "data"))
                .collect(),
            named: inventory
                .cards
                .iter()
                .filter(|card| !card.front_matter.datasets.is_empty())
                .map(|card| evidence::file(&card.path, None, "cards"))
                .collect(),
            compared: inventory.data.iter().any(|file| file.sampled.is_some()),
            detectors: &["licences"],
        },
        "model_metadata" => Found {
            files: inventory
                .checkpoints
                .iter()
                .flat_map(|one| &one.optimizer)
                .map(|file| evidence::stored(file, "checkpoints"))
                .chain(
                    inventory
                        .metrics
                        .iter()
                        .map(|one| evidence::file(&one.path, None, "metrics")),
                )
                .take(8)
                .collect(),
            detectors: &["optimizer_state", "log_gap", "log_restart", "schedule"],
            compared: !inventory.metrics.is_empty(),
            ..Found::default()
        },
        _ => Found::default(),
    }
}

fn files(among: &[StoredFile], words: &[&str], section: &str) -> Vec<Evidence> {
    among
        .iter()
        .filter(|file| {
            let path = file.path.to_ascii_lowercase();
            words.iter().any(|word| path.contains(word))
        })
        .map(|file| evidence::stored(file, section))
        .collect()
}

/// Files that are no weights, data, code or results.
fn others(inventory: &Inventory, words: &[&str]) -> Vec<Evidence> {
    let mut found = files(&inventory.other, words, "files");
    for checkpoint in &inventory.checkpoints {
        found.extend(files(&checkpoint.other, words, "files"));
    }
    found
}

fn folder_file(folder: &str, name: &str, section: &str) -> Evidence {
    let path = match folder.trim_end_matches('/') {
        "" | "." => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    evidence::file(&path, None, section)
}

/// Whether a file speaks of the data: it lies in a folder of data, or its name says so.
pub(crate) fn is_data_card(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.split('/').any(|part| {
        ["data", "train", "corpus"].contains(&part)
            || ["dataset", "data_card", "data-card", "datacard", "datasheet"]
                .iter()
                .any(|word| part.contains(word))
    })
}

pub(crate) fn is_evaluation_data(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ["eval", "test", "benchmark", "validation"]
        .iter()
        .any(|word| path.contains(word))
}

/// Cards with a heading that has one of `words`.
fn headings(inventory: &Inventory, words: &[&str]) -> Vec<Evidence> {
    inventory
        .cards
        .iter()
        .filter(|card| {
            card.text
                .lines()
                .filter(|line| line.starts_with('#'))
                .any(|line| {
                    let line = line.to_ascii_lowercase();
                    words.iter().any(|word| line.contains(word))
                })
        })
        .map(|card| evidence::file(&card.path, None, "cards"))
        .collect()
}

/// Links of cards with one of `words`: those known to answer, and those that nobody asked.
fn links(of: &Subject<'_>, words: &[&str]) -> (Vec<Evidence>, Vec<Evidence>) {
    let mut seen = Vec::new();
    let mut named = Vec::new();
    for card in &of.inventory.cards {
        for link in &card.links {
            let lower = link.to_ascii_lowercase();
            if !words.iter().any(|word| lower.contains(word)) {
                continue;
            }
            let mut evidence = evidence::file(&card.path, None, "cards");
            evidence.detail = Some(link.clone());
            match of.reachable.get(link) {
                Some(true) => seen.push(evidence),
                Some(false) => {}
                None => named.push(evidence),
            }
        }
    }
    (seen, named)
}

/// Code that is there, or in a repository that a card links to.
fn with_links(of: &Subject<'_>, mut there: Vec<Evidence>, words: &[&str]) -> Found {
    let (seen, named) = links(of, words);
    let repository = |evidence: &Evidence| {
        evidence
            .detail
            .as_deref()
            .is_some_and(|link| link.contains("github.com") || link.contains("gitlab"))
    };
    there.extend(seen.into_iter().filter(|one| repository(one)));
    Found {
        files: there,
        named: named.into_iter().filter(|one| repository(one)).collect(),
        ..Found::default()
    }
}
