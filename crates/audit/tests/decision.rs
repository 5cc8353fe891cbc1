//! Claims and decisions on small made-up dossiers: what is missing is missing, what contradicts is broken.

use glasswork_audit::dossier::{
    Check, Checkpoint, Consumption, Evaluation, FaultDrill, Finding, Incident, Metrics, Program,
    Publisher, Release, ReleaseFile, Replay, ReplayVerdict, Run, Samples, Score, Segment, Verbatim,
};
use glasswork_audit::{
    CLAIM_IDS, CRITERION_IDS, Claim, Criteria, CriterionVerdict, Decision, Dossier, REASON_IDS,
    REMEDY_IDS, Rung, Status, Verdict, claims, commands, decide,
};
use glasswork_release::licence::LicenceClass;

const STEPS: [u64; 5] = [0, 10, 20, 30, 40];

fn replay(from: u64, to: u64, verdict: ReplayVerdict) -> Replay {
    Replay {
        path: format!("attestations/replay-{from:06}-{to:06}-1.json"),
        digest: None,
        from,
        to,
        steps: to - from,
        verdict,
        bound: None,
        first_divergence: None,
        profile: "f32-v1".into(),
        threads: 1,
        micro_batch: 1,
        isa: "scalar".into(),
        seconds: 1.0,
        tokens_per_second: 1.0,
        chosen: "random".into(),
        program: Program {
            name: "glasswork".into(),
            version: "0.1.0".into(),
            source_digest: None,
        },
    }
}

fn evaluation(step: u64, code: f64, prose: f64) -> Evaluation {
    let score = |source: &str, bits_per_byte, bytes| Score {
        source: source.into(),
        bits_per_byte,
        bytes,
        tokens: bytes / 3,
        documents: 2,
    };
    Evaluation {
        step,
        path: format!("evals/{step:06}/held_out.json"),
        digest: None,
        scores: vec![score("code", code, 100), score("prose", prose, 300)],
    }
}

/// A release as good as this version can make one: everything checked, half of the segments replayed.
fn good() -> Dossier {
    let segments = STEPS.windows(2).enumerate().map(|(index, ends)| Segment {
        index: index as u64,
        from: ends[0],
        to: ends[1],
        tokens: 100,
        commitment: "c".repeat(64),
        verdict: (index < 2).then_some(ReplayVerdict::BitwiseEqual),
    });
    let file = |path: &str| ReleaseFile {
        path: path.into(),
        bytes: Some(1),
        digest: "d".repeat(64),
        core: true,
    };
    let steps: Vec<u64> = (1..=40).collect();
    let column = |value: fn(u64) -> f64| {
        steps
            .iter()
            .map(|step| Some(value(*step)))
            .collect::<Vec<_>>()
    };
    Dossier {
        release: Release {
            name: "demo".into(),
            sealed: true,
            root: Some("a".repeat(64)),
            publisher: Publisher::NotPinned,
        },
        check: Check {
            files: 9,
            bytes: 900,
            findings: Vec::new(),
        },
        run: Run {
            digest: Some("b".repeat(64)),
            code: vec![
                ("source_digest".into(), "e".repeat(64)),
                ("version".into(), "0.1.0".into()),
            ],
            ..Run::default()
        },
        configuration_agrees: Some(true),
        consumption: Some(Consumption {
            documents: 70,
            held_out: 3,
            tokens: 400,
            classes: vec![LicenceClass::Permissive],
            ..Consumption::default()
        }),
        metrics: Some(Metrics {
            batch_tokens: Some(10),
            step: steps.clone(),
            tokens: steps.iter().map(|step| step * 10).collect(),
            loss: column(|step| 8.0 - step as f64 / 10.0),
            grad_norm: column(|_| 1.0),
            learning_rate: column(|_| 0.1),
            sources: Vec::new(),
        }),
        checkpoints: STEPS
            .iter()
            .map(|step| Checkpoint {
                step: *step,
                tokens: Some(step * 10),
                state_digest: "5".repeat(64),
                commitment: "c".repeat(64),
                parent: None,
                tensors: 3,
                bytes: Some(10),
                has_optimizer: true,
            })
            .collect(),
        segments: Some(segments.collect()),
        evaluations: vec![
            evaluation(0, 4.0, 4.0),
            evaluation(20, 2.0, 3.0),
            evaluation(40, 1.0, 2.0),
        ],
        samples: vec![Samples {
            step: 40,
            path: "evals/000040/samples.json".into(),
            digest: None,
            decoding: "greedy".into(),
            samples: Vec::new(),
            verbatim: Some(Verbatim {
                method: "m".into(),
                minimum_tokens: 8,
                stretches: Vec::new(),
            }),
        }],
        replays: vec![replay(0, 20, ReplayVerdict::BitwiseEqual)],
        own_replays: true,
        files: vec![file("core.json"), file("data/sequence/chunk-000.npy")],
        ..Dossier::default()
    }
}

