//! Whole evaluations of a made-up model: scores, states, results, and what an interruption costs.

use glasswork_eval::EvalError;
use glasswork_eval::harness::{
    About, Datasets, Evaluated, LanguageModel, Likelihood, Options, Request, State, TaskFiles,
    Unwatched, compare, evaluate,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes are tokens; a continuation is the likelier the smaller its bytes are.
struct Bytes {
    /// Requests that may still be answered.
    left: usize,
    /// What is added to every log-likelihood.
    bias: f64,
}

impl LanguageModel for Bytes {
    fn identity(&self) -> String {
        format!("bytes {}", self.bias)
    }

    fn max_length(&self) -> usize {
        64
    }

    fn prefix(&self) -> (u32, &str) {
        (0, "\0")
    }

    fn end_of_text(&self) -> Option<(u32, &str)> {
        None
    }

    fn encode(&self, text: &str, _special: bool) -> Result<Vec<u32>, EvalError> {
        Ok(text.bytes().map(u32::from).collect())
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, EvalError> {
        let bytes: Vec<u8> = tokens.iter().map(|&token| token as u8).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn log_likelihoods(&mut self, requests: &[Request]) -> Result<Vec<Vec<Likelihood>>, EvalError> {
        let left = self.left.checked_sub(requests.len());
        self.left = left.ok_or(EvalError::NoPrefix)?;
        let score = |tokens: &Vec<u32>| Likelihood {
            log_likelihood: self.bias - f64::from(tokens.iter().sum::<u32>()) / 64.0,
            greedy: false,
        };
        let scores = requests
            .iter()
            .map(|request| request.continuations.iter().map(score).collect());
        Ok(scores.collect())
    }

    fn generate(
        &mut self,
        prompts: &[Vec<u32>],
        _: usize,
        _: &[String],
    ) -> Result<Vec<Vec<u32>>, EvalError> {
        Ok(prompts
            .iter()
            .map(|_| b"42.\nQ".map(u32::from).to_vec())
            .collect())
    }
}

const CHOICE: &str = "dataset_path: json\ndataset_kwargs: {data_files: {test: c.jsonl}}\ntest_split: test\n\
    output_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: [a, b]\ndoc_to_target: right\n";

/// Task files: two good ones in a group, and four that cannot be measured.
fn tasks() -> TaskFiles {
    let files = [
        ("choice.yaml", format!("task: choice\n{CHOICE}")),
        ("choice_b.yaml", format!("task: choice_b\n{}", CHOICE.replace("right", "wrong"))),
        (
            "sum.yaml",
            "task: sum\ndataset_path: json\ndataset_kwargs: {data_files: {test: c.jsonl}}\ntest_split: test\n\
             doc_to_text: q\ndoc_to_target: \"42\"\ngeneration_kwargs: {until: [\"\\n\"], max_gen_toks: 8}\n\
             filter_list: [{name: digits, filter: [{function: regex, regex_pattern: \"([0-9]+)\"}, \
             {function: take_first}]}]\n"
                .to_owned(),
        ),
        ("absent.yaml", format!("task: absent\n{}", CHOICE.replace("json\n", "owner/absent\n"))),
        ("code.yaml", format!("task: code\n{CHOICE}process_docs: !function mine.steal\n")),
        ("odd.yaml", format!("task: odd\n{CHOICE}odd_key: 1\n")),
        ("long.yaml", format!("task: long\n{}", CHOICE.replace("[a, b]", &format!("[a, {}]", "b".repeat(80))))),
        (
            "group.yaml",
            "group: both\ntask: [choice, choice_b]\naggregate_metric_list: [{metric: acc}]\n".to_owned(),
        ),
    ];
    TaskFiles::new(files.map(|(path, text)| (path.to_owned(), text)).into())
}

fn run(model: &mut Bytes, data: &Path, log: &Path, names: &[&str]) -> Result<Evaluated, EvalError> {
    let rows =
        (0..20).map(|i| format!("{{\"q\": \"question {i}?\", \"right\": 0, \"wrong\": 1}}\n"));
    std::fs::write(data.join("c.jsonl"), rows.collect::<String>()).expect("writes");
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let options = Options {
        portion: 64,
        ..Options::default()
    };
    let datasets = Datasets {
        files: data.into(),
        mirrors: vec![data.into()],
        source: None,
    };
    evaluate(
        model,
        (&tasks(), &names),
        &datasets,
        &options,
        Some(log),
        &About::default(),
        &Unwatched,
    )
}

fn model() -> Bytes {
    Bytes {
        left: usize::MAX,
        bias: 0.0,
    }
}

#[test]
fn scores_states_and_chance() {
    let folder = tempfile::tempdir().expect("a directory");
    let log = folder.path().join("answers.jsonl");
    let names = ["both", "sum", "absent", "code", "odd", "long"];
    let evaluated = run(&mut model(), folder.path(), &log, &names).expect("evaluates");
    let states: BTreeMap<&str, &str> = evaluated
        .scores
        .iter()
        .map(|score| (score.task.as_str(), score.state.name()))
        .collect();
    let expected = [
        ("absent", "missing"),
        ("choice", "measured"),
        ("choice_b", "measured"),
        ("code", "failed"),
        ("long", "failed"),
        ("odd", "failed"),
        ("sum", "measured"),
    ];
    assert_eq!(states, expected.into());
    let results: serde_json::Value = serde_json::from_str(&evaluated.results).expect("JSON");
    // "a" is always likelier than "b": all right, then all wrong.
    assert_eq!(results["results"]["choice"]["acc,none"], 1.0);
    assert_eq!(results["results"]["choice_b"]["acc,none"], 0.0);
    assert_eq!(results["results"]["both"]["acc,none"], 0.5);
    assert_eq!(results["results"]["sum"]["exact_match,digits"], 1.0);
    assert_eq!(results["results"]["sum"]["exact_match_stderr,digits"], 0.0);
    // What was not measured has no score, least of all zero.
    for task in ["absent", "code", "odd", "long"] {
        assert!(results["results"][task].get("acc,none").is_none(), "{task}");
    }
    let reason = results["glasswork"]["tasks"]["code"]["reason"]
        .as_str()
        .expect("a reason");
    assert!(reason.contains("mine.steal"), "{reason}");
    let chance = |task: &str| {
        evaluated
            .scores
            .iter()
            .find(|s| s.task == task)
            .and_then(|s| s.chance)
    };
    let right = chance("choice").expect("has choices");
    assert_eq!((right.level, right.at_chance()), (0.5, false));
    assert!((right.p - 0.5_f64.powi(20)).abs() < 1e-12);
    assert!(chance("choice_b").expect("has choices").at_chance());
    assert_eq!(chance("sum"), None);
}

#[test]
fn a_nan_is_invalid_and_not_a_score() {
    let folder = tempfile::tempdir().expect("a directory");
    let log = folder.path().join("answers.jsonl");
    let mut broken = Bytes {
        bias: f64::NAN,
        ..model()
    };
    let evaluated = run(&mut broken, folder.path(), &log, &["choice"]).expect("evaluates");
    assert!(matches!(evaluated.scores[0].state, State::Invalid(_)));
    assert!(evaluated.scores[0].metrics.is_empty());
}

#[test]
fn an_interruption_costs_a_portion_and_a_second_run_nothing() {
    let folder = tempfile::tempdir().expect("a directory");
    let whole = folder.path().join("whole.jsonl");
    let names = ["both", "sum"];
    let expected = run(&mut model(), folder.path(), &whole, &names).expect("evaluates");
    assert_eq!((expected.effort.computed, expected.effort.known), (60, 0));
    let log = folder.path().join("answers.jsonl");
    for left in [0, 1, 7, 12] {
        let mut interrupted = Bytes { left, ..model() };
        run(&mut interrupted, folder.path(), &log, &names).expect_err("is interrupted");
    }
    let resumed = run(&mut model(), folder.path(), &log, &names).expect("evaluates");
    assert!(
        resumed.effort.known > 0 && resumed.effort.computed < 60,
        "{:?}",
        resumed.effort
    );
    assert_eq!(resumed.results, expected.results);
    assert_eq!(resumed.samples, expected.samples);
    let mut idle = Bytes { left: 0, ..model() };
    let again = run(&mut idle, folder.path(), &log, &names).expect("has all answers");
    assert_eq!(
        (again.effort.computed, &again.results),
        (0, &expected.results)
    );
    // Another model's answers are not taken for this one's.
    let mut other = Bytes { left: 0, bias: 1.0 };
    assert!(run(&mut other, folder.path(), &log, &names).is_err());
}

#[test]
fn two_runs_are_compared_in_pairs() {
    let folder = tempfile::tempdir().expect("a directory");
    let log = folder.path().join("answers.jsonl");
    let evaluated = run(&mut model(), folder.path(), &log, &["choice"]).expect("evaluates");
    let (_, samples) = &evaluated.samples[0];
    let compared = compare(samples, samples).expect("compares");
    assert_eq!((compared.unpaired, compared.different), (0, 0));
    let acc = compared
        .differences
        .iter()
        .find(|d| d.metric == "acc,none")
        .expect("has acc");
    assert_eq!(
        (acc.pairs, acc.mean, acc.binary.map(|b| b.p)),
        (20, 0.0, Some(1.0))
    );
}
