//! Which tasks a name stands for: one, those of a group within groups, or all with a tag.

use super::node::Node;
use super::task::Task;
use super::task_files::{Entry, TaskFiles};
use crate::EvalError;

/// Deepest groups within groups.
const DEEPEST: usize = 16;
/// Most tasks of one evaluation.
const MOST_TASKS: usize = 20_000;

/// A group's mean of a metric of its tasks.
#[derive(Clone, Debug)]
pub(super) struct GroupMetric {
    pub(super) metric: String,
    /// Filters; all that its tasks have, where it names none.
    pub(super) filters: Option<Vec<String>>,
    pub(super) by_size: bool,
}

/// A group of tasks and groups.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) alias: Option<String>,
    pub(super) children: Vec<String>,
    /// Its tasks and those of its groups.
    pub(super) tasks: Vec<String>,
    pub(super) metrics: Vec<GroupMetric>,
    pub(super) version: Node,
}

/// What is evaluated.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// By name; a task that cannot be read says why.
    pub(super) tasks: Vec<(String, Result<Task, EvalError>)>,
    /// Groups after those within them.
    pub(super) groups: Vec<Group>,
}

impl Selection {
    /// Looks up names.
    pub(super) fn new(
        files: &TaskFiles,
        names: &[String],
        shots: Option<usize>,
    ) -> Result<Self, EvalError> {
        let mut selection = Self::default();
        let none = Node::Map(Vec::new());
        for name in names {
            selection.add(files, name, &none, (shots, 0))?;
        }
        Ok(selection)
    }

    /// Adds what a name stands for; says the names of its children for a group, and of all tasks.
    fn add(
        &mut self,
        files: &TaskFiles,
        name: &str,
        overrides: &Node,
        (shots, depth): (Option<usize>, usize),
    ) -> Result<(Vec<String>, Vec<String>), EvalError> {
        match files.entry(name)? {
            Entry::Task(path) => {
                let config = files
                    .config(path)
                    .map(|config| overridden(config, overrides));
                let task = config.and_then(|config| self.task(config, shots));
                let name = match task {
                    Ok(name) => name,
                    Err(error) => {
                        self.push(name.to_owned(), Err(error))?;
                        name.to_owned()
                    }
                };
                Ok((vec![name.clone()], vec![name]))
            }
            Entry::Tag(tasks) => {
                let (mut children, mut all) = (Vec::new(), Vec::new());
                for task in tasks {
                    let (child, tasks) = self.add(files, task, overrides, (shots, depth + 1))?;
                    children.extend(child);
                    all.extend(tasks);
                }
                Ok((children, all))
            }
            Entry::Group(path) => {
                let config = files.config(path)?;
                let tasks = self.group(files, name, &config, overrides, (shots, depth))?;
                Ok((vec![name.to_owned()], tasks))
            }
        }
    }

    fn task(&mut self, config: Node, shots: Option<usize>) -> Result<String, EvalError> {
        let task = Task::new(config, shots)?;
        let name = task.name.clone();
        self.push(name.clone(), Ok(task))?;
        Ok(name)
    }

    fn push(&mut self, name: String, task: Result<Task, EvalError>) -> Result<(), EvalError> {
        if self.tasks.len() == MOST_TASKS {
            return Err(EvalError::Task {
                task: name,
                reason: format!("is one of more than {MOST_TASKS} tasks"),
            });
        }
        match self.tasks.iter_mut().find(|(there, _)| *there == name) {
            Some((_, place)) => *place = task,
            None => self.tasks.push((name, task)),
        }
        Ok(())
    }

