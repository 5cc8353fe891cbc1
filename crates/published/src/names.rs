//! What the name of a checkpoint's folder or branch says.

use crate::inventory::Layout;

/// Steps before each of Crystal's phases: they count from nought again, training does not (79,721 and 214,387 steps in
/// its first two; its published hyperparameters).
const CRYSTAL: [u64; 3] = [0, 79_721, 79_721 + 214_387];

/// A name taken apart. Ordered as training went: by stage, then by step or number, and a branch of a run, such as
/// `spike_ckpt_186`, after the checkpoint of the same number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CheckpointName {
    /// Stage, or phase, and ingredient.
    stage: (u64, u64),
    /// What it counts in: steps, or chunks of data.
    pub(crate) count: u64,
    aside: bool,
    /// Optimizer steps before it, where that is what it counts.
    pub(crate) step: Option<u64>,
    /// LLM360's number, which counts chunks.
    pub(crate) chunk: Option<u64>,
    /// Tokens, rounded as the name rounds them.
    pub(crate) tokens: Option<u64>,
    pub(crate) layout: Family,
}

/// Who names checkpoints like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Trainer,
    Llm360,
    Pythia,
    Olmo,
}

impl From<Family> for Layout {
    fn from(family: Family) -> Self {
        match family {
            Family::Trainer => Self::HuggingFace,
            Family::Llm360 => Self::Llm360,
            Family::Pythia => Self::Pythia,
            Family::Olmo => Self::Olmo,
        }
    }
}

impl CheckpointName {
    /// Reads a name; `None` where it is no checkpoint's.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if name.len() > 128 {
            return None;
        }
        trainer(name)
            .or_else(|| llm360(name))
            .or_else(|| stages(name))
    }

    fn counting(layout: Family, count: u64) -> Self {
        Self {
            stage: (0, 0),
            count,
            aside: false,
            step: Some(count),
            chunk: None,
            tokens: None,
            layout,
        }
    }
}

/// Digits only.
fn number(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// `checkpoint-500`.
fn trainer(name: &str) -> Option<CheckpointName> {
    let step = number(name.strip_prefix("checkpoint-")?)?;
    Some(CheckpointName::counting(Family::Trainer, step))
}

/// `ckpt_012`, `spike_ckpt_012`, `CrystalCoder_phase2_checkpoint_003000`.
fn llm360(name: &str) -> Option<CheckpointName> {
    if let Some((before, chunk)) = name.split_once("ckpt_") {
        let chunk = number(chunk)?;
        return matches!(before, "" | "spike_").then(|| CheckpointName {
            aside: !before.is_empty(),
            step: None,
            chunk: Some(chunk),
            ..CheckpointName::counting(Family::Llm360, chunk)
        });
    }
    let (before, after) = name.split_once("_phase")?;
    let (phase, step) = after.split_once("_checkpoint_")?;
    let (phase, step) = (number(phase)?, number(step)?);
    let earlier = match (before, phase) {
        ("CrystalCoder", 1..=3) => Some(CRYSTAL[phase as usize - 1]),
        (_, 1) => Some(0),
        _ => None,
    };
    Some(CheckpointName {
        stage: (phase, 0),
        step: earlier.and_then(|earlier| earlier.checked_add(step)),
        ..CheckpointName::counting(Family::Llm360, step)
    })
}

/// `step3000`; `step1000-tokens4B`, `stage1-step1000-tokens5B`, `stage2-ingredient1-step1000-tokens3B`.
fn stages(name: &str) -> Option<CheckpointName> {
    let (mut stage, mut ingredient, mut step, mut tokens) = (None, None, None, None);
    for part in name.split('-') {
        let digits = part.find(|c: char| c.is_ascii_digit())?;
        let (word, rest) = part.split_at(digits);
        let (slot, value) = match word {
            "stage" => (&mut stage, number(rest)?),
            "ingredient" => (&mut ingredient, number(rest)?),
            "step" | "global_step" => (&mut step, number(rest)?),
            "tokens" => (&mut tokens, with_unit(rest)?),
            _ => return None,
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    let family = match (stage, ingredient, tokens) {
        (None, None, None) => Family::Pythia,
        _ => Family::Olmo,
    };
    let count = step?;
    Some(CheckpointName {
        stage: (stage.unwrap_or(0), ingredient.unwrap_or(0)),
        tokens,
        ..CheckpointName::counting(family, count)
    })
}

/// `5B`: five thousand million.
fn with_unit(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" => 1,
        "K" => 1_000,
        "M" => 1_000_000,
        "B" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => return None,
    };
    number(digits)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Family, step, chunk and tokens.
    type Told = (Family, Option<u64>, Option<u64>, Option<u64>);

    fn told(name: &str) -> Option<Told> {
        CheckpointName::parse(name).map(|one| (one.layout, one.step, one.chunk, one.tokens))
    }

    #[test]
    fn names_of_every_family_are_read() {
        use Family::{Llm360, Olmo, Pythia, Trainer};
        for (name, expected) in [
            ("ckpt_012", (Llm360, None, Some(12), None)),
            ("spike_ckpt_186", (Llm360, None, Some(186), None)),
            (
                "CrystalCoder_phase1_checkpoint_001500",
                (Llm360, Some(1500), None, None),
            ),
            (
                "CrystalCoder_phase2_checkpoint_003000",
                (Llm360, Some(82_721), None, None),
            ),
            (
                "CrystalCoder_phase3_checkpoint_027728",
                (Llm360, Some(321_836), None, None),
            ),
            ("step143000", (Pythia, Some(143_000), None, None)),
            ("step0", (Pythia, Some(0), None, None)),
            (
                "stage1-step1000-tokens5B",
                (Olmo, Some(1000), None, Some(5_000_000_000)),
            ),
            (
                "stage2-ingredient1-step1000-tokens3B",
                (Olmo, Some(1000), None, Some(3_000_000_000)),
            ),
            ("step0-tokens0B", (Olmo, Some(0), None, Some(0))),
            ("checkpoint-500", (Trainer, Some(500), None, None)),
        ] {
            assert_eq!(told(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn other_names_are_none() {
        for name in [
            "main",
            "step",
            "steps",
            "step-1",
            "step1x",
            "ckpt_",
            "my_ckpt_1",
            "ckpt_1_old",
            "stage1",
            "tokens5B",
            "step1-step2",
            "step1-tokens5Q",
            "v1.0",
            "checkpoint-best",
            "step99999999999999999999999",
            "step1-tokens99999999999999999T",
            "",
        ] {
            assert_eq!(told(name), None, "{name}");
        }
    }

    #[test]
    fn the_order_is_that_of_training() {
        let order = |names: &[&str]| {
            let parsed: Vec<_> = names
                .iter()
                .map(|name| CheckpointName::parse(name).unwrap())
                .collect();
            assert!(parsed.is_sorted(), "{names:?}");
        };
        order(&["ckpt_9", "ckpt_186", "spike_ckpt_186", "ckpt_187"]);
        order(&["step512", "step1000"]);
        order(&[
            "stage1-step2000-tokens9B",
            "stage2-ingredient1-step5-tokens1B",
            "stage2-ingredient2-step1-tokens1B",
        ]);
        order(&[
            "CrystalCoder_phase1_checkpoint_079500",
            "CrystalCoder_phase2_checkpoint_001500",
        ]);
    }
}
