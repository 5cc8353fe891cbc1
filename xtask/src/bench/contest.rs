//! Who takes turns, and what is asked of them.

use super::machine::Machine;
use super::series::Series;
use super::side::{self, Side};
use super::table::Row;
use crate::shell::Result;
use std::time::Duration;

/// Between turns, so that threads of the last one have stopped spinning.
const PAUSE: Duration = Duration::from_millis(200);

/// Programs that take turns, and the questions that their turns answer.
pub(super) struct Contest {
    /// The part of the documents that its rows belong to.
    pub(super) section: String,
    /// What every row of it begins with.
    pub(super) subject: String,
    /// Names that choose it on the command line.
    pub(super) tags: Vec<&'static str>,
    /// The model that has to be made before.
    pub(super) model: Option<&'static str>,
    pub(super) sides: Vec<Entrant>,
    pub(super) questions: Vec<Question>,
    pub(super) rate: Rate,
    /// Pieces of work in a turn, and turns.
    pub(super) work: usize,
    pub(super) turns: usize,
}

/// What a program prints as its speed.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    pub(super) key: &'static str,
    pub(super) unit: &'static str,
}

/// One program of a contest.
pub(super) struct Entrant {
    pub(super) name: String,
    pub(super) program: Program,
    pub(super) arguments: Vec<String>,
    pub(super) variables: Vec<(&'static str, &'static str)>,
    /// The instruction set without which it does not run; empty for none.
    pub(super) needs: &'static str,
}

#[derive(Clone, Copy)]
pub(super) enum Program {
    /// An example of the workspace.
    Example(&'static str),
    /// A script for the peers' Python.
    Peer(&'static str),
}

impl Entrant {
    pub(super) fn new(name: impl Into<String>, program: Program, arguments: &str) -> Self {
        Self {
            name: name.into(),
            program,
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            variables: Vec::new(),
            needs: "",
        }
    }

    /// The same with one of our instruction sets, where the machine has it.
    pub(super) fn on(mut self, isa: &'static str) -> Self {
        self.variables.push(("GLASSWORK_ISA", isa));
        self.needs = isa;
        self
    }

    pub(super) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }
}

/// One row of the result: what side `ours` measures, over what side `peer` measures.
pub(super) struct Question {
    pub(super) measure: Measure,
    pub(super) ours: usize,
    pub(super) peer: Option<usize>,
    pub(super) bound: Option<Bound>,
    /// The bound speaks of this instruction set alone; empty for any.
    pub(super) judged_on: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Speed,
    /// Peak memory of the work, without what came before it.
    Memory,
    /// Share of digests, ledger and metrics in a step.
    Evidence,
}

/// What is required of a median, and what is hoped for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtLeast(f64, f64),
    AtMost(f64, f64),
}

impl Question {
    pub(super) fn speed(ours: usize, peer: usize) -> Self {
        Self {
            measure: Measure::Speed,
            ours,
            peer: Some(peer),
            bound: None,
            judged_on: "",
        }
    }

    pub(super) fn memory(ours: usize, peer: usize) -> Self {
        Self {
            measure: Measure::Memory,
            ..Self::speed(ours, peer)
        }
    }

    pub(super) fn alone(measure: Measure, ours: usize) -> Self {
        Self {
            measure,
            peer: None,
            ..Self::speed(ours, 0)
        }
    }

    pub(super) fn at_least(mut self, required: f64, stretch: f64) -> Self {
        self.bound = Some(Bound::AtLeast(required, stretch));
        self
    }

    pub(super) fn at_most(mut self, required: f64, stretch: f64) -> Self {
        self.bound = Some(Bound::AtMost(required, stretch));
        self
    }

    pub(super) fn judged_on(mut self, isa: &'static str) -> Self {
        self.judged_on = isa;
        self
    }
}

/// What the turns of one side gave; nothing of a side that this machine cannot run.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) isa: Option<String>,
    speed: Series,
    memory: Series,
    evidence: Series,
}

impl Outcome {
    pub(super) fn of(&self, measure: Measure) -> &Series {
        match measure {
            Measure::Speed => &self.speed,
            Measure::Memory => &self.memory,
            Measure::Evidence => &self.evidence,
        }
    }

    fn add(&mut self, line: &str, rate: Rate) -> Result {
        let number = |key| side::number(line, key);
        let speed = number(rate.key).ok_or_else(|| format!("no {} in: {line}", rate.key))?;
        self.speed.0.push(speed);
        let memory = number("step_peak_mib").or(number("peak_rss_mib"));
        self.memory.0.extend(memory);
        self.evidence.0.extend(number("digest_share"));
        Ok(())
    }
}

impl Contest {
    /// Starts all, has them take turns, answers the questions. `turns` and `work` override its own.
    pub(super) fn run(
        &self,
        python: &str,
        machine: &Machine,
        turns: Option<usize>,
        work: Option<usize>,
    ) -> Result<Vec<Row>> {
        let (turns, work) = (turns.unwrap_or(self.turns), work.unwrap_or(self.work));
        eprintln!("{}: {turns} turns of {work} each", self.subject);
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut running: Vec<(usize, Side)> = Vec::new();
        for (index, entrant) in self.sides.iter().enumerate() {
            let mut outcome = Outcome::default();
            if machine.has(entrant.needs) {
                eprintln!("  starting {}", entrant.name);
                let side = Side::start(entrant, python)?;
                outcome.isa.clone_from(&side.isa);
                running.push((index, side));
            } else {
                eprintln!("  no {} here: without {}", entrant.needs, entrant.name);
            }
            outcomes.push(outcome);
        }
        for turn in 0..turns {
            for (index, side) in &mut running {
                std::thread::sleep(PAUSE);
                outcomes[*index].add(&side.turn(work)?, self.rate)?;
            }
            eprintln!("  turn {} of {turns}: {}", turn + 1, self.latest(&outcomes));
            // Whoever came first comes last: a machine that slows down or warms up favours nobody.
            running.reverse();
        }
        let questions = self.questions.iter();
        let rows = questions.map(|question| Row::answer(self, question, &outcomes));
        Ok(rows.collect())
    }

    /// The last rate of every side, for whoever watches.
    fn latest(&self, outcomes: &[Outcome]) -> String {
        let sides = self.sides.iter().zip(outcomes);
        let rates = sides.filter_map(|(side, outcome)| {
            let rate = outcome.speed.0.last()?;
            Some(format!("{} {rate:.0}", side.name))
        });
        let rates: Vec<_> = rates.collect();
        format!("{} {}", rates.join(", "), self.rate.unit)
    }
}
