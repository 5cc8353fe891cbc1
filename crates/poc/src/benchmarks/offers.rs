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
    pace: &Pace,
    (budget, remote): (Budget, bool),
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
        let of = wanted.range((index, String::new())..(index + 1, String::new()));
        let mut of: Vec<_> = of.collect();
        // What the reader asks for comes first; subjects of MMLU, which are many, last.
        of.sort_by_key(|((_, task), _)| (!tasks.names.contains(task), task.starts_with("mmlu_")));
        for ((_, task), stated) in of {
            let mut not_asked = |why: String| {
                missing.push(NotAsked {
                    checkpoint: index,
                    task: task.clone(),
                    why,
                });
            };
            if items.len() == MOST {
                not_asked(format!("{MOST} tasks are offered at most"));
                continue;
            }
            let shots = shots(stated);
            let known = match costs.entry((task, shots)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    place.insert(match cost((tasks.files, &here), task, shots)? {
                        Ok(cost) => Ok((cost, false)),
                        Err(why) if why.no_data && tasks.data.source.is_some() => {
                            Ok((vec![guess(task)], true))
                        }
                        Err(why) => Err(why.missing.unwrap_or_default()),
                    })
                }
            };
            let (cost, fetches_data) = match known {
                Ok(known) => known,
                Err(why) => {
                    not_asked(why.clone());
                    continue;
                }
            };
            let mut item = item((index, task, shots, *fetches_data), cost, pace, budget);
            item.fetch_bytes = fetched(&inventory.checkpoints[index], remote);
            item.fetch_seconds = pace.rates.fetching(item.fetch_bytes);
            item.seconds += item.fetch_seconds;
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

/// The number of examples that the publisher used, where one is stated.
pub(super) fn shots(stated: &[Stated]) -> Option<usize> {
    stated.iter().find_map(|one| one.shots)
}

/// What all items of a task, or of the tasks of a group, would take; or the task that cannot be asked, with its reason.
pub(super) fn cost(
    (files, data): (&TaskFiles, &Datasets),
    name: &str,
    shots: Option<usize>,
) -> Result<std::result::Result<Vec<TaskCost>, TaskCost>> {
    let options = Options {
        shots,
        ..Options::default()
    };
    let names = [name.to_owned()];
    let estimate = |text: &str| text.len().div_ceil(TOKEN);
    let costs = tasks_cost((files, &names), data, &options, &estimate)?;
    let missing = costs.iter().find(|cost| cost.missing.is_some());
    Ok(match missing {
        Some(why) => Err(why.clone()),
        None => Ok(costs),
    })
}

/// How fast this machine asks this model.
pub(crate) struct Pace<'p> {
    pub(crate) decoder: &'p Decoder,
    pub(crate) rates: &'p Rates,
}

impl Pace<'_> {
    fn length(&self) -> usize {
        self.decoder.positions.min(2048)
    }

    /// Tokens and seconds of at most `items` of each task.
    fn take(&self, costs: &[TaskCost], items: usize) -> (u64, f64) {
        let parameters = parameters(self.decoder);
        let (mut tokens, mut generating) = (0.0, 0.0);
        for cost in costs {
            let asked = items.min(cost.available) as f64 / cost.documents.max(1) as f64;
            tokens += asked * cost.tokens() as f64;
            // Prompts advance together, a portion at a time; each step reads all weights.
            let steps = cost.generated_tokens as f64 / cost.documents.max(1) as f64;
            let generated = asked * (cost.context_tokens + cost.generated_tokens) as f64;
            if steps > 0.0 {
                let portions = (generated / Options::default().portion as f64).ceil();
                generating += portions * steps * 2.0 * parameters as f64 / READING;
            }
        }
        let scoring = self
            .rates
            .scoring(self.decoder, parameters, tokens as u64, self.length());
        (tokens as u64, scoring + generating)
    }

    /// The most items of each task, up to `items`, that take no more than `seconds`.
    pub(super) fn affordable(&self, costs: &[TaskCost], items: usize, seconds: f64) -> usize {
        let (mut least, mut most) = (0, items);
        while least < most {
            let middle = (least + most).div_ceil(2);
            // Rounding must not take an item of what was planned.
            if self.take(costs, middle).1 <= seconds * (1.0 + 1e-9) {
                least = middle;
            } else {
                most = middle - 1;
            }
        }
        least
    }
}

fn item(
    (checkpoint, task, shots, fetches_data): (usize, &str, Option<usize>, bool),
    costs: &[TaskCost],
    pace: &Pace,
    budget: Budget,
) -> Item {
    let of_each = |items: usize| items.div_ceil(costs.len().max(1));
    let affordable =
        |items: &&usize| pace.take(costs, of_each(**items)).1 <= SHARE * budget.seconds();
    let items = of_each(
        *ITEMS
            .iter()
            .find(affordable)
            .unwrap_or(&ITEMS[ITEMS.len() - 1]),
    );
    let (tokens, seconds) = pace.take(costs, items);
    Item {
        what: What::Benchmark {
            checkpoint,
            task: task.to_owned(),
            shots,
            items,
            fetches_data,
        },
        fetch_bytes: 0,
        fetch_seconds: 0.0,
        tokens,
        flops: tokens as f64 * pace.decoder.forward_flops_per_token(pace.length()) as f64,
        seconds,
        claims: vec!["pub_evaluations_confirmed"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn items_are_as_many_as_there_is_time_for() {
        let config = json!({
            "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 128,
            "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 256, "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false, "hidden_act": "silu"
        });
        let decoder = Decoder::from_hugging_face(&config).expect("understood");
        let rates = Rates {
            flops: 1e9,
            packed: 1e9,
            fetched: 1e6,
        };
        let pace = Pace {
            decoder: &decoder,
            rates: &rates,
        };
        let cost = |available: usize, generated: u64| TaskCost {
            documents: available,
            available,
            context_tokens: available as u64 * 2500,
            generated_tokens: available as u64 * generated,
            ..TaskCost::default()
        };
        let one = [cost(1000, 0)];
        let whole = pace.take(&one, 1000).1;
        assert_eq!(pace.affordable(&one, 1000, whole), 1000);
        let some = pace.affordable(&one, 1000, whole / 10.0);
        assert!((90..=110).contains(&some), "{some}");
        // More is not there: small tasks of a group leave their time to the large one.
        let group = [cost(10, 0), cost(1000, 0)];
        let items = pace.affordable(&group, 1000, whole / 10.0);
        assert!(
            pace.take(&group, items).1 <= whole / 10.0 * 1.001 && items >= 80,
            "{items}"
        );
        // Generating takes a pass over the weights for every step of every portion.
        let steps = pace.take(&[cost(1000, 256)], 1000).1 - pace.take(&[cost(1000, 0)], 1000).1;
        let once = 256.0 * 2.0 * parameters(&decoder) as f64 / READING;
        assert!(steps > 20.0 * once, "{steps} {once}");
    }
}
