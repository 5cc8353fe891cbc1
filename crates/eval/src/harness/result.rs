//! Result and sample files with the harness's keys.

use super::compare::interval;
use super::dataset::Origin;
use super::group::Group;
use super::json;
use super::node::{Node, map};
use super::python::text_of;
use super::run::{About, Options, TaskScore, VERSION};
use super::running::Judged;
use super::stderr::{of_group, of_group_error};
use super::task_files::sha256;
use std::collections::{BTreeMap, BTreeSet};

/// Of each task of a result of ours: documents that were judged, and documents of the split.
pub fn counts(results: &str) -> BTreeMap<String, (usize, usize)> {
    let results = json::parse(results).unwrap_or(Node::Null);
    let counts = results.get("n-samples").and_then(Node::entries);
    let of_task = |(task, counts): &(String, Node)| {
        let count = |key: &str| usize::try_from(counts.get(key)?.int()?).ok();
        Some((task.clone(), (count("effective")?, count("original")?)))
    };
    counts
        .unwrap_or_default()
        .iter()
        .filter_map(of_task)
        .collect()
}

/// A sample as one line.
pub(super) fn sample_line(sample: &Node) -> String {
    json::write(sample, None)
}

/// `{"gen_args_0": {"arg_0": …}}`.
pub(super) fn arguments(all: Vec<Vec<Node>>) -> Node {
    let one = |arguments: Vec<Node>| {
        let numbered = arguments.into_iter().enumerate();
        Node::Map(
            numbered
                .map(|(i, argument)| (format!("arg_{i}"), argument))
                .collect(),
        )
    };
    let numbered = all.into_iter().enumerate();
    Node::Map(
        numbered
            .map(|(i, arguments)| (format!("gen_args_{i}"), one(arguments)))
            .collect(),
    )
}

/// Answers as the harness writes them into samples: every number a text.
pub(super) fn as_texts(answer: &Node) -> Node {
    match answer {
        Node::List(items) => Node::List(items.iter().map(as_texts).collect()),
        other => text_of(other).into(),
    }
}

fn stderr(error: Option<f64>) -> Node {
    error.map_or("N/A".into(), Node::Float)
}

fn sorted<V>(entries: BTreeMap<String, V>, node: impl Fn(V) -> Node) -> Node {
    Node::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key, node(value)))
            .collect(),
    )
}

