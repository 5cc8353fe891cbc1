//! Progress on a terminal: where a job stands, its rate, the time left. Nothing in a pipe.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal;
use std::sync::Mutex;

/// A bar that is drawn on standard error if that is a terminal.
pub(crate) fn bar(total: u64, template: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(5)
    } else {
        ProgressDrawTarget::hidden()
    };
    let style =
        ProgressStyle::with_template(template).expect("templates are constants of this program");
    ProgressBar::with_draw_target(Some(total), target).with_style(style.progress_chars("━╸ "))
}

/// Bar of things counted.
pub(crate) const COUNTED: &str =
    "{prefix:>12} {bar:32} {human_pos}/{human_len} {msg}  {per_sec}  {eta} left";
/// Bar of bytes.
pub(crate) const BYTES: &str =
    "{prefix:>12} {bar:32} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";

/// Scoring: work through the layers, told as tokens.
pub(crate) struct Tokens {
    bar: ProgressBar,
    units: Cell<u64>,
    done: Cell<u64>,
    tokens: u64,
}

impl Tokens {
    /// `tokens` are to be scored.
    pub(crate) fn new(prefix: &str, tokens: u64) -> Self {
        let bar = bar(tokens, COUNTED).with_prefix(prefix.to_owned());
        bar.set_message("tokens");
        Self {
            bar,
            units: Cell::new(1),
            done: Cell::new(0),
            tokens,
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl glasswork_model::scoring::Watch for Tokens {
    fn begin(&self, units: u64) {
        self.units.set(units.max(1));
        // Shown before the first layer is through.
        self.bar.tick();
    }

    fn advance(&self, units: u64) {
        self.done.set(self.done.get() + units);
        let share = self.done.get() as f64 / self.units.get() as f64;
        self.bar.set_position((share * self.tokens as f64) as u64);
    }
}

/// Stages of the data preparation.
pub(crate) struct Stages {
    current: Mutex<Option<ProgressBar>>,
    quiet: bool,
}

impl Stages {
    /// `quiet` keeps the lines of a pipe away (for JSON).
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            current: Mutex::new(None),
            quiet,
        }
    }

    fn finish(slot: &mut Option<ProgressBar>) {
        if let Some(bar) = slot.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        if let Ok(slot) = self.current.get_mut() {
            Self::finish(slot);
        }
    }
}

impl glasswork_data::Progress for Stages {
    fn stage(&self, name: &str, total: u64, unit: &str) {
        let mut slot = self.current.lock().expect("no holder panics");
        Self::finish(&mut slot);
        let template = if unit == "bytes" { BYTES } else { COUNTED };
        let bar = bar(total, template).with_prefix(name.to_owned());
        bar.set_message(unit.to_owned());
        if bar.is_hidden() && !self.quiet {
            eprintln!("{name} …");
        }
        *slot = Some(bar);
    }

    fn advance(&self, units: u64) {
        if let Some(bar) = &*self.current.lock().expect("no holder panics") {
            bar.inc(units);
        }
    }
}

/// Training steps: loss on the bar; in a pipe a line now and then.
pub(crate) struct Steps {
    bar: ProgressBar,
    tokens: Cell<u64>,
    started: std::time::Instant,
    first: Cell<u64>,
    quiet: bool,
}

impl Steps {
    /// `quiet` keeps the lines of a pipe away (for JSON).
    pub(crate) fn new(prefix: &str, quiet: bool) -> Self {
        let template = "{prefix:>12} {bar:32} step {pos}/{len}  {msg}  {eta} left";
        Self {
            bar: bar(0, template).with_prefix(prefix.to_owned()),
            tokens: Cell::new(0),
            started: std::time::Instant::now(),
            first: Cell::new(0),
            quiet,
        }
    }

    pub(crate) fn begin(&self, done: u64, steps: u64, tokens: u64) {
        self.bar.set_length(steps);
        self.bar.set_position(done);
        self.bar.reset_eta();
        self.tokens.set(tokens);
        self.first.set(done);
    }

    pub(crate) fn row(&self, row: &glasswork_release::metrics::StepRow) {
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = (row.step - self.first.get()) as f64 * self.tokens.get() as f64 / seconds;
        self.bar.set_position(row.step);
        self.bar
            .set_message(format!("loss {:.3}  {rate:.0} tokens/s", row.loss));
        if self.bar.is_hidden() && !self.quiet && row.step.is_multiple_of(20) {
            eprintln!(
                "step {:>6}  loss {:.4}  gradient norm {:.3}  {rate:.0} tokens/s",
                row.step, row.loss, row.grad_norm
            );
        }
    }

    pub(crate) fn line(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("{text}"));
        }
    }

    pub(crate) fn finish(&self) -> f64 {
        self.bar.finish_and_clear();
        self.started.elapsed().as_secs_f64()
    }
}

impl glasswork_train::Watch for Steps {
    fn begin(&self, done: u64, steps: u64, tokens: u64) {
        Self::begin(self, done, steps, tokens);
    }

    fn step(&self, row: &glasswork_release::metrics::StepRow) {
        self.row(row);
    }

    fn checkpoint(&self, step: u64) {
        self.line(&format!("checkpoint {step}"));
    }

    fn notice(&self, text: &str) {
        self.line(text);
    }
}