    fn group(
        &mut self,
        files: &TaskFiles,
        name: &str,
        config: &Node,
        overrides: &Node,
        (shots, depth): (Option<usize>, usize),
    ) -> Result<Vec<String>, EvalError> {
        let wrong = |reason: &str| EvalError::Task {
            task: name.to_owned(),
            reason: reason.to_owned(),
        };
        if depth > DEEPEST {
            return Err(wrong("its groups hold one another"));
        }
        // What is no key of a group goes to its tasks.
        let own = [
            "group",
            "group_alias",
            "task",
            "aggregate_metric_list",
            "metadata",
        ];
        let mut passed = Node::Map(Vec::new());
        for (key, value) in config
            .entries()
            .unwrap_or_default()
            .iter()
            .filter(|(key, _)| !own.contains(&key.as_str()))
        {
            passed.set(key, value.clone());
        }
        let passed = overridden(passed, overrides);
        let members = match config.get("task") {
            Some(Node::List(members)) => members.clone(),
            Some(one @ Node::Text(_)) => vec![one.clone()],
            _ => return Err(wrong("it has no tasks")),
        };
        let (mut children, mut tasks) = (Vec::new(), Vec::new());
        for member in &members {
            let text = |key: &str| member.get(key).and_then(Node::text);
            let (child, inside) = match (member, text("group"), text("task")) {
                (Node::Text(member), ..) => self.add(files, member, &passed, (shots, depth + 1))?,
                (_, Some(group), _) if files.entry(group).is_ok() => {
                    let mut given = member.clone();
                    if let Node::Map(entries) = &mut given {
                        entries.retain(|(key, _)| key != "group");
                    }
                    self.add(
                        files,
                        group,
                        &overridden(passed.clone(), &given),
                        (shots, depth + 1),
                    )?
                }
                (_, Some(group), _) => {
                    let group = format!("{name}::{group}");
                    let tasks = self.group(files, &group, member, &passed, (shots, depth + 1))?;
                    (vec![group], tasks)
                }
                (_, None, Some(task)) if files.entry(task).is_ok() => self.add(
                    files,
                    task,
                    &overridden(passed.clone(), member),
                    (shots, depth + 1),
                )?,
                (_, None, Some(task)) => {
                    let mut config = overridden(passed.clone(), member);
                    config.set("task", format!("{name}::{task}").into());
                    let task = self.task(config, shots)?;
                    (vec![task.clone()], vec![task])
                }
                _ => return Err(wrong("a member is neither a task nor a group")),
            };
            children.extend(child);
            tasks.extend(inside);
        }
        let metrics =
            metrics(config.get("aggregate_metric_list")).map_err(|reason| wrong(&reason))?;
        let version = config
            .get("metadata")
            .and_then(|metadata| metadata.get("version"));
        let version = version.map_or("N/A".into(), |version| {
            super::python::text_of(version).into()
        });
        let group = Group {
            name: name.to_owned(),
            alias: config
                .get("group_alias")
                .and_then(Node::text)
                .map(str::to_owned),
            children,
            tasks: tasks.clone(),
            metrics,
            version,
        };
        self.groups.retain(|there| there.name != name);
        self.groups.push(group);
        Ok(tasks)
    }
}

fn overridden(mut config: Node, overrides: &Node) -> Node {
    for (key, value) in overrides.entries().unwrap_or_default() {
        config.set(key, value.clone());
    }
    config
}

fn metrics(list: Option<&Node>) -> Result<Vec<GroupMetric>, String> {
    let list = match list {
        None | Some(Node::Null) => return Ok(Vec::new()),
        Some(Node::List(list)) => list.clone(),
        Some(one) => vec![one.clone()],
    };
    let metric = |config: &Node| {
        let metric = config
            .get("metric")
            .and_then(Node::text)
            .ok_or("a metric of a group has no name")?;
        if !matches!(config.get("aggregation"), None | Some(Node::Null))
            && config.get("aggregation") != Some(&"mean".into())
        {
            return Err(format!("{metric} of a group is not aggregated by its mean"));
        }
        let filters = match config.get("filter_list") {
            Some(Node::Text(one)) => Some(vec![one.clone()]),
            Some(Node::List(several)) => Some(
                several
                    .iter()
                    .filter_map(|n| n.text().map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        };
        Ok(GroupMetric {
            metric: metric.to_owned(),
            filters,
            by_size: config.get("weight_by_size") != Some(&Node::Bool(false)),
        })
    };
    list.iter().map(metric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(texts: &[(&str, &str)], name: &str) -> Result<Selection, EvalError> {
        let files = TaskFiles::new(
            texts
                .iter()
                .map(|&(p, t)| (p.to_owned(), t.to_owned()))
                .collect(),
        );
        Selection::new(&files, &[name.to_owned()], None)
    }

    #[test]
    fn groups_hold_tasks_tags_and_groups() {
        let task = "dataset_path: json\ntest_split: test\ndoc_to_text: q\ndoc_to_target: a\n";
        let files = [
            ("a.yaml", &format!("task: a\ntag: t\n{task}")[..]),
            ("b.yaml", &format!("task: b\ntag: t\n{task}")),
            ("c.yaml", &format!("task: c\n{task}")),
            (
                "g.yaml",
                "group: g\ntask:\n - inner\n - task: c\n   num_fewshot: 3\naggregate_metric_list:\n - metric: exact_match\n   weight_by_size: false\n",
            ),
            ("i.yaml", "group: inner\ntask: [t]\nnum_fewshot: 2\n"),
        ];
        let selection = select(&files, "g").expect("selects");
        let shots: Vec<(&str, usize)> = selection
            .tasks
            .iter()
            .map(|(n, t)| (&n[..], t.as_ref().expect("reads").shots))
            .collect();
        assert_eq!(shots, [("a", 2), ("b", 2), ("c", 3)]);
        let groups: Vec<(&str, String)> = selection
            .groups
            .iter()
            .map(|g| (&g.name[..], g.children.join(" ")))
            .collect();
        assert_eq!(
            groups,
            [("inner", "a b".to_owned()), ("g", "inner c".to_owned())]
        );
        assert_eq!(selection.groups[1].tasks, ["a", "b", "c"]);
        assert!(!selection.groups[1].metrics[0].by_size);
    }

    #[test]
    fn attack_groups_that_hold_one_another_are_an_error() {
        let files = [
            ("a.yaml", "group: a\ntask: [b, b]\n"),
            ("b.yaml", "group: b\ntask: [a, a]\n"),
        ];
        assert!(select(&files, "a").is_err());
    }
}