fn claim(dossier: &Dossier, id: &str) -> Claim {
    claims(dossier)
        .into_iter()
        .find(|claim| claim.id == id)
        .expect("every claim is always made")
}

fn decision(dossier: &Dossier) -> Decision {
    decide(&claims(dossier), &Criteria::shipped(), "demo")
}

fn criterion(decision: &Decision, id: &str) -> (CriterionVerdict, Vec<String>, Vec<String>) {
    let found = decision
        .criteria
        .iter()
        .find(|criterion| criterion.id == id)
        .expect("is there");
    let reasons = found
        .reasons
        .iter()
        .map(|reason| reason.id.clone())
        .collect();
    (
        found.verdict,
        reasons,
        found
            .remedies
            .iter()
            .map(|remedy| remedy.id.clone())
            .collect(),
    )
}

#[test]
fn every_claim_is_made_once_and_in_order() {
    for dossier in [Dossier::default(), good()] {
        let ids: Vec<String> = claims(&dossier).into_iter().map(|claim| claim.id).collect();
        assert_eq!(ids, CLAIM_IDS);
    }
}

#[test]
fn nothing_is_claimed_of_nothing() {
    for claim in claims(&Dossier::default()) {
        assert_eq!(
            (claim.status, claim.rung),
            (Status::Missing, None),
            "{}",
            claim.id
        );
    }
    assert_eq!(
        decision(&Dossier::default()).verdict,
        Verdict::NotEnoughEvidence
    );
}

#[test]
fn a_good_release_has_not_enough_evidence_yet_and_says_what_is_missing() {
    let decision = decision(&good());
    assert_eq!(decision.verdict, Verdict::NotEnoughEvidence);
    let of = |verdict| -> Vec<&str> {
        let found = decision
            .criteria
            .iter()
            .filter(|criterion| criterion.verdict == verdict);
        found.map(|criterion| criterion.id.as_str()).collect()
    };
    assert_eq!(of(CriterionVerdict::NotMet), Vec::<&str>::new());
    assert_eq!(
        of(CriterionVerdict::Unknown),
        [
            "publisher",
            "replay",
            "model_licence",
            "personal_data",
            "benchmarks",
            "safety"
        ]
    );
    for open in decision
        .criteria
        .iter()
        .filter(|criterion| criterion.verdict == CriterionVerdict::Unknown)
    {
        assert!(
            !open.reasons.is_empty() && !open.remedies.is_empty(),
            "{} says why and what to do",
            open.id
        );
    }
    assert_eq!(decision.criteria_text, glasswork_audit::DEFAULT_CRITERIA);
}

