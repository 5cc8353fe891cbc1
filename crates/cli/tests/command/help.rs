//! What `--help` says, word for word.

use insta::assert_snapshot;

use crate::corpus::{Answer, glasswork};

fn help(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    Answer::of(&mut glasswork(
        directory.path(),
        &[arguments, &["--help"]].concat(),
    ))
    .exits(0)
    .out
}

#[test]
fn of_the_program() {
    assert_snapshot!(help(&[]), @r"
    Train a language model in the open; recompute, understand and judge one

    Usage: glasswork [OPTIONS] <COMMAND>

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
          --json     Print the result as JSON
          --offline  Use no network: what is not on this machine is missing
      -h, --help     Print help
      -V, --version  Print version

    Exit codes: 0 it holds, 1 error, 2 wrong usage, 3 mismatch found, 4 not enough evidence.
    ");
}

#[test]
fn of_report() {
    assert_snapshot!(help(&["report"]), @r"
    Write one HTML page, Japanese and English: what is known, how far it was checked

    Usage: glasswork report [OPTIONS] <RELEASE>

    Arguments:
      <RELEASE>  The directory of a release

    Options:
          --json             Print the result as JSON
      -o, --output <FILE>    Where to write the page [default: RELEASE/report.html]
          --lang <LANG>      Language that the page opens in [default: en] [possible values: ja, en]
          --offline          Use no network: what is not on this machine is missing
          --criteria <FILE>  Criteria of the decision [default: the ones that the page prints]
          --root <DIGEST>    Root digest that the publisher announced
          --own-replays      The replay records under attestations/ are mine: I ran them
      -h, --help             Print help
    ");
}

#[test]
fn of_check() {
    assert_snapshot!(help(&["check"]), @r"
    Check digests and chain of a release

    Usage: glasswork check [OPTIONS] <RELEASE>

    Arguments:
      <RELEASE>  The directory of a release

    Options:
          --json           Print the result as JSON
          --root <DIGEST>  Root digest that the publisher announced; without it the publisher stays unverified
          --offline        Use no network: what is not on this machine is missing
      -h, --help           Print help
    ");
}

#[test]
fn of_replay() {
    assert_snapshot!(help(&["replay"]), @r"
    Recompute segments of the training and compare every bit

    Usage: glasswork replay [OPTIONS] <RELEASE>

    Arguments:
      <RELEASE>  The directory of a release

    Options:
          --json                       Print the result as JSON
          --segments <WHICH>           Segments to recompute, as in `3..5` or `2,7`; segment 1 starts at the initialisation
          --offline                    Use no network: what is not on this machine is missing
          --sample <COUNT>             Recompute so many segments, drawn by this machine's own randomness, long ones more often [default: 1]
          --root <DIGEST>              Root digest that the publisher announced
          --own-replays                The records under attestations/ are mine: do not draw their segments again
          --no-record                  Only compare: leave no statement under attestations/
          --threads <THREADS>          Threads [default: all cores]
          --micro-batch <MICRO_BATCH>  Most sequences computed at a time; fewer need less memory [default: 4]
          --memory <SIZE>              Most memory to use, as in `2GB`: fewer sequences at a time, then activations computed twice
      -h, --help                       Print help
    ");
}

#[test]
fn of_eval() {
    assert_snapshot!(help(&["eval"]), @r"
    Score checkpoints: a release's on held-out text, a published model's on tasks and own documents

    Usage: glasswork eval [OPTIONS] <RELEASE|MODEL>

    Arguments:
      <RELEASE|MODEL>  A release, a model folder, or `hf:owner/name[@revision]`

    Options:
          --json                   Print the result as JSON
          --steps <STEPS>          Of a release: checkpoints to score, by step, as in `0,200,400` [default: all]
          --again                  Of a release: score anew what was scored before; earlier scores are unsigned files
          --offline                Use no network: what is not on this machine is missing
          --tasks <NAMES>          Tasks, groups or tags of lm-evaluation-harness, as in `hellaswag,gsm8k`
          --task-data <DIRECTORY>  Where data sets lie: `owner/name` as on the Hub, or the files that tasks name; what is not there is fetched from the Hub
          --include <DIRECTORY>    Task files of your own, which come before ours
          --mine <DIRECTORY>       Own documents and questions: a folder of text, Markdown, and CSV of question and answer; never leaves this machine
          --checkpoints <NAMES>    Checkpoints of a published model, by name, or `all` [default: the last]
          --limit <COUNT>          Only so many documents of each task
          --shots <COUNT>          Examples before each question [default: as the task says]
          --against <PATH>         Compare item by item with samples of another checkpoint or model: its folder of results, or one file
      -o, --output <DIRECTORY>     Where results and answers are kept; a second run finds them [default: evals/NAME]
          --profile <NAME>         Numerics profile [default: bf16-v1 for weights stored as bf16, else f32-v1]
          --threads <THREADS>      Threads [default: all cores]
          --memory <SIZE>          Most memory to use, as in `2GB` [default: four fifths of what is free]
          --cache <DIRECTORY>      Where downloads are kept, in `huggingface_hub`'s layout [default: $HF_HUB_CACHE, or its usual place]
      -h, --help                   Print help
    ");
}

#[test]
fn of_trace() {
    assert_snapshot!(help(&["trace"]), @r"
    Show which documents a step read, with their licences

    Usage: glasswork trace [OPTIONS] --step <STEP> <RELEASE>

    Arguments:
      <RELEASE>  The directory of a release

    Options:
          --json         Print the result as JSON
          --step <STEP>  The step (1 is the first update)
          --offline      Use no network: what is not on this machine is missing
      -h, --help         Print help
    ");
}

#[test]
fn of_plan() {
    assert_snapshot!(help(&["plan"]), @r"
    Tell size, memory, disk and time before anything runs

    Usage: glasswork plan [OPTIONS] <RUN|RELEASE|MODEL>

    Arguments:
      <RUN|RELEASE|MODEL>  A run file, a release, or a model folder

    Options:
          --json                       Print the result as JSON
          --threads <THREADS>          Threads [default: all cores]
          --micro-batch <MICRO_BATCH>  Most sequences computed at a time; fewer need less memory [default: 4]
          --offline                    Use no network: what is not on this machine is missing
          --memory <SIZE>              Most memory to use, as in `2GB`: fewer sequences at a time, then activations computed twice
          --tokens <COUNT>             Of a model: so many tokens are to be scored [default: 100000]
          --length <INPUTS>            Of a model: in sequences of so many inputs [default: the model's positions, at most 2048]
          --profile <NAME>             Of a model: numerics profile [default: bf16-v1 for weights stored as bf16, else f32-v1]
      -h, --help                       Print help
    ");
}

#[test]
fn of_score() {
    assert_snapshot!(help(&["score"]), @r"
    Log-likelihood of tokens or text under a published model

    Usage: glasswork score [OPTIONS] <--tokens <FILE>|--text <FILE>> <MODEL>

    Arguments:
      <MODEL>  A folder as `transformers` saves it: config.json and weights

    Options:
          --json               Print the result as JSON
          --tokens <FILE>      Sequences to score: a JSON array of token ids a line
          --offline            Use no network: what is not on this machine is missing
          --text <FILE>        Text to score, documents apart by empty lines, with the folder's tokenizer.json
          --length <INPUTS>    Inputs of a window of text [default: the model's positions, at most 2048]
          --profile <NAME>     Numerics profile [default: bf16-v1 for weights stored as bf16, else f32-v1]
          --threads <THREADS>  Threads [default: all cores]
          --memory <SIZE>      Most memory to use, as in `2GB`: smaller blocks, then more passes [default: four fifths of what is free]
      -h, --help               Print help
    ");
}

#[test]
fn of_prep() {
    assert_snapshot!(help(&["prep"]), @r"
    Collect the text, check licences, make the training sequence

    Usage: glasswork prep [OPTIONS] <RUN.toml>

    Arguments:
      <RUN.toml>  The run file

    Options:
          --json                    Print the result as JSON
      -o, --output <DIRECTORY>      Where the release grows [default: runs/NAME, the name from the run file]
          --cargo-home <DIRECTORY>  Cargo's home, where downloaded crates lie [default: $CARGO_HOME or ~/.cargo]
          --offline                 Use no network: what is not on this machine is missing
          --rust-docs <DIRECTORY>   The toolchain's HTML documentation [default: share/doc/rust/html of `rustc --print sysroot`]
          --threads <THREADS>       Threads [default: all cores]
      -h, --help                    Print help
    ");
}

#[test]
fn of_train() {
    assert_snapshot!(help(&["train"]), @r"
    Train, with checkpoints and ledger; goes on where it was stopped

    Usage: glasswork train [OPTIONS] <RUN.toml>

    Arguments:
      <RUN.toml>  The run file

    Options:
          --json                       Print the result as JSON
      -o, --output <DIRECTORY>         Where the release grows [default: runs/NAME, the name from the run file]
          --offline                    Use no network: what is not on this machine is missing
          --threads <THREADS>          Threads [default: all cores]
          --micro-batch <MICRO_BATCH>  Most sequences computed at a time; fewer need less memory [default: 4]
          --memory <SIZE>              Most memory to use, as in `2GB`: fewer sequences at a time, then activations computed twice
      -h, --help                       Print help
    ");
}

#[test]
fn of_export() {
    assert_snapshot!(help(&["export"]), @r"
    Write a checkpoint for other programs

    Usage: glasswork export [OPTIONS] <COMMAND>

    Commands:
      hf  A folder that `transformers` loads

    Options:
          --json     Print the result as JSON
          --offline  Use no network: what is not on this machine is missing
      -h, --help     Print help
    ");
}

#[test]
fn of_demo() {
    assert_snapshot!(help(&["demo"]), @r"
    Run the whole way on real text

    Usage: glasswork demo [OPTIONS]

    Options:
          --json                       Print the result as JSON
      -o, --output <DIRECTORY>         Where the release grows [default: runs/demo]
          --offline                    Use no network: what is not on this machine is missing
          --threads <THREADS>          Threads [default: all cores]
          --micro-batch <MICRO_BATCH>  Most sequences computed at a time; fewer need less memory [default: 4]
          --memory <SIZE>              Most memory to use, as in `2GB`: fewer sequences at a time, then activations computed twice
      -h, --help                       Print help
    ");
}

#[test]
fn of_export_hf() {
    assert_snapshot!(help(&["export", "hf"]), @r"
    A folder that `transformers` loads

    Usage: glasswork export hf [OPTIONS] --output <DIRECTORY> <RELEASE>

    Arguments:
      <RELEASE>  The directory of a release

    Options:
          --json                Print the result as JSON
          --step <STEP>         Checkpoint to export, by step [default: the last]
          --all                 Every checkpoint in a folder `stepN`, the training sequence as JSON lines, the metrics as CSV
          --offline             Use no network: what is not on this machine is missing
      -o, --output <DIRECTORY>  The folder to make; must not exist
      -h, --help                Print help
    ");
}

#[test]
fn of_audit() {
    assert_snapshot!(help(&["audit"]), @r"
    Read what a published model's listings, headers, cards and logs tell, and what does not fit

    Usage: glasswork audit [OPTIONS] <MODEL>

    Arguments:
      <MODEL>  A folder, or `hf:owner/name[@revision]`

    Options:
          --json                  Print the result as JSON
      -o, --output <FILE>         Write the decision page as well
          --licences <DIRECTORY>  Write the files for lawyers there: obligations.md, NOTICE, questions-japan.md, questions-eu.md
          --offline               Use no network: what is not on this machine is missing
          --lang <LANG>           Language of the page and of the files for lawyers [default: en] [possible values: ja, en]
          --criteria <FILE>       Criteria of the decision [default: the ones that the page prints]
          --headers-only          Draw no weights: listings, headers, cards and logs only
          --cache <DIRECTORY>     Where downloads are kept, in `huggingface_hub`'s layout [default: $HF_HUB_CACHE, or its usual place]
      -h, --help                  Print help
    ");
}

#[test]
fn of_poc() {
    assert_snapshot!(help(&["poc"]), @r"
    Say what a budget of time can teach about a published model, ask, and learn it

    Usage: glasswork poc [OPTIONS] <MODEL>

    Arguments:
      <MODEL>  A folder, or `hf:owner/name[@revision]`

    Options:
          --budget <TIME>          How long it may take, as in `10m`, `2h`, `1d` [default: 10m]
          --json                   Print the result as JSON
          --offline                Use no network: what is not on this machine is missing
      -y, --yes                    Do not ask before fetching and computing
      -o, --output <DIRECTORY>     Where assessment and page are kept [default: poc/NAME]
          --data <PLACE>           Training data that lies apart from the model: a folder, or `hf:datasets/owner/name[@revision]`
          --mine <DIRECTORY>       Own documents and questions: a folder of text, Markdown, and CSV of question and answer; never leaves this machine
          --tasks <NAMES>          Standard tasks to ask besides those that the publisher states scores of
          --include <DIRECTORY>    Task files of your own
          --task-data <DIRECTORY>  Where data sets lie: `owner/name` as on the Hub, or the files that tasks name; what is not there is fetched from the Hub
          --criteria <FILE>        Criteria of the decision [default: the ones that the page prints]
          --lang <LANG>            Language of the page [default: en] [possible values: ja, en]
          --threads <THREADS>      Threads [default: all cores]
          --memory <SIZE>          Most memory to use, as in `2GB` [default: four fifths of what is free]
          --cache <DIRECTORY>      Where downloads are kept, in `huggingface_hub`'s layout [default: $HF_HUB_CACHE, or its usual place]
      -h, --help                   Print help
    ");
}

#[test]
fn of_compare() {
    assert_snapshot!(help(&["compare"]), @r"
    Write one page for the decision: published models side by side, by criteria

    Usage: glasswork compare [OPTIONS] <MODEL>...

    Arguments:
      <MODEL>...  Folders, `hf:owner/name[@revision]`, or files that `poc` (assessment.json) or `audit --json` wrote

    Options:
          --criteria <FILE>    Criteria of the decision [default: the ones that the page prints]
          --json               Print the result as JSON
      -o, --output <FILE>      Where to write the page [default: decision.html]
          --offline            Use no network: what is not on this machine is missing
          --pdf                Print it to A4 as well, beside the page, where Chromium is installed
          --lang <LANG>        Language that the page opens in [default: en] [possible values: ja, en]
          --cache <DIRECTORY>  Where downloads are kept, in `huggingface_hub`'s layout [default: $HF_HUB_CACHE, or its usual place]
      -h, --help               Print help
    ");
}
