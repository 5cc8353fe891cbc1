//! `demo`: the whole way on real text, each step a command that is shown and could be typed.

use super::drill;
use super::own_root;
use super::replay::{MAX_ANNEX, equal_replays};
use crate::args::DemoArgs;
use crate::failure::Failure;
use crate::machine;
use crate::output::Output;
use glasswork_release::annex::HeldOutFile;
use glasswork_release::metrics::Metrics;
use glasswork_release::{files, layout};
use std::path::Path;
use std::process::{Command, ExitCode};

const RUN: &str = "examples/demo/run.toml";
const CORPUS: &str = "examples/demo/corpus/Cargo.toml";
const EXPECTED: &str = "examples/demo/expected.json";
/// Segments that the demo has recomputed by a fresh process.
const REPLAYS: usize = 2;

pub(super) fn run(args: &DemoArgs, output: &Output) -> Result<ExitCode, Failure> {
    if !Path::new(RUN).exists() {
        let hint = "run the demo in the root of a clone of the repository".to_owned();
        return Err(Failure::new(format!("{RUN} is not here"), Some(hint)));
    }
    let release = args.output.to_string_lossy().into_owned();
    let threads = machine::threads(args.compute.threads);
    let compute = |threads: usize, micro_batch: u32| {
        let mut options = vec![
            "--threads".to_owned(),
            threads.to_string(),
            "--micro-batch".to_owned(),
            micro_batch.to_string(),
        ];
        if let Some(memory) = args.compute.memory {
            options.extend(["--memory".to_owned(), memory.as_u64().to_string()]);
        }
        options
    };
    let own = compute(threads, args.compute.micro_batch());
    let glasswork = |arguments: &[&str]| shell(output, "glasswork", arguments);
    let with = |arguments: &[&str], compute: &[String]| {
        let all: Vec<&str> = arguments
            .iter()
            .copied()
            .chain(compute.iter().map(String::as_str))
            .collect();
        shell(output, "glasswork", &all)
    };
    let before = standing(&args.output);

    heading(
        output,
        "1  The text: published crates and the toolchain's books, pinned by SHA-256",
    );
    shell(
        output,
        "cargo",
        &["fetch", "--locked", "--manifest-path", CORPUS],
    )?;
    glasswork(&["prep", RUN, "-o", &release])?;
    heading(output, "2  What the training will need");
    with(&["plan", RUN], &own)?;
    heading(output, "3  Training");
    with(&["train", RUN, "-o", &release], &own)?;
    heading(
        output,
        "4  Evaluation of every checkpoint on text that training never saw",
    );
    with(&["eval", &release], &own[..2])?;
    heading(
        output,
        "5  Verification, as somebody else would: other threads, another micro-batch",
    );
    let root = own_root(&args.output)?.to_string();
    glasswork(&["check", &release, "--root", &root])?;
    let missing = REPLAYS.saturating_sub(equal_replays(&args.output, &root).len());
    if missing == 0 {
        output.note(&format!(
            "nothing left to do: {REPLAYS} segments were recomputed before, bitwise equal"
        ));
    } else {
        let other = compute(threads + 1, other_micro_batch(args.compute.micro_batch()));
        with(
            &[
                "replay",
                &release,
                "--sample",
                &missing.to_string(),
                "--own-replays",
                "--root",
                &root,
            ],
            &other,
        )?;
    }
    drill::run(&args.output, &root, output)?;
    heading(output, "6  The report");
    glasswork(&["report", &release, "--own-replays"])?;
    summary(args, &root, before, output)
}

/// A micro-batch that differs from the one trained with.
fn other_micro_batch(micro_batch: u32) -> u32 {
    if micro_batch == 2 { 4 } else { 2 }
}

fn heading(output: &Output, text: &str) {
    output.note(&format!("\n{}", output.style(text, "1")));
}

/// Shows a command and runs it; this program itself stands in for `glasswork`.
fn shell(output: &Output, program: &str, arguments: &[&str]) -> Result<(), Failure> {
    let status = command(output, program, arguments)?.status();
    let status = status.map_err(|error| {
        Failure::new(
            format!("`{program}` does not start: {error}"),
            Some(format!("is {program} installed?")),
        )
    })?;
    if status.success() {
        return Ok(());
    }
    let said = format!("`{program} {}` ended with {status}", arguments.join(" "));
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    Err(Failure::with_code(
        code,
        said,
        Some("what it printed above says why; the demo goes on where it stopped".to_owned()),
    ))
}

