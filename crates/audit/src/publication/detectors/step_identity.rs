//! Weights of another step under a name.
//!
//! Along a training line weights move on: of three successive checkpoints the outer two lie farthest apart. Where one of the
//! inner distances is clearly larger, one of the three is not where its name says. Only near neighbours are compared:
//! over long stretches weight decay and a falling rate let distances shrink again, and nothing follows from that.

use std::collections::BTreeMap;

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};
use crate::publication::lines::lines;
use crate::publication::trajectory::Trajectory;

/// An inner distance above the outer one by this factor is a violation.
const BEYOND: f64 = 1.12;
/// A distance of fewer changed values than this part of all is too uncertain: the first steps, rounded to bf16, move a
/// handful.
const CHANGED: usize = 4;
/// Places between the outer two of a triple.
const REACH: usize = 3;
/// The fewest checkpoints that say something about each other.
const FEWEST: usize = 4;
/// A quarter of the successive triples must show at least this much memory (outer over inner distance), else a line says
/// nothing: checkpoints far apart in steps, or steps that double during warm-up, lie about equally far from each other.
const MEMORY: f64 = 1.12;
/// A stretch longer than each of its neighbours by this factor is a jump …
const JUMP: f64 = 1.3;
/// … where the neighbours differ by less than this one.
const EVEN: f64 = 1.15;

/// A checkpoint that is not where its name says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Misplaced {
    /// Its place in the trajectory.
    pub place: usize,
    /// By how much the worst inner distance is above the outer one.
    pub factor: f64,
    /// The places between which it fits: after this one …
    pub after: Option<usize>,
    /// … and before this one.
    pub before: Option<usize>,
}

/// Checkpoints that do not lie where their names say, worst first.
#[must_use]
pub fn misplaced(of: &Trajectory) -> Vec<Misplaced> {
    let mut order: Vec<usize> = (0..of.len()).collect();
    if order.len() < FEWEST || memory(of) < MEMORY {
        return Vec::new();
    }
    let mut found = Vec::new();
    while order.len() >= FEWEST - 1 {
        let mut blame = BTreeMap::<usize, (f64, f64)>::new();
        for (triple, factor) in violations(of, &order) {
            for place in triple {
                let entry = blame.entry(place).or_default();
                entry.0 += factor - 1.0;
                entry.1 = entry.1.max(factor);
            }
        }
        // The one whose removal leaves least; of equals the most blamed, of those the later.
        let Some((left, place, factor)) = blame
            .iter()
            .map(|(&place, &(sum, worst))| {
                let without: Vec<usize> = order.iter().copied().filter(|p| *p != place).collect();
                (violations(of, &without).len(), sum, place, worst)
            })
            .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)).then(b.2.cmp(&a.2)))
            .map(|(left, _, place, worst)| (left, place, worst))
        else {
            break;
        };
        // Two under each other's names explain everything where no single one does; where one does, and the exchange
        // with its neighbour as well, nobody can tell which of the two it is.
        let pair = if left > 0 {
            exchanged(of, &order, &blame)
        } else {
            exchanged_with_neighbour(of, &order, place)
        };
        if let Some(pair) = pair {
            let [one, two] = pair.map(|place| {
                let at = order
                    .iter()
                    .position(|p| *p == place)
                    .expect("it is one of them");
                Misplaced {
                    place,
                    factor: blame.get(&place).map_or(factor, |(_, worst)| *worst),
                    after: at.checked_sub(1).map(|i| order[i]),
                    before: order.get(at + 1).copied(),
                }
            });
            // Each fits where the other lies.
            let swapped = [
                Misplaced {
                    after: two.after,
                    before: two.before,
                    ..one
                },
                Misplaced {
                    after: one.after,
                    before: one.before,
                    ..two
                },
            ];
            return placed(of, &order, found)
                .into_iter()
                .chain(swapped)
                .collect();
        }
        order.retain(|other| *other != place);
        found.push((place, factor));
    }
    placed(of, &order, found)
}

