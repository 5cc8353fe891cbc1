//! From claims and criteria to a decision, with what stands against it and what would change it.

use std::collections::BTreeMap;

use glasswork_release::licence::LicenceClass;
use serde::{Deserialize, Serialize};

use crate::claims::{Claim, Param, Params, Rung, Status};
use crate::criteria::{Criteria, Criterion};
use crate::publication::PUBLICATION_CLAIM_IDS;
use crate::{commands, detection_chance};

/// What the criteria say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All are met.
    Adopt,
    /// One is not met.
    DoNotAdopt,
    /// None is broken, but for some there is no sufficient evidence.
    NotEnoughEvidence,
}

/// What one criterion says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CriterionVerdict {
    /// Its claims hold, on its rung, within its limits.
    Met,
    /// A claim is contradicted, or a limit broken.
    NotMet,
    /// Evidence is missing or too weak.
    Unknown,
}

/// What stands against a criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// One of [`REASON_IDS`].
    pub id: String,
    /// Values of its sentence.
    pub params: Params,
}

/// What would change the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// One of [`REMEDY_IDS`].
    pub id: String,
    /// Values of its sentence.
    pub params: Params,
    /// A command that does it.
    pub command: Option<String>,
    /// What it costs, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// What a remedy costs the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Bytes to fetch.
    pub bytes: Option<u64>,
    /// Minutes of the reader's own machine, about.
    pub minutes: Option<u64>,
}

/// A criterion's verdict, with its grounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CriterionResult {
    /// Its id.
    pub id: String,
    /// Words of its own, by language.
    pub title: BTreeMap<String, String>,
    /// The verdict.
    pub verdict: CriterionVerdict,
    /// Claims it stands on.
    pub claims: Vec<String>,
    /// What stands against it.
    pub reasons: Vec<Reason>,
    /// What would change it.
    pub remedies: Vec<Remedy>,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What follows.
    pub verdict: Verdict,
    /// Name of the criteria.
    pub criteria_name: String,
    /// The criteria file, whole.
    pub criteria_text: String,
    /// One per criterion, in the file's order.
    pub criteria: Vec<CriterionResult>,
}

/// Ids of reasons.
pub const REASON_IDS: &[&str] = &[
    "claim_fails",
    "claim_missing",
    "rung_too_low",
    "licence_class_not_allowed",
    "chance_too_low",
    "score_above_limit",
    "verbatim_too_long",
];

/// Ids of remedies.
pub const REMEDY_IDS: &[&str] = &[
    "pin_root",
    "replay_more",
    "replay_yourself",
    "get_intact_copy",
    "look_into_divergence",
    "state_model_licence",
    "screen_personal_data",
    "run_benchmarks",
    "run_safety",
    "evaluate",
    "ask_publisher",
    "review_licences",
];

/// Ids of remedies for published models.
pub const PUBLICATION_REMEDY_IDS: &[&str] = &[
    "pub_ask_publisher",
    "pub_review_licences",
    "pub_look_into_weights",
    "pub_choose_another_checkpoint",
    "pub_confirm_evaluations",
    "pub_confirm_loss",
    "pub_try_own_documents",
    "pub_evaluate_safety",
    "pub_ask_for_references",
];

/// Applies criteria to claims. `place` is how commands name the release.
#[must_use]
pub fn decide(claims: &[Claim], criteria: &Criteria, place: &str) -> Decision {
    let results: Vec<CriterionResult> = criteria
        .criteria
        .iter()
        .map(|criterion| judge(criterion, claims, place))
        .collect();
    // Whether something is there to be shown, and not only nothing against it.
    let shown = |criterion: &Criterion| {
        criterion.claims.iter().any(|id| {
            claims.iter().any(|claim| {
                claim.id == *id
                    && claim.status == Status::Holds
                    && claim.rung >= Some(criterion.rung)
            })
        })
    };
    let any = |verdict| results.iter().any(|result| result.verdict == verdict);
    let verdict = if any(CriterionVerdict::NotMet) {
        Verdict::DoNotAdopt
    } else if any(CriterionVerdict::Unknown) {
        Verdict::NotEnoughEvidence
    } else if criteria.criteria.iter().any(shown) {
        Verdict::Adopt
    } else {
        // Criteria that only ask that nothing speaks against are no grounds to adopt.
        Verdict::NotEnoughEvidence
    };
    Decision {
        verdict,
        criteria_name: criteria.name.clone(),
        criteria_text: criteria.text.clone(),
        criteria: results,
    }
}