pub(super) fn command(
    output: &Output,
    program: &str,
    arguments: &[&str],
) -> Result<Command, Failure> {
    output.note(&output.style(&format!("$ {program} {}", arguments.join(" ")), "36"));
    let mut command = if program == "glasswork" {
        let own = std::env::current_exe();
        Command::new(own.map_err(|error| {
            Failure::new(format!("this program cannot find itself: {error}"), None)
        })?)
    } else {
        Command::new(program)
    };
    command.args(arguments);
    if output.json {
        // Standard output belongs to the demo's own JSON.
        command.stdout(std::process::Stdio::null());
    }
    Ok(command)
}

/// Whether everything that a demo leaves behind was there at the start.
fn standing(release: &Path) -> bool {
    let drilled = release
        .join(layout::ATTESTATIONS)
        .join(drill::FILE)
        .exists();
    let reported = release.join("report.html").exists();
    drilled
        && reported
        && own_root(release)
            .is_ok_and(|root| equal_replays(release, &root.to_string()).len() >= REPLAYS)
}

fn summary(
    args: &DemoArgs,
    root: &str,
    before: bool,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let release = &args.output;
    let metrics = Metrics::read(&release.join(layout::STEPS))?;
    let (first, last) = match (metrics.rows.first(), metrics.rows.last()) {
        (Some(first), Some(last)) => (first, last),
        _ => return Err(Failure::new("the release records no steps", None)),
    };
    let path = release.join(layout::eval(last.step, "held_out")?);
    let held_out: HeldOutFile = serde_json::from_slice(&files::read(&path, MAX_ANNEX)?)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display()), None))?;
    let replays = equal_replays(release, root);
    let expected = expected_state();
    let state = last.state_digest.to_string();
    let same = expected.as_deref().map(|expected| expected == state);
    let scores = held_out.scores();
    let value = serde_json::json!({
        "release": release,
        "report": release.join("report.html"),
        "root": root,
        "first_loss": first.loss,
        "last_loss": last.loss,
        "bits_per_byte": scores.iter().map(|s| (s.source.clone(), s.bits_per_byte)).collect::<std::collections::BTreeMap<_, _>>(),
        "replays": replays,
        "state_digest": state,
        "expected_state_digest": expected,
        "as_expected": same,
        "nothing_left_to_do": before,
    });
    heading(output, "What you have");
    output.result(&value, || {
        let mut lines = vec![
            format!("release        {}", release.display()),
            format!("report         {} (open it in a browser)", release.join("report.html").display()),
            format!("loss           {:.3} at step 1, {:.3} at step {}", first.loss, last.loss, last.step),
        ];
        lines.extend(scores.iter().map(|s| format!("held out       {:.3} bits per byte, {}", s.bits_per_byte, s.source)));
        lines.extend(replays.iter().map(|r| format!("replayed       steps {} to {}: bitwise equal", r.from + 1, r.to)));
        lines.push(format!("final state    {state}"));
        lines.push(match (same, &expected) {
            (Some(true), _) => "               the same digest as in README.md: your machine computed the same bits".to_owned(),
            (_, Some(expected)) => format!("               README.md has {expected}: another program, other data, or a bug to report"),
            _ => "               there is no expected digest to compare with".to_owned(),
        });
        if before {
            lines.push("Nothing was left to do.".to_owned());
        }
        lines.join("\n") + "\n"
    });
    Ok(if same == Some(false) {
        ExitCode::from(crate::MISMATCH)
    } else {
        ExitCode::SUCCESS
    })
}

/// The final state digest that the repository records for its demo.
fn expected_state() -> Option<String> {
    let json: serde_json::Value =
        serde_json::from_slice(&files::read(Path::new(EXPECTED), MAX_ANNEX).ok()?).ok()?;
    Some(json.get("state_digest")?.as_str()?.to_owned())
}
