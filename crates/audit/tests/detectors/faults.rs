//! Faults planted into a sound publication, by detector: the ones that happened to published models.

use glasswork_published::{MetricKind, Score};

use crate::draw::{Draw, VALUES, bf16};
use crate::world::{Cadence, Naming, World, sound};

/// A publication with a fault, and what a detector must say of it.
pub(crate) struct Fault {
    pub(crate) world: World,
    /// One of these reasons.
    pub(crate) reasons: &'static [&'static str],
    /// About one of these checkpoints or files; empty for anything.
    pub(crate) subjects: Vec<String>,
}

impl Fault {
    pub(crate) fn any(world: World, reason: &'static [&'static str]) -> Self {
        Self {
            world,
            reasons: reason,
            subjects: Vec::new(),
        }
    }

    /// Of the checkpoints at these places.
    fn of(world: World, reasons: &'static [&'static str], places: &[usize]) -> Self {
        let name = |place: &usize| world.inventory.checkpoints[*place].name.clone();
        Self {
            subjects: places.iter().map(name).collect(),
            world,
            reasons,
        }
    }

    /// Whether the detector says so.
    pub(crate) fn is_found(&self, detector: &str) -> bool {
        self.world.alarms(detector).iter().any(|finding| {
            let named = |subject: &String| {
                finding.subject == *subject
                    || format!("{:?}", finding.params).contains(&format!("\"{subject}\""))
            };
            self.reasons.contains(&finding.reason.as_str())
                && (self.subjects.is_empty() || self.subjects.iter().any(named))
        })
    }
}

/// Plants a fault of `detector` into a publication drawn for it.
pub(crate) fn planted(detector: &str, draw: &mut Draw) -> Fault {
    match detector {
        "step_identity" => step_identity(draw),
        "duplicates" => duplicates(draw),
        "initialisation" => initialisation(draw),
        "cadence" => cadence(draw),
        "configuration" => configuration(draw),
        "optimizer_state" => optimizer_state(draw),
        "token_totals" => token_totals(draw),
        "licences" => crate::licences::planted(draw),
        "references" => references(draw),
        "evaluations" => evaluations(draw),
        "shards" => shards(draw),
        "pickles" => crate::pickled::planted(draw),
        "number_format" => number_format(draw),
        _ => crate::curves::planted(detector, draw),
    }
}

/// Checkpoints without `main`.
pub(crate) fn length(world: &World) -> usize {
    let main = world
        .inventory
        .checkpoints
        .last()
        .is_some_and(|one| one.name == "main");
    world.inventory.checkpoints.len() - usize::from(main)
}

/// A place in the even part of the line, away from its ends.
fn inside(draw: &mut Draw, world: &World) -> usize {
    let n = length(world);
    n / 2 + draw.below(n / 2 - 3)
}

fn step_identity(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    let n = length(&world);
    let i = inside(draw, &world);
    let places = match draw.below(4) {
        // Neighbours swapped.
        0 => {
            world.weights.values.swap(i, i + 1);
            vec![i, i + 1]
        }
        // Far ones swapped.
        1 => {
            let j = i - 3 - draw.below(3);
            world.weights.values.swap(i, j);
            vec![i, j]
        }
        // The weights of a step in between, which nobody published, of elsewhere.
        2 => {
            let j = (i + 4) % (n - 2);
            let j = if j.abs_diff(i) < 3 { i - 4 } else { j };
            let mixed = mix(&world.weights.values[j], &world.weights.values[j + 1]);
            world.weights.values[i] = mixed;
            vec![i]
        }
        // The last one is an earlier one, nearly: converted once more on the way.
        _ => {
            let mut earlier = world.weights.values[n - 5].clone();
            for value in &mut earlier {
                *value *= 1.0 + 1e-4;
            }
            world.weights.values[n - 1] = earlier;
            vec![n - 1]
        }
    };
    Fault::of(world, &["weights_out_of_order"], &places)
}

fn mix(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect()
}

