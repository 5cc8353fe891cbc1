//! A task with its documents: contexts, examples, choices, targets.

use super::builtin;
use super::dataset::{Dataset, Datasets};
use super::node::Node;
use super::python::{is_space, literal, text_of};
use super::random::Random;
use super::task::{Sampler, Task};
use super::template::Templates;
use crate::EvalError;

/// A task whose documents are there.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) task: Task,
    templates: Templates,
    features: Vec<String>,
    /// The documents that are asked about.
    pub(super) documents: Vec<Node>,
    /// What examples are taken from.
    pool: Vec<Node>,
    /// Whether choices are contexts, and whether several targets are right.
    pub(super) multiple_input: bool,
    pub(super) multiple_target: bool,
    /// Digest of the files of the splits.
    pub(super) data_digest: String,
}

impl Prepared {
    /// Reads a task's documents.
    pub(super) fn new(task: Task, data: &Datasets) -> Result<Self, EvalError> {
        for function in [
            &task.process_docs,
            &task.fewshot.process_docs,
            &task.process_results,
        ]
        .into_iter()
        .flatten()
        {
            known(&task, function)?;
        }
        for node in [
            &task.text,
            &task.target,
            &task.choice,
            &task.fewshot.text,
            &task.fewshot.target,
            &task.fewshot.choice,
        ]
        .into_iter()
        .flatten()
        {
            if let Node::Function(function) = node {
                known(&task, function)?;
            }
        }
        let split = |split: &str, process: Option<&String>| -> Result<Dataset, EvalError> {
            let dataset = data.split(
                &task.dataset_path,
                task.dataset_name.as_deref(),
                &task.dataset_kwargs,
                split,
            )?;
            let Some(process) = process else {
                return Ok(dataset);
            };
            let documents = builtin::process_docs(process, dataset.documents);
            let processed = documents.and_then(|documents| Dataset::new(documents, dataset.digest));
            let processed = processed.map_err(|reason| wrong(&task, reason))?;
            Ok(Dataset {
                origin: dataset.origin,
                ..processed
            })
        };
        let asked = split(task.evaluated()?, task.process_docs.as_ref())?;
        let mut digests = vec![asked.digest.clone()];
        let mut origins = vec![asked.origin];
        let pool = if task.shots == 0 {
            Vec::new()
        } else if let (None, Some(samples)) = (&task.fewshot.split, &task.fewshot.samples) {
            samples.clone()
        } else {
            let (name, process) = match &task.fewshot.split {
                Some(name) => (name.as_str(), &task.fewshot.process_docs),
                None => {
                    let name = task.training.as_deref().or(task.validation.as_deref());
                    (
                        name.map_or_else(|| task.evaluated(), Ok)?,
                        &task.process_docs,
                    )
                }
            };
            let pool = split(name, process.as_ref())?;
            digests.push(pool.digest);
            origins.push(pool.origin);
            pool.documents
        };
        let data_digest = super::task_files::sha256(digests.concat().as_bytes());
        if let Some(pinned) = task.data_pin().filter(|pinned| *pinned != data_digest) {
            let reason = format!("its data has the digest {data_digest}, it is pinned to {pinned}");
            return Err(wrong(&task, reason));
        }
        let task = Task {
            origins: origins.into_iter().flatten().collect(),
            ..task
        };
        let mut prepared = Self {
            templates: Templates::new(),
            features: asked.features,
            documents: asked.documents,
            pool,
            multiple_input: false,
            multiple_target: false,
            data_digest,
            task,
        };
        // The first document tells of what kind all are.
        let first = &prepared.documents[0];
        let multiple_input =
            prepared.task.choice.is_some() && prepared.text(first)?.int().is_some();
        let multiple_target = prepared.target(first)?.list().is_some();
        (prepared.multiple_input, prepared.multiple_target) = (multiple_input, multiple_target);
        Ok(prepared)
    }

    fn wrong(&self, reason: impl Into<String>) -> EvalError {
        wrong(&self.task, reason)
    }

    /// A field by its name, or a template.
    fn resolve(&self, source: &str, document: &Node) -> Result<Node, String> {
        if self.features.iter().any(|feature| feature == source) {
            let field = document.get(source);
            return field
                .cloned()
                .ok_or_else(|| format!("a document has no field {source}"));
        }
        self.templates.render(source, document).map(Node::Text)
    }

    fn is_field(&self, source: &str) -> bool {
        self.features.iter().any(|feature| feature == source)
    }

