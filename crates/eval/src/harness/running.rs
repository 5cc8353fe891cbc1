//! A task on its way: its requests, then the answers judged.

use super::answers::Wanted;
use super::compare::binomial_tail;
use super::dataset::Datasets;
use super::json;
use super::language_model::LanguageModel;
use super::log::{Kept, Log};
use super::metric::Aggregation;
use super::node::{Node, map};
use super::prompt::Prepared;
use super::python::text_of;
use super::random::Random;
use super::request::Ask;
use super::result;
use super::run::{Chance, Options, State, TaskScore, VERSION};
use super::stderr::{aggregate, standard_error};
use super::task::{Output, Task};
use super::task_files::sha256;
use crate::EvalError;

/// A request with what is wanted of the model, or why it cannot be.
type Asked = (Ask, Result<Wanted, String>);

/// A task on its way.
pub(super) struct Running {
    prepared: Prepared,
    /// Documents' numbers, and their requests.
    asked: Vec<(usize, Vec<Asked>)>,
}

/// A task that was judged.
pub(super) struct Judged {
    pub(super) task: Task,
    pub(super) data_digest: String,
    pub(super) documents: usize,
    pub(super) judged: usize,
    pub(super) metrics: Vec<(String, String, f64, Option<f64>)>,
    pub(super) samples: Vec<Node>,
    state: State,
    chance: Option<Chance>,
}

impl Running {
    /// The requests of a task's documents.
    pub(super) fn new(
        task: Task,
        data: &Datasets,
        options: &Options,
        model: &dyn LanguageModel,
    ) -> Result<Self, EvalError> {
        let prepared = Prepared::new(task, data)?;
        let under = sha256(
            [&model.identity(), &prepared.task.digest(), VERSION]
                .map(|part| format!("{part}\n"))
                .concat()
                .as_bytes(),
        );
        let mut random = Random::new(options.seed);
        let mut asked = Vec::new();
        let documents = &prepared.documents;
        let count = options
            .limit
            .map_or(documents.len(), |limit| limit.min(documents.len()));
        // A stream of its own: examples are drawn as without a sample.
        let sample = options.sample.unwrap_or(count).min(count);
        let mut drawn = Random::new(options.seed)
            .sample(count, sample)
            .unwrap_or_default();
        drawn.sort_unstable();
        let mut drawn = drawn.into_iter().peekable();
        for (number, document) in documents.iter().enumerate().take(count) {
            // Asked about or not, a document takes its examples from the stream.
            let asks = Ask::of(&prepared, document, &mut random)?;
            if drawn.next_if_eq(&number).is_none() {
                continue;
            }
            let mut requests = Vec::new();
            for ask in asks {
                let wanted = ask.tokens(model)?.map(|tokens| Wanted::new(tokens, &under));
                requests.push((ask, wanted));
            }
            asked.push((number, requests));
        }
        Ok(Self { prepared, asked })
    }

