//! From a whole publication to claims, components and a decision.

use std::collections::BTreeMap;

use glasswork_audit::measured::{
    Agreement, Benchmark, BenchmarkScore, LoggedLoss, Mean, Measurements, OwnDocuments,
};
use glasswork_audit::publication::{
    Assessment, COMPONENT_IDS, Component, ComponentState, Material, PUBLICATION_CLAIM_IDS, Samples,
    Sampling, Severity, assess, components, usual_use,
};
use glasswork_audit::{Claim, Criteria, CriterionVerdict, Rung, Status, Verdict};
use glasswork_published::{Inventory, LicenceFile, MetricKind, Score};

use crate::draw::{Draw, VALUES};
use crate::faults::planted;
use crate::world::{World, sound};

/// What a reader's own machine would find on a sound model.
fn measured() -> Measurements {
    let benchmark = |task: &str| Benchmark {
        checkpoint: "main".into(),
        task: task.into(),
        metric: "acc".into(),
        score: BenchmarkScore::Scored {
            value: 0.4,
            interval: Some((0.35, 0.45)),
        },
        items: 100,
        of: 1000,
        chance: Some(0.25),
        published: Some(0.41),
        agreement: Some(Agreement::Agrees),
    };
    let mean = Mean {
        mean: 2.0,
        standard_error: Some(0.01),
        count: 100,
    };
    Measurements {
        logged_loss: vec![LoggedLoss {
            checkpoint: "main".into(),
            step: 10,
            data: "data/train_000.jsonl".into(),
            measured: mean,
            logged: mean,
            exact: true,
            bound: 0.02,
            agreement: Agreement::Agrees,
            indistinguishable: (5, 15),
            trained_on: false,
            shift: 0,
        }],
        seen_unseen: Vec::new(),
        benchmarks: vec![benchmark("hellaswag"), benchmark("truthfulqa_mc2")],
        own_documents: Some(OwnDocuments {
            checkpoint: "main".into(),
            documents: 10,
            bytes: 10_000,
            bits_per_byte: Some(0.9),
            tokens_per_character: Some(0.4),
            questions: 5,
            exact: 3,
            contained: 4,
            overlap: None,
            overlap_sampled: None,
        }),
    }
}

pub(crate) fn assessed(world: &World, measured: &Measurements) -> Assessment {
    let samples = Samples::draw(&world.inventory, &world.weights, Sampling::default());
    let material = Material {
        inventory: &world.inventory,
        samples: &samples,
        reachable: &world.reachable,
        measured,
        intended: usual_use(),
        traffic: (12, 3456),
    };
    assess(material, &Criteria::shipped_for_publications())
}

pub(crate) fn claim<'a>(assessment: &'a Assessment, id: &str) -> &'a Claim {
    assessment
        .claims
        .iter()
        .find(|claim| claim.id == id)
        .expect("every claim is there")
}

fn component<'a>(assessment: &'a Assessment, id: &str) -> &'a Component {
    assessment
        .components
        .iter()
        .find(|one| one.id == id)
        .expect("every component is there")
}

fn verdict(assessment: &Assessment, id: &str) -> CriterionVerdict {
    let found = assessment.decision.criteria.iter().find(|one| one.id == id);
    found.expect("is in the file").verdict
}

/// Sound, with everything that the default criteria ask for.
fn good() -> World {
    let mut world = sound(&mut Draw::new(7), None, None);
    let links = world.card().links.clone();
    world
        .reachable
        .extend(links.into_iter().map(|link| (link, true)));
    world
}