    /// Text of digits alone is a choice's number, where there are choices.
    fn number(&self, text: &str) -> Option<Result<Node, String>> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        (digits && self.task.choice.is_some()).then(|| literal(text))
    }

    fn text_by(&self, source: Option<&Node>, document: &Node) -> Result<Node, EvalError> {
        let text = match source {
            Some(Node::Text(source)) => {
                self.resolve(source, document).and_then(|node| match &node {
                    Node::Text(text) if !self.is_field(source) => {
                        self.number(text).unwrap_or(Ok(node))
                    }
                    _ => Ok(node),
                })
            }
            Some(Node::Function(name)) => builtin::of_document(name, document),
            Some(node @ Node::Int(_)) => Ok(node.clone()),
            _ => Err("doc_to_text is no text".to_owned()),
        };
        text.map_err(|reason| self.wrong(reason))
    }

    fn target_by(&self, source: Option<&Node>, document: &Node) -> Result<Node, EvalError> {
        let target = match source {
            Some(Node::Text(source)) => {
                self.resolve(source, document).and_then(|node| match &node {
                    Node::Text(text) if !self.is_field(source) => match self.number(text) {
                        Some(number) => number,
                        None if text.len() >= 2 && text.starts_with('[') && text.ends_with(']') => {
                            Ok(literal(text).unwrap_or(node))
                        }
                        None => Ok(node),
                    },
                    _ => Ok(node),
                })
            }
            Some(Node::Function(name)) => builtin::of_document(name, document),
            Some(node @ (Node::Int(_) | Node::List(_))) => Ok(node.clone()),
            _ => Err("doc_to_target is no text".to_owned()),
        };
        target.map_err(|reason| self.wrong(reason))
    }

    fn choices_by(&self, source: Option<&Node>, document: &Node) -> Result<Vec<String>, EvalError> {
        let choices = match source {
            Some(Node::Text(source)) => {
                self.resolve(source, document).and_then(|node| match &node {
                    Node::Text(text) if !self.is_field(source) => literal(text),
                    _ => Ok(node),
                })
            }
            Some(Node::Function(name)) => builtin::of_document(name, document),
            Some(Node::Map(entries)) => Ok(Node::List(
                entries.iter().map(|(_, value)| value.clone()).collect(),
            )),
            Some(node) => Ok(node.clone()),
            None => Err("doc_to_choice is missing".to_owned()),
        };
        let texts = choices.and_then(|choices| {
            let texts = choices.list().map(|items| {
                items
                    .iter()
                    .map(|i| i.text().map(str::to_owned))
                    .collect::<Option<Vec<_>>>()
            });
            match texts {
                Some(Some(texts)) if !texts.is_empty() => Ok(texts),
                _ => Err("doc_to_choice makes no list of texts".to_owned()),
            }
        });
        texts.map_err(|reason| self.wrong(reason))
    }

    /// `doc_to_text` of a document.
    pub(super) fn text(&self, document: &Node) -> Result<Node, EvalError> {
        self.text_by(self.task.text.as_ref(), document)
    }

    /// `doc_to_target` of a document.
    pub(super) fn target(&self, document: &Node) -> Result<Node, EvalError> {
        self.target_by(self.task.target.as_ref(), document)
    }

    /// `doc_to_choice` of a document.
    pub(super) fn choices(&self, document: &Node) -> Result<Vec<String>, EvalError> {
        self.choices_by(self.task.choice.as_ref(), document)
    }

    /// The contexts of a document: one, or one for each choice. `random` goes on from document to document.
    pub(super) fn contexts(
        &self,
        document: &Node,
        random: &mut Random,
    ) -> Result<Vec<String>, EvalError> {
        let task = &self.task;
        let description = match task.description.as_str() {
            "" => String::new(),
            description => text_of(
                &self
                    .resolve(description, document)
                    .map_err(|reason| self.wrong(reason))?,
            ),
        };
        let mut context = description;
        for example in self.examples(document, random)? {
            let fewshot = &task.fewshot;
            let mut question = self.text_by(fewshot.text.as_ref(), example)?;
            let mut choices = match &fewshot.choice {
                Some(choice) => self.choices_by(Some(choice), example)?,
                None => Vec::new(),
            };
            let answer = self.target_by(fewshot.target.as_ref(), example)?;
            let prefix = self.prefix(fewshot.gen_prefix.as_deref(), example)?;
            if self.multiple_input {
                question = self.choice(&choices, &question)?.into();
                choices.clear();
            }
            let question = self.question(&question)?;
            let answer = match &answer {
                Node::Int(_) if !choices.is_empty() => self.choice(&choices, &answer)?.to_owned(),
                Node::List(answers) => match answers.first() {
                    Some(Node::Text(first)) => first.clone(),
                    _ => return Err(self.wrong("an example has no text as its answer")),
                },
                Node::Text(text) => text.clone(),
                _ => return Err(self.wrong("an example has no text as its answer")),
            };
            let turn = Turn {
                question,
                prefix: &prefix,
                delimiter: &fewshot.target_delimiter,
            };
            turn.write(Some((&answer, &fewshot.delimiter)), &mut context);
        }
        let prefix = match &task.gen_prefix {
            Some(prefix) => text_of(
                &self
                    .resolve(prefix, document)
                    .map_err(|reason| self.wrong(reason))?,
            ),
            None => String::new(),
        };
        let question = self.text(document)?;
        let finish = |question: &str, delimiter: &str| {
            let mut context = context.clone();
            Turn {
                question,
                prefix: &prefix,
                delimiter,
            }
            .write(None, &mut context);
            context
        };
        if self.multiple_input {
            let choices = self.choices(document)?;
            return Ok(choices.iter().map(|choice| finish(choice, "")).collect());
        }
        Ok(vec![finish(
            self.question(&question)?,
            &task.target_delimiter,
        )])
    }

    fn question<'n>(&self, question: &'n Node) -> Result<&'n str, EvalError> {
        question
            .text()
            .ok_or_else(|| self.wrong("doc_to_text makes no text"))
    }

    fn choice<'c>(&self, choices: &'c [String], number: &Node) -> Result<&'c str, EvalError> {
        let count = choices.len() as i64;
        let place = number
            .int()
            .map(|number| if number < 0 { number + count } else { number });
        let choice = place.and_then(|place| choices.get(usize::try_from(place).ok()?));
        choice
            .map(String::as_str)
            .ok_or_else(|| self.wrong("an example's answer is none of its choices"))
    }

    fn prefix(&self, source: Option<&str>, document: &Node) -> Result<String, EvalError> {
        let Some(source) = source.filter(|source| !source.is_empty()) else {
            return Ok(String::new());
        };
        match document.get(source) {
            Some(field) => Ok(text_of(field)),
            None => self
                .templates
                .render(source, document)
                .map_err(|reason| self.wrong(reason)),
        }
    }

    /// The examples before a document's question.
    fn examples(&self, document: &Node, random: &mut Random) -> Result<Vec<&Node>, EvalError> {
        let shots = self.task.shots;
        if shots == 0 {
            return Ok(Vec::new());
        }
        // The harness compares the names as they stand: two that are missing are the same split.
        let shared = self.task.fewshot.split == self.task.test;
        let few = || self.wrong(format!("there are fewer than {shots} examples"));
        let others = |places: Vec<usize>| -> Vec<&Node> {
            let drawn = places.into_iter().map(|place| &self.pool[place]);
            drawn
                .filter(|example| !shared || *example != document)
                .collect()
        };
        let mut drawn = match self.task.fewshot.sampler {
            Sampler::FirstN => others((0..self.pool.len()).collect()),
            Sampler::Default => {
                let count = shots + usize::from(shared);
                others(random.sample(self.pool.len(), count).ok_or_else(few)?)
            }
        };
        if self.task.fewshot.sampler == Sampler::Default && drawn.len() < shots {
            // The document stands in the pool more than once: drawn anew without any of it.
            let pool = others((0..self.pool.len()).collect());
            let places = random.sample(pool.len(), shots).ok_or_else(few)?;
            drawn = places.into_iter().map(|place| pool[place]).collect();
        }
        if drawn.len() < shots {
            return Err(few());
        }
        drawn.truncate(shots);
        Ok(drawn)
    }
}

