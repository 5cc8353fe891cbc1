//! A program that works when told to and waits in between.

use super::contest::{Entrant, Program};
use super::example;
use crate::shell::{Result, root};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to end once its input has.
const PATIENCE: Duration = Duration::from_secs(10);

/// One program of a contest, running.
pub(super) struct Side {
    name: String,
    child: Child,
    /// Taken when it is to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// The instruction set that it says it uses; peers say none.
    pub(super) isa: Option<String>,
}

impl Side {
    /// Starts the program and waits until it is ready.
    pub(super) fn start(entrant: &Entrant, python: &str) -> Result<Self> {
        let name = &entrant.name;
        let mut command = match entrant.program {
            Program::Example(example_name) => Command::new(example(example_name)),
            Program::Peer(script) => {
                let mut command = Command::new(python);
                command.arg(script);
                command
            }
        };
        let mut child = command
            .args(&entrant.arguments)
            .envs(entrant.variables.iter().copied())
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{name} does not start: {e}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{name}: no pipes"));
        };
        let mut side = Self {
            name: name.clone(),
            child,
            input: Some(input),
            output: BufReader::new(output),
            isa: None,
        };
        let ready = side.line()?;
        if text(&ready, "event") != Some("ready") {
            return Err(format!("{name} is not ready but says: {}", ready.trim()));
        }
        side.isa = text(&ready, "isa").map(str::to_owned);
        Ok(side)
    }

    /// Has it do `work` pieces of work; the line that it prints.
    pub(super) fn turn(&mut self, work: usize) -> Result<String> {
        let name = &self.name;
        let input = self.input.as_mut().ok_or("it was told to end")?;
        writeln!(input, "go {work}").map_err(|e| format!("{name} does not listen: {e}"))?;
        self.line()
    }

    fn line(&mut self) -> Result<String> {
        let (mut line, name) = (String::new(), &self.name);
        match self.output.read_line(&mut line) {
            Ok(0) => Err(format!("{name} ended early; what it said is above")),
            Ok(_) => Ok(line),
            Err(error) => Err(format!("{name} cannot be read: {error}")),
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It ends with its input, and so do the helpers that it started; only then by force.
        drop(self.input.take());
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A number out of a flat JSON line.
pub(super) fn number(line: &str, key: &str) -> Option<f64> {
    let rest = value(line, key)?;
    let end = rest.find([',', '}', ' ', '\n']).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// A text out of a flat JSON line; ours have no escapes.
pub(super) fn text<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    value(line, key)?.strip_prefix('"')?.split('"').next()
}

fn value<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let (_, rest) = line.split_once(&format!("\"{key}\":"))?;
    Some(rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_of_either_side_are_found() {
        let ours = "{\"event\":\"steps\",\"ms\":[1.5, 2],\"tokens_per_second\":4529.5,\"peak_rss_mib\":323}\n";
        let theirs =
            "{\"event\": \"steps\", \"tokens_per_second\": 1099.4, \"peak_rss_mib\": 1308}\n";
        assert_eq!(number(ours, "tokens_per_second"), Some(4529.5));
        assert_eq!(number(theirs, "tokens_per_second"), Some(1099.4));
        assert_eq!(number(ours, "peak_rss_mib"), Some(323.0));
        assert_eq!(number(theirs, "gflops"), None);
        assert_eq!(text(ours, "event"), Some("steps"));
        assert_eq!(text(theirs, "event"), Some("steps"));
        assert_eq!(text(theirs, "peak_rss_mib"), None);
    }
}
