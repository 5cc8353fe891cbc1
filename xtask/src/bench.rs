//! Timings beside peers, alternating within one run, so that a noisy machine treats both alike.

use crate::peers;
use crate::shell::{self, Result, cargo, output, root};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Turns that each side takes, and steps in a turn.
const TURNS: usize = 7;
const STEPS: usize = 2;
/// Where the last run's table and numbers go.
const TABLE: &str = "target/bench/train.md";
const JSON: &str = "target/bench/train.json";

/// `bench train [S] [M]`.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let (Some(&"train"), sizes) = (arguments.first(), arguments.get(1..).unwrap_or_default())
    else {
        return Err("there is one bench: `cargo xtask bench train [S] [M]`".to_owned());
    };
    let sizes = if sizes.is_empty() {
        &["S", "M"][..]
    } else {
        sizes
    };
    let python = peers::python()?;
    let examples = [
        "build",
        "--release",
        "--locked",
        "--package",
        "glasswork-train",
        "--examples",
    ];
    shell::run(&root(), &cargo(), &examples)?;
    let mut rows = Vec::new();
    for size in sizes {
        for mode in ["eager", "compile"] {
            rows.push(pair(&python, size, mode)?);
        }
    }
    let table = table(&rows);
    print!("{table}");
    let directory = root().join("target/bench");
    std::fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    write(TABLE, &table)?;
    let lines: Vec<_> = rows.iter().map(Row::json).collect();
    write(JSON, &format!("[\n{}\n]\n", lines.join(",\n")))
}

fn write(path: &str, text: &str) -> Result {
    std::fs::write(root().join(path), text).map_err(|e| format!("{path}: {e}"))
}

/// Medians over turns of one comparison.
struct Row {
    size: String,
    mode: &'static str,
    ours: f64,
    theirs: f64,
    /// Median over turns of theirs ÷ ours in time: above 1 we are faster.
    ratio: f64,
    ratios: Vec<f64>,
    our_mib: f64,
    their_mib: f64,
}

impl Row {
    fn json(&self) -> String {
        format!(
            "  {{\"size\": \"{}\", \"peer\": \"pytorch {}\", \"ours_tokens_per_second\": {:.0}, \"peer_tokens_per_second\": {:.0}, \
             \"median_ratio\": {:.3}, \"ratios\": {:?}, \"our_peak_mib\": {}, \"peer_peak_mib\": {}}}",
            self.size,
            self.mode,
            self.ours,
            self.theirs,
            self.ratio,
            self.ratios,
            self.our_mib,
            self.their_mib
        )
    }
}

fn pair(python: &str, size: &str, mode: &'static str) -> Result<Row> {
    eprintln!(
        "size {size}, f32, 2 threads: ours and PyTorch {mode} in turn, {TURNS} turns of {STEPS} steps"
    );
    let program = format!(
        "target/release/examples/step_rate{}",
        std::env::consts::EXE_SUFFIX
    );
    let mut ours = Side::start(&program, &["--size", size, "--threads", "2"])?;
    let peer = [
        "peers/torch_bench.py",
        "--size",
        size,
        "--mode",
        mode,
        "--threads",
        "2",
    ];
    let mut theirs = Side::start(python, &peer)?;
    let (mut our_rates, mut their_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let (a, b) = (ours.turn()?, theirs.turn()?);
        ratios.push(a.rate / b.rate);
        our_rates.push(a.rate);
        their_rates.push(b.rate);
        ours.mib = a.mib;
        theirs.mib = b.mib;
    }
    let (our_mib, their_mib) = (ours.mib, theirs.mib);
    let (ours, theirs) = (median(&our_rates), median(&their_rates));
    Ok(Row {
        size: size.to_owned(),
        mode,
        ours,
        theirs,
        ratio: median(&ratios),
        ratios,
        our_mib,
        their_mib,
    })
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A process that runs steps when told to, and waits in between.
struct Side {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    mib: f64,
}

/// One turn: tokens per second (median of its steps) and peak memory.
struct Turn {
    rate: f64,
    mib: f64,
}

impl Side {
    fn start(program: &str, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{program}: {e}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{program}: no pipes"));
        };
        let mut side = Self {
            child,
            input,
            output: BufReader::new(output),
            mib: 0.0,
        };
        side.line()?;
        Ok(side)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) => Err("a side of the bench ended early; what it printed is above".to_owned()),
            Ok(_) => Ok(line),
            Err(error) => Err(format!("a side of the bench cannot be read: {error}")),
        }
    }

    fn turn(&mut self) -> Result<Turn> {
        writeln!(self.input, "go {STEPS}")
            .map_err(|e| format!("a side of the bench does not listen: {e}"))?;
        let line = self.line()?;
        let number = |keys: &[&str]| keys.iter().find_map(|key| field(&line, key));
        let rate =
            number(&["tokens_per_second", "tok_s"]).ok_or_else(|| format!("no rate in: {line}"))?;
        Ok(Turn {
            rate,
            mib: number(&["peak_rss_mib"]).unwrap_or(f64::NAN),
        })
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // The process ends with its input; whatever it says then is not ours to judge.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A number out of a flat JSON line.
fn field(line: &str, key: &str) -> Option<f64> {
    let rest = line.split_once(&format!("\"{key}\":"))?.1.trim_start();
    let end = rest.find([',', '}', ' ']).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").unwrap_or_default();
    line(machine());
    line(String::new());
    line("| size | peer (f32, 2 threads) | ours tok/s | peer tok/s | ours ÷ peer (median of turns) | ours MiB | peer MiB |".into());
    line("|---|---|---|---|---|---|---|".into());
    for row in rows {
        line(format!(
            "| {} | PyTorch {} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} |",
            row.size, row.mode, row.ours, row.theirs, row.ratio, row.our_mib, row.their_mib
        ));
    }
    text
}

/// Processor and date, so that a figure never stands alone.
fn machine() -> String {
    let cpu = std::fs::read_to_string(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let name = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map_or("unknown processor", |l| {
            l.trim_start_matches([' ', '\t', ':'])
        });
    let date = output("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default();
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{name}, {threads} cores, {date}; `cargo xtask bench train`")
}