#[test]
fn a_sound_and_measured_model_is_adopted_and_an_unmeasured_one_needs_evidence() {
    let world = good();
    let full = assessed(&world, &measured());
    let open: Vec<_> = full
        .decision
        .criteria
        .iter()
        .filter(|one| one.verdict != CriterionVerdict::Met)
        .collect();
    assert_eq!(
        full.decision.verdict,
        Verdict::Adopt,
        "{open:?} {:?}",
        full.findings
    );
    assert!(
        full.findings
            .iter()
            .all(|finding| finding.severity == Severity::Note),
        "{:?}",
        full.findings
    );

    let bare = assessed(&world, &Measurements::default());
    assert_eq!(bare.decision.verdict, Verdict::NotEnoughEvidence);
    assert_eq!(verdict(&bare, "pub_confirmed"), CriterionVerdict::Unknown);
    let remedy = bare
        .decision
        .criteria
        .iter()
        .flat_map(|one| &one.remedies)
        .find(|remedy| remedy.id == "pub_confirm_evaluations")
        .expect("says what would change it");
    let cost = remedy.cost.expect("is known");
    let bytes = world.inventory.checkpoints[crate::faults::length(&world) - 1].weights[0].bytes;
    assert_eq!(cost.bytes, Some(bytes));
    assert!(
        remedy
            .command
            .as_deref()
            .is_some_and(|command| command.contains("hf:owner/name"))
    );
}

#[test]
fn every_claim_and_component_is_there_and_missing_is_a_state() {
    let world = World {
        inventory: Inventory::default(),
        weights: crate::draw::Planted::of(&Inventory::default(), Vec::new(), Vec::new()),
        reachable: Default::default(),
    };
    let empty = assessed(&world, &Measurements::default());
    let ids: Vec<&str> = empty.claims.iter().map(|claim| claim.id.as_str()).collect();
    assert_eq!(ids, PUBLICATION_CLAIM_IDS);
    assert!(
        empty
            .claims
            .iter()
            .all(|claim| claim.status == Status::Missing),
        "{:?}",
        empty.claims
    );
    assert_eq!(empty.components.len(), 17);
    assert!(
        empty
            .components
            .iter()
            .all(|one| one.state == ComponentState::Missing && one.ask.is_some())
    );
    assert_eq!(
        (empty.openness.shown, empty.openness.declared),
        (None, None)
    );
    assert_eq!(empty.decision.verdict, Verdict::NotEnoughEvidence);
}

#[test]
fn a_contradiction_breaks_claim_component_and_decision() {
    let cases = [
        (
            "step_identity",
            "pub_checkpoints_in_order",
            "intermediate_parameters",
            "pub_history",
        ),
        (
            "configuration",
            "pub_weights_match_config",
            "model_architecture",
            "pub_weights",
        ),
        (
            "shards",
            "pub_weights_readable",
            "final_parameters",
            "pub_weights",
        ),
    ];
    for (detector, broken, touched, criterion) in cases {
        let fault = planted(detector, &mut Draw::new(1003));
        let assessment = assessed(&fault.world, &measured());
        assert_eq!(
            claim(&assessment, broken).status,
            Status::Fails,
            "{detector}"
        );
        assert_eq!(
            component(&assessment, touched).state,
            ComponentState::Contradictory,
            "{detector}"
        );
        assert_eq!(
            verdict(&assessment, criterion),
            CriterionVerdict::NotMet,
            "{detector}"
        );
        assert_eq!(
            assessment.decision.verdict,
            Verdict::DoNotAdopt,
            "{detector}"
        );
        assert_eq!(assessment.findings[0].severity, Severity::Contradiction);
    }
}

#[test]
fn what_a_card_only_names_is_declared_and_the_class_says_so() {
    let world = sound(&mut Draw::new(8), None, None);
    let assessment = assessed(&world, &Measurements::default());
    let paper = component(&assessment, "research_paper");
    assert_eq!(
        (paper.state, paper.rung),
        (ComponentState::Missing, Some(Rung::Declared))
    );
    let mut asked = world;
    asked
        .reachable
        .insert("https://arxiv.org/abs/0000.00000".into(), true);
    let assessment = assessed(&asked, &Measurements::default());
    assert_eq!(
        component(&assessment, "research_paper").state,
        ComponentState::Present
    );
    assert_eq!(
        assessment.openness.shown, None,
        "there is no technical report"
    );
}

