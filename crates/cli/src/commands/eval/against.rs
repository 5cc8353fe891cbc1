//! The same documents under another model: the samples of an earlier evaluation beside those of this one.

use crate::commands::plain_name;
use crate::failure::Failure;
use glasswork_eval::harness::{Comparison, Difference, compare};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest file of samples.
const LONGEST: u64 = 2 << 30;
/// Deepest folders, and most files that are looked at.
const DEEPEST: usize = 3;
const MOST_FILES: usize = 100_000;

/// A task, here and there.
#[derive(Debug, Default, Serialize)]
pub(super) struct Compared {
    task: String,
    /// Why nothing is compared.
    reason: Option<String>,
    /// Documents that only one has, and those whose text or prompt differ.
    unpaired: usize,
    different: usize,
    metrics: Vec<Metric>,
}

/// A metric, here minus there.
#[derive(Debug, Serialize)]
struct Metric {
    /// With its filter.
    metric: String,
    /// Documents that both answered to the same prompt.
    pairs: usize,
    here: f64,
    there: f64,
    difference: f64,
    /// 95 %.
    interval: Option<(f64, f64)>,
    /// Where every answer is right or wrong.
    mcnemar: Option<McNemar>,
}

#[derive(Debug, Serialize)]
struct McNemar {
    right_here_only: usize,
    right_there_only: usize,
    /// Exact, two-sided.
    p: f64,
}

/// Samples of an earlier evaluation.
#[derive(Debug)]
pub(super) struct Against {
    place: PathBuf,
    /// Files of samples, by folder; names of one folder differ in task and time.
    files: BTreeMap<PathBuf, Vec<String>>,
}

impl Against {
    /// A file of samples, or a folder with some.
    pub(super) fn open(place: &Path) -> Result<Self, Failure> {
        let mut against = Self {
            place: place.into(),
            files: BTreeMap::new(),
        };
        if place.is_dir() {
            against.gather(place, 0)?;
        } else if let (Some(folder), Some(name)) = (place.parent(), place.file_name()) {
            let name = name.to_string_lossy().into_owned();
            against.files.insert(folder.into(), vec![name]);
        }
        let known = |name: &String| name.starts_with("samples_") && name.ends_with(".jsonl");
        for names in against.files.values_mut() {
            names.retain(known);
            names.sort();
        }
        against.files.retain(|_, names| !names.is_empty());
        if against.files.is_empty() {
            return Err(Failure::new(
                format!("{} holds no samples_TASK_….jsonl", place.display()),
                Some("name the folder of a checkpoint that `glasswork eval` or lm-evaluation-harness (--log_samples) wrote".to_owned()),
            ));
        }
        Ok(against)
    }