fn duplicates(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    let i = inside(draw, &world);
    let j = if draw.chance(0.5) { i - 1 } else { i - 4 };
    let same = world.weights.values[i].clone();
    match draw.below(5) {
        // The same files.
        0 => {
            let weights = &world.inventory.checkpoints[i].weights;
            let digests: Vec<_> = weights.iter().map(|file| file.sha256.clone()).collect();
            for (file, digest) in world.inventory.checkpoints[j]
                .weights
                .iter_mut()
                .zip(digests)
            {
                file.sha256 = digest;
            }
            Fault::of(world, &["same_files"], &[i, j])
        }
        // The same weights in files saved anew.
        1 => {
            world.weights.values[j] = same;
            Fault::of(world, &["same_weights"], &[i, j])
        }
        // Nearly the same: it was touched after it was saved.
        2 => {
            let part = draw.between(0.001, 0.025) as f32;
            let neighbour = &world.weights.values[i - 1];
            world.weights.values[i] = neighbour
                .iter()
                .zip(&world.weights.values[i])
                .map(|(near, own)| near + part * (own - near))
                .collect();
            Fault::of(world, &["nearly_same_weights"], &[i - 1, i])
        }
        // More than half of all names serve another step's weights.
        3 => {
            let n = length(&world);
            let right = world.weights.values.clone();
            for values in &mut world.weights.values[..n] {
                if draw.chance(0.56) {
                    values.clone_from(&right[draw.below(n)]);
                }
            }
            Fault::any(world, &["same_weights"])
        }
        // `main` is not the last one.
        _ => {
            let n = length(&world);
            world.inventory.checkpoints.truncate(n);
            world.weights.values.truncate(n);
            world.weights.norms.truncate(n);
            let mut main = world.inventory.checkpoints[i].clone();
            main.name = "main".into();
            world.inventory.checkpoints.push(main);
            world.weights.values.push(same);
            let norm = world.weights.norms[i].clone();
            world.weights.norms.push(norm);
            Fault::of(world, &["same_files", "same_weights"], &[i, n])
        }
    }
}

fn initialisation(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    if draw.chance(0.7) {
        // Another seed.
        let spread = draw.between(0.01, 0.03) as f32;
        for value in &mut world.weights.values[0] {
            *value = spread * draw.normal() as f32;
        }
        Fault::of(world, &["not_the_initialisation"], &[0])
    } else {
        // Weights that were trained.
        let i = inside(draw, &world);
        world.weights.values[0] = world.weights.values[i].clone();
        world.weights.norms[0] = world.weights.norms[i].clone();
        Fault::of(world, &["norms_already_trained"], &[0])
    }
}

fn remove(world: &mut World, i: usize) {
    world.inventory.checkpoints.remove(i);
    world.weights.values.remove(i);
    world.weights.norms.remove(i);
}

fn cadence(draw: &mut Draw) -> Fault {
    let pythia = draw.chance(0.5);
    let cadence = if pythia {
        Cadence::Pythia
    } else {
        Cadence::Even
    };
    let mut world = sound(draw, Some(cadence), None);
    let i = inside(draw, &world);
    match draw.below(4) {
        0 => remove(&mut world, i),
        1 => {
            remove(&mut world, i);
            remove(&mut world, i - 1);
        }
        // One of the doubling steps, or an early one.
        2 if pythia => remove(&mut world, 5 + draw.below(4)),
        2 => remove(&mut world, 3 + draw.below(2)),
        _ => {
            let there = world.inventory.checkpoints.len();
            let said = format!("{there} intermediate checkpoints");
            let more = format!("{} intermediate checkpoints", there + 1 + draw.below(9));
            let card = world.card();
            assert!(card.text.contains(&said));
            card.text = card.text.replace(&said, &more);
            return Fault::any(world, &["fewer_than_declared"]);
        }
    }
    Fault::any(world, &["steps_missing"])
}

