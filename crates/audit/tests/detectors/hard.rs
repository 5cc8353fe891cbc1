//! Sound publications that look like faults: what a detector must leave alone although it is near.

use glasswork_audit::publication::Severity;
use glasswork_published::{MetricKind, Score, StoredFile};
use serde_json::json;

use crate::draw::{Draw, Schedule, trajectory};
use crate::faults::{length, loss_of};
use crate::world::{Cadence, World, sound};

/// A sound publication made hard for one detector.
pub(crate) fn sound_for(detector: &str, draw: &mut Draw) -> World {
    // Steps that are almost equal are hard for what compares weights.
    let cadence = match detector {
        "step_identity" | "duplicates" | "initialisation" => {
            Some(Cadence::Pythia).filter(|_| draw.chance(0.5))
        }
        _ => None,
    };
    let mut world = sound(draw, cadence, None);
    match detector {
        "step_identity" => saturated(draw, &mut world),
        "duplicates" => still_at_first(draw, &mut world),
        "initialisation" => forgotten(draw, &mut world),
        "cadence" => odd_steps(draw, &mut world),
        "configuration" => other_families(draw, &mut world),
        "optimizer_state" => last_state_only(draw, &mut world),
        "token_totals" => more_statements(draw, &mut world),
        "licences" => crate::licences::hard(draw, &mut world),
        "references" => odd_links(draw, &mut world),
        "evaluations" => odd_scores(draw, &mut world),
        "shards" => two_formats(draw, &mut world),
        "pickles" => crate::pickled::hard(draw, &mut world),
        "number_format" => mixed(&mut world),
        "spikes" => waves(draw, &mut world),
        "non_finite" => overflows(draw, &mut world),
        "stall" => noise(draw, &mut world),
        "log_restart" => told_restarts(draw, &mut world),
        "log_gap" => seldom(draw, &mut world),
        _ => odd_rates(draw, &mut world),
    }
    world
}

/// Weights that forget quickly and settle as the rate falls to almost nothing: far checkpoints come near each other again.
fn saturated(draw: &mut Draw, world: &mut World) {
    let n = length(world);
    let steps: Vec<u64> = world.inventory.checkpoints[..n]
        .iter()
        .filter_map(|one| one.step)
        .collect();
    let schedule = [Schedule::Cosine, Schedule::Linear, Schedule::Stable][draw.below(3)];
    let (mut values, _) = trajectory(draw, &steps, schedule, steps[n - 1] as f64 / 20.0);
    // The mean of what was, with less and less of the noise: what a falling rate does.
    let pull = draw.between(0.2, 0.6) as f32;
    let goal = values[n - 1].clone();
    for (i, weights) in values.iter_mut().enumerate() {
        let share = (i as f32 / n as f32 - 0.6).max(0.0) / 0.4;
        for (value, goal) in weights.iter_mut().zip(&goal) {
            *value += pull * share * (goal - *value);
        }
    }
    world.weights.values.splice(..n, values.iter().cloned());
    if world.inventory.checkpoints.len() > n {
        world.weights.values[n] = values[n - 1].clone();
    }
}

/// The first update has a rate of 0, the second moves nothing that bf16 shows.
fn still_at_first(draw: &mut Draw, world: &mut World) {
    if world.inventory.checkpoints[1].step == Some(1) {
        world.weights.values[1] = world.weights.values[0].clone();
        if draw.chance(0.5) {
            world.weights.values[2] = world.weights.values[0].clone();
        }
    } else {
        // A branch begins with the weights that it leaves from.
        let mut branch = world.inventory.checkpoints[length(world) - 1].clone();
        branch.name = "stage2-step0-tokens0B".into();
        branch.step = Some(0);
        branch.tokens = None;
        let last = length(world) - 1;
        world.inventory.checkpoints.push(branch);
        world
            .weights
            .values
            .push(world.weights.values[last].clone());
        world.weights.norms.push(world.weights.norms[last].clone());
    }
}

