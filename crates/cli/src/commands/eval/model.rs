//! Tasks of lm-evaluation-harness and own documents, over checkpoints of a published model, in one process.

use super::against::Against;
use super::datasets::datasets;
use super::outcome::{OfCheckpoint, of_mine, of_task, text};
use crate::args::EvalArgs;
use crate::commands::judge::Entrance;
use crate::commands::score::{budget, profile};
use crate::commands::{create_folder, plain_name};
use crate::failure::Failure;
use crate::machine;
use crate::output::Output;
use crate::progress::{COUNTED, bar};
use glasswork_data::PublishedTokenizer;
use glasswork_eval::harness::{
    About, Datasets, Effort, Evaluated, Mine, Options, Progress, Published, Room, TaskFiles,
    TaskScore, counts, evaluate, mine, own_tasks,
};
use glasswork_kernels::Pool;
use glasswork_model::{Checkpoint, Scorer};
use glasswork_poc::on_disk;
use glasswork_published::Publication;
use glasswork_release::{Digest, atomic, layout};
use indicatif::ProgressBar;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

/// Where answers are kept, in the folder of results.
const ANSWERS: &str = "answers.jsonl";

/// A bar that remembers what was computed and what was known.
struct Bar(ProgressBar, Cell<Effort>);

impl Progress for Bar {
    fn begin(&self, effort: Effort) {
        self.0.set_length((effort.computed + effort.known) as u64);
        self.0.set_position(effort.known as u64);
        self.0.set_message("answers");
        self.1.set(effort);
        self.0.reset_eta();
    }

    fn advance(&self, parts: usize) {
        self.0.inc(parts as u64);
    }
}

pub(super) fn run(args: &EvalArgs, offline: bool, output: &Output) -> Result<ExitCode, Failure> {
    let entrance = Entrance::new(&args.door, offline, &[&args.model])?;
    let publication = entrance.open(&args.model)?;
    let chosen = chosen(args, &publication)?;
    let files = match &args.include {
        Some(folder) => TaskFiles::open(folder)?.or(own_tasks()),
        None => own_tasks(),
    };
    let usual = || PathBuf::from("evals").join(plain_name(&args.model));
    let folder = args.output.clone().unwrap_or_else(usual);
    create_folder(&folder)?;
    let pool = machine::pool(args.threads)?;
    let data = match args.tasks[..] {
        [] => Datasets::default(),
        _ => datasets(&args.door, offline, args.task_data.as_deref())?,
    };
    let against = args.against.as_deref().map(Against::open).transpose()?;
    let mut all = Vec::new();
    for index in chosen {
        let one = of_checkpoint(
            args,
            &publication,
            index,
            (&files, &data, against.as_ref()),
            &folder,
            &pool,
        )?;
        output.note(&format!(
            "{} done: {} answers computed, {} known",
            one.checkpoint, one.computed, one.known
        ));
        all.push(one);
    }
    output.result(&all, || text(&all));
    let whole = all
        .iter()
        .flat_map(|one| &one.tasks)
        .all(|task| task.state == "measured");
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(crate::NOT_ENOUGH)
    })
}

/// Indices of the checkpoints that a person asked for; the last where nobody asked.
fn chosen(args: &EvalArgs, publication: &Publication) -> Result<Vec<usize>, Failure> {
    let there = &publication.inventory().checkpoints;
    let mut with_weights = (0..there.len()).filter(|&index| !there[index].weights.is_empty());
    if args.checkpoints.iter().any(|name| name == "all") {
        return Ok(with_weights.collect());
    }
    if args.checkpoints.is_empty() {
        return match with_weights.next_back() {
            Some(last) => Ok(vec![last]),
            None => Err(Failure::new(
                format!("{} holds no weights", args.model),
                Some("name a model folder, or one that holds checkpoints".to_owned()),
            )),
        };
    }
    let find = |name: &String| {
        there
            .iter()
            .position(|one| one.name == *name)
            .ok_or_else(|| {
                let names: Vec<&str> = there.iter().take(12).map(|one| one.name.as_str()).collect();
                Failure::new(
                    format!("there is no checkpoint {name}"),
                    Some(format!(
                        "there are {} checkpoints: {} …",
                        there.len(),
                        names.join(", ")
                    )),
                )
            })
    };
    args.checkpoints.iter().map(find).collect()
}

