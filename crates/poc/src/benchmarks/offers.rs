//! What asking tasks would take.

use super::{Stated, Tasks, Wanted};
use crate::offers::{fetched, parameters};
use crate::plan::{Item, NotAsked, What, order_of_checkpoints};
use crate::{Budget, Rates, Result};
use glasswork_eval::harness::{Datasets, Options, TaskCost, TaskFiles, tasks_cost};
use glasswork_model::Decoder;
use glasswork_published::Inventory;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Items of a task, the most that a share of the budget allows: standard errors of about 0.016, 0.022, 0.035 and 0.05.
const ITEMS: [usize; 4] = [1000, 500, 200, 100];
/// Share of a budget that one task of one checkpoint may take.
const SHARE: f64 = 0.15;
/// Tasks that are offered at most.
const MOST: usize = 48;
/// Bytes of a token, for an estimate.
const TOKEN: usize = 4;
/// Bytes a second that a product of few rows reads weights with; bf16 has two bytes each.
const READING: f64 = 8e9;

/// The tasks that are `wanted`, those of the last checkpoint first, and why some cannot be asked. Nothing is fetched: what a
/// task takes whose data is not here is a guess.
pub(crate) fn offers(
    inventory: &Inventory,
    tasks: &Tasks,
    wanted: &Wanted,
    decoder: &Decoder,
    (rates, budget, remote): (&Rates, Budget, bool),
) -> Result<(Vec<Item>, Vec<NotAsked>)> {
    let mut checkpoints: Vec<usize> = wanted.keys().map(|(index, _)| *index).collect();
    checkpoints.dedup();
    let order = order_of_checkpoints(checkpoints.len());
    let (mut items, mut missing) = (Vec::new(), Vec::new());
    let mut costs = BTreeMap::new();
    let here = Datasets {
        source: None,
        ..tasks.data.clone()
    };
    for index in order.into_iter().map(|at| checkpoints[at]) {
        // Subjects of MMLU are many: they come after the other tasks.
        let of = wanted.range((index, String::new())..(index + 1, String::new()));
        let (subjects, others): (Vec<_>, Vec<_>) =
            of.partition(|((_, task), _)| task.starts_with("mmlu_"));
        for ((_, task), stated) in others.into_iter().chain(subjects) {
            if items.len() == MOST {
                return Ok((items, missing));
            }
            let shots = shots(stated);
            let known = match costs.entry((task, shots)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    place.insert(match cost((tasks.files, &here), task, shots)? {
                        Ok(cost) => Ok((cost, false)),
                        Err(_) if tasks.data.source.is_some() => Ok((vec![guess(task)], true)),
                        Err(why) => Err(why),
                    })
                }
            };
            let (cost, fetches_data) = match known {
                Ok(known) => known,
                Err(why) => {
                    missing.push(NotAsked {
                        checkpoint: index,
                        task: task.clone(),
                        why: why.clone(),
                    });
                    continue;
                }
            };
            let mut item = item(
                (index, task, shots, *fetches_data),
                cost,
                decoder,
                (rates, budget),
            );
            item.fetch_bytes = fetched(&inventory.checkpoints[index], remote);
            item.seconds += rates.fetching(item.fetch_bytes);
            items.push(item);
        }
    }
    Ok((items, missing))
}

/// A task that nothing is known of: short examples before short questions.
fn guess(task: &str) -> TaskCost {
    const DOCUMENTS: usize = 1000;
    TaskCost {
        task: task.to_owned(),
        documents: DOCUMENTS,
        available: DOCUMENTS,
        requests: 4 * DOCUMENTS,
        context_tokens: 1000 * DOCUMENTS as u64,
        ..TaskCost::default()
    }
}

/// The number of examples that the publisher used, where one is stated for all.
pub(super) fn shots(stated: &[Stated]) -> Option<usize> {
    stated.iter().find_map(|one| one.shots)
}

/// What all items of a task, or of the tasks of a group, would take; or why it cannot be asked.
pub(super) fn cost(
    (files, data): (&TaskFiles, &Datasets),
    name: &str,
    shots: Option<usize>,
) -> Result<std::result::Result<Vec<TaskCost>, String>> {
    let options = Options {
        shots,
        ..Options::default()
    };
    let names = [name.to_owned()];
    let estimate = |text: &str| text.len().div_ceil(TOKEN);
    let costs = tasks_cost((files, &names), data, &options, &estimate)?;
    let missing = costs.iter().find_map(|cost| cost.missing.clone());
    Ok(match missing {
        Some(why) => Err(why),
        None => Ok(costs),
    })
}

fn item(
    (checkpoint, task, shots, fetches_data): (usize, &str, Option<usize>, bool),
    costs: &[TaskCost],
    decoder: &Decoder,
    (rates, budget): (&Rates, Budget),
) -> Item {
    let parameters = parameters(decoder);
    let length = decoder.positions.min(2048);
    let take = |items: usize| {
        // With what is generated, a step at a time.
        let (mut tokens, mut steps) = (0.0, 0.0_f64);
        for cost in costs {
            tokens += of_items(cost, items.div_ceil(costs.len()));
            steps = steps.max(cost.generated_tokens as f64 / cost.documents.max(1) as f64);
        }
        let seconds = rates.scoring(decoder, parameters, tokens as u64, length)
            + steps * 2.0 * parameters as f64 / READING;
        (tokens as u64, seconds)
    };
    let affordable = |items: &&usize| take(**items).1 <= SHARE * budget.seconds();
    let items = *ITEMS
        .iter()
        .find(affordable)
        .unwrap_or(&ITEMS[ITEMS.len() - 1]);
    let (tokens, seconds) = take(items);
    Item {
        what: What::Benchmark {
            checkpoint,
            task: task.to_owned(),
            shots,
            items: items.div_ceil(costs.len().max(1)),
            fetches_data,
        },
        fetch_bytes: 0,
        tokens,
        flops: tokens as f64 * decoder.forward_flops_per_token(length) as f64,
        seconds,
        claims: vec!["pub_evaluations_confirmed"],
    }
}

/// Tokens of so many items of a task.
fn of_items(cost: &TaskCost, items: usize) -> f64 {
    let asked = items.min(cost.available) as f64;
    asked / cost.documents.max(1) as f64 * cost.tokens() as f64
}

/// As many items as take the `planned` tokens, at most `items`, now that the data is here.
pub(super) fn affordable(costs: &[TaskCost], items: usize, planned: u64) -> usize {
    let tokens: f64 = costs.iter().map(|cost| of_items(cost, items)).sum();
    let share = (planned as f64 / tokens.max(1.0)).min(1.0);
    (items as f64 * share) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_prompts_than_planned_leave_fewer_items() {
        let cost = TaskCost {
            documents: 500,
            available: 500,
            context_tokens: 500 * 2500,
            ..TaskCost::default()
        };
        let costs = [cost];
        assert_eq!(affordable(&costs, 200, 200 * 1000), 80);
        assert_eq!(affordable(&costs, 200, 200 * 2500), 200);
        assert_eq!(affordable(&costs, 200, 200 * 9000), 200);
    }
}
