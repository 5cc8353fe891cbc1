//! Values drawn from the weights of many checkpoints, the same places of the same tensors in each.
//!
//! A few thousand values say how far two checkpoints lie apart to about a hundredth, and cost a few ranged reads.

use glasswork_published::Inventory;

/// Where weights are read from; tests plant their own.
pub trait Weights {
    /// Values of one tensor of one checkpoint, evenly spread, at most so many, in the same places for equal shapes.
    ///
    /// # Errors
    /// Says why there are none.
    fn sample(&self, checkpoint: usize, tensor: &str, at_most: usize) -> Result<Vec<f32>, String>;
}

impl Weights for glasswork_published::Publication {
    fn sample(&self, checkpoint: usize, tensor: &str, at_most: usize) -> Result<Vec<f32>, String> {
        glasswork_published::Publication::sample(self, checkpoint, tensor, at_most)
            .map_err(|error| error.to_string())
    }
}

/// Tensors of the checkpoint that people load of which a few values are drawn …
const SPOTS: usize = 64;
/// … and of all others together: each costs a ranged read.
const SPOTS_ELSEWHERE: usize = 192;
/// Values of each.
const SPOT_VALUES: usize = 64;

/// How much is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Tensors of each checkpoint.
    pub tensors: usize,
    /// Values of each tensor.
    pub values: usize,
    /// Checkpoints at most; where there are more, neighbours in pairs, evenly spread, first and last among them.
    pub checkpoints: usize,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            tensors: 4,
            values: 4096,
            checkpoints: 64,
        }
    }
}

/// What was drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Tensors that were sampled.
    pub tensors: Vec<String>,
    /// By checkpoint of the inventory; `None` where nothing was drawn.
    pub values: Vec<Option<Vec<f32>>>,
    /// How many of each checkpoint's values belong to each tensor.
    pub lengths: Vec<usize>,
    /// A few values of more tensors: checkpoint, tensor, values. They are held against nothing but what a number is.
    pub spots: Vec<(usize, String, Vec<f32>)>,
    /// A norm's weights of each checkpoint that says it is step 0.
    pub first_norms: Vec<(usize, Vec<f32>)>,
    /// Checkpoints that could not be read, and why.
    pub failed: Vec<(usize, String)>,
}

impl Samples {
    /// Draws from `weights`.
    #[must_use]
    pub fn draw(inventory: &Inventory, weights: &dyn Weights, sampling: Sampling) -> Self {
        let chosen = checkpoints(inventory, sampling.checkpoints);
        let tensors = tensors(inventory, &chosen, sampling.tensors);
        let mut samples = Self {
            values: vec![None; inventory.checkpoints.len()],
            ..Self::default()
        };
        if tensors.is_empty() {
            samples.failed.extend(narrow(inventory));
            return samples;
        }
        let loaded = super::lines::main_line(inventory)
            .and_then(|line| line.members.last().map(|(_, index)| *index));
        let elsewhere = SPOTS_ELSEWHERE / chosen.len();
        for index in chosen {
            let checkpoint = &inventory.checkpoints[index];
            let served = super::lines::is_main(checkpoint) || loaded == Some(index);
            let take = if served { SPOTS } else { elsewhere };
            samples.draw_spots(inventory, weights, index, take);
            let has = |tensor: &String| checkpoint.tensors.iter().any(|own| own.name == *tensor);
            if !tensors.iter().all(has) {
                continue;
            }
            let mut values = Vec::new();
            let mut lengths = Vec::new();
            let mut failed = None;
            for tensor in &tensors {
                match weights.sample(index, tensor, sampling.values) {
                    Ok(drawn) => {
                        lengths.push(drawn.len());
                        values.extend(drawn);
                    }
                    Err(why) => failed = Some(why),
                }
            }
            if let Some(why) = failed {
                samples.failed.push((index, why));
                continue;
            }
            // Places are comparable only among equal lengths; the first checkpoint that can be read decides.
            if samples.lengths.is_empty() {
                samples.lengths.clone_from(&lengths);
            }
            if samples.lengths == lengths {
                samples.values[index] = Some(values);
            }
            if checkpoint.step == Some(0)
                && let Some(norm) = norm(inventory, index)
                && let Ok(drawn) = weights.sample(index, &norm, 256)
            {
                samples.first_norms.push((index, drawn));
            }
        }
        samples.tensors = tensors;
        samples
    }