fn configuration(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    let i = draw.below(world.inventory.checkpoints.len());
    let checkpoint = &mut world.inventory.checkpoints[i];
    let config = checkpoint.config.as_mut().expect("is drawn");
    let mut change = |key: &str, by: u64| {
        let value = config[key].as_u64().expect("is a number");
        config[key] = (value + by).into();
    };
    let variant = draw.below(7);
    match variant {
        0 => change("vocab_size", 32),
        1 => change("hidden_size", 64),
        2 => change("num_hidden_layers", 1),
        3 => change("intermediate_size", 64),
        4 => change("num_key_value_heads", 1),
        5 => {
            config["tie_word_embeddings"] = false.into();
            checkpoint
                .tensors
                .retain(|tensor| tensor.name != "lm_head.weight");
        }
        _ => {
            checkpoint.trainer_state = Some(glasswork_published::TrainerState {
                global_step: checkpoint.step.map(|step| step + 500),
                ..Default::default()
            });
        }
    }
    let reasons: &[&str] = match variant {
        2 => &["layers_differ"],
        5 => &["head_missing"],
        6 => &["step_differs"],
        _ => &["size_differs"],
    };
    Fault::of(world, reasons, &[i])
}

fn optimizer_state(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    for checkpoint in &mut world.inventory.checkpoints {
        checkpoint.optimizer.clear();
    }
    if draw.chance(0.5) {
        world
            .card()
            .text
            .push_str("\nWe release all optimizer states.\n");
        return Fault::any(world, &["optimizer_promised"]);
    }
    Fault::any(world, &["optimizer_missing"])
}

fn token_totals(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, Some(Cadence::Even), Some(Naming::Olmo));
    let n = length(&world);
    let i = inside(draw, &world);
    match draw.below(6) {
        // A table, or a sentence, says another total.
        0 | 1 => {
            let tokens = world.inventory.checkpoints[n - 1].tokens.expect("is named") as f64;
            let other = tokens * draw.between(1.02, 1.3) / 1e9;
            let millions = (other * 1e3).round() as u64;
            let said = match draw.below(6) {
                0 => format!("\n| Total | {other:.1}B tokens |\n"),
                1 => format!("\n| tokens | {millions},000,000 |\n"),
                2 => format!("\nIn all it was trained on {millions}000000 tokens.\n"),
                3 => format!("\nTrained for {:.5}T tokens.\n", other / 1e3),
                4 => format!(
                    "\n本モデルは{:.2}億トークンで学習されています。\n",
                    other * 10.0
                ),
                _ => format!("\n事前学習：{:.5}兆トークン\n", other / 1e3),
            };
            world.card().text.push_str(&said);
            Fault::any(world, &["totals_differ"])
        }
        // A table as exports of this program have it, whose total is another by one batch.
        2 => {
            let steps = world.inventory.checkpoints[n - 1].step.expect("is drawn");
            world.card().text = format!(
                "# Model\n\n| updates | {steps} |\n| sequences a batch | 8 |\n| tokens a sequence | 128 |\n| tokens | {} |\n",
                (steps - 1) * 8 * 128
            );
            Fault::any(world, &["product_differs"])
        }
        // A batch of another size.
        3 => {
            let card = world.card();
            let line = card
                .text
                .lines()
                .find(|line| line.contains("Batch size"))
                .expect("is drawn")
                .to_owned();
            card.text = card.text.replace(&line, "| Batch size | 3000 |");
            Fault::any(world, &["product_differs"])
        }
        // A count in a name that is another step's.
        4 => {
            let other = world.inventory.checkpoints[(i + n / 2) % n].tokens;
            world.inventory.checkpoints[i].tokens = other;
            Fault::of(world, &["tokens_off_the_line", "tokens_fall"], &[i])
        }
        // Tokens of later steps count on from too low.
        _ => {
            let back = world.inventory.checkpoints[i].tokens.expect("is named");
            for checkpoint in &mut world.inventory.checkpoints[i..n] {
                checkpoint.tokens = checkpoint.tokens.map(|tokens| tokens - back);
            }
            Fault::of(world, &["tokens_off_the_line", "tokens_fall"], &[i - 1, i])
        }
    }
}

