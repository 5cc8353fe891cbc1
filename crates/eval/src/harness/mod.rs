//! Evaluations as lm-evaluation-harness makes them: its task files, its prompts, its metrics, its result files.
//!
//! **Owns** a subset of the task files of version 0.4.13 (`task`), the stream of examples (`random`), prompts
//! (`template`, `prompt`), requests (`request`), judging (`filter`, `judge`, `stderr`) and results (`result`).
//! Nothing of a task is executed: a `!function` is one of a few built in (`builtin`), or the task is refused by
//! the function's name; so is every key that is not understood. Data sets come from folders (`dataset`,
//! `split_files`), or from what the caller brings to fetch them ([`DataSource`]): no connection is opened here.
//!
//! **Promises** the decisions, prompts, metrics and standard errors of the harness with the same model
//! (`peers/harness_agree.py` compares). Answers are kept one by one under a digest of weights, tokenizer,
//! task, data and code: who is interrupted goes on, and a second run computes nothing. A score that is missing,
//! failed or is no number is a state with a reason, never a zero.
//!
//! **Costs** what the model costs: equal contexts are computed once, and requests that begin alike go side
//! by side, so that the model can share more.

mod adapter;
mod answers;
mod builtin;
mod compare;
mod cost;
mod dataset;
#[cfg(test)]
mod fake;
mod filter;
mod group;
mod json;
mod judge;
mod language_model;
mod library;
mod log;
mod metric;
mod mine;
mod node;
mod prompt;
mod python;
mod random;
mod request;
mod result;
mod run;
mod running;
mod source;
mod split_files;
mod stderr;
mod table;
mod task;
mod task_files;
mod template;

pub use adapter::{Published, Room};
pub use answers::{Effort, Progress, Unwatched};
pub use compare::{Binary, Comparison, Difference, binomial_tail, compare, interval};
pub use cost::{TaskCost, tasks_cost};
pub use dataset::Datasets;
pub use language_model::{LanguageModel, Likelihood, Request};
pub use library::own_tasks;
pub use mine::{Mine, MineReport, OwnAnswer, OwnText, mine};
pub use node::Node;
pub use random::Random;
pub use result::counts;
pub use run::{About, Chance, Evaluated, Options, State, TaskScore, VERSION, evaluate};
pub use source::{DataSource, Listing};
pub use task::{Output, Task};
pub use task_files::TaskFiles;
