//! Evaluation: documents of four tasks a minute, of one model and over twenty checkpoints of a small one.

use super::contest::{Contest, Entrant, Program, Question, Rate};
use crate::shell::{self, Result, root};

/// Where `peers/eval_tasks.py` puts tasks and models.
const FOLDER: &str = "target/bench/eval";
const RATE: Rate = Rate {
    key: "documents_per_minute",
    unit: "documents/min",
};

/// One model of 1B, and the sweep.
pub(super) fn contests() -> Vec<Contest> {
    vec![
        Contest {
            section: "eval one".to_owned(),
            subject: "four tasks, 1B".to_owned(),
            tags: vec!["one"],
            model: Some("1b"),
            questions: questions(2.0),
            ..contest("1b")
        },
        Contest {
            section: "eval sweep".to_owned(),
            subject: "four tasks, 20 checkpoints of 58M".to_owned(),
            tags: vec!["sweep"],
            model: None,
            questions: questions(3.0),
            ..contest("sweep")
        },
    ]
}

/// Against the harness as it comes, and against the harness told to take eight requests at a time.
fn questions(least: f64) -> Vec<Question> {
    vec![
        Question::speed(0, 1).at_least(least, 2.0 * least),
        Question::speed(0, 2).at_least(least, 2.0 * least),
        Question::memory(0, 2),
    ]
}

fn contest(models: &str) -> Contest {
    let work = format!("--eval {FOLDER} --models {models} --threads 2");
    let harness = |batch: usize| {
        let arguments = format!("{work} --batch {batch}");
        let name = format!("lm-evaluation-harness, batch {batch}");
        Entrant::new(name, Program::Peer("peers/eval_bench.py"), &arguments)
    };
    Contest {
        section: String::new(),
        subject: String::new(),
        tags: Vec::new(),
        model: None,
        sides: vec![
            Entrant::new("bf16-v1", Program::Example("eval_rate"), &work),
            harness(1),
            harness(8),
        ],
        questions: Vec::new(),
        rate: RATE,
        work: 1,
        turns: 3,
    }
}

/// Tasks, tokenizer and small checkpoints, where a contest needs them.
pub(super) fn prepare(contests: &[Contest], python: &str) -> Result {
    let chosen = contests
        .iter()
        .filter(|one| one.section.starts_with("eval "));
    let names: Vec<&str> = chosen.map(|one| one.model.unwrap_or("sweep")).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut make = vec!["peers/eval_tasks.py", FOLDER];
    make.extend(names);
    shell::run(&root(), python, &make)
}