/// Reasons that say "broken" and reasons that say "not enough", with remedies for both.
#[derive(Default)]
struct Grounds {
    broken: Vec<Reason>,
    open: Vec<Reason>,
    remedies: Vec<Remedy>,
}

impl Grounds {
    fn remedy(&mut self, id: &str, params: Params, command: Option<String>) {
        if !self.remedies.iter().any(|remedy| remedy.id == id) {
            self.remedies.push(Remedy {
                id: id.into(),
                params,
                command,
                cost: None,
            });
        }
    }

    /// What would change a claim about a published model. The claim says what must be fetched for it.
    fn publication_remedy(&mut self, claim: &Claim, place: &str) {
        let id = publication_remedy(claim);
        let params = Params::from([("claim".to_owned(), claim.id.as_str().into())]);
        // Asking for two things is two remedies.
        let there = |remedy: &&Remedy| remedy.id == id && remedy.params == params;
        if self.remedies.iter().any(|remedy| there(&remedy)) {
            return;
        }
        let number = |name: &str| claim.number(name).map(|value| value as u64);
        let cost = Cost {
            bytes: number("bytes_to_fetch"),
            minutes: number("minutes"),
        };
        self.remedies.push(Remedy {
            id: id.into(),
            params,
            command: publication_command(id, place),
            cost: (cost.bytes.is_some() || cost.minutes.is_some()).then_some(cost),
        });
    }
}

/// The command of a remedy that the reader's own machine does.
fn publication_command(id: &str, place: &str) -> Option<String> {
    match id {
        "pub_confirm_evaluations" | "pub_evaluate_safety" => {
            Some(format!("glasswork poc {place} --budget 2h --tasks TASKS"))
        }
        "pub_confirm_loss" => Some(format!("glasswork poc {place} --budget 2h")),
        "pub_try_own_documents" => Some(format!("glasswork poc {place} --mine DIRECTORY")),
        _ => None,
    }
}

/// The remedy for a claim about a published model that fails, or for which there is not enough.
fn publication_remedy(claim: &Claim) -> &'static str {
    match (claim.id.as_str(), claim.status) {
        ("pub_evaluations_confirmed", Status::Missing | Status::Holds) => "pub_confirm_evaluations",
        ("pub_loss_confirmed", Status::Missing | Status::Holds) => "pub_confirm_loss",
        ("pub_own_documents", _) => "pub_try_own_documents",
        ("pub_safety_evaluated", _) => "pub_evaluate_safety",
        ("pub_licences_compatible", Status::Fails) => "pub_review_licences",
        ("pub_references_alive", Status::Holds) => "pub_ask_for_references",
        (
            "pub_checkpoints_distinct" | "pub_checkpoints_in_order" | "pub_initialisation",
            Status::Missing,
        ) => "pub_look_into_weights",
        ("pub_weights_readable" | "pub_weights_match_config", Status::Fails) => {
            "pub_choose_another_checkpoint"
        }
        _ => "pub_ask_publisher",
    }
}