    fn gather(&mut self, folder: &Path, depth: usize) -> Result<(), Failure> {
        let unread = |error| Failure::new(format!("{}: {error}", folder.display()), None);
        for entry in std::fs::read_dir(folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let kind = entry.file_type().map_err(unread)?;
            if kind.is_dir() && depth < DEEPEST {
                self.gather(&entry.path(), depth + 1)?;
            } else if kind.is_file() {
                let names = self.files.entry(folder.into()).or_default();
                if names.len() == MOST_FILES {
                    let message = format!("{} has more than {MOST_FILES} files", folder.display());
                    return Err(Failure::new(message, None));
                }
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(())
    }

    /// The newest samples of a task.
    fn of_task(&self, task: &str) -> Result<PathBuf, String> {
        let begin = format!("samples_{}_", plain_name(task));
        // What follows a task's name is a time, which begins with a digit; a longer task's name does not.
        let fits = |name: &&String| {
            let rest = name.strip_prefix(&begin);
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let mut found = self.files.iter().filter_map(|(folder, names)| {
            let newest = names.iter().rfind(fits)?;
            Some(folder.join(newest))
        });
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(format!("{} has no samples of it", self.place.display())),
            (Some(one), Some(other)) => Err(format!(
                "{} and {} both have samples of it: name one of these folders",
                one.display(),
                other.display()
            )),
        }
    }

    /// Compares samples of this evaluation, by task. What cannot be compared says why, since it was computed all the same.
    pub(super) fn compare(&self, samples: &[(String, String)]) -> Vec<Compared> {
        let of_task = |(task, here): &(String, String)| {
            let compared = self.of_task(task).and_then(|place| {
                let wrong = |error: String| format!("{}: {error}", place.display());
                let there = glasswork_release::files::read(&place, LONGEST);
                let there = there.map_err(|error| error.to_string())?;
                let there = String::from_utf8_lossy(&there);
                compare(&there, here).map_err(|error| wrong(error.to_string()))
            });
            let found = match compared {
                Ok(found) => found,
                Err(reason) => {
                    return Compared {
                        task: task.clone(),
                        reason: Some(reason),
                        ..Compared::default()
                    };
                }
            };
            let nothing =
                "no document was asked with the same prompt: data, task file or --shots differ";
            Compared {
                task: task.clone(),
                reason: found.differences.is_empty().then(|| nothing.to_owned()),
                unpaired: found.unpaired,
                different: found.different,
                metrics: found.differences.into_iter().map(of_metric).collect(),
            }
        };
        samples.iter().map(of_task).collect()
    }
}

fn of_metric(one: Difference) -> Metric {
    Metric {
        metric: one.metric,
        pairs: one.pairs,
        here: one.means.1,
        there: one.means.0,
        difference: one.mean,
        interval: one.interval,
        mcnemar: one.binary.map(|binary| McNemar {
            right_here_only: binary.second_only,
            right_there_only: binary.first_only,
            p: binary.p,
        }),
    }
}

/// The comparison in lines.
pub(super) fn text(all: &[Compared]) -> String {
    let metrics = all.iter().flat_map(|one| &one.metrics);
    let tests = metrics.filter(|one| one.mcnemar.is_some()).count();
    let threshold = Comparison::threshold(tests);
    let mut text = String::new();
    for one in all {
        for metric in &one.metrics {
            let interval = metric.interval.map_or(String::new(), |(low, high)| {
                format!(", 95% {low:+.4} to {high:+.4}")
            });
            text.push_str(&format!(
                "  {:<28} {:<20} {:.4} here, {:.4} there: {:+.4}{interval}, {} pairs\n",
                one.task, metric.metric, metric.here, metric.there, metric.difference, metric.pairs
            ));
            if let Some(test) = &metric.mcnemar {
                let told = match test.p < threshold {
                    true => "told apart",
                    false => "not told apart",
                };
                text.push_str(&format!(
                    "  {:<28} right here only {}, there only {}: {told}, exact McNemar p {:.2e}\n",
                    "", test.right_here_only, test.right_there_only, test.p
                ));
            }
        }
        if let Some(reason) = &one.reason {
            text.push_str(&format!("  {:<28} not compared: {reason}\n", one.task));
        }
        if one.unpaired + one.different > 0 {
            text.push_str(&format!(
                "  {:<28} left out: {} that only one has, {} with another prompt\n",
                "", one.unpaired, one.different
            ));
        }
    }
    if tests > 1 {
        text.push_str(&format!(
            "  of {tests} tests, each must stay below {threshold:.1e} for 5% in all\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(right: &[u8]) -> String {
        let line = |(i, right): (usize, &u8)| {
            format!(
                "{{\"doc_id\": {i}, \"filter\": \"none\", \"metrics\": [\"acc\"], \"doc_hash\": \"d{i}\", \"prompt_hash\": \"p\", \"target_hash\": \"t\", \"acc\": {right}.0}}\n"
            )
        };
        right.iter().enumerate().map(line).collect()
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a directory");
        for (path, right) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("makes");
            std::fs::write(path, lines(right)).expect("writes");
        }
        folder
    }

    #[test]
    fn the_newest_samples_of_a_task_are_compared() {
        let there = folder(&[
            ("a/samples_t_2026-01-01T00.jsonl", &[1, 1, 1, 1]),
            ("a/samples_t_2026-02-01T00.jsonl", &[1, 0, 0, 0]),
            ("a/samples_t_long_2026-03-01T00.jsonl", &[1, 1, 1, 1]),
        ]);
        let against = Against::open(there.path()).expect("opens");
        let here = [("t".to_owned(), lines(&[1, 1, 1, 0, 1]))];
        let all = against.compare(&here);
        assert_eq!((all.len(), all[0].unpaired), (1, 1));
        let acc = &all[0].metrics[0];
        assert_eq!((acc.pairs, acc.difference), (4, 0.5));
        let test = acc.mcnemar.as_ref().expect("right or wrong");
        assert_eq!(
            (test.right_here_only, test.right_there_only, test.p),
            (2, 0, 0.5)
        );
        let text = text(&all);
        for said in [
            "0.7500 here, 0.2500 there: +0.5000",
            "not told apart, exact McNemar p 5.00e-1",
            "1 that only one has",
        ] {
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let two = folder(&[
            ("a/samples_t_2026.jsonl", &[1]),
            ("b/samples_t_2026.jsonl", &[1]),
        ]);
        let here = [("t".to_owned(), lines(&[1]))];
        let why = |against: &Against, here: &[(String, String)]| {
            against.compare(here)[0].reason.clone().unwrap_or_default()
        };
        let against = Against::open(two.path()).expect("opens");
        assert!(why(&against, &here).contains("name one of these folders"));
        let one = Against::open(&two.path().join("a")).expect("opens");
        assert_eq!(why(&one, &here), "");
        assert!(why(&one, &[("u".to_owned(), lines(&[1]))]).contains("no samples of it"));
        let other = [("t".to_owned(), lines(&[1]).replace("\"p\"", "\"q\""))];
        assert!(why(&one, &other).contains("same prompt"));
        assert_eq!(one.compare(&other)[0].different, 1);
        let file = two.path().join("b/samples_t_2026.jsonl");
        assert_eq!(why(&Against::open(&file).expect("opens"), &here), "");
        assert!(Against::open(&two.path().join("c")).is_err());
    }
}