fn of_checkpoint(
    args: &EvalArgs,
    publication: &Publication,
    index: usize,
    (files, data, against): (&TaskFiles, &Datasets, Option<&Against>),
    folder: &Path,
    pool: &Arc<Pool>,
) -> Result<OfCheckpoint, Failure> {
    let own = &publication.inventory().checkpoints[index];
    let place = on_disk(publication.store(index), own)?;
    let checkpoint = Checkpoint::open(&place)?;
    let profile = profile(args.profile, &checkpoint);
    let digests = [
        digest(
            own.weights
                .iter()
                .map(|file| place.join(name(&file.path)))
                .chain([place.join(layout::MODEL_CONFIG)]),
        )?,
        digest(
            [
                "tokenizer.json",
                "tokenizer_config.json",
                "special_tokens_map.json",
            ]
            .map(|file| place.join(file)),
        )?,
    ];
    let tokenizer = PublishedTokenizer::open(&place.join("tokenizer.json"))?;
    let room = Room {
        memory: budget(args.memory),
        pool: Arc::clone(pool),
    };
    let scorer = Scorer::new(checkpoint, profile, Arc::clone(pool));
    let mut model = Published::new(scorer, tokenizer, [&digests[0], &digests[1]], room)?;
    let log = folder.join(ANSWERS);
    let mut one = OfCheckpoint {
        checkpoint: own.name.clone(),
        computed: 0,
        known: 0,
        tasks: Vec::new(),
        mine: None,
        results: None,
        against: Vec::new(),
    };
    let bar = || {
        Bar(
            bar(0, COUNTED).with_prefix(own.name.clone()),
            Cell::default(),
        )
    };
    if !args.tasks.is_empty() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let about = About {
            model: args.model.clone(),
            model_args: format!("checkpoint={},profile={profile}", own.name),
            date: now.map_or(0.0, |since| since.as_secs_f64()),
            program: format!("glasswork {}", env!("CARGO_PKG_VERSION")),
        };
        let options = Options {
            shots: args.shots,
            limit: args.limit,
            ..Options::default()
        };
        let bar = bar();
        let evaluated = evaluate(
            &mut model,
            (files, &args.tasks),
            data,
            &options,
            Some(&log),
            &about,
            &bar,
        );
        bar.0.finish_and_clear();
        let evaluated = evaluated?;
        one.results = Some(write(folder, &own.name, &evaluated, about.date)?);
        one.computed += evaluated.effort.computed;
        one.known += evaluated.effort.known;
        if let Some(against) = against {
            one.against = against.compare(&evaluated.samples);
        }
        let counts = counts(&evaluated.results);
        let of_task = |score: TaskScore| {
            let of = counts.get(&score.task).copied().unwrap_or_default();
            of_task(score, of)
        };
        one.tasks = evaluated.scores.into_iter().map(of_task).collect();
    }
    if let Some(documents) = &args.mine {
        let bar = bar();
        let report = mine(&mut model, documents, &Mine::default(), Some(&log), &bar);
        bar.0.finish_and_clear();
        one.mine = Some(of_mine(report?));
        one.computed += bar.1.get().computed;
        one.known += bar.1.get().known;
    }
    Ok(one)
}

/// The results in the files of lm-evaluation-harness, in a folder of the checkpoint; the path of the results.
fn write(
    folder: &Path,
    checkpoint: &str,
    evaluated: &Evaluated,
    date: f64,
) -> Result<PathBuf, Failure> {
    let folder = folder.join(plain_name(checkpoint));
    create_folder(&folder)?;
    let stamp = stamp(date);
    let path = folder.join(format!("results_{stamp}.json"));
    atomic::write_file(&path, evaluated.results.as_bytes())?;
    for (task, lines) in &evaluated.samples {
        let name = format!("samples_{}_{stamp}.jsonl", plain_name(task));
        atomic::write_file(&folder.join(name), lines.as_bytes())?;
    }
    Ok(path)
}

/// UTC as lm-evaluation-harness writes it into names of files: `2026-11-25T13-04-05.678901`.
fn stamp(date: f64) -> String {
    let seconds = date as u64;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}-{:02}-{:02}.{:06}",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
        ((date - seconds as f64) * 1e6) as u64
    )
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// BLAKE3 over the digests of the files that are there.
fn digest(files: impl IntoIterator<Item = PathBuf>) -> Result<String, Failure> {
    let mut all = String::new();
    for path in files.into_iter().filter(|path| path.exists()) {
        // A download cache's files are links.
        let file = path.canonicalize().unwrap_or(path);
        all.push_str(&Digest::of_file(&file)?.to_string());
    }
    Ok(Digest::of(all.as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_utc() {
        assert_eq!(stamp(0.0), "1970-01-01T00-00-00.000000");
        assert_eq!(stamp(951_782_400.5), "2000-02-29T00-00-00.500000");
        assert_eq!(stamp(1_795_611_845.0), "2026-11-25T13-04-05.000000");
    }
}
