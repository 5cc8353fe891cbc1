//! What the command line looks like.

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueEnum};
use glasswork_kernels::{Profile, UnknownProfile};
use glasswork_poc::Budget;
use std::path::PathBuf;

/// Groups the commands by what a person wants; clap itself lists subcommands in one heap.
const HELP: &str = "\
{about}

{usage-heading} {usage}

Decide
  poc       MODEL      What a budget of time can teach about a published model; then learns it
  compare   MODEL …    One page for the decision: models side by side, by your criteria
  audit     MODEL      Everything that listings, headers, cards and logs tell, with what does not fit
  report    RELEASE    One HTML page, Japanese and English: what is known, how far it was checked
Inspect
  check     RELEASE    Digests and chain; seconds
  replay    RELEASE    Recompute segments of the training and compare every bit
  eval      RELEASE    Held-out bits per byte and samples, at every checkpoint; of a MODEL, tasks and own documents
  trace     RELEASE    Which documents a step read, with their licences
  score     MODEL      Log-likelihood of tokens or text under a published model
Produce
  plan      RUN.toml   Size, memory, disk and time, before anything runs; of a MODEL's scoring too
  prep      RUN.toml   Collect the text, check licences, make the training sequence
  train     RUN.toml   Train, with checkpoints and ledger; goes on where it was stopped
  export    hf RELEASE A folder that `transformers` loads
  demo                 All of it on real text, in minutes

`glasswork COMMAND --help` tells more.

Options:
{options}

Exit codes: 0 it holds, 1 error, 2 wrong usage, 3 mismatch found, 4 not enough evidence.
";

/// Train a language model in the open; recompute, understand and judge one.
#[derive(Debug, Parser)]
#[command(name = "glasswork", version, help_template = HELP, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Print the result as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Use no network: what is not on this machine is missing
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what a budget of time can teach about a published model, ask, and learn it
    Poc(PocArgs),
    /// Write one page for the decision: published models side by side, by criteria
    Compare(CompareArgs),
    /// Read what a published model's listings, headers, cards and logs tell, and what does not fit
    Audit(AuditArgs),
    /// Write one HTML page, Japanese and English: what is known, how far it was checked
    Report(ReportArgs),
    /// Check digests and chain of a release
    Check(CheckArgs),
    /// Recompute segments of the training and compare every bit
    Replay(ReplayArgs),
    /// Score checkpoints: a release's on held-out text, a published model's on tasks and own documents
    Eval(EvalArgs),
    /// Show which documents a step read, with their licences
    Trace(TraceArgs),
    /// Log-likelihood of tokens or text under a published model
    Score(ScoreArgs),
    /// Tell size, memory, disk and time before anything runs
    Plan(PlanArgs),
    /// Collect the text, check licences, make the training sequence
    Prep(PrepArgs),
    /// Train, with checkpoints and ledger; goes on where it was stopped
    Train(TrainArgs),
    /// Write a checkpoint for other programs
    #[command(subcommand)]
    Export(ExportCommand),
    /// Run the whole way on real text
    Demo(DemoArgs),
}

/// How to compute; changes the speed, never a bit of the result.
#[derive(Debug, Args, Clone)]
pub(crate) struct Compute {
    /// Threads [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Most sequences computed at a time; fewer need less memory [default: 4]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) micro_batch: Option<u32>,
    /// Most memory to use, as in `2GB`: fewer sequences at a time, then activations computed twice
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
}

impl Compute {
    /// As asked, or 4.
    pub(crate) fn micro_batch(&self) -> u32 {
        self.micro_batch.unwrap_or(4)
    }
}

