//! Doing what was planned, within the time.

use crate::benchmarks::Pace;
use crate::facts::{Facts, reader};
use crate::plan::{Item, Plan, What};
use crate::probe::{Drawn, Subject};
use crate::rows::Chunk;
use crate::{Budget, Rates, Result, Tasks, benchmarks, folder, logged_loss, offers, own};
use glasswork_audit::measured::{Benchmark, BenchmarkScore, Measurements, OwnDocuments};
use glasswork_kernels::{Pool, Profile};
use glasswork_model::scoring::Watch;
use glasswork_model::{Checkpoint, Decoder, Scorer};
use glasswork_published::Publication;
use glasswork_release::safetensors::Dtype;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// A publication, and the machine that looks at it.
pub struct Poc<'a> {
    /// The model.
    pub model: &'a Publication,
    /// Where its training data lies: the model itself, or another place.
    pub data: &'a Publication,
    /// What measurements need of both.
    pub facts: Facts,
    /// Computes.
    pub pool: Arc<Pool>,
    /// Bytes that it may take.
    pub memory: u64,
    /// Whether weights have to be fetched.
    pub remote: bool,
    /// A folder of the reader's own documents and questions.
    pub mine: Option<&'a Path>,
    /// Standard tasks.
    pub tasks: Tasks<'a>,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Done {
    /// The item.
    pub item: Item,
    /// What it took; seconds.
    pub seconds: f64,
    /// Why it was not done, where it was not.
    pub skipped: Option<String>,
}

/// Told how it goes.
pub trait Progress: Watch {
    /// An item begins.
    fn item(&self, item: &Item);
    /// It is done or skipped; these are all measurements so far.
    fn done(&self, done: &Done, measured: &Measurements);
}

