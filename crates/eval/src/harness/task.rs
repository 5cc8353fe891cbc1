//! A task's configuration, checked once.

use super::dataset::Origin;
use super::filter::Pipeline;
use super::metric::Metric;
use super::node::{Node, map};
use super::task_files::sha256;
use crate::EvalError;

/// Most examples before a question, and most answers to it.
const MOST: i64 = 4096;

/// Longest name of a task, bytes.
const LONGEST_NAME: usize = 200;

/// What is asked of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The likelihood of one continuation.
    LogLikelihood,
    /// The likelihoods of the choices.
    MultipleChoice,
    /// The likelihood of a whole text.
    Rolling,
    /// A greedy continuation.
    Generate,
}

/// How examples are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampler {
    /// Drawn anew for every document.
    Default,
    /// The first ones.
    FirstN,
}

/// How examples before a question look; what a task does not say apart is as in the question.
#[derive(Clone, Debug)]
pub(super) struct FewShot {
    pub(super) sampler: Sampler,
    pub(super) split: Option<String>,
    pub(super) samples: Option<Vec<Node>>,
    pub(super) process_docs: Option<String>,
    pub(super) text: Option<Node>,
    pub(super) target: Option<Node>,
    pub(super) choice: Option<Node>,
    pub(super) gen_prefix: Option<String>,
    pub(super) target_delimiter: String,
    pub(super) delimiter: String,
}

/// A checked task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub output: Output,
    pub(super) alias: Option<String>,
    pub(super) dataset_path: String,
    pub(super) dataset_name: Option<String>,
    pub(super) dataset_kwargs: Node,
    pub(super) training: Option<String>,
    pub(super) validation: Option<String>,
    pub(super) test: Option<String>,
    pub(super) process_docs: Option<String>,
    pub(super) process_results: Option<String>,
    pub(super) text: Option<Node>,
    pub(super) target: Option<Node>,
    pub(super) choice: Option<Node>,
    pub(super) description: String,
    pub(super) target_delimiter: String,
    pub(super) fewshot: FewShot,
    pub(super) shots: usize,
    pub(super) metrics: Vec<Metric>,
    pub(super) generation: Node,
    pub(super) repeats: usize,
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) gen_prefix: Option<String>,
    pub(super) version: Node,
    /// Its words are not those of the task whose name it has: its scores are its own.
    pub(super) own_words: bool,
    /// What its documents were read from; empty until they are.
    pub(super) origins: Vec<Origin>,
    /// As the harness writes it into a result.
    pub(super) dump: Node,
}

/// Keys of a task in the order in which results show them, with what they are where a task says nothing.
fn defaults() -> Vec<(&'static str, Node)> {
    let null = [
        "task",
        "task_alias",
        "tag",
        "custom_dataset",
        "dataset_path",
        "dataset_name",
        "dataset_kwargs",
        "training_split",
        "validation_split",
        "test_split",
        "fewshot_split",
        "process_docs",
        "doc_to_text",
        "doc_to_target",
        "doc_to_image",
        "doc_to_audio",
    ];
    let mut keys: Vec<(&str, Node)> = null.map(|key| (key, Node::Null)).into();
    keys.push(("unsafe_code", Node::Bool(false)));
    keys.extend(["doc_to_choice", "process_results", "use_prompt"].map(|key| (key, Node::Null)));
    keys.push(("description", "".into()));
    keys.push(("target_delimiter", " ".into()));
    keys.push(("fewshot_delimiter", "\n\n".into()));
    keys.extend(["fewshot_config", "num_fewshot", "metric_list"].map(|key| (key, Node::Null)));
    keys.push(("output_type", "generate_until".into()));
    keys.push(("generation_kwargs", Node::Null));
    keys.push(("repeats", Node::Int(1)));
    keys.push(("filter_list", Node::Null));
    keys.push(("should_decontaminate", Node::Bool(false)));
    keys.extend(
        ["doc_to_decontamination_query", "gen_prefix", "metadata"].map(|key| (key, Node::Null)),
    );
    keys
}

/// Keys whose values would run code or need more than text.
const REFUSED: [&str; 4] = [
    "custom_dataset",
    "use_prompt",
    "doc_to_image",
    "doc_to_audio",
];