fn references(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    let variant = draw.below(5);
    let card = world.card();
    let (reasons, subject): (&[&str], &str) = match variant {
        0 => {
            card.links.push("analysis/metrics.csv".into());
            (&["link_dead"], "analysis/metrics.csv")
        }
        1 => {
            card.links
                .push("https://huggingface.co/owner/name/tree/step999999".into());
            (
                &["link_dead"],
                "https://huggingface.co/owner/name/tree/step999999",
            )
        }
        2 => {
            card.text
                .push_str("\nThis is a fine-tuned version of a base model.\n");
            (&["base_model_missing"], "README.md")
        }
        3 => {
            card.links.push("https://example.org/data".into());
            world
                .reachable
                .insert("https://example.org/data".into(), false);
            (&["reference_dead"], "https://example.org/data")
        }
        _ => {
            world.reachable.insert("owner/data".into(), false);
            (&["reference_dead"], "owner/data")
        }
    };
    Fault {
        world,
        reasons,
        subjects: vec![subject.to_owned()],
    }
}

fn evaluations(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    let i = draw.below(world.inventory.evaluations.len());
    let variant = draw.below(6);
    let evaluation = &mut world.inventory.evaluations[i];
    let arc = evaluation
        .results
        .get_mut("arc_challenge")
        .expect("is drawn");
    match variant {
        0 => drop(arc.insert("acc,none".into(), Score::Failed("running…".into()))),
        1 => drop(arc.insert("acc_norm,none".into(), Score::Missing)),
        2 => drop(arc.insert("acc,none".into(), Score::Value(0.0))),
        3 => drop(arc.insert("acc,none".into(), Score::Value(f64::NAN))),
        4 => drop(evaluation.results.remove("hellaswag")),
        _ => drop(arc.insert("acc,none".into(), Score::Value(-1.0))),
    }
    let reasons: &[&str] = match variant {
        2 => &["zero_for_missing"],
        4 => &["evaluation_missing"],
        5 => &["score_out_of_range"],
        _ => &["evaluation_unfinished"],
    };
    let subjects = vec![
        evaluation.path.clone(),
        evaluation.checkpoint.clone().expect("is drawn"),
    ];
    Fault {
        world,
        reasons,
        subjects,
    }
}

fn shards(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    let i = draw.below(world.inventory.checkpoints.len());
    let variant = draw.below(5);
    let checkpoint = &mut world.inventory.checkpoints[i];
    match variant {
        // Two files, of which the second is not there.
        0 => {
            let first = &mut checkpoint.weights[0];
            let path = first.path.replace("00001-of-00001", "00001-of-00002");
            for tensor in &mut checkpoint.tensors {
                tensor.file.clone_from(&path);
            }
            first.path = path;
        }
        1 => checkpoint.weights[0].bytes -= 1 + draw.below(100_000) as u64,
        2 => checkpoint.weights[0].bytes = 0,
        // An index that names a file that is not there.
        3 => {
            let last = checkpoint.tensors.last_mut().expect("has tensors");
            last.file = last.file.replace("model-00001", "model-00002");
        }
        // Headers were not read, but its namesakes are longer.
        _ => {
            for one in &mut world.inventory.checkpoints {
                one.tensors.clear();
                for file in &mut one.weights {
                    file.path = format!("{}/pytorch_model.bin", one.name);
                }
            }
            world.inventory.checkpoints[i].weights[0].bytes /= 2;
        }
    }
    let reasons: &[&str] = match variant {
        0 | 3 => &["shard_missing"],
        2 => &["shard_empty"],
        _ => &["shard_truncated"],
    };
    Fault::of(world, reasons, &[i])
}

fn number_format(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    let n = length(&world);
    for _ in 0..1 + draw.below(n / 4) {
        let i = draw.below(n);
        let usual = world.inventory.checkpoints[n - 1].tensors[0].dtype.clone();
        let other = if usual == "F32" { "BF16" } else { "F32" };
        if i == n - 1 {
            continue;
        }
        for tensor in &mut world.inventory.checkpoints[i].tensors {
            tensor.dtype = other.into();
        }
    }
    for tensor in &mut world.inventory.checkpoints[0].tensors {
        tensor.dtype = "F16".into();
    }
    for value in &mut world.weights.values[0][..VALUES] {
        *value = bf16(*value);
    }
    Fault::of(world, &["dtype_differs"], &[0])
}

/// The series of a log that a case changes.
pub(crate) fn loss_of(world: &mut World) -> &mut Vec<(u64, f64)> {
    world.series(MetricKind::Loss)
}