/// Weights that keep little of anything from one checkpoint to the next.
fn forgotten(draw: &mut Draw, world: &mut World) {
    if world.inventory.checkpoints[1].step == Some(1) {
        return;
    }
    let keep = draw.between(0.02, 0.1) as f32;
    let n = length(world);
    let start = world.weights.values[0].clone();
    for i in 1..n {
        for (value, start) in world.weights.values[i].iter_mut().zip(&start) {
            *value = 0.02 * draw.normal() as f32 + keep * start;
        }
    }
    if world.inventory.checkpoints.len() > n {
        world.weights.values[n] = world.weights.values[n - 1].clone();
    }
}

/// Extra checkpoints off the rule, steps of no rule at all, other counts on the card.
fn odd_steps(draw: &mut Draw, world: &mut World) {
    let n = length(world);
    match draw.below(3) {
        0 => {
            for i in [n / 3, n / 2] {
                let step = world.inventory.checkpoints[i].step.expect("is drawn");
                let mut extra = world.inventory.checkpoints[i].clone();
                extra.step = Some(step + 37);
                extra.name = extra
                    .name
                    .replace(&step.to_string(), &(step + 37).to_string());
                for file in &mut extra.weights {
                    file.sha256 = Some(format!("{:032x}", draw.next()));
                }
                world.inventory.checkpoints.push(extra);
                let (here, next) = (&world.weights.values[i], &world.weights.values[i + 1]);
                let between = here
                    .iter()
                    .zip(next)
                    .map(|(here, next)| here + 0.1 * (next - here))
                    .collect();
                world.weights.values.push(between);
                world.weights.norms.push(world.weights.norms[i].clone());
            }
        }
        1 => {
            let mut step = 0;
            for checkpoint in &mut world.inventory.checkpoints {
                step += 700 + draw.below(900) as u64;
                checkpoint.step = Some(step);
                checkpoint.tokens = None;
            }
            let last = world.inventory.checkpoints[n - 1].step;
            for main in &mut world.inventory.checkpoints[n..] {
                main.step = last;
            }
        }
        _ => world.card().text.push_str(
            "\nOthers publish 2 checkpoints; every 1000 steps one of ours was evaluated.\n",
        ),
    }
}

/// Explicit head sizes, padded vocabularies, tied heads that are stored twice, quantised files.
fn other_families(draw: &mut Draw, world: &mut World) {
    let variant = draw.below(4);
    for checkpoint in &mut world.inventory.checkpoints {
        let config = checkpoint.config.as_mut().expect("is drawn");
        match variant {
            0 => {
                // Heads are wider than hidden / heads.
                let heads = config["num_attention_heads"].as_u64().expect("is drawn");
                let groups = config["num_key_value_heads"].as_u64().expect("is drawn");
                config["head_dim"] = 96.into();
                for tensor in &mut checkpoint.tensors {
                    if tensor.name.contains("q_proj") {
                        tensor.shape[0] = heads * 96;
                    } else if tensor.name.contains("k_proj") {
                        tensor.shape[0] = groups * 96;
                    }
                }
            }
            1 => {
                let padded = config["vocab_size"].clone();
                config["embedding_size"] = padded.clone();
                config["vocab_size"] = (padded.as_u64().expect("is drawn") - 22).into();
            }
            2 => config["tie_word_embeddings"] = true.into(),
            _ => {
                config["quantization_config"] = json!({ "bits": 4 });
                for tensor in &mut checkpoint.tensors {
                    tensor.shape = vec![tensor.shape.iter().product::<u64>() / 8];
                }
            }
        }
    }
}

/// State of the last checkpoint only, as some publish it; or one model without any series.
fn last_state_only(draw: &mut Draw, world: &mut World) {
    let last = length(world) - 1;
    if draw.chance(0.5) {
        for checkpoint in &mut world.inventory.checkpoints[..last] {
            checkpoint.optimizer.clear();
        }
        world
            .card()
            .text
            .push_str("\nOptimizer states of earlier steps are not released.\n");
    } else {
        world.inventory.checkpoints.drain(..last);
        world.weights.values.drain(..last);
        world.weights.norms.drain(..last);
        for checkpoint in &mut world.inventory.checkpoints {
            checkpoint.optimizer.clear();
        }
    }
}

