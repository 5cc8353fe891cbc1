//! Faults planted into logs.

use glasswork_published::MetricKind;

use crate::draw::Draw;
use crate::faults::{Fault, loss_of};
use crate::world::{World, sound};

pub(crate) fn planted(detector: &str, draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    let n = loss_of(&mut world).len();
    let reasons: &[&str] = match detector {
        "spikes" => {
            for _ in 0..1 + draw.below(3) {
                let at = 300 + draw.below(n - 400);
                let height = draw.between(0.2, 2.5);
                // Up at once, down in some steps.
                for (i, point) in loss_of(&mut world)[at..at + 6].iter_mut().enumerate() {
                    point.1 += height / (1.0 + i as f64);
                }
            }
            &["loss_spikes"]
        }
        "non_finite" => {
            let kind = [MetricKind::Loss, MetricKind::LearningRate][draw.below(2)];
            let wrong = [f64::NAN, f64::INFINITY][draw.below(2)];
            let at = draw.below(n - 10);
            for point in &mut world.series(kind)[at..at + 1 + draw.below(9)] {
                point.1 = wrong;
            }
            &["values_not_finite"]
        }
        "stall" => {
            // A rate that is still high, and a loss that stays where it was from somewhere in the second half on.
            let from = draw.between(0.5, 0.68);
            let (last, _) = *loss_of(&mut world).last().expect("is drawn");
            for (step, rate) in world.series(MetricKind::LearningRate).iter_mut() {
                *rate = 3e-4 * (*step as f64 / (0.05 * last as f64)).min(1.0);
            }
            let since = from * last as f64;
            let law = |step: f64| 8.0 / (step + 20.0).sqrt().sqrt();
            for (step, value) in loss_of(&mut world) {
                let step = *step as f64;
                if step > since {
                    *value += law(since) - law(step);
                }
            }
            &["loss_stalled"]
        }
        "log_restart" => {
            if draw.chance(0.7) {
                let back = 20 + draw.below(200);
                let at = n / 3 + draw.below(n / 2);
                for kind in [
                    MetricKind::Loss,
                    MetricKind::GradNorm,
                    MetricKind::LearningRate,
                ] {
                    let series = world.series(kind);
                    let mut again: Vec<(u64, f64)> = series[at - back..at].to_vec();
                    if kind != MetricKind::LearningRate {
                        for point in &mut again {
                            point.1 *= 1.0 + 0.01 * draw.normal();
                        }
                    }
                    series.splice(at..at, again);
                }
                &["log_goes_back"]
            } else {
                // The rate warms up again, after it fell or was lowered.
                let at = n / 2 + draw.below(n / 3);
                let series = world.series(MetricKind::LearningRate);
                for (i, point) in series[at..].iter_mut().enumerate() {
                    point.1 *= (0.01 + i as f64 / 100.0).min(1.0);
                }
                &["warm_up_again"]
            }
        }
        "log_gap" => {
            let at = n / 4 + draw.below(n / 2);
            let width = 10 + draw.below(200);
            for series in &mut world.inventory.metrics {
                series.points.drain(at..at + width);
            }
            &["log_misses_steps"]
        }
        _ => schedule(draw, &mut world),
    };
    Fault::any(world, reasons)
}

fn schedule(draw: &mut Draw, world: &mut World) -> &'static [&'static str] {
    match draw.below(3) {
        // Another peak than the card's.
        0 => {
            let factor = [0.5, 0.9, 1.1, 2.0][draw.below(4)];
            for point in world.series(MetricKind::LearningRate) {
                point.1 *= factor;
            }
            &["rate_differs"]
        }
        // Another warm-up.
        1 => {
            let card = world.card();
            let line = card
                .text
                .lines()
                .find(|line| line.contains("Warmup"))
                .expect("is drawn")
                .to_owned();
            card.text = card.text.replace(&line, "| Warmup steps | 30000 |");
            &["warm_up_differs"]
        }
        // Lowered by hand.
        _ => {
            let series = world.series(MetricKind::LearningRate);
            let at = series.len() / 5 + draw.below(series.len() / 10);
            for point in &mut series[at..] {
                point.1 *= 0.4;
            }
            &["rate_jumps"]
        }
    }
}
