//! `poc`: what a budget of time can teach about a published model.

use super::{Entrance, Seen, compare, criteria, language, look, measured, text};
use crate::args::PocArgs;
use crate::commands::eval::datasets::datasets;
use crate::commands::{create_folder, plain_name, score};
use crate::failure::Failure;
use crate::output::{Output, bytes, duration, grouped};
use crate::progress::Tokens;
use crate::{code, machine};
use glasswork_audit::measured::{Agreement, Benchmark, LoggedLoss, Measurements};
use glasswork_audit::publication::Assessment;
use glasswork_audit::{Criteria, Verdict};
use glasswork_eval::harness::{Datasets, TaskFiles, own_tasks};
use glasswork_page::{Comparison, decision};
use glasswork_poc::{Done, Facts, Item, Plan, Poc, Prices, Progress, Tasks, What};
use glasswork_published::{Place, Publication};
use glasswork_release::atomic;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// The assessment in the folder of a proof of concept.
pub(super) const ASSESSMENT: &str = "assessment.json";
const PAGE: &str = "decision.html";

/// Bytes a second of a line that nothing is known of: 100 megabits.
const USUAL_LINE: f64 = 12.5e6;
/// Bytes below which the listing says nothing about the line.
const TELLING: u64 = 1 << 20;

#[derive(Serialize)]
struct Outcome<'a> {
    plan: &'a Plan,
    done: &'a [Done],
    seconds: f64,
    peak_memory_bytes: Option<u64>,
    output: &'a Path,
    assessment: &'a Assessment,
}

pub(in crate::commands) fn run(
    args: &PocArgs,
    offline: bool,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let criteria = criteria(args.criteria.as_deref(), Criteria::shipped_for_publications)?;
    let data_name = args.data.as_deref().unwrap_or(&args.model);
    let entrance = Entrance::new(&args.door, offline, &[&args.model, data_name])?;
    let model = entrance.open(&args.model)?;
    let apart = args
        .data
        .as_deref()
        .map(|name| entrance.open(name))
        .transpose()?;
    let data = apart.as_ref().unwrap_or(&model);
    let (_, fetched) = entrance.traffic();
    let line = match fetched {
        0..TELLING => USUAL_LINE,
        _ => fetched as f64 / begun.elapsed().as_secs_f64(),
    };
    let files = match &args.include {
        Some(folder) => TaskFiles::open(folder)?.or(own_tasks()),
        None => own_tasks(),
    };
    if let Some(name) = args
        .tasks
        .iter()
        .find(|name| !files.names().any(|known| known == *name))
    {
        let known: Vec<&str> = files.names().collect();
        return Err(Failure::usage(
            format!("there is no task {name}"),
            &format!(
                "known are {}; task files of your own are given with --include",
                known.join(", ")
            ),
        ));
    }
    // Who asks for no task needs no Hub.
    let sets = datasets(&args.door, offline, args.task_data.as_deref()).unwrap_or_else(|failure| {
        output.note(&format!("data sets of tasks cannot be fetched: {failure}"));
        Datasets::default()
    });
    let poc = Poc {
        model: &model,
        data,
        facts: Facts::of(&model, data).unwrap_or_else(|error| {
            output.note(&format!("no losses on logged rows: {error}"));
            Facts::default()
        }),
        pool: machine::pool(args.threads)?,
        memory: score::budget(args.memory),
        mine: args.mine.as_deref(),
        remote: matches!(Place::parse(&args.model)?, Place::Hub { .. }),
        tasks: Tasks {
            files: &files,
            data: &sets,
            names: &args.tasks,
        },
    };
    // Cards, logs and headers are worth a page, whatever the architecture.
    let plan = poc.plan(args.budget, line).unwrap_or_else(|error| {
        output.note(&format!("nothing can be computed: {error}"));
        Plan::new(Vec::new(), args.budget)
    });
    let mut told = BTreeSet::new();
    for one in &plan.not_asked {
        if told.insert(&one.task) {
            output.note(&format!("{} is not asked: {}", one.task, one.why));
        }
    }
    output.part(&described(&plan, &model, args, poc.facts.no_order));
    if !args.yes && !agreed(output)? {
        if output.json {
            output.result(&plan, String::new);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let folder = folder(args, &model.inventory().place)?;
    let keeper = Keeper {
        seen: Seen::new(&model, &entrance, false),
        criteria: &criteria,
        entrance: &entrance,
        folder: &folder,
        args,
        output,
        bar: RefCell::new(None),
    };
    // Headers, cards, logs and sampled weights: most of what minutes can tell.
    let mut assessment = keeper.keep(&Measurements::default())?;
    let left = || args.budget.seconds() - begun.elapsed().as_secs_f64();
    let (measured, done) = poc.run(&plan, &left, &keeper);
    if measured != Measurements::default() {
        assessment = keeper.keep(&measured)?;
    }
    let outcome = Outcome {
        plan: &plan,
        done: &done,
        seconds: begun.elapsed().as_secs_f64(),
        peak_memory_bytes: machine::peak_memory(),
        output: &folder,
        assessment: &assessment,
    };
    output.result(&outcome, || {
        format!(
            "\n{}{}\ntook {} of {}{}; page and assessment in {}\n",
            measured::learnt(&measured, &done),
            text::assessment(&assessment),
            duration(outcome.seconds),
            args.budget,
            outcome
                .peak_memory_bytes
                .map_or(String::new(), |peak| format!(
                    ", {} of memory at the peak",
                    bytes(peak)
                )),
            folder.display(),
        )
    });
    let differs = |one: &LoggedLoss| one.agreement == Agreement::Differs;
    let scored_otherwise = |one: &Benchmark| one.agreement == Some(Agreement::Differs);
    let contradicted = measured.logged_loss.iter().any(differs)
        || measured.benchmarks.iter().any(scored_otherwise);
    let refused = assessment.decision.verdict == Verdict::DoNotAdopt;
    Ok(if refused || contradicted {
        ExitCode::from(crate::MISMATCH)
    } else {
        ExitCode::SUCCESS
    })
}

/// The folder of this model's proofs of concept.
fn folder(args: &PocArgs, place: &str) -> Result<PathBuf, Failure> {
    let usual = || PathBuf::from("poc").join(plain_name(&args.model));
    let folder = args.output.clone().unwrap_or_else(usual);
    let kept = folder.join(ASSESSMENT);
    if kept.is_file() {
        let there = compare::read(&kept)?.place;
        if there != place {
            return Err(Failure::new(
                format!("{} holds what was learnt about {there}", folder.display()),
                Some("name another folder with -o".to_owned()),
            ));
        }
    }
    create_folder(&folder)?;
    Ok(folder)
}

/// Writes assessment and page after every measurement: stopping early loses nothing.
struct Keeper<'a> {
    seen: Seen<'a>,
    criteria: &'a Criteria,
    entrance: &'a Entrance,
    folder: &'a Path,
    args: &'a PocArgs,
    output: &'a Output,
    bar: RefCell<Option<Tokens>>,
}

impl Keeper<'_> {
    fn keep(&self, measured: &Measurements) -> Result<Assessment, Failure> {
        let one = look(&self.seen, measured, self.criteria, self.entrance);
        let json = serde_json::to_vec_pretty(&one).expect("assessments are plain data");
        atomic::write_file(&self.folder.join(ASSESSMENT), &json)?;
        let models = vec![one.clone()];
        let page = Comparison::new(
            models,
            self.criteria,
            language(self.args.lang),
            code::program(),
        );
        atomic::write_file(&self.folder.join(PAGE), &decision(&page)?)?;
        Ok(one)
    }
}