#[test]
fn a_sample_of_replays_is_not_taken_for_the_whole() {
    let decision = decision(&good());
    let (verdict, reasons, remedies) = criterion(&decision, "replay");
    assert_eq!(verdict, CriterionVerdict::Unknown);
    assert_eq!(
        (reasons, remedies),
        (vec!["chance_too_low".into()], vec!["replay_more".into()])
    );
    let claim = claim(&good(), "segments_replayed");
    assert_eq!(
        (claim.number("replayed"), claim.number("segments")),
        (Some(2.0), Some(4.0))
    );
    assert_eq!(claim.number("chance"), Some(0.4375));
    assert_eq!(
        (claim.status, claim.rung),
        (Status::Holds, Some(Rung::ReplayedBitwise))
    );

    // Segments that a person named say nothing about the others.
    let mut named = good();
    named.replays[0].chosen = "named".into();
    let claim = self::claim(&named, "segments_replayed");
    assert_eq!(claim.number("replayed"), Some(2.0));
    assert_eq!(claim.number("drawn"), Some(0.0));
    assert_eq!(claim.number("chance"), Some(0.0));

    let mut whole = good();
    for segment in whole.segments.iter_mut().flatten() {
        segment.verdict = Some(ReplayVerdict::BitwiseEqual);
    }
    assert_eq!(
        criterion(&self::decision(&whole), "replay").0,
        CriterionVerdict::Met
    );
}

#[test]
fn records_that_nobody_vouches_for_are_hearsay() {
    // As if a forger had written one for every segment.
    let mut forged = good();
    forged.own_replays = false;
    for segment in forged.segments.iter_mut().flatten() {
        segment.verdict = Some(ReplayVerdict::BitwiseEqual);
    }
    let replayed = claim(&forged, "segments_replayed");
    assert_eq!(
        (replayed.status, replayed.rung),
        (Status::Holds, Some(Rung::Declared))
    );
    let decision = decision(&forged);
    let (verdict, reasons, remedies) = criterion(&decision, "replay");
    assert_eq!(verdict, CriterionVerdict::Unknown);
    assert_eq!(
        (reasons, remedies),
        (vec!["rung_too_low".into()], vec!["replay_yourself".into()])
    );
    let replay = decision.criteria.iter().find(|found| found.id == "replay");
    let command = replay.and_then(|found| found.remedies[0].command.clone());
    let command = command.expect("has one");
    // All four: 1 − 0.75³ is not enough, and with all nothing is left to chance.
    assert!(command.contains("mv demo/attestations/replay-*.json"));
    assert!(
        command.contains("--sample 4 --own-replays\n")
            && command.ends_with("report demo --own-replays")
    );

    forged.segments.as_mut().expect("is there")[0].verdict = Some(ReplayVerdict::Diverged);
    let diverged = claim(&forged, "segments_replayed");
    assert_eq!(
        (diverged.status, diverged.rung),
        (Status::Fails, Some(Rung::Declared))
    );
}

#[test]
fn commands_name_no_root_but_the_readers_own() {
    let mut dossier = good();
    let shown = |dossier: &Dossier| {
        let all: Vec<String> = commands(dossier)
            .into_iter()
            .map(|command| command.command)
            .collect();
        all.join("\n")
    };
    let root = dossier.release.root.clone().expect("is sealed");
    for publisher in [Publisher::NotPinned, Publisher::Differs] {
        dossier.release.publisher = publisher;
        assert!(!shown(&dossier).contains(&root));
        assert!(shown(&dossier).contains("--root DIGEST"));
    }
    dossier.release.publisher = Publisher::Matches;
    assert!(shown(&dossier).contains(&root));
}

#[test]
fn the_weakest_replay_decides_the_rung() {
    let mut near = good();
    near.segments.as_mut().expect("is there")[1].verdict = Some(ReplayVerdict::WithinBound);
    assert_eq!(
        claim(&near, "segments_replayed").rung,
        Some(Rung::ReplayedWithinBound)
    );
    let (verdict, reasons, _) = criterion(&decision(&near), "replay");
    assert_eq!(verdict, CriterionVerdict::Unknown);
    assert!(reasons.contains(&"rung_too_low".to_owned()));

    let mut diverged = good();
    diverged.segments.as_mut().expect("is there")[2].verdict = Some(ReplayVerdict::Diverged);
    assert_eq!(claim(&diverged, "segments_replayed").status, Status::Fails);
    let decision = decision(&diverged);
    assert_eq!(decision.verdict, Verdict::DoNotAdopt);
    assert_eq!(criterion(&decision, "replay").2, ["look_into_divergence"]);
}