#[test]
fn a_measurement_that_differs_is_a_contradiction() {
    let mut differs = measured();
    differs.benchmarks[0].agreement = Some(Agreement::Differs);
    let assessment = assessed(&good(), &differs);
    assert_eq!(
        claim(&assessment, "pub_evaluations_confirmed").status,
        Status::Fails
    );
    assert_eq!(assessment.decision.verdict, Verdict::DoNotAdopt);
    let mut vague = measured();
    for one in &mut vague.benchmarks {
        one.agreement = Some(Agreement::NotEnough);
    }
    let assessment = assessed(&good(), &vague);
    assert_eq!(
        claim(&assessment, "pub_evaluations_confirmed").status,
        Status::Missing
    );
}

#[test]
fn an_assessment_survives_json_and_refuses_what_it_does_not_know() {
    let assessment = assessed(&good(), &measured());
    let text = serde_json::to_string(&assessment).expect("serialises");
    let back: Assessment = serde_json::from_str(&text).expect("parses");
    assert_eq!(back, assessment);
    let more = text.replacen("{", "{\"surprise\":1,", 1);
    assert!(serde_json::from_str::<Assessment>(&more).is_err());
}

#[test]
fn an_assessment_of_hundreds_of_checkpoints_is_bounded() {
    let mut world = good();
    world.inventory.licences.push(LicenceFile::default());
    for checkpoint in &mut world.inventory.checkpoints {
        checkpoint.weights.clear();
        checkpoint.config = None;
    }
    let one = world.inventory.checkpoints[0].clone();
    for step in 0..400_u64 {
        let mut more = one.clone();
        more.name = format!("step{}", 1_000_000 + step);
        more.step = Some(1_000_000 + step);
        world.inventory.checkpoints.push(more);
        world.weights.values.push(world.weights.values[0].clone());
        world.weights.norms.push(world.weights.norms[0].clone());
    }
    let assessment = assessed(&world, &Measurements::default());
    assert!(
        assessment.findings.len() < 40,
        "{}",
        assessment.findings.len()
    );
    assert!(
        assessment
            .findings
            .iter()
            .all(|finding| finding.evidence.len() <= 8)
    );
    assert!(assessment.checked.sampled_checkpoints <= 64);
}

#[test]
fn words_are_there_for_every_component_and_every_question() {
    let words: toml::Value = toml::from_str(components::WORDS).expect("the file is TOML");
    let ids = |table: &str| -> Vec<String> {
        let all = words[table].as_array().expect("is a list");
        all.iter()
            .map(|one| one["id"].as_str().expect("has an id").to_owned())
            .collect()
    };
    let expected: Vec<&str> = COMPONENT_IDS.iter().map(|(id, ..)| *id).collect();
    assert_eq!(ids("component"), expected);
    assert_eq!(ids("ask"), glasswork_audit::publication::ASK_IDS);
    for one in words["component"].as_array().expect("is a list") {
        for language in ["en", "ja"] {
            assert!(one[language]["name"].is_str() && one[language]["ask"].is_str());
        }
    }
}

#[test]
fn the_catalogue_of_the_page_knows_every_id() {
    let ids: serde_json::Value =
        serde_json::from_str(glasswork_audit::publication::PAGE_IDS).expect("the file is JSON");
    use glasswork_audit::publication::{ASK_IDS, DETECTOR_IDS, FINDING_REASON_IDS};
    use glasswork_audit::{PUBLICATION_CRITERION_IDS, PUBLICATION_REMEDY_IDS};
    let components: Vec<&str> = COMPONENT_IDS.iter().map(|(id, ..)| *id).collect();
    let expected = serde_json::json!({
        "claims": PUBLICATION_CLAIM_IDS, "criteria": PUBLICATION_CRITERION_IDS, "remedies": PUBLICATION_REMEDY_IDS,
        "components": components, "detectors": DETECTOR_IDS, "reasons": FINDING_REASON_IDS, "asks": ASK_IDS,
    });
    assert_eq!(ids, expected);
}

#[test]
fn one_checkpoint_has_no_history_and_is_not_blamed_for_it() {
    let mut world = good();
    let last = world.inventory.checkpoints.len() - 1;
    world.inventory.checkpoints.drain(..last);
    world.weights.values.drain(..last);
    world.weights.norms.drain(..last);
    let assessment = assessed(&world, &Measurements::default());
    assert_eq!(
        claim(&assessment, "pub_checkpoints_in_order").status,
        Status::Missing
    );
    assert_eq!(verdict(&assessment, "pub_history"), CriterionVerdict::Met);
}