/// Reads values of one task and says in errors which.
struct Reader<'c> {
    task: &'c str,
    config: &'c Node,
}

impl Reader<'_> {
    fn wrong(&self, reason: impl Into<String>) -> EvalError {
        EvalError::Task {
            task: self.task.to_owned(),
            reason: reason.into(),
        }
    }

    fn value(&self, key: &str) -> Option<Node> {
        let value = self.config.get(key).filter(|value| **value != Node::Null);
        value.cloned()
    }

    fn text(&self, key: &str) -> Result<Option<String>, EvalError> {
        match self.value(key) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(format!("{key} is no text"))),
        }
    }

    fn function(&self, key: &str) -> Result<Option<String>, EvalError> {
        match self.value(key) {
            None => Ok(None),
            Some(Node::Function(name)) => Ok(Some(name)),
            Some(_) => Err(self.wrong(format!("{key} is no !function"))),
        }
    }

    fn count(&self, key: &str, otherwise: i64) -> Result<usize, EvalError> {
        let count = match self.value(key) {
            None => otherwise,
            Some(Node::Int(count)) if (0..=MOST).contains(&count) => count,
            Some(_) => return Err(self.wrong(format!("{key} is no number from 0 to {MOST}"))),
        };
        Ok(count as usize)
    }
}

impl Task {
    /// Checks a configuration. `shots` replaces the number of examples, except where the task says 0: the
    /// harness takes that for a part of the task.
    ///
    /// # Errors
    /// A key that is unknown, or a value that is not what its key takes.
    pub(super) fn new(mut config: Node, shots: Option<usize>) -> Result<Self, EvalError> {
        let name = config
            .get("task")
            .and_then(Node::text)
            .unwrap_or("?")
            .to_owned();
        match (shots, config.get("num_fewshot")) {
            (Some(_), Some(Node::Int(0))) => {}
            (Some(shots), _) => config.set("num_fewshot", Node::Int(shots as i64)),
            (None, None | Some(Node::Null)) => config.set("num_fewshot", Node::Int(0)),
            _ => {}
        }
        let mut filled = Node::Map(Vec::new());
        for (key, otherwise) in defaults() {
            filled.set(key, config.get(key).cloned().unwrap_or(otherwise));
        }
        let read = Reader {
            task: &name,
            config: &filled,
        };
        for (key, _) in config.entries().unwrap_or_default() {
            if filled.get(key).is_none() && key != "group" {
                return Err(read.wrong(format!("{key} is no key of a task")));
            }
        }
        // Names become parts of file names.
        if name.len() > LONGEST_NAME
            || name.contains(['/', '\\'])
            || name.contains(char::is_control)
        {
            return Err(read.wrong("its name cannot be a part of a file's name"));
        }
        for key in REFUSED {
            if read.value(key).is_some() {
                return Err(read.wrong(format!("{key} is not supported")));
            }
        }
        if read.value("unsafe_code") != Some(Node::Bool(false)) {
            return Err(read.wrong("it runs what the model writes, which is not supported"));
        }
        let output = match read.text("output_type")?.as_deref() {
            Some("loglikelihood") => Output::LogLikelihood,
            Some("multiple_choice") => Output::MultipleChoice,
            Some("loglikelihood_rolling") => Output::Rolling,
            Some("generate_until") => Output::Generate,
            other => return Err(read.wrong(format!("output_type {other:?} is unknown"))),
        };
        let delimiter = read.text("fewshot_delimiter")?.unwrap_or_default();
        let generation = generation(&read, output, &delimiter)?;
        let process_results = read.function("process_results")?;
        let task = Self {
            output,
            alias: read.text("task_alias")?,
            dataset_path: read
                .text("dataset_path")?
                .ok_or_else(|| read.wrong("dataset_path is missing"))?,
            dataset_name: read.text("dataset_name")?,
            dataset_kwargs: read
                .value("dataset_kwargs")
                .unwrap_or(Node::Map(Vec::new())),
            training: read.text("training_split")?,
            validation: read.text("validation_split")?,
            test: read.text("test_split")?,
            process_docs: read.function("process_docs")?,
            text: read.value("doc_to_text"),
            target: read.value("doc_to_target"),
            choice: read.value("doc_to_choice"),
            description: read.text("description")?.unwrap_or_default(),
            target_delimiter: read.text("target_delimiter")?.unwrap_or_default(),
            fewshot: fewshot(&read)?,
            shots: read.count("num_fewshot", 0)?,
            metrics: Metric::of(read.value("metric_list"), output, process_results.is_some())
                .map_err(|r| read.wrong(r))?,
            repeats: read.count("repeats", 1)?.max(1),
            pipelines: Pipeline::of(read.value("filter_list")).map_err(|r| read.wrong(r))?,
            gen_prefix: read.text("gen_prefix")?,
            own_words: read
                .value("metadata")
                .is_some_and(|m| matches!(m.get("own_words"), Some(Node::Bool(true)))),
            origins: Vec::new(),
            version: read
                .value("metadata")
                .and_then(|m| m.get("version").cloned())
                .unwrap_or("Yaml".into()),
            generation: generation.clone(),
            process_results,
            dump: Node::Null,
            name: name.clone(),
        };
        if output == Output::MultipleChoice && task.choice.is_none() {
            return Err(read.wrong("doc_to_choice is missing"));
        }
        let fewshot = task.fewshot.dump();
        filled.set("fewshot_config", fewshot);
        filled.set("generation_kwargs", generation);
        // Where a task lies is no part of what it is; a tag neither.
        filled.set("tag", Node::Null);
        let entries = filled.entries().unwrap_or_default();
        let dump = Node::Map(
            entries
                .iter()
                .filter(|(_, value)| *value != Node::Null)
                .cloned()
                .collect(),
        );
        Ok(Self { dump, ..task })
    }