impl Poc<'_> {
    /// What fits into `budget`. Times one product, for a second.
    ///
    /// # Errors
    /// A configuration that is not understood; a task that nothing is known of.
    pub fn plan(&self, budget: Budget, fetched_per_second: f64) -> Result<Plan> {
        let Some(decoder) = self.decoder()? else {
            return Ok(Plan::new(Vec::new(), budget));
        };
        let inventory = self.model.inventory();
        let rates = Rates::measure(&self.pool, Profile::Bf16V1, &decoder, fetched_per_second);
        // What a reader brought along is what that reader wants to know first.
        let mut items = Vec::new();
        if let Some(folder) = self.mine {
            let bytes = own::bytes(folder);
            let own = offers::own_documents(inventory, &decoder, &rates, bytes, self.remote);
            items.extend(own);
        }
        let mut probes = offers::probes(
            inventory,
            &self.facts,
            &decoder,
            &rates,
            budget,
            self.remote,
        )
        .into_iter();
        let (asked, not_asked) = benchmarks::offers(
            inventory,
            &self.tasks,
            &self.wanted(),
            &Pace {
                decoder: &decoder,
                rates: &rates,
            },
            (budget, self.remote),
        )?;
        // The checkpoint that people use comes first; of the others, losses before tasks, which take longer.
        let last = offers::last_with_weights(inventory);
        let of_last = |item: &Item| matches!(item.what, What::Benchmark { checkpoint, .. } if Some(checkpoint) == last);
        let (first, later): (Vec<Item>, Vec<Item>) = asked.into_iter().partition(of_last);
        items.extend(probes.next());
        items.extend(first);
        items.extend(probes);
        items.extend(later);
        Ok(Plan {
            not_asked,
            rates: Some(rates),
            ..Plan::new(items, budget)
        })
    }

    /// The model's shape; `None` where no checkpoint has a configuration.
    fn decoder(&self) -> Result<Option<Decoder>> {
        let mut all = self.model.inventory().checkpoints.iter().rev();
        let config = all.find_map(|one| one.config.as_ref());
        Ok(config.map(Decoder::from_hugging_face).transpose()?)
    }

    fn wanted(&self) -> benchmarks::Wanted {
        let inventory = self.model.inventory();
        offers::last_with_weights(inventory)
            .map(|last| benchmarks::wanted(inventory, last, &self.tasks))
            .unwrap_or_default()
    }

    /// Does what `plan` chose, as long as `left` (seconds) lasts; what fails is noted and the rest goes on.
    pub fn run(
        &self,
        plan: &Plan,
        left: &dyn Fn() -> f64,
        progress: &dyn Progress,
    ) -> (Measurements, Vec<Done>) {
        let wanted = self.wanted();
        let mut measured = Measurements::default();
        for one in &plan.not_asked {
            let unscored = self.unscored(&wanted, (one.checkpoint, &one.task), &one.why);
            measured.benchmarks.extend(unscored);
        }
        for item in &plan.left_out {
            if let What::Benchmark {
                checkpoint, task, ..
            } = &item.what
            {
                let unscored = self.unscored(&wanted, (*checkpoint, task), "not within the time");
                measured.benchmarks.extend(unscored);
            }
        }
        let mut all = Vec::new();
        let probes = plan
            .chosen
            .iter()
            .filter(|item| matches!(item.what, What::Probe { .. }));
        let comparisons = probes.count();
        // What items really took, of what they were expected to.
        let mut factor: f64 = 1.0;
        for item in &plan.chosen {
            let begun = left();
            progress.item(item);
            let skipped = if factor * item.seconds > begun {
                Some("no time was left".to_owned())
            } else {
                let for_tasks = (&wanted, plan.rates.as_ref(), factor, left);
                self.measure(item, comparisons, for_tasks, &mut measured, progress)
                    .err()
                    .map(|error| error.to_string())
            };
            let seconds = begun - left();
            if let (
                Some(why),
                What::Benchmark {
                    checkpoint, task, ..
                },
            ) = (&skipped, &item.what)
            {
                measured
                    .benchmarks
                    .extend(self.unscored(&wanted, (*checkpoint, task), why));
            }
            // What a task took was fetching its data, too.
            if skipped.is_none() && !matches!(item.what, What::Benchmark { .. }) {
                factor = factor.max(seconds / item.seconds.max(1e-3));
            }
            let done = Done {
                item: item.clone(),
                seconds,
                skipped,
            };
            progress.done(&done, &measured);
            all.push(done);
        }
        logged_loss::settle_convention(&mut measured.logged_loss, &self.facts.log);
        (measured, all)
    }

    fn question<'q>(
        &'q self,
        wanted: &'q benchmarks::Wanted,
        (checkpoint, task, shots): (usize, &'q str, Option<usize>),
    ) -> benchmarks::Question<'q> {
        let stated = wanted.get(&(checkpoint, task.to_owned()));
        benchmarks::Question {
            checkpoint: &self.model.inventory().checkpoints[checkpoint].name,
            task,
            shots,
            stated: stated.map_or(&[], Vec::as_slice),
            comparisons: wanted.values().map(Vec::len).sum(),
        }
    }

    /// What is said of tasks that are not asked.
    fn unscored(
        &self,
        wanted: &benchmarks::Wanted,
        (checkpoint, task): (usize, &str),
        why: &str,
    ) -> Vec<Benchmark> {
        let reason = why.to_owned();
        self.question(wanted, (checkpoint, task, None))
            .unscored(&BenchmarkScore::Missing { reason })
    }

    fn measure(
        &self,
        item: &Item,
        comparisons: usize,
        (wanted, rates, factor, left): (&benchmarks::Wanted, Option<&Rates>, f64, &dyn Fn() -> f64),
        measured: &mut Measurements,
        watch: &dyn Progress,
    ) -> Result<()> {
        match &item.what {
            What::Benchmark {
                checkpoint,
                task,
                shots,
                items,
                ..
            } => {
                let own = &self.model.inventory().checkpoints[*checkpoint];
                let question = self.question(wanted, (*checkpoint, task, *shots));
                let (Some(decoder), Some(rates)) = (self.decoder()?, rates) else {
                    return Ok(());
                };
                let pace = Pace {
                    decoder: &decoder,
                    rates,
                };
                // The data comes first: only then is known what the task takes, and without it no weights are fetched.
                let most = || {
                    (item.seconds - item.fetch_seconds).min((left() - item.fetch_seconds) / factor)
                };
                let ready = match question.ready(&self.tasks, &pace, *items, &most)? {
                    Ok(ready) => ready,
                    Err(unscored) => {
                        measured.benchmarks.extend(unscored);
                        return Ok(());
                    }
                };
                let folder = folder::on_disk(self.model.store(*checkpoint), own)?;
                let scorer = self.scorer(&folder)?;
                let room = (&self.pool, self.memory);
                let found = benchmarks::measure(
                    &question,
                    &ready,
                    &self.tasks,
                    (scorer, &folder),
                    room,
                    watch,
                )?;
                measured.benchmarks.extend(found);
            }
            What::Probe {
                checkpoint,
                rows,
                seen,
            } => {
                let found = self.probe((*checkpoint, *rows, *seen), comparisons, watch)?;
                measured.logged_loss.extend(found.logged);
                measured.seen_unseen.extend(found.seen);
            }
            What::OwnDocuments { checkpoint } => {
                if let Some(folder) = self.mine {
                    measured.own_documents = Some(self.own_documents(*checkpoint, folder)?);
                }
            }
        }
        Ok(())
    }

    fn own_documents(&self, index: usize, documents: &Path) -> Result<OwnDocuments> {
        let own = &self.model.inventory().checkpoints[index];
        let folder = folder::on_disk(self.model.store(index), own)?;
        let scorer = self.scorer(&folder)?;
        own::measure(
            &own.name,
            scorer,
            &folder,
            (documents, self.data),
            (&self.pool, self.memory),
        )
    }

    /// A model in the profile that its trainer would have computed it in: mixed precision. f16 has digits that bf16
    /// would lose.
    fn scorer(&self, folder: &Path) -> Result<Scorer> {
        let checkpoint = Checkpoint::open(folder)?;
        let profile = match checkpoint.stored_type() {
            Dtype::F16 => Profile::F32V1,
            _ => Profile::Bf16V1,
        };
        Ok(Scorer::new(checkpoint, profile, Arc::clone(&self.pool)))
    }

    fn probe(
        &self,
        (index, rows, seen): (usize, usize, bool),
        comparisons: usize,
        watch: &dyn Progress,
    ) -> Result<crate::probe::Found> {
        let own = &self.model.inventory().checkpoints[index];
        let step = self.facts.steps[index].unwrap_or(0);
        let part = |update: u64| {
            let order = self.facts.order.as_ref()?;
            self.facts.data.get(order.file_of(update)?)
        };
        let (next, last) = (part(step + 1), part(step));
        let store = self.data.top();
        let read_next = next.map(|part| reader(store, part));
        let read_last = last.map(|part| reader(store, part));
        let after = next.zip(read_next.as_ref()).map(|(part, read)| Chunk {
            path: &part.path,
            bytes: part.bytes,
            read,
        });
        let before = last.zip(read_last.as_ref()).map(|(part, read)| Chunk {
            path: &part.path,
            bytes: part.bytes,
            read,
        });
        let subject = Subject {
            name: &own.name,
            step,
            after: after.as_ref(),
            before: before.as_ref(),
            comparisons,
        };
        let drawn = Drawn::draw(&subject, rows, seen)?;
        let folder = folder::on_disk(self.model.store(index), own)?;
        let mut scorer = self.scorer(&folder)?;
        drawn.score(
            &subject,
            &mut scorer,
            &self.pool,
            self.memory,
            &self.facts.log,
            watch,
        )
    }
}