#[test]
fn attack_absurd_numbers_in_names_cost_nothing() {
    let mut world = good();
    let one = world.inventory.checkpoints[0].clone();
    for (i, step) in [u64::MAX, u64::MAX - 1, 1 << 63, 3].into_iter().enumerate() {
        let mut absurd = one.clone();
        absurd.name = format!("step{step}-x");
        absurd.step = Some(step);
        absurd.tokens = Some(u64::MAX - i as u64);
        absurd.weights[0].bytes = u64::MAX;
        absurd.weights[0].path = format!("x{i}/model-00001-of-18446744073709551615.safetensors");
        absurd.tensors[0].shape = vec![u64::MAX, u64::MAX];
        world.inventory.checkpoints.push(absurd);
        world.weights.values.push(vec![f32::NAN; 4096]);
        world.weights.norms.push(vec![f32::INFINITY; 64]);
    }
    for series in &mut world.inventory.metrics {
        series.points.push((u64::MAX, f64::MAX));
        series.points.push((0, f64::MIN));
    }
    world.card().text.push_str(&"9".repeat(10_000));
    world.card().links.push("../".repeat(1000));
    let assessment = assessed(&world, &Measurements::default());
    assert_eq!(assessment.decision.verdict, Verdict::DoNotAdopt);
    assert!(
        assessment.findings.len() < 100,
        "{}",
        assessment.findings.len()
    );
}

#[test]
fn a_model_of_nan_is_not_adopted() {
    let mut nan = measured();
    let own = nan.own_documents.as_mut().expect("is measured");
    own.bits_per_byte = None;
    let assessment = assessed(&good(), &nan);
    assert_eq!(
        claim(&assessment, "pub_own_documents").status,
        Status::Fails
    );
    assert_eq!(
        verdict(&assessment, "pub_own_documents"),
        CriterionVerdict::NotMet
    );
    assert_eq!(assessment.decision.verdict, Verdict::DoNotAdopt);
}

#[test]
fn a_limit_without_a_number_is_unknown() {
    let mut asked = measured();
    let own = asked.own_documents.as_mut().expect("is measured");
    (own.documents, own.bits_per_byte) = (0, None);
    let criteria = Criteria::parse(
        "format = 1\nname = \"limit\"\n[[criterion]]\nid = \"pub_own_documents\"\nclaims = [\"pub_own_documents\"]\nrung = \"declared\"\nmax_bits_per_byte = 1.0\n",
    )
    .expect("parses");
    let assessment = assessed(&good(), &asked).decided_by(&criteria);
    assert_eq!(
        verdict(&assessment, "pub_own_documents"),
        CriterionVerdict::Unknown
    );
}

#[test]
fn weights_that_are_no_numbers_or_all_the_same_break_the_decision() {
    for (value, reason) in [(f32::NAN, "weights_not_finite"), (0.0, "weights_constant")] {
        let mut world = good();
        let at = world.weights.values.len() - 1;
        // One matrix of one checkpoint.
        world.weights.values[at][..VALUES].fill(value);
        let assessment = assessed(&world, &measured());
        let name = &world.inventory.checkpoints[at].name;
        assert!(
            assessment
                .findings
                .iter()
                .any(|one| one.reason == reason && one.subject == *name),
            "{reason}"
        );
        assert_eq!(
            claim(&assessment, "pub_weights_readable").status,
            Status::Fails
        );
        assert_eq!(assessment.decision.verdict, Verdict::DoNotAdopt);
    }
}

#[test]
fn a_chunk_under_two_numbers_is_no_warm_up() {
    let mut world = good();
    // As LLM360 names them: a number of the chunk, and no step.
    for (number, one) in world.inventory.checkpoints.iter_mut().enumerate() {
        one.name = format!("ckpt_{number:03}");
        (one.step, one.tokens, one.chunk) = (None, None, Some(number as u64));
    }
    world.inventory.checkpoints[3].weights = world.inventory.checkpoints[2].weights.clone();
    let assessment = assessed(&world, &measured());
    let found = &assessment.findings[0];
    assert_eq!(
        (found.reason.as_str(), found.severity),
        ("same_files", Severity::Contradiction)
    );
    assert_eq!(
        claim(&assessment, "pub_checkpoints_distinct").status,
        Status::Fails
    );
}