/// The whole result.
pub(super) fn results(
    tasks: &[Judged],
    groups: &[Group],
    scores: &[TaskScore],
    (options, about, identity): (&Options, &About, &str),
) -> Node {
    let of_task = |judged: &Judged| {
        let name = &judged.task.name;
        let mut entry = map([
            ("name", name.as_str().into()),
            (
                "alias",
                judged.task.alias.as_ref().unwrap_or(name).as_str().into(),
            ),
            ("sample_len", Node::Int(judged.judged as i64)),
        ]);
        for (metric, filter, value, error) in &judged.metrics {
            entry.set(&format!("{metric},{filter}"), Node::Float(*value));
            entry.set(&format!("{metric}_stderr,{filter}"), stderr(*error));
        }
        (name.clone(), entry)
    };
    let mut of_tasks: Vec<(String, Node)> = tasks.iter().map(of_task).collect();
    let mut of_groups = Vec::new();
    for group in groups {
        let entry = of_group_entry(group, tasks);
        if !group.metrics.is_empty() {
            of_groups.push((group.name.clone(), entry.clone()));
        }
        of_tasks.push((group.name.clone(), entry));
    }
    let subtasks = groups.iter().map(|group| {
        let children = group
            .children
            .iter()
            .map(|child| child.as_str().into())
            .collect();
        (group.name.clone(), Node::List(children))
    });
    let by_task = |value: &dyn Fn(&Judged) -> Node| {
        let entries = tasks
            .iter()
            .map(|judged| (judged.task.name.clone(), value(judged)));
        entries.collect::<BTreeMap<String, Node>>()
    };
    let mut versions = by_task(&|judged| judged.task.version.clone());
    versions.extend(
        groups
            .iter()
            .map(|group| (group.name.clone(), group.version.clone())),
    );
    let mut shots = by_task(&|judged| Node::Int(judged.task.shots as i64));
    let mut better = by_task(&|judged| {
        let metrics = judged.task.metrics.iter();
        Node::Map(
            metrics
                .map(|metric| (metric.name.clone(), metric.higher_is_better.clone()))
                .collect(),
        )
    });
    for group in groups {
        propagate(group, &mut shots, &mut better);
    }
    let mut whole = map([("results", Node::Map(of_tasks))]);
    if !of_groups.is_empty() {
        whole.set("groups", Node::Map(of_groups));
    }
    whole.set("group_subtasks", Node::Map(subtasks.collect()));
    whole.set(
        "configs",
        sorted(by_task(&|judged| judged.task.dump.clone()), |node| node),
    );
    whole.set("versions", sorted(versions, |node| node));
    whole.set("n-shot", sorted(shots, |node| node));
    whole.set("higher_is_better", sorted(better, |node| node));
    let counts = tasks.iter().map(|judged| {
        let counts = map([
            ("original", Node::Int(judged.documents as i64)),
            ("effective", Node::Int(judged.judged as i64)),
        ]);
        (judged.task.name.clone(), counts)
    });
    whole.set("n-samples", Node::Map(counts.collect()));
    whole.set("config", config(options, about));
    whole.set("git_hash", Node::Null);
    whole.set("date", Node::Float(about.date));
    whole.set("lm_eval_version", VERSION.into());
    let hashes = tasks.iter().map(|judged| {
        let texts = judged.samples.iter().flat_map(|sample| {
            ["doc_hash", "prompt_hash", "target_hash"]
                .map(|key| sample.get(key).map(text_of).unwrap_or_default())
        });
        (
            judged.task.name.clone(),
            sha256(texts.collect::<String>().as_bytes()).into(),
        )
    });
    whole.set("task_hashes", Node::Map(hashes.collect()));
    whole.set("model_name", about.model.as_str().into());
    whole.set("glasswork", own(tasks, scores, (about, identity)));
    whole
}

fn config(options: &Options, about: &About) -> Node {
    map([
        ("model", about.model.as_str().into()),
        ("model_args", about.model_args.as_str().into()),
        ("batch_size", Node::Null),
        ("batch_sizes", Node::List(Vec::new())),
        ("device", "cpu".into()),
        ("use_cache", Node::Null),
        (
            "limit",
            options
                .limit
                .map_or(Node::Null, |limit| Node::Int(limit as i64)),
        ),
        ("bootstrap_iters", Node::Int(100_000)),
        ("gen_kwargs", Node::Map(Vec::new())),
        ("random_seed", Node::Int(0)),
        ("numpy_seed", Node::Int(1234)),
        ("torch_seed", Node::Int(1234)),
        ("fewshot_seed", Node::Int(options.seed as i64)),
    ])
}

/// What the harness does not say: states, guessing, and what answers hang on.
fn own(tasks: &[Judged], scores: &[TaskScore], (about, identity): (&About, &str)) -> Node {
    let of_task = |score: &TaskScore| {
        let mut entry = map([("state", score.state.name().into())]);
        if let Some(reason) = score.state.reason() {
            entry.set("reason", reason.into());
        }
        if let Some(chance) = score.chance {
            entry.set("chance", Node::Float(chance.level));
            entry.set("p_guessing", Node::Float(chance.p));
            entry.set("at_chance", Node::Bool(chance.at_chance()));
        }
        if let Some(judged) = tasks.iter().find(|judged| judged.task.name == score.task) {
            entry.set("data_sha256", judged.data_digest.as_str().into());
            entry.set("documents", Node::Int(judged.documents as i64));
            entry.set("judged", Node::Int(judged.judged as i64));
            let intervals = judged
                .metrics
                .iter()
                .filter_map(|(metric, filter, value, error)| {
                    let (low, high) = interval(*value, *error, judged.judged)?;
                    let bounds = Node::List(vec![Node::Float(low), Node::Float(high)]);
                    Some((format!("{metric},{filter}"), bounds))
                });
            entry.set("interval_95", Node::Map(intervals.collect()));
            let origins = judged.task.origins.iter().map(Origin::node);
            entry.set("data", Node::List(origins.collect()));
            entry.set("task_sha256", judged.task.digest().into());
        }
        (score.task.clone(), entry)
    };
    map([
        ("program", about.program.as_str().into()),
        ("version", VERSION.into()),
        ("model_identity", identity.into()),
        ("tasks", Node::Map(scores.iter().map(of_task).collect())),
    ])
}