/// Where published models are fetched from.
#[derive(Debug, Args, Clone)]
pub(crate) struct DoorArgs {
    /// Where downloads are kept, in `huggingface_hub`'s layout [default: $HF_HUB_CACHE, or its usual place]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) cache: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// A folder, or `hf:owner/name[@revision]`
    pub(crate) model: String,
    /// Write the decision page as well
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the files for lawyers there: obligations.md, NOTICE, questions-japan.md, questions-eu.md
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) licences: Option<PathBuf>,
    /// Language of the page and of the files for lawyers
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub(crate) lang: Lang,
    /// Criteria of the decision [default: the ones that the page prints]
    #[arg(long, value_name = "FILE")]
    pub(crate) criteria: Option<PathBuf>,
    /// Draw no weights: listings, headers, cards and logs only
    #[arg(long)]
    pub(crate) headers_only: bool,
    #[command(flatten)]
    pub(crate) door: DoorArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Folders, `hf:owner/name[@revision]`, or files that `poc` (assessment.json) or `audit --json` wrote
    #[arg(required = true, value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    /// Criteria of the decision [default: the ones that the page prints]
    #[arg(long, value_name = "FILE")]
    pub(crate) criteria: Option<PathBuf>,
    /// Where to write the page
    #[arg(short, long, value_name = "FILE", default_value = "decision.html")]
    pub(crate) output: PathBuf,
    /// Print it to A4 as well, beside the page, where Chromium is installed
    #[arg(long)]
    pub(crate) pdf: bool,
    /// Language that the page opens in
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub(crate) lang: Lang,
    #[command(flatten)]
    pub(crate) door: DoorArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PocArgs {
    /// A folder, or `hf:owner/name[@revision]`
    pub(crate) model: String,
    /// How long it may take, as in `10m`, `2h`, `1d`
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(crate) budget: Budget,
    /// Do not ask before fetching and computing
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Where assessment and page are kept [default: poc/NAME]
    #[arg(short, long, value_name = "DIRECTORY")]
    pub(crate) output: Option<PathBuf>,
    /// Training data that lies apart from the model: a folder, or `hf:datasets/owner/name[@revision]`
    #[arg(long, value_name = "PLACE")]
    pub(crate) data: Option<String>,
    /// Own documents and questions: a folder of text, Markdown, and CSV of question and answer; never leaves this machine
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) mine: Option<PathBuf>,
    /// Standard tasks to ask besides those that the publisher states scores of
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) tasks: Vec<String>,
    /// Task files of your own
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) include: Option<PathBuf>,
    /// Where data sets lie: `owner/name` as on the Hub, or the files that tasks name; what is not there is fetched from the Hub
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) task_data: Option<PathBuf>,
    /// Criteria of the decision [default: the ones that the page prints]
    #[arg(long, value_name = "FILE")]
    pub(crate) criteria: Option<PathBuf>,
    /// Language of the page
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub(crate) lang: Lang,
    /// Threads [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Most memory to use, as in `2GB` [default: four fifths of what is free]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    #[command(flatten)]
    pub(crate) door: DoorArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The directory of a release
    pub(crate) release: PathBuf,
    /// Where to write the page [default: RELEASE/report.html]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Language that the page opens in
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub(crate) lang: Lang,
    /// Criteria of the decision [default: the ones that the page prints]
    #[arg(long, value_name = "FILE")]
    pub(crate) criteria: Option<PathBuf>,
    /// Root digest that the publisher announced
    #[arg(long, value_name = "DIGEST")]
    pub(crate) root: Option<String>,
    /// The replay records under attestations/ are mine: I ran them
    #[arg(long)]
    pub(crate) own_replays: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Lang {
    Ja,
    En,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The directory of a release
    pub(crate) release: PathBuf,
    /// Root digest that the publisher announced; without it the publisher stays unverified
    #[arg(long, value_name = "DIGEST")]
    pub(crate) root: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The directory of a release
    pub(crate) release: PathBuf,
    /// Segments to recompute, as in `3..5` or `2,7`; segment 1 starts at the initialisation
    #[arg(long, value_name = "WHICH", conflicts_with = "sample")]
    pub(crate) segments: Option<String>,
    /// Recompute so many segments, drawn by this machine's own randomness, long ones more often
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sample: u32,
    /// Root digest that the publisher announced
    #[arg(long, value_name = "DIGEST")]
    pub(crate) root: Option<String>,
    /// The records under attestations/ are mine: do not draw their segments again
    #[arg(long, conflicts_with = "segments")]
    pub(crate) own_replays: bool,
    /// Only compare: leave no statement under attestations/
    #[arg(long)]
    pub(crate) no_record: bool,
    #[command(flatten)]
    pub(crate) compute: Compute,
}

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// A release, a model folder, or `hf:owner/name[@revision]`
    #[arg(value_name = "RELEASE|MODEL")]
    pub(crate) model: String,
    /// Of a release: checkpoints to score, by step, as in `0,200,400` [default: all]
    #[arg(long, value_delimiter = ',')]
    pub(crate) steps: Vec<u64>,
    /// Of a release: score anew what was scored before; earlier scores are unsigned files
    #[arg(long)]
    pub(crate) again: bool,
    /// Tasks, groups or tags of lm-evaluation-harness, as in `hellaswag,gsm8k`
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) tasks: Vec<String>,
    /// Where data sets lie: `owner/name` as on the Hub, or the files that tasks name; what is not there is fetched from the Hub
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) task_data: Option<PathBuf>,
    /// Task files of your own, which come before ours
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) include: Option<PathBuf>,
    /// Own documents and questions: a folder of text, Markdown, and CSV of question and answer; never leaves this machine
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) mine: Option<PathBuf>,
    /// Checkpoints of a published model, by name, or `all` [default: the last]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) checkpoints: Vec<String>,
    /// Only so many documents of each task
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
    /// Examples before each question [default: as the task says]
    #[arg(long, value_name = "COUNT")]
    pub(crate) shots: Option<usize>,
    /// Compare item by item with samples of another checkpoint or model: its folder of results, or one file
    #[arg(long, value_name = "PATH", requires = "tasks")]
    pub(crate) against: Option<PathBuf>,
    /// Where results and answers are kept; a second run finds them [default: evals/NAME]
    #[arg(short, long, value_name = "DIRECTORY")]
    pub(crate) output: Option<PathBuf>,
    /// Numerics profile [default: bf16-v1 for weights stored as bf16, else f32-v1]
    #[arg(long, value_name = "NAME", value_parser = parse_profile)]
    pub(crate) profile: Option<Profile>,
    /// Threads [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Most memory to use, as in `2GB` [default: four fifths of what is free]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    #[command(flatten)]
    pub(crate) door: DoorArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The directory of a release
    pub(crate) release: PathBuf,
    /// The step (1 is the first update)
    #[arg(long)]
    pub(crate) step: u64,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// A run file, a release, or a model folder
    #[arg(value_name = "RUN|RELEASE|MODEL")]
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) compute: Compute,
    /// Of a model: so many tokens are to be scored [default: 100000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    pub(crate) tokens: Option<u64>,
    /// Of a model: in sequences of so many inputs [default: the model's positions, at most 2048]
    #[arg(long, value_name = "INPUTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) length: Option<u32>,
    /// Of a model: numerics profile [default: bf16-v1 for weights stored as bf16, else f32-v1]
    #[arg(long, value_name = "NAME", value_parser = parse_profile)]
    pub(crate) profile: Option<Profile>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct ScoreArgs {
    /// A folder as `transformers` saves it: config.json and weights
    pub(crate) model: PathBuf,
    /// Sequences to score: a JSON array of token ids a line
    #[arg(long, value_name = "FILE", group = "what")]
    pub(crate) tokens: Option<PathBuf>,
    /// Text to score, documents apart by empty lines, with the folder's tokenizer.json
    #[arg(long, value_name = "FILE", group = "what")]
    pub(crate) text: Option<PathBuf>,
    /// Inputs of a window of text [default: the model's positions, at most 2048]
    #[arg(long, value_name = "INPUTS", conflicts_with = "tokens", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) length: Option<u32>,
    /// Numerics profile [default: bf16-v1 for weights stored as bf16, else f32-v1]
    #[arg(long, value_name = "NAME", value_parser = parse_profile)]
    pub(crate) profile: Option<Profile>,
    /// Threads [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Most memory to use, as in `2GB`: smaller blocks, then more passes [default: four fifths of what is free]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
}