    /// What the model is asked.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Wanted> {
        let asked = self.asked.iter().flat_map(|(_, requests)| requests);
        asked.filter_map(|(_, wanted)| wanted.as_ref().ok())
    }

    /// The answers to one document's requests as Python has them, before filters.
    fn answers(&self, requests: &[Asked], log: &Log) -> Result<Vec<Node>, String> {
        let answer = |(ask, wanted): &Asked| {
            let kept = wanted
                .as_ref()
                .map_err(Clone::clone)?
                .answer(log)
                .ok_or("an answer is missing")?;
            Ok(match (ask, kept) {
                (Ask::Rolling { .. }, Kept::Likelihood(value, _)) => Node::Float(value),
                (_, Kept::Likelihood(value, greedy)) => {
                    Node::List(vec![Node::Float(value), Node::Bool(greedy)])
                }
                (_, Kept::Text(text)) => Node::Text(text),
            })
        };
        requests.iter().map(answer).collect()
    }

    /// What its answers in `log` are worth.
    pub(super) fn judge(self, log: &Log) -> Result<Judged, EvalError> {
        let task = &self.prepared.task;
        let (mut samples, mut failed, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
        // Values of documents, by metric and filter in the order of their appearance.
        let mut values: Vec<((String, String), Vec<Node>)> = Vec::new();
        for pipeline in &task.pipelines {
            let first = pipeline.name == task.pipelines[0].name;
            for (number, requests) in &self.asked {
                let number = *number;
                let document = &self.prepared.documents[number];
                let answers = match self.answers(requests, log) {
                    Ok(answers) => answers,
                    Err(reason) if first => {
                        failed.push(format!("document {number}: {reason}"));
                        continue;
                    }
                    Err(_) => continue,
                };
                if answers.iter().any(no_number) {
                    if first {
                        invalid.push(format!("document {number}: a log-likelihood is no number"));
                    }
                    continue;
                }
                let repeated: Vec<Vec<Node>> = answers
                    .into_iter()
                    .map(|answer| vec![answer; task.repeats])
                    .collect();
                let filtered = repeated
                    .iter()
                    .map(|answers| pipeline.apply(answers.clone()));
                let filtered: Vec<Node> =
                    filtered
                        .collect::<Result<_, _>>()
                        .map_err(|reason| EvalError::Task {
                            task: task.name.clone(),
                            reason,
                        })?;
                let metrics = self.prepared.judge(document, &filtered)?;
                samples.push(self.sample(
                    number,
                    (requests, repeated, filtered),
                    &pipeline.name,
                    &metrics,
                )?);
                for (metric, value) in metrics {
                    let key = (metric, pipeline.name.clone());
                    match values.iter_mut().find(|(there, _)| *there == key) {
                        Some((_, values)) => values.push(value),
                        None => values.push((key, vec![value])),
                    }
                }
            }
        }
        let judged = values
            .iter()
            .map(|(_, values)| values.len())
            .max()
            .unwrap_or(0);
        let state = match (judged, failed.first(), invalid.first()) {
            (_, None, None) => State::Measured,
            (0, _, Some(reason)) => State::Invalid(reason.clone()),
            (0, Some(reason), None) => State::Failed(reason.clone()),
            (_, failure, nothing) => State::Partly {
                failed: failed.len(),
                invalid: invalid.len(),
                reason: failure.or(nothing).cloned().unwrap_or_default(),
            },
        };
        let chance = self.chance(&values)?;
        let mut metrics = Vec::new();
        for ((metric, filter), values) in &values {
            let values: Vec<&Node> = values.iter().collect();
            let known = task.metrics.iter().find(|known| known.name == *metric);
            let how = known.map_or(Aggregation::Mean, |known| known.aggregation);
            if let Some(value) = aggregate(how, &values) {
                metrics.push((
                    metric.clone(),
                    filter.clone(),
                    value,
                    standard_error(how, &values),
                ));
            }
        }
        Ok(Judged {
            documents: self.prepared.documents.len(),
            data_digest: self.prepared.data_digest.clone(),
            task: self.prepared.task,
            judged,
            metrics,
            samples,
            state,
            chance,
        })
    }

    /// What guessing scores, and how likely guessing is to score as much as was scored.
    fn chance(
        &self,
        values: &[((String, String), Vec<Node>)],
    ) -> Result<Option<Chance>, EvalError> {
        let accuracy = values.iter().find(|((metric, _), _)| metric == "acc");
        let (Some((_, accuracy)), Output::MultipleChoice) = (accuracy, self.prepared.task.output)
        else {
            return Ok(None);
        };
        // Only right or wrong can be guessed: not shares of probability.
        let right: Option<Vec<bool>> = accuracy
            .iter()
            .map(|value| match value.number() {
                Some(0.0) => Some(false),
                Some(1.0) => Some(true),
                _ => None,
            })
            .collect();
        let Some(right) = right.filter(|_| self.prepared.task.process_results.is_none()) else {
            return Ok(None);
        };
        let mut levels = Vec::new();
        for (number, _) in &self.asked {
            let document = &self.prepared.documents[*number];
            levels.push(1.0 / self.prepared.choices(document)?.len() as f64);
        }
        let level = super::stderr::mean(&levels);
        let count = right.iter().filter(|right| **right).count();
        Ok(Some(Chance {
            level,
            p: binomial_tail(right.len(), count, level),
        }))
    }

    /// A document's line of `samples_….jsonl`.
    fn sample(
        &self,
        number: usize,
        (requests, repeated, filtered): (&[Asked], Vec<Vec<Node>>, Vec<Node>),
        filter: &str,
        metrics: &[(String, Node)],
    ) -> Result<Node, EvalError> {
        let document = &self.prepared.documents[number];
        let target = text_of(&self.prepared.target(document)?);
        let arguments: Vec<Vec<Node>> = requests.iter().map(|(ask, _)| ask.arguments()).collect();
        let prompt = arguments
            .first()
            .and_then(|first| first.first())
            .map(text_of)
            .unwrap_or_default();
        let mut sample = map([
            ("doc_id", Node::Int(number as i64)),
            ("doc", document.clone()),
            ("target", target.as_str().into()),
            ("arguments", result::arguments(arguments)),
            (
                "resps",
                Node::List(
                    repeated
                        .into_iter()
                        .map(|answers| result::as_texts(&Node::List(answers)))
                        .collect(),
                ),
            ),
            (
                "filtered_resps",
                Node::List(filtered.iter().map(result::as_texts).collect()),
            ),
            ("filter", filter.into()),
            (
                "metrics",
                Node::List(
                    metrics
                        .iter()
                        .map(|(name, _)| name.as_str().into())
                        .collect(),
                ),
            ),
            (
                "doc_hash",
                sha256(json::write(document, Some(2)).as_bytes()).into(),
            ),
            ("prompt_hash", sha256(prompt.as_bytes()).into()),
            ("target_hash", sha256(target.as_bytes()).into()),
        ]);
        for (name, value) in metrics {
            sample.set(name, value.clone());
        }
        Ok(sample)
    }
}