fn wrong(task: &Task, reason: impl Into<String>) -> EvalError {
    EvalError::Task {
        task: task.name.clone(),
        reason: reason.into(),
    }
}

fn known(task: &Task, function: &str) -> Result<(), EvalError> {
    if builtin::is_known(function) {
        return Ok(());
    }
    Err(EvalError::Function {
        task: task.name.clone(),
        function: function.to_owned(),
    })
}

/// A question with what stands before its answer.
struct Turn<'t> {
    question: &'t str,
    prefix: &'t str,
    delimiter: &'t str,
}

impl Turn<'_> {
    fn write(&self, answer: Option<(&str, &str)>, out: &mut String) {
        let Self {
            question,
            prefix,
            delimiter,
        } = *self;
        let answer = answer.filter(|(answer, _)| !answer.is_empty());
        let touching = |before: &str, after: &str| {
            !(before.ends_with(is_space) || after.starts_with(is_space))
        };
        let delimited = match (answer, prefix) {
            (Some(_), "") => true,
            (_, "") => false,
            _ => !question.is_empty() && touching(question, prefix),
        };
        out.push_str(question);
        out.push_str(if delimited { delimiter } else { "" });
        out.push_str(prefix);
        if let Some((answer, end)) = answer {
            let space = !prefix.is_empty() && touching(prefix, answer);
            out.push_str(if space { " " } else { "" });
            out.push_str(answer);
            out.push_str(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::json::parse;

    fn prepared(config: &str, rows: &str) -> Result<Prepared, EvalError> {
        let folder = tempfile::tempdir().expect("a directory");
        std::fs::write(folder.path().join("x.jsonl"), rows).expect("writes");
        let mut config = parse(config).expect("parses");
        config.set("task", "t".into());
        config.set("dataset_path", "json".into());
        config.set("test_split", "test".into());
        config.set(
            "dataset_kwargs",
            parse(r#"{"data_files": {"test": "x.jsonl"}}"#).expect("parses"),
        );
        let data = Datasets {
            files: folder.path().into(),
            ..Datasets::default()
        };
        Prepared::new(Task::new(config, None)?, &data)
    }

    const ROWS: &str =
        "{\"q\": \"one?\", \"a\": 1}\n{\"q\": \"two?\", \"a\": 0}\n{\"q\": \"three?\", \"a\": 1}\n";

    #[test]
    fn examples_stand_before_the_question() {
        let config = r#"{"output_type": "multiple_choice", "doc_to_text": "Q: {{q}}\nA:", "doc_to_choice": ["no", "yes"],
            "doc_to_target": "a", "fewshot_split": "test", "num_fewshot": 2, "description": "Answer.\n"}"#;
        let task = prepared(config, ROWS).expect("prepares");
        let context = task
            .contexts(&task.documents[0], &mut Random::new(1234))
            .expect("makes");
        // The pool without the document has two others, in the order of the stream.
        let either = [
            "Q: two?\nA: no\n\nQ: three?\nA: yes\n\n",
            "Q: three?\nA: yes\n\nQ: two?\nA: no\n\n",
        ];
        let expected = either.map(|examples| vec![format!("Answer.\n{examples}Q: one?\nA:")]);
        assert!(expected.contains(&context), "{context:?}");
        assert_eq!(
            task.choices(&task.documents[0]).expect("has"),
            ["no", "yes"]
        );
        assert_eq!(task.target(&task.documents[0]).expect("has"), Node::Int(1));
    }

    #[test]
    fn the_first_ones_are_those_of_others() {
        let config = r#"{"doc_to_text": "q", "doc_to_target": "{{a}}", "fewshot_split": "test", "num_fewshot": 1,
            "fewshot_config": {"sampler": "first_n"}, "gen_prefix": "so", "target_delimiter": "_"}"#;
        let task = prepared(config, ROWS).expect("prepares");
        let contexts: Vec<Vec<String>> = task
            .documents
            .iter()
            .map(|d| task.contexts(d, &mut Random::new(0)).expect("makes"))
            .collect();
        assert_eq!(contexts[0], ["two?_so 0\n\none?_so"]);
        assert_eq!(contexts[1], ["one?_so 1\n\ntwo?_so"]);
    }

    #[test]
    fn what_a_task_lacks_is_said() {
        let refused = |config: &str| prepared(config, ROWS).expect_err("refuses").to_string();
        assert!(
            refused(
                r#"{"doc_to_text": "{{nothing}}", "doc_to_target": "a", "doc_to_choice": ["x"]}"#
            )
            .contains("nothing")
        );
        assert!(
            refused(r#"{"doc_to_text": "q", "doc_to_target": "a", "unknown_key": 1}"#)
                .contains("unknown_key")
        );
        assert!(
            refused(r#"{"doc_to_text": "q", "doc_to_target": "a", "unsafe_code": true}"#)
                .contains("runs what")
        );
        let pinned =
            r#"{"doc_to_text": "q", "doc_to_target": "a", "metadata": {"data_sha256": "00"}}"#;
        assert!(refused(pinned).contains("pinned"));
    }
}