    /// Draws a few values of `take` tensors, evenly spread over the checkpoint's.
    fn draw_spots(
        &mut self,
        inventory: &Inventory,
        weights: &dyn Weights,
        index: usize,
        take: usize,
    ) {
        let all: Vec<&str> = inventory.checkpoints[index]
            .tensors
            .iter()
            .filter(|tensor| is_float(&tensor.dtype))
            .map(|tensor| tensor.name.as_str())
            .collect();
        let take = take.min(all.len());
        for name in (0..take).map(|i| all[i * all.len() / take]) {
            // Where values cannot be read, the tensors that everything is held against say why.
            if let Ok(values) = weights.sample(index, name, SPOT_VALUES) {
                self.spots.push((index, name.to_owned(), values));
            }
        }
    }
}

fn is_float(dtype: &str) -> bool {
    let dtype = dtype.to_ascii_uppercase();
    ["F32", "F16", "BF16", "FLOAT"]
        .iter()
        .any(|kind| dtype.contains(kind))
}

/// The last checkpoint whose matrices are of fewer than 16 bits, and why nothing of it is drawn.
fn narrow(inventory: &Inventory) -> Option<(usize, String)> {
    let of = |dtype: &str| dtype.starts_with(['F', 'f']) && !is_float(dtype) && dtype != "F64";
    let mut all = inventory.checkpoints.iter().enumerate().rev();
    all.find_map(|(index, one)| {
        let mut matrices = one.tensors.iter().filter(|tensor| tensor.shape.len() == 2);
        let found = matrices.find(|tensor| of(&tensor.dtype))?;
        let why = format!("not sampled: its matrices are {}", found.dtype);
        Some((index, why))
    })
}

/// Indices of the checkpoints to look at.
fn checkpoints(inventory: &Inventory, at_most: usize) -> Vec<usize> {
    let mut all: Vec<usize> = super::lines::lines(inventory)
        .into_iter()
        .flat_map(|line| line.members.into_iter().map(|(_, index)| index))
        .collect();
    // Those in no line, `main` above all, come last: what people load.
    let in_lines: std::collections::BTreeSet<usize> = all.iter().copied().collect();
    all.extend((0..inventory.checkpoints.len()).filter(|index| !in_lines.contains(index)));
    if all.len() <= at_most {
        return all;
    }
    // Pairs of neighbours: a swap or a repetition shows between neighbours.
    let pairs = (at_most / 2).max(1);
    let mut chosen: Vec<usize> = (0..pairs)
        .map(|pair| pair * (all.len() - 2) / (pairs - 1).max(1))
        .flat_map(|at| [all[at], all[at + 1]])
        .collect();
    chosen.dedup();
    let mut seen = std::collections::BTreeSet::new();
    chosen.retain(|index| seen.insert(*index));
    chosen
}

/// Matrices that most checkpoints have, from first layers to last; embeddings are left out, whose rows move seldom.
fn tensors(inventory: &Inventory, chosen: &[usize], at_most: usize) -> Vec<String> {
    let mut counts = std::collections::BTreeMap::<(&str, &[u64]), usize>::new();
    for index in chosen {
        for tensor in &inventory.checkpoints[*index].tensors {
            if tensor.shape.len() == 2 && is_float(&tensor.dtype) {
                *counts.entry((&tensor.name, &tensor.shape)).or_default() += 1;
            }
        }
    }
    let most = counts.values().copied().max().unwrap_or(0);
    let everywhere: Vec<&str> = counts
        .into_iter()
        .filter(|(_, count)| *count == most)
        .map(|((name, _), _)| name)
        .collect();
    let inner: Vec<&str> = everywhere
        .iter()
        .copied()
        .filter(|name| !is_embedding(name))
        .collect();
    let from = if inner.is_empty() { everywhere } else { inner };
    let take = at_most.min(from.len());
    (0..take)
        .map(|i| from[i * from.len() / take].to_owned())
        .collect()
}

fn is_embedding(name: &str) -> bool {
    ["embed", "wte", "wpe", "lm_head", "output.weight"]
        .iter()
        .any(|part| name.contains(part))
}

/// A norm's weight of that checkpoint.
fn norm(inventory: &Inventory, index: usize) -> Option<String> {
    inventory.checkpoints[index]
        .tensors
        .iter()
        .find(|tensor| {
            let name = tensor.name.to_ascii_lowercase();
            tensor.shape.len() == 1
                && name.ends_with("weight")
                && (name.contains("norm") || name.contains("ln_"))
        })
        .map(|tensor| tensor.name.clone())
}
