//! How good, and how safe, is the model?

use glasswork_release::layout;

use super::{Claim, Param, Rung};
use crate::dossier::{Dossier, Evaluation};

/// Steps at each end of training over which the loss is averaged, so that one batch does not decide.
const ENDS: usize = 10;

/// A score worse than the best by less than this share counts as the same: no error is estimated for scores.
const SAME: f64 = 0.005;

pub(super) fn claims(dossier: &Dossier) -> Vec<Claim> {
    vec![
        loss(dossier),
        unseen(dossier),
        not_rising(dossier),
        uneventful(dossier),
        // Nothing of this version scores standard tasks or safety.
        Claim::missing("benchmarks_run").with("tasks", Param::Null),
        Claim::missing("safety_evaluated"),
    ]
}

fn loss(dossier: &Dossier) -> Claim {
    let id = "loss_fell";
    let Some(metrics) = dossier
        .metrics
        .as_ref()
        .filter(|metrics| metrics.loss.len() >= 2)
    else {
        return Claim::missing(id);
    };
    let count = ENDS.min(metrics.loss.len() / 2);
    let mean = |losses: &[Option<f64>]| {
        let sum: Option<f64> = losses.iter().copied().sum();
        sum.map(|sum| sum / losses.len() as f64)
    };
    let first = metrics.loss.first().copied().flatten();
    let (begin, end) = (
        mean(&metrics.loss[..count]),
        mean(&metrics.loss[metrics.loss.len() - count..]),
    );
    let rung = if dossier.release.sealed {
        Rung::Consistent
    } else {
        Rung::Present
    };
    let fell = begin.zip(end).is_some_and(|(begin, end)| end < begin);
    Claim::judged(id, rung, fell)
        .with("first", first)
        .with("last", end)
        .with("ends", count)
        .with("steps", metrics.step.len())
        .on(dossier, "training", [layout::STEPS])
}

/// Bits per byte over all sources together: bits are summed, then divided by the bytes. `None` for no text.
fn overall(evaluation: &Evaluation) -> Option<f64> {
    let bytes: f64 = evaluation
        .scores
        .iter()
        .map(|score| score.bytes as f64)
        .sum();
    let bits: f64 = evaluation
        .scores
        .iter()
        .map(|score| score.bits_per_byte * score.bytes as f64)
        .sum();
    (bytes > 0.0).then(|| bits / bytes)
}

fn unseen(dossier: &Dossier) -> Claim {
    let id = "held_out_better";
    let ends = dossier.checkpoints.first().zip(dossier.checkpoints.last());
    let at = |step| {
        dossier
            .evaluations
            .iter()
            .find(|evaluation| evaluation.step == step)
    };
    let Some((first, last)) = ends.and_then(|(first, last)| at(first.step).zip(at(last.step)))
    else {
        return Claim::missing(id);
    };
    let sources = |evaluation: &Evaluation| -> Vec<String> {
        evaluation
            .scores
            .iter()
            .map(|score| score.source.clone())
            .collect()
    };
    let scores = overall(first)
        .zip(overall(last))
        .filter(|_| first.step < last.step && sources(first) == sources(last));
    let Some((initial, reached)) = scores else {
        return Claim::missing(id);
    };
    let worst = last
        .scores
        .iter()
        .max_by(|left, right| left.bits_per_byte.total_cmp(&right.bits_per_byte));
    // 8 bits per byte is a guess that knows nothing.
    Claim::judged(id, Rung::Present, reached < initial && reached < 8.0)
        .with("initial", initial)
        .with("last", reached)
        .with("worst_source", worst.map(|score| score.source.clone()))
        .with("worst", worst.map(|score| score.bits_per_byte))
        .on(
            dossier,
            "evaluation",
            [first.path.as_str(), last.path.as_str()],
        )
}

fn not_rising(dossier: &Dossier) -> Claim {
    let id = "held_out_not_rising";
    let last_step = dossier.checkpoints.last().map(|checkpoint| checkpoint.step);
    let Some(last) = dossier
        .evaluations
        .last()
        .filter(|last| Some(last.step) == last_step)
    else {
        return Claim::missing(id);
    };
    if dossier.evaluations.len() < 3 {
        return Claim::missing(id);
    }
    let mut rising = Vec::new();
    let mut best_step = None;
    for score in &last.scores {
        let earlier = dossier.evaluations.iter().flat_map(|evaluation| {
            let same = evaluation
                .scores
                .iter()
                .find(|other| other.source == score.source);
            same.map(|same| (same.bits_per_byte, evaluation.step))
        });
        let best = earlier.min_by(|left, right| left.0.total_cmp(&right.0));
        if let Some((value, step)) = best
            && score.bits_per_byte > value * (1.0 + SAME)
        {
            rising.push(score.source.clone());
            best_step = Some(step);
        }
    }
    Claim::judged(id, Rung::Present, rising.is_empty())
        .with("sources", rising)
        .with("best", best_step)
        .on(dossier, "evaluation", [last.path.as_str()])
}

fn uneventful(dossier: &Dossier) -> Claim {
    let id = "training_uneventful";
    let (Some(_), Some(metrics)) = (&dossier.segments, &dossier.metrics) else {
        return Claim::missing(id);
    };
    let holes = metrics.loss.iter().filter(|loss| loss.is_none()).count();
    let rung = if dossier.release.sealed {
        Rung::Consistent
    } else {
        Rung::Present
    };
    Claim::judged(id, rung, dossier.incidents.is_empty() && holes == 0)
        .with("incidents", dossier.incidents.len() + holes)
        .on(dossier, "chain", [layout::LEDGER, layout::STEPS])
}
