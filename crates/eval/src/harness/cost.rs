//! What tasks would cost: requests and tokens, counted before any model is asked.

use super::dataset::Datasets;
use super::group::Selection;
use super::node::Node;
use super::prompt::Prepared;
use super::random::Random;
use super::request::{Ask, new_tokens};
use super::run::Options;
use super::task_files::TaskFiles;
use crate::EvalError;
use std::collections::BTreeSet;

/// Documents of a task that are looked at; the rest is taken to be like them.
const LOOKED_AT: usize = 200;

/// What a task would cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskCost {
    /// Its name.
    pub task: String,
    /// Why it cannot be evaluated; all counts are 0 then.
    pub missing: Option<String>,
    /// What is missing is its data set.
    pub no_data: bool,
    /// Examples before each question.
    pub shots: usize,
    /// Its words are not those of the task whose name it has.
    pub own_words: bool,
    /// Documents that will be asked about.
    pub documents: usize,
    /// Documents of the split.
    pub available: usize,
    /// Likelihoods and continuations that are asked for.
    pub requests: usize,
    /// Tokens of contexts; equal ones of a document count once, since they are computed once.
    pub context_tokens: u64,
    /// Tokens that are scored after them.
    pub continuation_tokens: u64,
    /// Tokens that are generated, at most.
    pub generated_tokens: u64,
}

impl TaskCost {
    /// All tokens that the model sees.
    pub fn tokens(&self) -> u64 {
        self.context_tokens + self.continuation_tokens + self.generated_tokens
    }
}

/// What the tasks, groups and tags `names` would cost, in the order in which they would be evaluated. Data sets are
/// fetched and read; of each task some 200 documents, evenly apart, are made into requests, and counted up.
///
/// `tokens` is the length of a text: a tokenizer's, or for an estimate a quarter of its bytes.
///
/// # Errors
/// A name that nothing has. A task that cannot be read or lacks its data says so in its cost.
pub fn tasks_cost(
    (files, names): (&TaskFiles, &[String]),
    data: &Datasets,
    options: &Options,
    tokens: &dyn Fn(&str) -> usize,
) -> Result<Vec<TaskCost>, EvalError> {
    let selection = Selection::new(files, names, options.shots)?;
    let cost = |(name, task): (String, Result<_, EvalError>)| {
        let prepared = task.and_then(|task| Prepared::new(task, data));
        let cost = prepared.and_then(|prepared| of_task(&prepared, options, tokens));
        cost.unwrap_or_else(|error| TaskCost {
            task: name,
            no_data: matches!(error, EvalError::Dataset { .. }),
            missing: Some(error.to_string()),
            ..TaskCost::default()
        })
    };
    Ok(selection.tasks.into_iter().map(cost).collect())
}

fn of_task(
    prepared: &Prepared,
    options: &Options,
    tokens: &dyn Fn(&str) -> usize,
) -> Result<TaskCost, EvalError> {
    let available = prepared.documents.len();
    let documents = options
        .limit
        .map_or(available, |limit| limit.min(available));
    let mut cost = TaskCost {
        task: prepared.task.name.clone(),
        shots: prepared.task.shots,
        own_words: prepared.task.own_words,
        documents,
        available,
        ..TaskCost::default()
    };
    let looked = documents.min(LOOKED_AT);
    let mut random = Random::new(options.seed);
    let (mut requests, mut context, mut continuation, mut generated) = (0, 0, 0, 0);
    for index in 0..looked {
        let document: &Node = &prepared.documents[index * documents / looked];
        let mut contexts = BTreeSet::new();
        for ask in Ask::of(prepared, document, &mut random)? {
            requests += 1;
            let text = match ask {
                Ask::Likelihood {
                    context,
                    continuation: text,
                } => {
                    continuation += tokens(&text) as u64;
                    context
                }
                Ask::Rolling { text } => {
                    continuation += tokens(&text) as u64;
                    continue;
                }
                Ask::Generate { context, how } => {
                    generated += u64::try_from(new_tokens(&how)).unwrap_or(0);
                    context
                }
            };
            contexts.insert(text);
        }
        context += contexts.iter().map(|text| tokens(text) as u64).sum::<u64>();
    }
    let scaled = |counted: u64| {
        let whole = u128::from(counted) * documents as u128 / looked.max(1) as u128;
        u64::try_from(whole).unwrap_or(u64::MAX)
    };
    cost.requests = scaled(requests) as usize;
    cost.context_tokens = scaled(context);
    cost.continuation_tokens = scaled(continuation);
    cost.generated_tokens = scaled(generated);
    Ok(cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{About, Unwatched, evaluate, fake::Fake};

    const CHOICES: &str = "task: choices\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: x.jsonl\n\
        test_split: test\noutput_type: multiple_choice\ndoc_to_text: \"{{q}}\"\ndoc_to_choice: [ab, cde]\ndoc_to_target: 0\n";

    fn set(rows: usize) -> (tempfile::TempDir, TaskFiles) {
        let folder = tempfile::tempdir().expect("a directory");
        let rows: String = (0..rows)
            .map(|i| format!("{{\"q\": \"x{i:03}\"}}\n"))
            .collect();
        std::fs::write(folder.path().join("x.jsonl"), rows).expect("writes");
        let texts = [
            ("a.yaml", CHOICES.to_owned()),
            (
                "b.yaml",
                CHOICES
                    .replace("task: choices", "task: lost")
                    .replace("x.jsonl", "y.jsonl"),
            ),
            (
                "c.yaml",
                CHOICES
                    .replace("task: choices", "task: writes")
                    .replace(
                        "multiple_choice\n",
                        "generate_until\ngeneration_kwargs:\n  until: [x]\n  max_gen_toks: 7\n",
                    )
                    .replace(
                        "doc_to_choice: [ab, cde]\ndoc_to_target: 0",
                        "doc_to_target: \"y\"",
                    ),
            ),
        ];
        let texts = texts.map(|(path, text)| (path.to_owned(), text));
        (folder, TaskFiles::new(texts.into()))
    }

    #[test]
    fn requests_and_tokens_are_counted() {
        let (folder, files) = set(1000);
        let data = Datasets {
            files: folder.path().into(),
            ..Datasets::default()
        };
        let options = Options {
            limit: Some(500),
            ..Options::default()
        };
        let names = ["choices", "lost", "writes"].map(str::to_owned);
        let all =
            tasks_cost((&files, &names), &data, &options, &|text| text.len()).expect("counts");
        let expected = TaskCost {
            task: "choices".to_owned(),
            documents: 500,
            available: 1000,
            requests: 1000,
            context_tokens: 2000,
            // With the space before each choice.
            continuation_tokens: 500 * (3 + 4),
            ..TaskCost::default()
        };
        assert_eq!(all[0], expected);
        assert!(
            all[1]
                .missing
                .as_deref()
                .is_some_and(|why| why.contains("y.jsonl"))
        );
        assert_eq!((all[2].generated_tokens, all[2].tokens()), (3500, 5500));
        // What is computed then is what was counted.
        let mut model = Fake::new(64);
        let evaluated = evaluate(
            &mut model,
            (&files, &names[..1]),
            &data,
            &options,
            None,
            &About::default(),
            &Unwatched,
        );
        let effort = evaluated.expect("evaluates").effort;
        assert_eq!(effort.computed, all[0].requests);
    }
}