#[test]
fn a_base_model_that_nobody_read_leaves_the_licence_open_and_a_known_family_is_read() {
    let based = |base: &str| {
        let mut world = good();
        world.card().front_matter.base_model = vec![base.into()];
        assessed(&world, &measured())
    };
    let unread = based("someone/some-base");
    for id in ["pub_model_licence", "pub_licences_compatible"] {
        assert_eq!(claim(&unread, id).status, Status::Missing, "{id}");
    }
    assert!(unread.findings.iter().any(
        |one| one.reason == "licence_missing" && one.subject.contains("someone/some-base")
    ));
    // An Apache model made of Llama.
    let llama = based("meta-llama/Llama-3.1-8B");
    for id in ["pub_model_licence", "pub_licences_compatible"] {
        assert_eq!(claim(&llama, id).status, Status::Fails, "{id}");
    }
    assert_eq!(llama.licences.bases[0].expression, "llama3.1");
    // A folder named as a licence is none.
    assert_eq!(
        claim(&based("mit"), "pub_model_licence").status,
        Status::Missing
    );
}

#[test]
fn a_licence_file_that_nobody_knows_leaves_the_licence_open() {
    let mut world = good();
    world.inventory.licences = vec![LicenceFile {
        path: "LICENSE".into(),
        sha256: None,
        text: "You may not use this for money.".into(),
    }];
    let assessment = assessed(&world, &measured());
    assert_eq!(
        claim(&assessment, "pub_model_licence").status,
        Status::Missing
    );
    assert!(
        assessment
            .findings
            .iter()
            .all(|one| one.reason != "licences_conflict")
    );
}

#[test]
fn safety_needs_a_score_of_a_task_that_asks_for_it() {
    let with = |task: &str, score: Score| {
        let mut world = good();
        world.inventory.evaluations.truncate(1);
        let scores = BTreeMap::from([("acc".to_owned(), score)]);
        world.inventory.evaluations[0].results = BTreeMap::from([(task.to_owned(), scores)]);
        let assessment = assessed(&world, &Measurements::default());
        claim(&assessment, "pub_safety_evaluated").status
    };
    assert_eq!(with("truthfulqa_mc2", Score::Value(0.4)), Status::Holds);
    assert_eq!(with("do-not-answer", Score::Value(0.4)), Status::Holds);
    for task in ["pharmacology", "boldness_of_style"] {
        assert_eq!(with(task, Score::Value(0.4)), Status::Missing, "{task}");
    }
    for score in [
        Score::Failed("running...".into()),
        Score::Missing,
        Score::Value(f64::NAN),
    ] {
        assert_eq!(with("bbq", score), Status::Missing);
    }
}

#[test]
fn packed_weights_are_not_said_to_fit_the_configuration() {
    let mut world = good();
    for one in &mut world.inventory.checkpoints {
        let config = one.config.as_mut().expect("has one");
        config["quantization_config"] = serde_json::json!({"bits": 4});
    }
    let assessment = assessed(&world, &measured());
    assert_eq!(
        claim(&assessment, "pub_weights_match_config").status,
        Status::Missing
    );
}

#[test]
fn an_adapter_has_a_configuration_of_its_own() {
    let mut world = good();
    for one in &mut world.inventory.checkpoints {
        one.config = None;
        one.other.push(glasswork_published::StoredFile {
            path: format!("{}/adapter_config.json", one.folder),
            ..one.weights[0].clone()
        });
    }
    let alarms = world.alarms("configuration");
    assert!(alarms.is_empty(), "{alarms:?}");
}