fn of_group_entry(group: &Group, tasks: &[Judged]) -> Node {
    let mut entry = map([
        (
            "alias",
            group.alias.as_ref().unwrap_or(&group.name).as_str().into(),
        ),
        ("name", group.name.as_str().into()),
    ]);
    if group.metrics.is_empty() {
        return entry;
    }
    // In the group's order, once for each time it stands there, as in the harness.
    let members = group
        .tasks
        .iter()
        .filter_map(|name| tasks.iter().find(|judged| judged.task.name == *name));
    let members: Vec<&Judged> = members.collect();
    let total: usize = members.iter().map(|judged| judged.judged).sum();
    entry.set("sample_len", Node::Int(total as i64));
    let mut counts = Node::Map(Vec::new());
    for wanted in &group.metrics {
        let there = members
            .iter()
            .flat_map(|judged| &judged.metrics)
            .filter(|metric| metric.0 == wanted.metric);
        let there: BTreeSet<&str> = there.map(|metric| metric.1.as_str()).collect();
        let filters: Vec<&str> = match &wanted.filters {
            Some(filters) => filters.iter().map(String::as_str).collect(),
            None => there.into_iter().collect(),
        };
        for filter in filters {
            let (mut values, mut errors, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
            for judged in &members {
                let metric = judged
                    .metrics
                    .iter()
                    .find(|(m, f, ..)| *m == wanted.metric && f == filter);
                if let Some((_, _, value, error)) = metric {
                    values.push(*value);
                    errors.push(*error);
                    sizes.push(judged.judged);
                }
            }
            if values.is_empty() {
                continue;
            }
            let key = format!("{},{filter}", wanted.metric);
            entry.set(&key, Node::Float(of_group(&values, &sizes, wanted.by_size)));
            let errors: Option<Vec<f64>> = errors.into_iter().collect();
            let error = errors.map(|errors| of_group_error(&errors, &sizes, wanted.by_size));
            entry.set(&format!("{}_stderr,{filter}", wanted.metric), stderr(error));
            counts.set(&key, Node::Int(sizes.iter().sum::<usize>() as i64));
        }
    }
    if counts.entries().is_some_and(|counts| !counts.is_empty()) {
        entry.set("sample_count", counts);
    }
    entry
}

/// A group shows what its children agree on.
fn propagate(
    group: &Group,
    shots: &mut BTreeMap<String, Node>,
    better: &mut BTreeMap<String, Node>,
) {
    let mut counts: Vec<&Node> = group
        .children
        .iter()
        .filter_map(|child| shots.get(child))
        .collect();
    counts.dedup();
    if let [count] = counts[..] {
        shots.insert(group.name.clone(), count.clone());
    }
    let mut all = Node::Map(Vec::new());
    for (metric, value) in group
        .children
        .iter()
        .filter_map(|child| better.get(child)?.entries())
        .flatten()
    {
        let agreed = all.get(metric).is_none_or(|there| there == value);
        all.set(metric, if agreed { value.clone() } else { Node::Null });
    }
    if all.entries().is_some_and(|entries| !entries.is_empty()) {
        better.insert(group.name.clone(), all);
    }
}