    /// Digest of what the task is.
    pub fn digest(&self) -> String {
        sha256(super::json::write(&self.dump, None).as_bytes())
    }

    /// The split that is asked about.
    pub(super) fn evaluated(&self) -> Result<&str, EvalError> {
        let split = self.test.as_deref().or(self.validation.as_deref());
        split.ok_or_else(|| EvalError::Task {
            task: self.name.clone(),
            reason: "it has neither a test nor a validation split".to_owned(),
        })
    }

    /// SHA-256 that the data must have, where the task pins it.
    pub(super) fn data_pin(&self) -> Option<&str> {
        self.dump.get("metadata")?.get("data_sha256")?.text()
    }
}

fn fewshot(read: &Reader) -> Result<FewShot, EvalError> {
    let config = read
        .value("fewshot_config")
        .unwrap_or(Node::Map(Vec::new()));
    let known = [
        "sampler",
        "split",
        "process_docs",
        "samples",
        "doc_to_text",
        "doc_to_choice",
        "doc_to_target",
        "gen_prefix",
        "fewshot_delimiter",
        "target_delimiter",
    ];
    for (key, value) in config.entries().unwrap_or_default() {
        if !known.contains(&key.as_str()) && *value != Node::Null {
            return Err(read.wrong(format!("fewshot_config.{key} is not supported")));
        }
    }
    let own = Reader {
        task: read.task,
        config: &config,
    };
    let sampler = match own.text("sampler")?.as_deref() {
        None | Some("default") => Sampler::Default,
        Some("first_n") => Sampler::FirstN,
        Some(other) => {
            return Err(read.wrong(format!("fewshot_config.sampler {other:?} is not supported")));
        }
    };
    let samples = match own.value("samples") {
        None => None,
        Some(Node::List(samples)) => Some(samples),
        Some(_) => return Err(read.wrong("fewshot_config.samples is no list")),
    };
    // A key that is there, even as null, replaces the task's own.
    let either = |key: &str| {
        if config.get(key).is_some() {
            own.value(key)
        } else {
            read.value(key)
        }
    };
    let text = |key: &str| {
        if config.get(key).is_some() {
            own.text(key)
        } else {
            read.text(key)
        }
    };
    Ok(FewShot {
        sampler,
        split: if config.get("split").is_some() {
            own.text("split")?
        } else {
            read.text("fewshot_split")?
        },
        samples,
        process_docs: if config.get("process_docs").is_some() {
            own.function("process_docs")?
        } else {
            read.function("process_docs")?
        },
        text: either("doc_to_text"),
        target: either("doc_to_target"),
        choice: either("doc_to_choice"),
        gen_prefix: text("gen_prefix")?,
        target_delimiter: text("target_delimiter")?.unwrap_or_default(),
        delimiter: text("fewshot_delimiter")?.unwrap_or_default(),
    })
}