#[test]
fn remedies_name_commands_whose_results_count_and_a_folder_costs_nothing() {
    let mut world = good();
    let command = |assessment: &Assessment, id: &str| {
        let mut remedies = assessment
            .decision
            .criteria
            .iter()
            .flat_map(|one| &one.remedies);
        let found = remedies.find(|one| one.id == id);
        found.cloned().expect("is asked for")
    };
    let hub = assessed(&world, &Measurements::default());
    let own = command(&hub, "pub_try_own_documents");
    assert_eq!(
        own.command.as_deref(),
        Some("glasswork poc hf:owner/name --mine DIRECTORY")
    );
    assert!(own.cost.and_then(|cost| cost.bytes) > Some(0));
    let scores = command(&hub, "pub_confirm_evaluations");
    assert_eq!(
        scores.command.as_deref(),
        Some("glasswork poc hf:owner/name --budget 2h --tasks TASKS")
    );
    world.inventory.place = "folder".into();
    let own = command(
        &assessed(&world, &Measurements::default()),
        "pub_try_own_documents",
    );
    assert_eq!(own.cost.and_then(|cost| cost.bytes), Some(0));
}

#[test]
fn nothing_against_a_model_is_no_ground_to_adopt_it() {
    let criteria = Criteria::parse(
        "format = 1\nname = \"lenient\"\n[[criterion]]\nid = \"pub_history\"\nclaims = [\"pub_loss_confirmed\"]\nrung = \"declared\"\naccept_missing = true\n",
    )
    .expect("parses");
    let decide = |measured: &Measurements| {
        let decided = assessed(&good(), measured).decided_by(&criteria);
        decided.decision.verdict
    };
    assert_eq!(decide(&Measurements::default()), Verdict::NotEnoughEvidence);
    assert_eq!(decide(&measured()), Verdict::Adopt);
}

#[test]
fn one_checkpoint_with_another_rope_or_tokenizer_is_told() {
    let tokenizer = |digest: &str| glasswork_published::StoredFile {
        path: "x/tokenizer.json".into(),
        bytes: 10,
        sha256: Some(digest.into()),
    };
    let mut world = good();
    for (i, one) in world.inventory.checkpoints.iter_mut().enumerate() {
        one.config.as_mut().expect("has one")["rope_theta"] =
            serde_json::json!(if i == 4 { 5e5 } else { 1e4 });
        one.tokenizer = vec![tokenizer(if i == 5 { "b" } else { "a" })];
    }
    let keys: Vec<(String, String)> = world
        .alarms("configuration")
        .iter()
        .map(|one| (one.subject.clone(), format!("{:?}", one.params["key"])))
        .collect();
    let name = |i: usize| world.inventory.checkpoints[i].name.clone();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!((&keys[0].0, &keys[1].0), (&name(4), &name(5)));
    assert!(keys[0].1.contains("rope_theta") && keys[1].1.contains("tokenizer.json"));
}

#[test]
fn a_loss_that_is_none_or_undecidable_is_not_called_uneventful() {
    let uneventful = |change: &dyn Fn(&mut World)| {
        let mut world = good();
        change(&mut world);
        claim(&assessed(&world, &measured()), "pub_training_uneventful").status
    };
    let loss = |f: fn(f64) -> f64| {
        move |world: &mut World| {
            for point in world.series(MetricKind::Loss) {
                point.1 = f(point.1);
            }
        }
    };
    assert_eq!(uneventful(&|_| {}), Status::Holds);
    for f in [|_| 0.0, |x: f64| -x, |_| 3.0] {
        assert_eq!(uneventful(&loss(f)), Status::Fails);
    }
    let no_rate = |world: &mut World| {
        world
            .inventory
            .metrics
            .retain(|one| one.kind != Some(MetricKind::LearningRate));
    };
    assert_eq!(uneventful(&no_rate), Status::Missing);
}

#[test]
fn narrow_weights_are_said_not_to_be_sampled() {
    let mut world = good();
    for tensor in world
        .inventory
        .checkpoints
        .iter_mut()
        .flat_map(|one| &mut one.tensors)
    {
        tensor.dtype = "F8_E4M3".into();
    }
    let assessment = assessed(&world, &Measurements::default());
    let unread = assessment.checked.unread.last().expect("is told");
    assert_eq!(unread.why, "not sampled: its matrices are F8_E4M3");
    assert_eq!(assessment.checked.sampled_checkpoints, 0);
}