fn no_number(answer: &Node) -> bool {
    match answer {
        Node::Float(value) => value.is_nan(),
        Node::List(items) => items.iter().any(no_number),
        _ => false,
    }
}

impl Judged {
    /// Its part of an evaluation.
    pub(super) fn score(&self) -> TaskScore {
        let metrics = self
            .metrics
            .iter()
            .map(|(metric, filter, value, error)| (format!("{metric},{filter}"), *value, *error));
        TaskScore {
            task: self.task.name.clone(),
            state: self.state.clone(),
            metrics: metrics.collect(),
            chance: self.chance,
            documents: (self.judged, self.documents),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::harness::fake::Fake;
    use crate::harness::{About, Datasets, Options, TaskFiles, Unwatched, evaluate};

    #[test]
    fn a_sample_asks_as_the_whole_does() {
        let folder = tempfile::tempdir().expect("a directory");
        let rows: String = (0..40).map(|i| format!("{{\"q\": \"x{i}\"}}\n")).collect();
        std::fs::write(folder.path().join("x.jsonl"), rows).expect("writes");
        let text = "task: t\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: x.jsonl\ntest_split: test\n\
            fewshot_split: test\nnum_fewshot: 2\noutput_type: multiple_choice\ndoc_to_text: \"{{q}}\"\n\
            doc_to_choice: [ab, cde]\ndoc_to_target: 0\n";
        let files = TaskFiles::new([("t.yaml".to_owned(), text.to_owned())].into());
        let data = Datasets {
            files: folder.path().into(),
            ..Datasets::default()
        };
        let lines = |sample| {
            let options = Options {
                sample,
                ..Options::default()
            };
            let names = ["t".to_owned()];
            let about = About::default();
            let mut model = Fake::new(64);
            let of = evaluate(
                &mut model,
                (&files, &names),
                &data,
                &options,
                None,
                &about,
                &Unwatched,
            );
            let of = of.expect("evaluates");
            let lines = of.samples[0]
                .1
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>();
            (of.scores[0].documents, lines)
        };
        let (all, whole) = lines(None);
        let (some, sample) = lines(Some(9));
        assert_eq!((all, some), ((40, 40), (9, 40)));
        assert!(sample.iter().all(|line| whole.contains(line)));
        // Not the first ones.
        assert!(!sample.iter().all(|line| whole[..9].contains(line)));
        assert_eq!(lines(Some(99)).1, whole);
    }
}