fn parse_profile(name: &str) -> Result<Profile, String> {
    name.parse().map_err(|error: UnknownProfile| {
        let known = Profile::ALL.map(Profile::name).join(", ");
        format!("{error}; there are {known}")
    })
}

#[derive(Debug, Args)]
pub(crate) struct PrepArgs {
    /// The run file
    #[arg(value_name = "RUN.toml")]
    pub(crate) run: PathBuf,
    /// Where the release grows [default: runs/NAME, the name from the run file]
    #[arg(short, long, value_name = "DIRECTORY")]
    pub(crate) output: Option<PathBuf>,
    /// Cargo's home, where downloaded crates lie [default: $CARGO_HOME or ~/.cargo]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) cargo_home: Option<PathBuf>,
    /// The toolchain's HTML documentation [default: share/doc/rust/html of `rustc --print sysroot`]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) rust_docs: Option<PathBuf>,
    /// Threads [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// The run file
    #[arg(value_name = "RUN.toml")]
    pub(crate) run: PathBuf,
    /// Where the release grows [default: runs/NAME, the name from the run file]
    #[arg(short, long, value_name = "DIRECTORY")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) compute: Compute,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// A folder that `transformers` loads
    Hf(ExportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The directory of a release
    pub(crate) release: PathBuf,
    /// Checkpoint to export, by step [default: the last]
    #[arg(long)]
    pub(crate) step: Option<u64>,
    /// Every checkpoint in a folder `stepN`, the training sequence as JSON lines, the metrics as CSV
    #[arg(long, conflicts_with = "step")]
    pub(crate) all: bool,
    /// The folder to make; must not exist
    #[arg(short, long, value_name = "DIRECTORY")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the release grows
    #[arg(short, long, value_name = "DIRECTORY", default_value = "runs/demo")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) compute: Compute,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_stands_in_a_group_of_the_help() {
        for command in Cli::command().get_subcommands() {
            let line = format!("\n  {} ", command.get_name());
            assert!(
                HELP.contains(&line),
                "`{}` is in no group",
                command.get_name()
            );
        }
        Cli::command().debug_assert();
    }
}