/// Other models' totals, stages, a rounded total, a batch that grew.
fn more_statements(draw: &mut Draw, world: &mut World) {
    let last = world.inventory.checkpoints[length(world) - 1].step;
    let exact = format!(
        "\n| updates | {} |\n| sequences a batch | 8 |\n| tokens a sequence | 128 |\n| Sequences | 4,096,000 |\n",
        last.expect("is drawn")
    );
    let text = match draw.below(11) {
        0 => {
            "\nIt was further trained on 50B tokens of code. The chat model was trained on 2B tokens.\n"
        }
        1 => "\nStage 1 was trained on 3T tokens, stage 2 on 0.2T tokens.\n",
        2 => {
            "\n| Per device batch size | 4 |\n| Fine-tuning batch size | 64 |\n| Total tokens per batch | 4M |\n"
        }
        3 => {
            "\nIt was trained at 3,500,000 tokens per second. A total vocabulary of 1,000,000 tokens was tried. \
             Trained with batches of 4,194,304 tokens and a context of 1,048,576 tokens.\n"
        }
        4 => {
            "\n学習時のバッチサイズは4,194,304トークン、コンテキスト長は合計1,048,576トークンです。\
             継続事前学習は1000億トークンで行いました。評価には合計50億トークンを用いました。\n"
        }
        5 => {
            "\n## Evaluation\n\n| tokens | 2,638,400 |\n| Total tokens | 1.5B |\n\n# Model\n\n| tokens per second | 2,638,400 |\n"
        }
        6 => {
            "\nEvaluated on a total of 5,000,000 held-out tokens. Perplexity was computed over a total of 10B tokens. \
             Supports a total of 2,000,000 input tokens; the tokenizer was trained on 10B tokens.\n"
        }
        8 => {
            "\nMistral was trained on 8T tokens. The larger sibling was trained on 30T tokens.\n\nIt was trained on 0.2B unique \
             tokens, repeated 1.45 times.\n\nThis checkpoint was trained on 0.5B tokens of that total.\n\nIn total 0.6B tokens of \
             RefinedWeb.\n\n日本語学習データ: 5.9億トークン\n"
        }
        9 => "\n# Dataset statistics\n\n| Tokens | 3000.1T |\n\n# Model\n",
        // Factors of a table without a total of its own that is exact are those of the prose.
        7 => return agreeing(world, &exact),
        _ => "\nLlama 2 was trained on 2T tokens. Each chunk has a total of 3.5B tokens.\n",
    };
    // Before the table, so that they are read first.
    let card = world.card();
    card.text.insert_str(0, text);
}

/// A table as exports of this program have it, whose product is its total, and no other statement.
fn agreeing(world: &mut World, factors: &str) {
    let last = world.inventory.checkpoints[length(world) - 1].step;
    let tokens = last.expect("is drawn") * 8 * 128;
    for checkpoint in &mut world.inventory.checkpoints {
        checkpoint.tokens = None;
    }
    world.card().text = format!("# Model\n{factors}| tokens | {tokens} |\n");
}

/// Links that lead somewhere though they do not look it.
fn odd_links(draw: &mut Draw, world: &mut World) {
    let step = world.inventory.checkpoints[2].name.clone();
    world.inventory.other.push(StoredFile {
        path: "figures/loss curve.png".into(),
        bytes: 10,
        sha256: None,
    });
    let links = [
        "figures/loss%20curve.png".to_owned(),
        "data/".to_owned(),
        "#evaluation".to_owned(),
        "mailto:mail@example.org".to_owned(),
        "./train.py?raw=true#L3-L9".to_owned(),
        "/datasets/owner/data".to_owned(),
        format!("https://huggingface.co/owner/name/tree/{step}"),
        "https://huggingface.co/owner/name/resolve/main/train.py".to_owned(),
        "https://huggingface.co/owner/name/discussions/3".to_owned(),
    ];
    let from = draw.below(4);
    world.card().links.extend(links.into_iter().skip(from));
    world
        .card()
        .text
        .push_str("\nIt can be fine-tuned; chat versions exist.\n");
}