/// The pair, one of them blamed, that exchanged leaves nothing out of order.
fn exchanged(
    of: &Trajectory,
    order: &[usize],
    blame: &BTreeMap<usize, (f64, f64)>,
) -> Option<[usize; 2]> {
    let places = 0..order.len();
    let blamed = places.clone().filter(|at| blame.contains_key(&order[*at]));
    let pairs = blamed.flat_map(|one| places.clone().map(move |two| [one, two]));
    let with = pairs
        .filter(|[one, two]| one != two)
        .filter_map(|[one, two]| {
            let mut with = order.to_vec();
            with.swap(one, two);
            let length: f64 = with
                .windows(2)
                .map(|pair| of.distance(pair[0], pair[1]))
                .sum();
            let [first, second] = [one.min(two), one.max(two)];
            violations(of, &with)
                .is_empty()
                .then_some((length, [order[first], order[second]]))
        });
    // A stretch turned round is in order, too: the shorter way is the one that training went.
    with.min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, pair)| pair)
}

/// `place` and the neighbour that exchanged with it leaves nothing out of order; of two the one with the shorter way.
fn exchanged_with_neighbour(of: &Trajectory, order: &[usize], place: usize) -> Option<[usize; 2]> {
    let at = order.iter().position(|other| *other == place)?;
    let firsts = [at.checked_sub(1), (at + 1 < order.len()).then_some(at)];
    let pairs = firsts.into_iter().flatten().filter_map(|first| {
        let mut with = order.to_vec();
        with.swap(first, first + 1);
        let length: f64 = with
            .windows(2)
            .map(|pair| of.distance(pair[0], pair[1]))
            .sum();
        violations(of, &with)
            .is_empty()
            .then_some((length, [order[first], order[first + 1]]))
    });
    pairs
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, pair)| pair)
}

/// With the places of `order` between which each fits.
fn placed(of: &Trajectory, order: &[usize], found: Vec<(usize, f64)>) -> Vec<Misplaced> {
    found
        .into_iter()
        .map(|(place, factor)| {
            let at = fits_at(of, order, place);
            Misplaced {
                place,
                factor,
                after: at.checked_sub(1).map(|i| order[i]),
                before: order.get(at).copied(),
            }
        })
        .collect()
}

/// Upper quartile over successive triples of the outer distance by the larger inner one.
fn memory(of: &Trajectory) -> f64 {
    let mut ratios: Vec<f64> = (2..of.len())
        .map(|k| of.distance(k - 2, k) / of.distance(k - 2, k - 1).max(of.distance(k - 1, k)))
        .filter(|ratio| ratio.is_finite())
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() * 3 / 4).copied().unwrap_or(0.0)
}

/// Triples, near each other in `order`, of which an inner distance is beyond the outer one, with the factor.
fn violations(of: &Trajectory, order: &[usize]) -> Vec<([usize; 3], f64)> {
    let mut found = Vec::new();
    for i in 0..order.len() {
        for k in i + 2..order.len().min(i + REACH + 1) {
            for j in i + 1..k {
                let [a, b, c] = [order[i], order[j], order[k]];
                let outer = of.distance(a, c);
                let (from, to) = if of.distance(a, b) > of.distance(b, c) {
                    (a, b)
                } else {
                    (b, c)
                };
                let inner = of.distance(from, to);
                // Two equal checkpoints have no distance; that is another detector's finding.
                if outer > 0.0
                    && inner > BEYOND * outer
                    && of.changed(from, to) * CHANGED >= of.values
                {
                    found.push(([a, b, c], inner / outer));
                }
            }
        }
    }
    found
}

/// Where in `order` a checkpoint disturbs least; of equals where its neighbours are nearest.
fn fits_at(of: &Trajectory, order: &[usize], place: usize) -> usize {
    let cost = |at: usize| {
        let mut with = order.to_vec();
        with.insert(at, place);
        let near: f64 = [at.checked_sub(1).map(|i| order[i]), order.get(at).copied()]
            .into_iter()
            .flatten()
            .map(|other| of.distance(place, other))
            .sum();
        // An end has one neighbour only.
        let near = if at == 0 || at == order.len() {
            2.0 * near
        } else {
            near
        };
        (violations(of, &with).len(), near)
    };
    (0..=order.len())
        .map(|at| (at, cost(at)))
        .min_by(|a, b| a.1.0.cmp(&b.1.0).then(a.1.1.total_cmp(&b.1.1)))
        .map_or(0, |(at, _)| at)
}

