//! Checkpoints of one training line: those whose names differ only in numbers, by step.

use std::collections::BTreeMap;

use glasswork_published::{Checkpoint, Inventory};

/// Checkpoints that follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What their names have in common, numbers as `#`.
    pub name: String,
    /// Step and index in the inventory, ascending.
    pub members: Vec<(u64, usize)>,
}

/// The lines of a publication: `ckpt_#`, `step#`, `stage1-step#-tokens#B`. Branches (`spike_ckpt_#`, another stage) are lines of
/// their own. A checkpoint without a step, and without a number in its name, is in none. `main` ends the longest line
/// where it lies beyond the others (LLM360); where it is the last one under another name, it is in none.
#[must_use]
pub fn lines(inventory: &Inventory) -> Vec<Line> {
    let mut lines = BTreeMap::<String, Vec<(u64, usize)>>::new();
    for (index, checkpoint) in inventory.checkpoints.iter().enumerate() {
        if is_main(checkpoint) {
            continue;
        }
        if let Some(step) = position(checkpoint) {
            lines
                .entry(pattern(&checkpoint.name))
                .or_default()
                .push((step, index));
        }
    }
    let mut lines: Vec<Line> = lines
        .into_iter()
        .map(|(name, mut members)| {
            members.sort_unstable();
            Line { name, members }
        })
        .collect();
    let longest = lines.iter_mut().max_by_key(|line| line.members.len());
    let main = inventory.checkpoints.iter().position(is_main);
    if let (Some(longest), Some(main)) = (longest, main) {
        let checkpoint = &inventory.checkpoints[main];
        let number = checkpoint.step.or(checkpoint.chunk);
        let beyond =
            number.filter(|number| longest.members.iter().all(|(other, _)| other < number));
        longest.members.extend(beyond.map(|number| (number, main)));
    }
    lines
}

/// The longest line.
#[must_use]
pub fn main_line(inventory: &Inventory) -> Option<Line> {
    lines(inventory)
        .into_iter()
        .max_by_key(|line| line.members.len())
}

/// What a publisher serves when nobody names a checkpoint.
pub(crate) fn is_main(checkpoint: &Checkpoint) -> bool {
    matches!(
        checkpoint.name.as_str(),
        "main" | "master" | "final" | "." | ""
    )
}

/// Where a checkpoint lies in its line: its step, else its chunk, else the last number of its name.
pub(crate) fn position(checkpoint: &Checkpoint) -> Option<u64> {
    checkpoint.step.or(checkpoint.chunk).or_else(|| {
        checkpoint
            .name
            .split(|c: char| !c.is_ascii_digit())
            .rfind(|digits| !digits.is_empty())
            .and_then(|digits| digits.parse().ok())
    })
}

/// A name with `#` for its running numbers. Numbers of a stage, phase, part or seed belong to the name.
fn pattern(name: &str) -> String {
    const FIXED: &[&str] = &["stage", "phase", "ingredient", "seed", "part", "run"];
    let mut out = String::new();
    let mut digits = String::new();
    let flush = |out: &mut String, digits: &mut String| {
        if digits.is_empty() {
            return;
        }
        if FIXED
            .iter()
            .any(|word| out.to_ascii_lowercase().ends_with(word))
        {
            out.push_str(digits);
        } else {
            out.push('#');
        }
        digits.clear();
    };
    for c in name.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
        } else {
            flush(&mut out, &mut digits);
            out.push(c);
        }
    }
    flush(&mut out, &mut digits);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_line_share_a_pattern_and_branches_do_not() {
        assert_eq!(pattern("ckpt_012"), "ckpt_#");
        assert_eq!(pattern("stage1-step1000-tokens5B"), "stage1-step#-tokens#B");
        assert_ne!(pattern("stage2-step10"), pattern("stage1-step10"));
        assert_ne!(pattern("spike_ckpt_1"), pattern("ckpt_1"));
        assert_eq!(
            pattern("CrystalCoder_phase1_checkpoint_001500"),
            "CrystalCoder_phase1_checkpoint_#"
        );
    }
}
