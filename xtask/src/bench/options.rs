//! What the command line asks for.

use super::contest::Contest;
use crate::shell::Result;

pub(super) const HELP: &str = "\
cargo xtask bench [gemm] [train] [score] [eval] [NAME]... [OPTIONS]

Ours and the peers' programs in turn, two threads; median ratios. Without a bench's name, all of them.

  NAME             of train: S, M; of score: 7b, 1b; of eval: one, sweep; of gemm: 1-thread, 2-threads
  --only NAME      a part: f32, bf16, no-amx, amx, peak, square, short, deep; again for more parts
  --turns N        turns of each side
  --work N         steps, products or batches in a turn
  --write          put the result into docs/benchmarks.md, where a whole section was run
";

const BENCHES: [&str; 4] = ["gemm", "train", "score", "eval"];

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) benches: Vec<&'static str>,
    /// Of these names a contest must have one; none for any.
    names: Vec<String>,
    only: Vec<String>,
    pub(super) turns: Option<usize>,
    pub(super) work: Option<usize>,
    pub(super) write: bool,
}

impl Options {
    /// `None` when help is asked for.
    pub(super) fn parse(arguments: &[&str]) -> Result<Option<Self>> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(&argument) = rest.next() {
            let mut value = || {
                rest.next()
                    .copied()
                    .ok_or(format!("{argument} needs a value"))
            };
            match argument {
                "--only" => options.only.push(value()?.to_owned()),
                "--turns" => options.turns = Some(count(value()?)?),
                "--work" => options.work = Some(count(value()?)?),
                "--write" => options.write = true,
                "--help" | "-h" => return Ok(None),
                option if option.starts_with('-') => {
                    return Err(format!("there is no option {option}\n\n{HELP}"));
                }
                name => match BENCHES.iter().find(|bench| **bench == name) {
                    Some(bench) => options.benches.push(bench),
                    None => options.names.push(name.to_owned()),
                },
            }
        }
        if options.benches.is_empty() {
            options.benches = BENCHES.to_vec();
        }
        Ok(Some(options))
    }

    /// The contests that the names choose.
    pub(super) fn choose(&self, contests: Vec<Contest>) -> Result<Vec<Contest>> {
        for name in self.names.iter().chain(&self.only) {
            if !contests.iter().any(|c| c.tags.contains(&name.as_str())) {
                let mut known: Vec<_> = contests.iter().flat_map(|c| &c.tags).copied().collect();
                known.sort_unstable();
                known.dedup();
                return Err(format!(
                    "`{name}` names no part of this bench; there are {}",
                    known.join(", ")
                ));
            }
        }
        let any = |contest: &Contest, names: &[String]| {
            names.is_empty() || names.iter().any(|n| contest.tags.contains(&n.as_str()))
        };
        let chosen = contests
            .into_iter()
            .filter(|c| any(c, &self.names) && any(c, &self.only));
        let chosen: Vec<_> = chosen.collect();
        if chosen.is_empty() {
            return Err("no part of the bench has all these names".to_owned());
        }
        Ok(chosen)
    }
}

fn count(text: &str) -> Result<usize> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("`{text}` is no number above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(line: &str) -> Vec<String> {
        let arguments: Vec<_> = line.split_whitespace().collect();
        let options = Options::parse(&arguments).unwrap().unwrap();
        let contests = options.choose(super::super::train::contests()).unwrap();
        contests.into_iter().map(|c| c.subject).collect()
    }

    #[test]
    fn names_choose_parts() {
        assert_eq!(chosen("train S M").len(), chosen("train").len());
        assert_eq!(chosen("train S --only bf16").len(), 1);
        assert_eq!(
            chosen("train S --only bf16 --only f32"),
            chosen("train --only f32 S --only bf16")
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(Options::parse(&["train", "--turns", "0"]).is_err());
        assert!(Options::parse(&["train", "--only"]).is_err());
        assert!(Options::parse(&["train", "--fast"]).is_err());
        let options = Options::parse(&["train", "L"]).unwrap().unwrap();
        assert!(options.choose(super::super::train::contests()).is_err());
    }
}
