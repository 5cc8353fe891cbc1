//! Claims that rest on what the reader's own machine measured.

use super::{Grounds, Told, evidence, judged, missing};
use crate::claims::{Claim, Evidence, Rung, Status};
use crate::measured::{Agreement, Benchmark, BenchmarkScore};
use crate::publication::detectors::evaluations::has_score;
use crate::publication::lines::main_line;

/// Words of task names that ask about harm, truth or bias; of several words in this order.
const SAFETY: &[&[&str]] = &[
    &["toxigen"],
    &["toxicity"],
    &["realtoxicityprompts"],
    &["truthfulqa"],
    &["jtruthfulqa"],
    &["crows"],
    &["bold"],
    &["bbq"],
    &["jbbq"],
    &["wmdp"],
    &["safety"],
    &["safetybench"],
    &["harmbench"],
    &["xstest"],
    &["advbench"],
    &["donotanswer"],
    &["do", "not", "answer"],
];

/// One of the claims that need a measurement; where there is none it says how much would have to be fetched.
pub(super) fn claim(grounds: &Grounds<'_>, id: &str) -> Claim {
    let claim = match id {
        "pub_evaluations_confirmed" => evaluations(grounds, id),
        "pub_loss_confirmed" => loss(grounds, id),
        "pub_own_documents" => own_documents(grounds, id),
        "pub_safety_evaluated" => safety(grounds, id),
        _ => missing(id),
    };
    if claim.status == Status::Missing {
        let bytes = to_fetch(grounds);
        claim.with("bytes_to_fetch", bytes)
    } else {
        claim
    }
}

/// Bytes of the last checkpoint's weights; of a folder on this disk nothing is fetched.
fn to_fetch(grounds: &Grounds<'_>) -> Option<u64> {
    if !grounds.of.inventory.place.starts_with("hf:") {
        return Some(0);
    }
    let checkpoints = &grounds.of.inventory.checkpoints;
    let index = main_line(grounds.of.inventory).and_then(|line| line.members.last().copied());
    let last = index.map_or_else(|| checkpoints.last(), |(_, index)| checkpoints.get(index))?;
    Some(
        last.weights
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.bytes)),
    )
}

/// Of comparisons: differs if one does, else agrees if one does.
fn outcome(agreements: impl Iterator<Item = Agreement>) -> (usize, usize) {
    let (mut agree, mut differ) = (0, 0);
    for agreement in agreements {
        match agreement {
            Agreement::Agrees => agree += 1,
            Agreement::Differs => differ += 1,
            Agreement::NotEnough => {}
        }
    }
    (agree, differ)
}

fn compared(id: &str, (agree, differ): (usize, usize)) -> Claim {
    if agree + differ == 0 {
        return missing(id);
    }
    judged(id, Rung::ReplayedWithinBound, differ == 0)
        .with("agree", agree)
        .with("differ", differ)
}

fn evaluations(grounds: &Grounds<'_>, id: &str) -> Claim {
    let benchmarks = &grounds.measured.benchmarks;
    compared(
        id,
        outcome(benchmarks.iter().filter_map(|one| one.agreement)),
    )
    .on(grounds
        .of
        .inventory
        .evaluations
        .iter()
        .map(|one| evidence::file(&one.path, None, "evaluations")))
}

fn loss(grounds: &Grounds<'_>, id: &str) -> Claim {
    let measured = grounds.measured;
    let logged = measured.logged_loss.iter().map(|one| one.agreement);
    let data = measured
        .logged_loss
        .iter()
        .map(|one| evidence::file(&one.data, None, "data"));
    compared(id, outcome(logged)).on(data)
}

fn own_documents(grounds: &Grounds<'_>, id: &str) -> Claim {
    let Some(own) = &grounds.measured.own_documents else {
        return missing(id);
    };
    if own.documents == 0 && own.questions == 0 {
        return missing(id);
    }
    // Whether the number is good enough is a limit of the reader's criteria; that there is none is a model that computes
    // none.
    let scored = own.documents == 0 || own.bits_per_byte.is_some_and(f64::is_finite);
    judged(id, Rung::ReplayedWithinBound, scored)
        .with("documents", own.documents)
        .with("bits_per_byte", own.bits_per_byte)
        .with("tokens_per_character", own.tokens_per_character)
        .with("questions", own.questions)
        .with("contained", own.contained)
}

/// Whole words count: `bold` is a set of prompts, `boldness_of_style` something else.
fn is_safety(task: &str) -> bool {
    let task = task.to_ascii_lowercase();
    let words: Vec<&str> = task.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    SAFETY
        .iter()
        .any(|name| words.windows(name.len()).any(|part| part == *name))
}

fn safety(grounds: &Grounds<'_>, id: &str) -> Claim {
    let scored = |one: &&Benchmark| matches!(one.score, BenchmarkScore::Scored { value, .. } if value.is_finite());
    let own: Vec<&Benchmark> = grounds
        .measured
        .benchmarks
        .iter()
        .filter(|one| is_safety(&one.task))
        .filter(scored)
        .collect();
    if !own.is_empty() {
        let tasks: Vec<String> = own.iter().map(|one| one.task.clone()).collect();
        return judged(id, Rung::ReplayedWithinBound, true).with("tasks", tasks);
    }
    let published: Vec<(&String, Evidence)> = grounds
        .of
        .inventory
        .evaluations
        .iter()
        .flat_map(|one| {
            let file = evidence::file(&one.path, None, "evaluations");
            one.results
                .iter()
                .filter(|(task, metrics)| is_safety(task) && has_score(metrics))
                .map(move |(task, _)| (task, file.clone()))
        })
        .collect();
    if published.is_empty() {
        return missing(id);
    }
    let tasks: std::collections::BTreeSet<String> =
        published.iter().map(|(task, _)| (*task).clone()).collect();
    judged(id, Rung::Declared, true)
        .with("tasks", tasks.into_iter().collect::<Vec<String>>())
        .on(published.into_iter().map(|(_, file)| file))
}
