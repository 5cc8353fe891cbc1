//! The logged learning rate against the declared one, and against itself.

use glasswork_published::MetricKind;

use super::{Point, by_step, of_kind, shown, subject};
use crate::publication::Subject;
use crate::publication::finding::{Finding, Severity};
use crate::publication::statements::{numbers, whole_numbers};

/// How far a declared peak may be from the logged one.
const PEAK_TOLERANCE: f64 = 0.02;
/// A jump between two values, as part of the peak, among neighbours that move by less than …
const JUMP: f64 = 0.25;
/// … this.
const CALM: f64 = 0.05;

/// Steps at which a rate jumps: down or up by a quarter of the peak, between calm neighbours.
#[must_use]
pub fn jumps(rates: &[Point]) -> Vec<u64> {
    let peak = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let moved = |i: usize| (rates[i].1 - rates[i - 1].1).abs() / peak;
    (2..rates.len().saturating_sub(1))
        .filter(|i| moved(*i) > JUMP && moved(i - 1) < CALM && moved(i + 1) < CALM)
        .map(|i| rates[i].0)
        .collect()
}

/// What a card's line says about the rate: its numbers, or the steps of warm-up.
fn stated<'a>(of: &'a Subject<'_>, words: &'a [&str]) -> impl Iterator<Item = (&'a str, String)> {
    of.inventory.cards.iter().flat_map(move |card| {
        card.text
            .lines()
            .map(str::to_ascii_lowercase)
            .filter(move |line| words.iter().any(|word| line.contains(word)))
            .map(move |line| (card.path.as_str(), line))
    })
}

/// A rate that is another than the card's, a warm-up of another length, or a jump that no card speaks of.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for series in of_kind(of.inventory, MetricKind::LearningRate) {
        let rates = by_step(&series.points);
        let Some((peak_at, peak)) =
            rates
                .iter()
                .fold(None, |best: Option<Point>, point| match best {
                    Some(best) if best.1 >= point.1 => Some(best),
                    _ => Some(*point),
                })
        else {
            continue;
        };
        if peak <= 0.0 {
            continue;
        }
        // A log that begins after the warm-up says nothing about the peak.
        let begins_before = rates.first().is_some_and(|(_, rate)| *rate < 0.9 * peak);
        let finding = |reason: &str| {
            Finding::new("schedule", Severity::Doubt, &subject(series), reason)
                .on(shown(series))
                .asking("real_schedule")
        };
        let declared: Vec<f64> = stated(
            of,
            &["learning rate", "learning_rate", "learning-rate", "peak lr"],
        )
        .flat_map(|(_, line)| numbers(&line))
        .filter(|rate| *rate > 0.0 && *rate < 0.1)
        .collect();
        let near = |rate: &f64| (rate - peak).abs() <= PEAK_TOLERANCE * peak;
        if begins_before && !declared.is_empty() && !declared.iter().any(near) {
            let nearest = declared
                .iter()
                .copied()
                .min_by(|a, b| (a - peak).abs().total_cmp(&(b - peak).abs()));
            findings.push(
                finding("rate_differs")
                    .with("logged", peak)
                    .with("declared", nearest),
            );
        }
        let warm_ups: Vec<u64> = stated(of, &["warmup", "warm-up", "warm up"])
            .flat_map(|(_, line)| whole_numbers(&line))
            .filter(|steps| *steps >= 10)
            .collect();
        let interval = rates
            .windows(2)
            .map(|pair| pair[1].0 - pair[0].0)
            .max()
            .unwrap_or(0);
        // The first value within a thousandth of the peak ends the warm-up: some schedules stay there.
        let reached = rates
            .iter()
            .find(|(_, rate)| *rate >= 0.999 * peak)
            .map_or(peak_at, |(step, _)| *step);
        let fits = |steps: &u64| {
            let room = (2 * interval).max(steps / 20).max(2);
            reached.abs_diff(*steps) <= room
        };
        if begins_before && !warm_ups.is_empty() && !warm_ups.iter().any(fits) {
            findings.push(
                finding("warm_up_differs")
                    .with("logged", reached)
                    .with("declared", warm_ups[0]),
            );
        }
        let spoken_of = [
            "step decay",
            "multi-step",
            "multistep",
            "decayed by",
            "phase",
            "stage",
            "restart",
            "piecewise",
        ];
        let jumps = jumps(&rates);
        if let Some(first) = jumps.first()
            && stated(of, &spoken_of).next().is_none()
        {
            findings.push(
                finding("rate_jumps")
                    .with("step", *first)
                    .with("count", jumps.len()),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_lies_between_calm_neighbours() {
        let smooth: Vec<Point> = (0..100).map(|i| (i, 1.0 - i as f64 / 100.0)).collect();
        assert!(jumps(&smooth).is_empty());
        let mut halved = smooth;
        for point in &mut halved[30..] {
            point.1 /= 2.0;
        }
        assert_eq!(jumps(&halved), [30]);
    }
}