impl FewShot {
    fn dump(&self) -> Node {
        let text = |text: &Option<String>| text.clone().map_or(Node::Null, Node::Text);
        let either = |node: &Option<Node>| node.clone().unwrap_or(Node::Null);
        map([
            (
                "sampler",
                if self.sampler == Sampler::Default {
                    "default"
                } else {
                    "first_n"
                }
                .into(),
            ),
            ("split", text(&self.split)),
            (
                "process_docs",
                self.process_docs.clone().map_or(Node::Null, Node::Function),
            ),
            ("fewshot_indices", Node::Null),
            (
                "samples",
                self.samples.clone().map_or(Node::Null, Node::List),
            ),
            ("doc_to_text", either(&self.text)),
            ("doc_to_choice", either(&self.choice)),
            ("doc_to_target", either(&self.target)),
            ("gen_prefix", text(&self.gen_prefix)),
            ("fewshot_delimiter", self.delimiter.as_str().into()),
            ("target_delimiter", self.target_delimiter.as_str().into()),
        ])
    }
}

/// How to generate, as the harness completes it.
fn generation(read: &Reader, output: Output, delimiter: &str) -> Result<Node, EvalError> {
    let until = Node::List(vec![delimiter.into()]);
    let Some(mut given) = read.value("generation_kwargs") else {
        return Ok(match output {
            Output::Generate => map([
                ("temperature", Node::Float(0.0)),
                ("do_sample", Node::Bool(false)),
                ("max_gen_toks", Node::Int(256)),
                ("until", until),
            ]),
            _ => Node::Null,
        });
    };
    if let Some(temperature) = given.get("temperature").and_then(Node::number) {
        given.set("temperature", Node::Float(temperature));
    }
    if given.get("until").is_none() {
        given.set("until", until);
    }
    let sampled = match given.get("do_sample") {
        Some(Node::Bool(sample)) => *sample,
        _ => given
            .get("temperature")
            .and_then(Node::number)
            .is_some_and(|t| t > 0.0),
    };
    if sampled && output == Output::Generate {
        return Err(read.wrong("it samples answers at random; only greedy ones are computed"));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(config: &str, shots: Option<usize>) -> Result<Task, EvalError> {
        Task::new(super::super::json::parse(config).expect("parses"), shots)
    }

    #[test]
    fn examples_are_replaced_unless_a_task_says_none() {
        let shots = |given: &str, shots| {
            let config = format!("{{\"task\": \"t\", \"dataset_path\": \"json\"{given}}}");
            task(&config, shots).expect("reads").shots
        };
        assert_eq!(shots("", None), 0);
        assert_eq!(shots("", Some(5)), 5);
        assert_eq!(shots(", \"num_fewshot\": 3", None), 3);
        assert_eq!(shots(", \"num_fewshot\": 3", Some(5)), 5);
        assert_eq!(shots(", \"num_fewshot\": 0", Some(5)), 0);
    }

    #[test]
    fn random_answers_are_refused() {
        for how in ["{\"do_sample\": true}", "{\"temperature\": 0.7}"] {
            let config = format!(
                "{{\"task\": \"t\", \"dataset_path\": \"json\", \"generation_kwargs\": {how}}}"
            );
            assert!(task(&config, None).is_err(), "{how}");
        }
    }

    #[test]
    fn attack_a_name_stays_a_part_of_a_file_name() {
        for name in ["../../x", "a/b", "a\\\\b", "a\\u0000b", &"x".repeat(201)] {
            let config = format!("{{\"task\": \"{name}\", \"dataset_path\": \"json\"}}");
            assert!(task(&config, None).is_err(), "{name}");
        }
        assert!(
            task(
                "{\"task\": \"group::a.b\", \"dataset_path\": \"json\"}",
                None
            )
            .is_ok()
        );
    }
}