/// Names among metrics, texts for errors, zeros of generations, tasks that only some checkpoints have.
fn odd_scores(draw: &mut Draw, world: &mut World) {
    let often = 2 + draw.below(3);
    for (i, evaluation) in world.inventory.evaluations.iter_mut().enumerate() {
        for (task, metrics) in &mut evaluation.results {
            metrics.insert("alias".into(), Score::Failed(format!(" - {task}")));
            metrics.insert("acc_norm_stderr,none".into(), Score::Failed("N/A".into()));
        }
        if i % often == 0 {
            let zero = [
                ("exact_match,flexible-extract".to_owned(), Score::Value(0.0)),
                ("pass@1,create_test".to_owned(), Score::Value(0.0)),
            ];
            evaluation
                .results
                .insert("humaneval".into(), zero.into_iter().collect());
        }
    }
}

/// Weights in two formats, of which only one has headers that were read.
fn two_formats(draw: &mut Draw, world: &mut World) {
    let shards = 1 + draw.below(3) as u64;
    for checkpoint in &mut world.inventory.checkpoints {
        let bytes = checkpoint.weights[0].bytes;
        for shard in 1..=shards {
            checkpoint.weights.push(StoredFile {
                path: format!(
                    "{}/pytorch_model-{shard:05}-of-{shards:05}.bin",
                    checkpoint.folder
                ),
                bytes: bytes / shards + shard * 1000,
                sha256: None,
            });
        }
    }
}

/// Norms in fp32 among bf16; `main` converted for use.
fn mixed(world: &mut World) {
    let n = length(world);
    for (i, checkpoint) in world.inventory.checkpoints.iter_mut().enumerate() {
        for tensor in &mut checkpoint.tensors {
            if tensor.shape.len() == 1 {
                tensor.dtype = "F32".into();
            } else if i >= n {
                tensor.dtype = "F16".into();
            }
        }
    }
}

/// A mix of data that changes slowly, and noise with long tails.
fn waves(draw: &mut Draw, world: &mut World) {
    let period = draw.between(50.0, 400.0);
    for (i, point) in loss_of(world).iter_mut().enumerate() {
        let phase = (i as f64 / period).fract();
        point.1 += 0.05 * (phase * (1.0 - phase) * 4.0) + 0.01 * draw.heavy().clamp(-4.0, 4.0);
    }
}

/// Norms that overflow while a loss scale is found.
fn overflows(draw: &mut Draw, world: &mut World) {
    for _ in 0..3 + draw.below(10) {
        let series = world.series(MetricKind::GradNorm);
        let at = draw.below(series.len());
        series[at].1 = [f64::INFINITY, f64::NAN][draw.below(2)];
    }
}

/// A loss that falls, under so much noise that one cannot tell.
fn noise(draw: &mut Draw, world: &mut World) {
    let width = draw.between(0.05, 0.3);
    for point in loss_of(world) {
        point.1 += width * draw.normal();
    }
}

/// A restart that the card tells of, lines logged twice, declared phases.
fn told_restarts(draw: &mut Draw, world: &mut World) {
    let n = loss_of(world).len();
    let at = n / 3 + draw.below(n / 2);
    let mut again: Vec<(u64, f64)> = loss_of(world)[at - 30..at].to_vec();
    match draw.below(3) {
        0 => {
            world
                .card()
                .text
                .push_str("\nAfter a hardware failure training was resumed from a checkpoint.\n");
            for point in &mut again {
                point.1 += 0.02 * draw.normal();
            }
            drop(loss_of(world).splice(at..at, again));
        }
        1 => drop(loss_of(world).splice(at..at, again)),
        _ => {
            world
                .card()
                .text
                .push_str("\nTraining had two phases with a warm-up each.\n");
            for (i, point) in world.series(MetricKind::LearningRate)[at..]
                .iter_mut()
                .enumerate()
            {
                point.1 *= (0.01 + i as f64 / 100.0).min(1.0);
            }
        }
    }
}

