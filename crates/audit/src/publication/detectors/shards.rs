//! Files of weights that are named but not there, shorter than their header says, or empty.

use std::collections::{BTreeMap, BTreeSet};

use glasswork_published::{Checkpoint, Problem, StoredFile};

use super::weight_values;
use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};

/// Absent files that are named, of one checkpoint.
const MOST: usize = 1000;
/// A file of another checkpoint with the same name, this much longer, has more in it.
const SHORTER: f64 = 0.99;

/// `model-00002-of-00003.safetensors`: what goes before, the number, how many there are, what goes after.
fn numbered(path: &str) -> Option<(&str, u64, u64, &str)> {
    let middle = path.rfind("-of-")?;
    let before = &path[..middle];
    let cut = before.rfind('-')?;
    let number = before.get(cut + 1..)?.parse().ok()?;
    let after = &path[middle + "-of-".len()..];
    let digits = after
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(after.len());
    let all = after.get(..digits)?.parse().ok()?;
    Some((&before[..cut], number, all, &after[digits..]))
}

/// Names of files that the numbering, or a tensor, says must be there and that are not.
fn absent(checkpoint: &Checkpoint) -> Vec<String> {
    let mut groups = BTreeMap::<(&str, u64, &str), BTreeSet<u64>>::new();
    for file in &checkpoint.weights {
        if let Some((before, number, all, after)) = numbered(&file.path) {
            groups
                .entry((before, all, after))
                .or_default()
                .insert(number);
        }
    }
    let mut absent = BTreeSet::new();
    for ((before, all, after), there) in groups {
        // Numbers begin at 1 nearly everywhere, at 0 somewhere.
        let first = u64::from(!there.contains(&0));
        // A name may say any number, and there may be many such names.
        let room = MOST.saturating_sub(absent.len());
        let numbers = first..first.saturating_add(all);
        for number in numbers.filter(|n| !there.contains(n)).take(room) {
            absent.insert(format!("{before}-{number:05}-of-{all:05}{after}"));
        }
    }
    let there: BTreeSet<&str> = checkpoint
        .weights
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    for tensor in &checkpoint.tensors {
        if absent.len() < MOST && !there.contains(tensor.file.as_str()) {
            absent.insert(tensor.file.clone());
        }
    }
    absent.into_iter().collect()
}

/// Whether some of a checkpoint's tensors may not be known.
pub(crate) fn incomplete(of: &Subject<'_>, checkpoint: &Checkpoint) -> bool {
    !absent(checkpoint).is_empty()
        || checkpoint.weights.iter().any(|file| {
            of.inventory
                .problems
                .iter()
                .any(|problem| is_of(problem, checkpoint) && problem.path == file.path)
        })
}

/// On the Hub, the same path is another file in each revision.
fn is_of(problem: &Problem, checkpoint: &Checkpoint) -> bool {
    problem.revision.is_none() || problem.revision == checkpoint.revision
}

/// Absent, short and empty files are contradictions; what could not be read is a doubt where it is weights, else a note.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let mut findings = weight_values::detect(of);
    let usual = usual_sizes(of);
    for checkpoint in &of.inventory.checkpoints {
        let about = |severity, reason: &str, path: &str| {
            Finding::new("shards", severity, path, reason)
                .with("checkpoint", checkpoint.name.as_str())
                .on(evidence::weights(checkpoint))
                .asking("whole_files")
        };
        for path in absent(checkpoint) {
            findings.push(about(Severity::Contradiction, "shard_missing", &path));
        }
        for file in &checkpoint.weights {
            if file.bytes == 0 {
                findings.push(about(Severity::Contradiction, "shard_empty", &file.path));
                continue;
            }
            let needed = checkpoint
                .tensors
                .iter()
                .filter(|tensor| tensor.file == file.path)
                .filter_map(last_byte)
                .max();
            match needed {
                Some(needed) if needed > file.bytes => findings.push(
                    about(Severity::Contradiction, "shard_truncated", &file.path)
                        .with("bytes", file.bytes)
                        .with("needed", needed),
                ),
                Some(_) => {}
                // Nothing is known of what is in it: compared with its namesakes.
                None => {
                    if let Some(usual) = usual.get(&base(file))
                        && (file.bytes as f64) < SHORTER * *usual as f64
                    {
                        findings.push(
                            about(Severity::Doubt, "shard_truncated", &file.path)
                                .with("bytes", file.bytes)
                                .with("needed", *usual),
                        );
                    }
                }
            }
        }
    }
    for problem in &of.inventory.problems {
        if names_more(of, problem) {
            continue;
        }
        let weights = of.inventory.checkpoints.iter().any(|checkpoint| {
            let mut weights = checkpoint.weights.iter();
            is_of(problem, checkpoint) && weights.any(|file| file.path == problem.path)
        });
        let severity = if weights {
            Severity::Doubt
        } else {
            Severity::Note
        };
        findings.push(
            Finding::new("shards", severity, &problem.path, "file_unreadable")
                .with("why", problem.reason.as_str())
                .on(evidence::file(&problem.path, None, "checkpoints"))
                .asking("whole_files"),
        );
    }
    findings
}

/// Whether another detector says why this file is not read: it names more than tensors need.
fn names_more(of: &Subject<'_>, problem: &Problem) -> bool {
    let mut pickles = of.inventory.pickles.iter();
    pickles
        .any(|one| one.weights && (&one.path, &one.revision) == (&problem.path, &problem.revision))
}

fn last_byte(tensor: &glasswork_published::Tensor) -> Option<u64> {
    tensor.end
}

fn base(file: &StoredFile) -> String {
    file.path
        .rsplit('/')
        .next()
        .unwrap_or(&file.path)
        .to_owned()
}

/// The median length of the files of one name, where at least three checkpoints have one.
fn usual_sizes(of: &Subject<'_>) -> BTreeMap<String, u64> {
    let mut sizes = BTreeMap::<String, Vec<u64>>::new();
    for file in of.inventory.checkpoints.iter().flat_map(|one| &one.weights) {
        sizes.entry(base(file)).or_default().push(file.bytes);
    }
    sizes
        .into_iter()
        .filter(|(_, sizes)| sizes.len() >= 3)
        .map(|(name, mut sizes)| {
            sizes.sort_unstable();
            (name, sizes[sizes.len() / 2])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numbered_name_is_taken_apart() {
        assert_eq!(
            numbered("a-b/pytorch_model-00002-of-00003.bin"),
            Some(("a-b/pytorch_model", 2, 3, ".bin"))
        );
        assert_eq!(numbered("model.safetensors"), None);
        assert_eq!(numbered("one-of-many.bin"), None);
        assert_eq!(numbered("x-99999999999999999999-of-3"), None);
    }
}