#[test]
fn another_root_than_the_pinned_one_is_no_release_to_adopt() {
    let mut pinned = good();
    pinned.release.publisher = Publisher::Matches;
    assert_eq!(
        criterion(&decision(&pinned), "publisher").0,
        CriterionVerdict::Met
    );
    pinned.release.publisher = Publisher::Differs;
    assert_eq!(decision(&pinned).verdict, Verdict::DoNotAdopt);
}

#[test]
fn a_finding_of_the_check_breaks_the_claims_that_it_touches() {
    let mut damaged = good();
    damaged.check.findings.push(Finding {
        path: "checkpoints/step-000020/optimizer.safetensors".into(),
        step: Some(20),
        tensor: Some("optimizer.m.x".into()),
        what: "digest of the tensor".into(),
        expected: None,
        found: None,
    });
    assert_eq!(claim(&damaged, "files_intact").status, Status::Fails);
    assert_eq!(
        claim(&damaged, "checkpoints_complete").status,
        Status::Fails
    );
    assert_eq!(claim(&damaged, "chain_consistent").status, Status::Holds);
    damaged.check.findings[0].path = "ledger.jsonl".into();
    assert_eq!(claim(&damaged, "chain_consistent").status, Status::Fails);
    assert_eq!(decision(&damaged).verdict, Verdict::DoNotAdopt);
}

#[test]
fn licences_are_judged_by_what_training_consumed() {
    let mut unknown = good();
    let consumption = unknown.consumption.as_mut().expect("is there");
    consumption.unknown_licence = 1;
    consumption.classes.push(LicenceClass::Unknown);
    let (verdict, reasons, _) = criterion(&decision(&unknown), "licences");
    assert_eq!(verdict, CriterionVerdict::NotMet);
    assert_eq!(reasons, ["claim_fails", "licence_class_not_allowed"]);

    let mut copyleft = good();
    copyleft
        .consumption
        .as_mut()
        .expect("is there")
        .classes
        .push(LicenceClass::StrongCopyleft);
    assert_eq!(
        criterion(&decision(&copyleft), "licences").1,
        ["licence_class_not_allowed"]
    );

    let mut leaked = good();
    leaked.consumption.as_mut().expect("is there").leaked = 1;
    assert_eq!(
        criterion(&decision(&leaked), "contamination").0,
        CriterionVerdict::NotMet
    );
}

#[test]
fn scores_are_compared_with_the_start_and_over_all_bytes() {
    let better = claim(&good(), "held_out_better");
    assert_eq!(
        (better.number("initial"), better.number("last")),
        (Some(4.0), Some(1.75))
    );
    assert_eq!(
        (better.rung, better.number("worst")),
        (Some(Rung::Present), Some(2.0))
    );

    let mut unseen = good();
    unseen.evaluations.remove(0);
    assert_eq!(
        claim(&unseen, "held_out_better").status,
        Status::Missing,
        "no start to compare with"
    );

    let mut worse = good();
    worse.evaluations[2] = evaluation(40, 4.5, 4.5);
    assert_eq!(claim(&worse, "held_out_better").status, Status::Fails);
}

#[test]
fn over_fitting_is_named_with_source_and_step() {
    assert_eq!(claim(&good(), "held_out_not_rising").status, Status::Holds);
    let mut over = good();
    over.evaluations[2] = evaluation(40, 2.1, 2.0);
    let claim = claim(&over, "held_out_not_rising");
    assert_eq!(
        (claim.status, claim.number("best")),
        (Status::Fails, Some(20.0))
    );
    // A difference too small to speak of is none.
    over.evaluations[2] = evaluation(40, 2.001, 2.0);
    assert_eq!(
        self::claim(&over, "held_out_not_rising").status,
        Status::Holds
    );
}