impl glasswork_model::scoring::Watch for Keeper<'_> {
    fn begin(&self, units: u64) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.begin(units);
        }
    }

    fn advance(&self, units: u64) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.advance(units);
        }
    }
}

impl Progress for Keeper<'_> {
    fn item(&self, item: &Item) {
        *self.bar.borrow_mut() = Some(Tokens::new("score", item.tokens));
    }

    fn done(&self, done: &Done, measured: &Measurements) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish();
        }
        let name = name(self.seen.publication, &done.item);
        match &done.skipped {
            None => self
                .output
                .note(&format!("{name}: done in {}", duration(done.seconds))),
            Some(why) => self.output.note(&format!("{name}: not done: {why}")),
        }
        // What cannot be written now is written at the end, or its error told there.
        drop(self.keep(measured));
    }
}

/// Asks the person at the terminal; where nobody sits, says how to go on.
fn agreed(output: &Output) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || output.json {
        output.note("only listings, headers, cards and logs were read yet: give --yes to go on");
        return Ok(false);
    }
    eprint!("go on? [y/N] ");
    // A prompt that cannot be shown is answered all the same.
    drop(std::io::stderr().flush());
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(format!("no answer can be read: {error}"), None))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn name(model: &Publication, item: &Item) -> String {
    let checkpoint = |index: &usize| &model.inventory().checkpoints[*index].name;
    match &item.what {
        What::Probe {
            checkpoint: index,
            rows,
            ..
        } => format!("loss of {} on {rows} logged rows a side", checkpoint(index)),
        What::OwnDocuments { checkpoint: index } => {
            format!("your documents and questions under {}", checkpoint(index))
        }
        What::Benchmark {
            checkpoint: index,
            task,
            items,
            fetches_data,
            ..
        } => format!(
            "{task} of {}, up to {items} items a task{}",
            checkpoint(index),
            match fetches_data {
                true => ", its data set fetched first",
                false => "",
            }
        ),
    }
}

/// What will be learnt, what it fetches, and what it would cost elsewhere.
fn described(plan: &Plan, model: &Publication, args: &PocArgs, why: Option<&str>) -> String {
    let mut text = format!(
        "{}, {} checkpoints; within {}:\n\
         \x20 at once      what listings, headers, cards and logs tell, and sampled weights\n",
        model.inventory().place,
        grouped(model.inventory().checkpoints.len() as u64),
        args.budget,
    );
    for item in &plan.chosen {
        let fetch = match item.fetch_bytes {
            0 => String::new(),
            fetched => format!(", fetching {}", bytes(fetched)),
        };
        text.push_str(&format!(
            "  {:<12} {}{fetch}\n",
            format!("~{}", duration(item.seconds)),
            name(model, item)
        ));
    }
    if let Some(why) = why {
        text.push_str(&format!("  no losses on logged rows: {why}\n"));
    } else if plan.chosen.is_empty() && plan.left_out.is_empty() {
        text.push_str("  nothing more: there are no rows of training data with a log of the loss, or no steps\n");
    }
    if let Some(next) = plan.left_out.first() {
        text.push_str(&format!(
            "  not within it: {} more, the next of {} ({})\n",
            plan.left_out.len(),
            duration(next.seconds),
            name(model, next)
        ));
    }
    let prices = Prices::default();
    text.push_str(&format!(
        "  in all about {}, {} to fetch; the same computed on a rented GPU about {:.2} dollars\n\
         \x20 (at {:.2} dollars an hour and {:.0e} operations a second), besides the work of setting it up\n",
        duration(plan.seconds()),
        bytes(plan.fetch_bytes()),
        prices.dollars(plan.flops()),
        prices.gpu_hour,
        prices.gpu_flops,
    ));
    text
}