/// Stretches (place of their first checkpoint, factor) that are longer than equally long neighbours in steps.
#[must_use]
pub fn jumps(of: &Trajectory) -> Vec<(usize, f64)> {
    let steps = |i: usize| of.steps[i + 1] - of.steps[i];
    (0..of.len().saturating_sub(1))
        .filter_map(|i| {
            let near: Vec<f64> = (i.saturating_sub(2)..(i + 3).min(of.len() - 1))
                .filter(|j| *j != i && steps(*j) == steps(i))
                .map(|j| of.distance(j, j + 1))
                .collect();
            let high = near.iter().copied().fold(0.0, f64::max);
            let low = near.iter().copied().fold(f64::INFINITY, f64::min);
            let factor = of.distance(i, i + 1) / high;
            (near.len() >= 3 && high < EVEN * low && factor > JUMP && factor.is_finite())
                .then_some((i, factor))
        })
        .collect()
}

/// A misplaced checkpoint is a contradiction, a jump a doubt: a spike in training moves weights, too.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in lines(of.inventory) {
        let trajectory = Trajectory::of(&line, of.samples);
        let name = |place: usize| &of.inventory.checkpoints[trajectory.indices[place]].name;
        let found = misplaced(&trajectory);
        for one in &found {
            let checkpoint = &of.inventory.checkpoints[trajectory.indices[one.place]];
            findings.push(
                Finding::new(
                    "step_identity",
                    Severity::Contradiction,
                    &checkpoint.name,
                    "weights_out_of_order",
                )
                .with("factor", one.factor)
                .with("after", one.after.map(|place| name(place).as_str()))
                .with("before", one.before.map(|place| name(place).as_str()))
                .on(evidence::weights(checkpoint))
                .asking("right_weights"),
            );
        }
        // What is out of order makes jumps of its own.
        if found.is_empty() {
            for (place, factor) in jumps(&trajectory) {
                let checkpoint = &of.inventory.checkpoints[trajectory.indices[place + 1]];
                findings.push(
                    Finding::new(
                        "step_identity",
                        Severity::Doubt,
                        &checkpoint.name,
                        "weights_jump",
                    )
                    .with("factor", factor)
                    .with("after", name(place).as_str())
                    .on(evidence::weights(checkpoint))
                    .asking("which_weights"),
                );
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances between the weights of the demo's run after so many steps.
    const STEPS: [u64; 6] = [64, 128, 200, 264, 332, 400];
    const DISTANCES: [[f64; 6]; 6] = [
        [0.0, 18.4, 26.3, 29.4, 30.7, 31.1],
        [18.4, 0.0, 16.5, 20.8, 22.5, 23.2],
        [26.3, 16.5, 0.0, 10.7, 13.1, 14.0],
        [29.4, 20.8, 10.7, 0.0, 6.5, 7.7],
        [30.7, 22.5, 13.1, 6.5, 0.0, 3.3],
        [31.1, 23.2, 14.0, 7.7, 3.3, 0.0],
    ];

    /// The run with weights `weights[i]` under the name of step i.
    fn named(weights: [usize; 6]) -> Trajectory {
        let row = |i: usize| weights.map(|j| DISTANCES[weights[i]][j]);
        let distances: Vec<f64> = (0..6).flat_map(row).collect();
        Trajectory::with(&STEPS, &distances)
    }

    #[test]
    fn two_under_each_others_names_are_both_named_and_no_other() {
        assert_eq!(misplaced(&named([0, 1, 2, 3, 4, 5])), []);
        let found = misplaced(&named([0, 1, 4, 3, 2, 5]));
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.place, one.after, one.before))
            .collect();
        assert_eq!(told, [(2, Some(3), Some(5)), (4, Some(1), Some(3))]);
        // Neighbours: which of the two is wrong cannot be told.
        for (weights, pair) in [
            ([1, 0, 2, 3, 4, 5], [0, 1]),
            ([0, 1, 3, 2, 4, 5], [2, 3]),
            ([0, 1, 2, 3, 5, 4], [4, 5]),
        ] {
            let mut places: Vec<usize> = misplaced(&named(weights))
                .iter()
                .map(|one| one.place)
                .collect();
            places.sort_unstable();
            assert_eq!(places, pair, "{weights:?}");
        }
    }
}
