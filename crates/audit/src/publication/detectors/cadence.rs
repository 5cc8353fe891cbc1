//! Checkpoints that the visible rule of their steps has, and that are not there.
//!
//! Rules are read off the steps themselves: even, doubling (0, 1, 2, 4 … 512), and one after the other. A rule that changes is
//! a new rule; a single interval longer than those before and after it is a gap.

use super::series::usual_interval;
use crate::publication::Subject;
use crate::publication::finding::{Finding, Severity};
use crate::publication::lines::{Line, is_main, lines, main_line};
use crate::publication::statements::whole_numbers;

/// Neighbouring intervals that are looked at for the rule: an extra checkpoint among them must not hide it.
const NEIGHBOURS: usize = 5;
/// Equal intervals that show a rule on one side alone.
const PLAIN: usize = 3;
/// The fewest checkpoints that show one.
const FEWEST: usize = 5;
/// Missing steps named in a finding.
const NAMED: usize = 20;
/// Missing steps that are counted; names with absurd numbers have more.
const MOST: usize = 100_000;

/// Steps that are missing by the rule visible around each gap. `steps` ascend.
#[must_use]
pub fn missing(steps: &[u64]) -> Vec<u64> {
    let mut found = Vec::new();
    if steps.len() < FEWEST {
        return found;
    }
    for i in 1..steps.len() {
        let (from, to) = (steps[i - 1], steps[i]);
        if doubling_around(steps, i) {
            let between = std::iter::successors(Some(from.saturating_mul(2)), |n| n.checked_mul(2));
            found.extend(between.take_while(|step| *step < to));
            continue;
        }
        let before = even_rule(&steps[i.saturating_sub(NEIGHBOURS + 1)..i]);
        let after = even_rule(&steps[i..steps.len().min(i + NEIGHBOURS + 1)]);
        let interval = to - from;
        let rule = match (before, after) {
            // An interval of the rule that follows is the change itself, seen on however few intervals.
            (Some(_), None)
                if steps.get(i + 1).is_some_and(|next| next - to == interval)
                    || i >= 2 && from - steps[i - 2] == interval =>
            {
                continue;
            }
            // Where the rule changes, a gap is longer than both rules.
            (Some((before, _)), Some((after, _))) => before.max(after),
            // Seen on one side only it must be plain: 0, 1, 2 are the beginning of doubling steps, too.
            (Some((rule, times)), None) | (None, Some((rule, times))) if times >= PLAIN => rule,
            _ => continue,
        };
        let regular = [before, after]
            .into_iter()
            .flatten()
            .all(|(rule, _)| interval % rule == 0);
        if interval > rule && regular {
            let room = MOST.saturating_sub(found.len());
            let between = std::iter::successors(Some(from + rule), |step| step.checked_add(rule));
            found.extend(between.take_while(|step| *step < to).take(room));
        }
    }
    found
}

/// The interval that at least two of the intervals of `steps` have, and how many have it.
fn even_rule(steps: &[u64]) -> Option<(u64, usize)> {
    let rule = usual_interval(steps)?;
    let count = steps
        .windows(2)
        .filter(|pair| pair[1] - pair[0] == rule)
        .count();
    (count >= 2).then_some((rule, count))
}

/// Whether steps double before the interval that ends at `i`, or on both sides, and this one leaves doublings out.
fn doubling_around(steps: &[u64], i: usize) -> bool {
    let doubles = |i: usize| {
        i >= 1 && i < steps.len() && steps[i - 1] > 0 && steps[i] == steps[i - 1].saturating_mul(2)
    };
    let (from, to) = (steps[i - 1], steps[i]);
    let left_out = from > 0 && to % from == 0 && (to / from).is_power_of_two() && to / from > 2;
    let before = i >= 2 && doubles(i - 1);
    left_out && before && (doubles(i + 1) || i >= 3 && doubles(i - 2))
}

/// Missing and repeated steps of every line, and fewer checkpoints than a card declares.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in lines(of.inventory) {
        let mut steps: Vec<u64> = line.members.iter().map(|(step, _)| *step).collect();
        let all = steps.len();
        steps.dedup();
        if steps.len() < all {
            findings.push(twice(of, &line));
        }
        let missing = missing(&steps);
        if missing.is_empty() {
            continue;
        }
        let named: Vec<String> = missing.iter().take(NAMED).map(u64::to_string).collect();
        findings.push(
            Finding::new("cadence", Severity::Doubt, &line.name, "steps_missing")
                .with("count", missing.len())
                .with("there", steps.len())
                .with("steps", named)
                .asking("missing_checkpoints"),
        );
    }
    findings.extend(fewer_than_declared(of));
    findings
}

fn twice(of: &Subject<'_>, line: &Line) -> Finding {
    let names: Vec<String> = line
        .members
        .windows(2)
        .filter(|pair| pair[0].0 == pair[1].0)
        .flat_map(|pair| {
            pair.iter()
                .map(|(_, index)| of.inventory.checkpoints[*index].name.clone())
        })
        .collect();
    Finding::new("cadence", Severity::Doubt, &line.name, "step_twice")
        .with("checkpoints", names)
        .asking("which_weights")
}

/// "360 checkpoints" on a card, where there are fewer.
fn fewer_than_declared(of: &Subject<'_>) -> Option<Finding> {
    let line = main_line(of.inventory)?;
    let main = of.inventory.checkpoints.iter().position(is_main);
    let beside = main.is_some_and(|main| line.members.iter().all(|(_, index)| *index != main));
    let there = line.members.len() + usize::from(beside);
    // A folder of one model is no series of checkpoints.
    if line.members.len() < 2 {
        return None;
    }
    let declared = of.inventory.cards.iter().find_map(|card| {
        card.text.lines().find_map(|text| {
            let text = text.to_ascii_lowercase();
            let at = text.find("checkpoints")?;
            let before: String = text[..at]
                .chars()
                .rev()
                .take(24)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect();
            let count = whole_numbers(&before).pop()?;
            (10..100_000)
                .contains(&count)
                .then_some((card.path.clone(), count))
        })
    });
    let (path, declared) = declared?;
    (declared > there as u64).then(|| {
        Finding::new(
            "cadence",
            Severity::Doubt,
            &line.name,
            "fewer_than_declared",
        )
        .with("declared", declared)
        .with("there", there)
        .on(crate::publication::evidence::file(&path, None, "cards"))
        .asking("missing_checkpoints")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythias_steps_have_no_gap() {
        let mut steps = vec![0];
        steps.extend((0..10).map(|power| 1 << power));
        steps.extend((1..=143).map(|thousand| thousand * 1000));
        assert_eq!(missing(&steps), [0; 0]);
        let holed: Vec<u64> = steps
            .iter()
            .copied()
            .filter(|step| ![64, 77_000, 78_000].contains(step))
            .collect();
        assert_eq!(missing(&holed), [64, 77_000, 78_000]);
    }

    #[test]
    fn a_change_of_cadence_and_an_odd_last_step_are_no_gaps() {
        let mut steps: Vec<u64> = (0..20).map(|i| i * 100).collect();
        steps.extend((4..20).map(|i| i * 500));
        steps.push(9_731);
        assert_eq!(missing(&steps), [0; 0]);
        assert_eq!(missing(&[1, 5, 17, 29, 40, 99]), [0; 0]);
        let resumed = [500, 1000, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 7000];
        for n in 8..=resumed.len() {
            assert_eq!(missing(&resumed[..n]), [0; 0], "{n}");
        }
        assert_eq!(missing(&[0, 10, 30]), [0; 0], "too few to show a rule");
    }
}