#[test]
fn samples_of_an_earlier_checkpoint_say_nothing_about_the_last() {
    let mut early = good();
    early.samples[0].step = 20;
    assert_eq!(claim(&early, "verbatim_searched").status, Status::Missing);
}

#[test]
fn a_drill_counts_only_when_file_and_tensor_are_named() {
    let mut drilled = good();
    drilled.fault_drill = Some(FaultDrill {
        path: "attestations/fault-drill.json".into(),
        digest: None,
        fault: "one bit".into(),
        file: "checkpoints/step-000020/optimizer.safetensors".into(),
        offset: 9,
        bit: 1,
        step: 20,
        tensor: "optimizer.v.x".into(),
        found: true,
        named_file: Some("checkpoints/step-000020/optimizer.safetensors".into()),
        named_step: Some(20),
        named_tensor: Some("optimizer.v.x".into()),
        seconds: 0.1,
    });
    let found = claim(&drilled, "fault_found");
    assert_eq!(
        (found.status, found.rung),
        (Status::Holds, Some(Rung::Present))
    );
    drilled.own_replays = false;
    assert_eq!(claim(&drilled, "fault_found").rung, Some(Rung::Declared));
    drilled.fault_drill.as_mut().expect("is there").named_tensor = None;
    assert_eq!(claim(&drilled, "fault_found").status, Status::Fails);
}

#[test]
fn incidents_and_holes_in_the_loss_are_told() {
    let mut eventful = good();
    eventful.incidents.push(Incident {
        step: 3,
        kind: "spike".into(),
        detail: String::new(),
    });
    eventful.metrics.as_mut().expect("is there").loss[5] = None;
    let claim = claim(&eventful, "training_uneventful");
    assert_eq!(
        (claim.status, claim.number("incidents")),
        (Status::Fails, Some(2.0))
    );
}

#[test]
fn a_reader_states_limits_of_their_own() {
    let criteria = Criteria::parse(
        "format = 1\nname = \"ours\"\n[[criterion]]\nid = \"ours\"\ntitle = { en = \"Good enough\" }\n\
         claims = [\"held_out_better\"]\nrung = \"present\"\nmax_bits_per_byte = 1.5\n",
    )
    .expect("is valid");
    let decision = decide(&claims(&good()), &criteria, "demo");
    assert_eq!(decision.verdict, Verdict::DoNotAdopt);
    assert_eq!(criterion(&decision, "ours").1, ["score_above_limit"]);
    let generous = Criteria::parse(&criteria.text.replace("1.5", "2.5")).expect("is valid");
    assert_eq!(
        decide(&claims(&good()), &generous, "demo").verdict,
        Verdict::Adopt
    );
}

#[test]
fn a_hostile_name_is_not_pasted_into_a_command() {
    let mut hostile = good();
    hostile.release.name = "x; rm -rf ~".into();
    for command in commands(&hostile) {
        assert!(!command.command.contains("rm"), "{}", command.command);
    }
}

#[test]
fn the_catalogue_of_the_page_knows_every_id() {
    let ids: serde_json::Value =
        serde_json::from_str(include_str!("../catalogue-ids.json")).expect("the file is JSON");
    assert_eq!(ids["claims"], serde_json::json!(CLAIM_IDS));
    assert_eq!(ids["criteria"], serde_json::json!(CRITERION_IDS));
    assert_eq!(ids["reasons"], serde_json::json!(REASON_IDS));
    assert_eq!(ids["remedies"], serde_json::json!(REMEDY_IDS));
    let shown: Vec<String> = commands(&good())
        .into_iter()
        .map(|command| command.id)
        .collect();
    assert_eq!(ids["commands"], serde_json::json!(shown));
}