/// Logged seldom after a while.
fn seldom(draw: &mut Draw, world: &mut World) {
    let every = 2 + draw.below(9);
    for series in &mut world.inventory.metrics {
        let mut i = 0_usize;
        series.points.retain(|_| {
            i += 1;
            i < 500 || i.is_multiple_of(every)
        });
    }
}

/// A log without its beginning, ablations on the card, a rate lowered in declared phases.
fn odd_rates(draw: &mut Draw, world: &mut World) {
    match draw.below(3) {
        0 => {
            for series in &mut world.inventory.metrics {
                series.points.drain(..600);
            }
        }
        1 => world.card().text.push_str(
            "\nAblations: learning rate from 1e-4 to 6e-4, warmup of 100 to 5000 steps.\n",
        ),
        _ => {
            world
                .card()
                .text
                .push_str("\nIn phase 2 the rate is lower.\n");
            let series = world.series(MetricKind::LearningRate);
            let at = series.len() / 2;
            for point in &mut series[at..] {
                point.1 *= 0.5;
            }
        }
    }
}

/// What is found in a card of nothing but this text.
fn totals(text: &str) -> Vec<(String, Severity)> {
    let mut world = sound(&mut Draw::new(3), None, None);
    for checkpoint in &mut world.inventory.checkpoints {
        checkpoint.tokens = None;
    }
    world.card().text = text.into();
    let found = world.alarms("token_totals").into_iter();
    found.map(|one| (one.reason, one.severity)).collect()
}

#[test]
fn parts_and_other_models_contradict_no_total() {
    for text in [
        "# Model\n\n学習データは2.1兆トークンです。\n\n日本語学習データ: 592億トークン\n",
        "# Falcon\n\nIt was trained on 1.5T tokens.\n\nIn total 690B tokens of RefinedWeb.\n",
        "# Model\n\nIt was trained on 300B tokens.\n\nTrained on 207B unique tokens, repeated 1.45 times.\n",
        "# Model\n\nIt was trained on 3T tokens.\n\nMistral was trained on 8T tokens.\n",
        "# Model\n\nIt was trained on 1T tokens.\n\nThe larger sibling was trained on 3T tokens.\n",
        "# Model\n\nIt was trained on 3T tokens.\n\nThis checkpoint was trained on 500B tokens of that total.\n",
        "# Model\n\nIt was trained on 1.5T tokens.\n\n# Dataset statistics\n\n| Tokens | 3.1T |\n",
    ] {
        assert_eq!(totals(text), [], "{text}");
    }
}

#[test]
fn plain_totals_contradict_each_other_and_other_prose_is_a_doubt() {
    let one = |severity| [("totals_differ".to_owned(), severity)];
    for text in [
        "# Model\n\nIt was trained on 3.0T tokens.\n\nThis model was trained on 2.0T tokens.\n",
        "# Amber 7B\n\nAmber was trained on 1.3T tokens.\n\n| Training tokens | 1.1T |\n",
        "# Model\n\n本モデルは2.1兆トークンで学習されています。\n\n| 学習トークン数 | 1.9兆 |\n",
    ] {
        assert_eq!(totals(text), one(Severity::Contradiction), "{text}");
    }
    let text = "# Model\n\nIt was trained on 3T tokens.\n\nZephyrus was trained on 8T tokens.\n";
    assert_eq!(totals(text), one(Severity::Doubt));
}

#[test]
fn a_table_with_its_factors_is_exact_whatever_prose_says() {
    let table = |tokens: &str| {
        totals(&format!(
            "# Model\n\nIt was trained on 3M tokens: 3,000,000 tokens in total.\n\n| updates | 3000 |\n| sequences a batch | 10 |\n\
             | tokens a sequence | 100 |\n| tokens | {tokens} |\n"
        ))
    };
    assert_eq!(table("3,000,000"), []);
    for other in ["3,000,001", "3,001,000", "2,990,000"] {
        let found = table(other);
        let expected = ("product_differs".to_owned(), Severity::Contradiction);
        assert!(found.contains(&expected), "{other} {found:?}");
    }
}