fn judge(criterion: &Criterion, claims: &[Claim], place: &str) -> CriterionResult {
    let mut grounds = Grounds::default();
    for id in &criterion.claims {
        match claims.iter().find(|claim| claim.id == *id) {
            Some(claim) => weigh(criterion, claim, place, &mut grounds),
            None => grounds
                .open
                .push(reason("claim_missing", [("claim", id.as_str().into())])),
        }
    }
    let verdict = if !grounds.broken.is_empty() {
        CriterionVerdict::NotMet
    } else if !grounds.open.is_empty() {
        CriterionVerdict::Unknown
    } else {
        CriterionVerdict::Met
    };
    let Grounds {
        mut broken,
        open,
        remedies,
    } = grounds;
    broken.extend(open);
    CriterionResult {
        id: criterion.id.clone(),
        title: criterion.title.clone(),
        verdict,
        claims: criterion.claims.clone(),
        reasons: broken,
        remedies,
    }
}

fn weigh(criterion: &Criterion, claim: &Claim, place: &str, grounds: &mut Grounds) {
    let named = || ("claim", Param::from(claim.id.as_str()));
    // A criterion that accepts missing evidence is only broken by evidence.
    let is_open = claim.status == Status::Missing
        || claim.status == Status::Holds && claim.rung < Some(criterion.rung);
    if criterion.accept_missing && is_open {
        return;
    }
    let published = PUBLICATION_CLAIM_IDS.contains(&claim.id.as_str());
    match claim.status {
        Status::Fails if published => {
            grounds.broken.push(reason("claim_fails", [named()]));
            grounds.publication_remedy(claim, place);
        }
        Status::Missing if published => {
            grounds.open.push(reason("claim_missing", [named()]));
            grounds.publication_remedy(claim, place);
        }
        Status::Fails => {
            grounds.broken.push(reason("claim_fails", [named()]));
            let id = match claim.id.as_str() {
                "segments_replayed" => "look_into_divergence",
                "licences_known" | "licences_allowed" => "review_licences",
                "held_out_better" | "held_out_not_rising" | "loss_fell" | "training_uneventful" => {
                    "ask_publisher"
                }
                _ => "get_intact_copy",
            };
            grounds.remedy(id, Params::new(), None);
        }
        Status::Missing => {
            grounds.open.push(reason("claim_missing", [named()]));
            match claim.id.as_str() {
                "publisher_verified" => {
                    grounds.remedy(
                        "pin_root",
                        Params::new(),
                        Some(commands::report_against_root(place)),
                    );
                }
                "segments_replayed" if criterion.bad_share.is_some() => {}
                "segments_replayed" => replay_more(1, claim, place, grounds),
                "model_licence" => grounds.remedy("state_model_licence", Params::new(), None),
                "personal_data_screened" => {
                    grounds.remedy("screen_personal_data", Params::new(), None)
                }
                "benchmarks_run" => grounds.remedy("run_benchmarks", Params::new(), None),
                "safety_evaluated" => grounds.remedy("run_safety", Params::new(), None),
                "held_out_better" | "held_out_not_rising" | "verbatim_searched" => {
                    grounds.remedy("evaluate", Params::new(), Some(commands::evaluate(place)));
                }
                _ => grounds.remedy("ask_publisher", Params::new(), None),
            }
        }
        Status::Holds => {
            if let Some(rung) = claim.rung.filter(|rung| *rung < criterion.rung) {
                let values = [
                    named(),
                    ("rung", rung_name(rung)),
                    ("required", rung_name(criterion.rung)),
                ];
                grounds.open.push(reason("rung_too_low", values));
                if published {
                    grounds.publication_remedy(claim, place);
                }
                if claim.id == "segments_replayed" && criterion.bad_share.is_none() {
                    replay_more(1, claim, place, grounds);
                }
            }
        }
    }
    limits(criterion, claim, place, grounds);
}

/// The limits of a criterion that this claim's values can break.
fn limits(criterion: &Criterion, claim: &Claim, place: &str, grounds: &mut Grounds) {
    let list = |name: &str| match claim.params.get(name) {
        Some(Param::List(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    if let ("licences_known" | "pub_model_licence", Some(allowed)) =
        (claim.id.as_str(), &criterion.classes)
    {
        let allowed: Vec<String> = allowed
            .iter()
            .map(|class: &LicenceClass| crate::claims::class_name(*class))
            .collect();
        let outside: Vec<String> = list("classes")
            .into_iter()
            .filter(|class| !allowed.contains(class))
            .collect();
        if !outside.is_empty() {
            grounds.broken.push(reason(
                "licence_class_not_allowed",
                [("classes", outside.into())],
            ));
            grounds.remedy("review_licences", Params::new(), None);
        }
    }
    if let ("segments_replayed", Some(share), Some(required)) =
        (claim.id.as_str(), criterion.bad_share, criterion.chance)
        && claim.status != Status::Fails
    {
        let count = |name: &str| claim.number(name).unwrap_or(0.0) as usize;
        let (replayed, drawn, all) = (count("replayed"), count("drawn"), count("segments"));
        // Segments that a person named say nothing about the others, unless no other is left.
        // Nor do records that nobody vouches for.
        let counted = match claim.rung {
            Some(Rung::Declared) => 0,
            _ if replayed == all => all,
            _ => drawn,
        };
        let chance = detection_chance(share, counted, all);
        if chance < required {
            let values = [
                ("drawn", counted.into()),
                ("bad_share", share.into()),
                ("chance", chance.into()),
                ("required", required.into()),
            ];
            // Where nothing was replayed, that is reason enough.
            if claim.status == Status::Holds && claim.rung > Some(Rung::Declared) {
                grounds.open.push(reason("chance_too_low", values));
            }
            let enough = (counted..=all).find(|n| detection_chance(share, *n, all) >= required);
            let more = enough.unwrap_or(all).saturating_sub(counted);
            replay_more(more as u64, claim, place, grounds);
        }
    }
    if let ("held_out_better" | "pub_own_documents", Some(limit)) =
        (claim.id.as_str(), criterion.max_bits_per_byte)
    {
        let worst = claim.number("worst").or(claim.number("bits_per_byte"));
        match worst.filter(|worst| worst.is_finite()) {
            Some(worst) if worst > limit => {
                let source = claim
                    .params
                    .get("worst_source")
                    .cloned()
                    .unwrap_or(Param::Null);
                let values = [
                    ("source", source),
                    ("value", worst.into()),
                    ("limit", limit.into()),
                ];
                grounds.broken.push(reason("score_above_limit", values));
            }
            // Nothing to hold against the limit is not within it.
            None if claim.status == Status::Holds => {
                let named = ("claim", claim.id.as_str().into());
                grounds.open.push(reason("claim_missing", [named]));
            }
            _ => {}
        }
    }
    if let ("verbatim_searched", Some(limit), Some(longest)) = (
        claim.id.as_str(),
        criterion.max_verbatim_tokens,
        claim.number("longest"),
    ) && longest > limit as f64
    {
        grounds.broken.push(reason(
            "verbatim_too_long",
            [("tokens", longest.into()), ("limit", limit.into())],
        ));
    }
}

fn replay_more(segments: u64, claim: &Claim, place: &str, grounds: &mut Grounds) {
    let all = claim.number("segments").unwrap_or(0.0) as u64;
    if all == 0 {
        return grounds.remedy("ask_publisher", Params::new(), None);
    }
    let params = Params::from([("segments".to_owned(), segments.into())]);
    // To vouch for records is to vouch for all that lie there: those of others must go first.
    if claim.rung == Some(Rung::Declared) {
        let command = commands::replay_without_others(place, segments);
        return grounds.remedy("replay_yourself", params, Some(command));
    }
    grounds.remedy(
        "replay_more",
        params,
        Some(commands::replay_more(place, segments)),
    );
}

fn reason<const N: usize>(id: &str, values: [(&str, Param); N]) -> Reason {
    Reason {
        id: id.into(),
        params: values.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

fn rung_name(rung: Rung) -> Param {
    match serde_json::to_value(rung) {
        Ok(serde_json::Value::String(name)) => Param::Text(name),
        _ => Param::Null,
    }
}
