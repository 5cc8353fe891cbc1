//! Which keys a configuration may have, and what to say about the others.

use super::document::Document;
use crate::error::Result;

/// The keys of every section; what is not here is refused with the nearest of these as advice.
const KEYS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "format",
            "name",
            "seed",
            "profile",
            "model",
            "tokenizer",
            "source",
            "gate",
            "split",
            "training",
            "optimizer",
            "evaluation",
        ],
    ),
    (
        "model",
        &[
            "architecture",
            "vocabulary",
            "hidden",
            "layers",
            "heads",
            "kv_heads",
            "mlp",
            "sequence",
            "rope_theta",
            "norm_eps",
            "initial_std",
            "tied_head",
            "licence",
        ],
    ),
    ("tokenizer", &["kind"]),
    (
        "source",
        &[
            "id",
            "kind",
            "weight",
            "reference",
            "lock",
            "pins",
            "licence",
            "licence_evidence",
            "attribution",
        ],
    ),
    ("gate", &["allow"]),
    ("split", &["held_out", "eval_bytes"]),
    (
        "training",
        &[
            "steps",
            "batch",
            "reduction_groups",
            "checkpoint_steps",
            "checkpoint_every",
        ],
    ),
    (
        "optimizer",
        &[
            "kind",
            "learning_rate",
            "final_learning_rate",
            "warm_up_steps",
            "beta1",
            "beta2",
            "epsilon",
            "weight_decay",
            "clip",
        ],
    ),
    ("evaluation", &["prompts", "sample_tokens"]),
];

/// Refuses keys that no section has.
pub(super) fn expect_known_keys(document: &Document<'_>) -> Result<()> {
    document.for_each_key(&mut |section, key, place| {
        // A section inside an unknown section was refused with it.
        let known = KEYS
            .iter()
            .find(|(name, _)| *name == section)
            .map_or(&[][..], |(_, keys)| *keys);
        if known.contains(&key) {
            return Ok(());
        }
        let hint = match nearest(key, known) {
            Some(nearest)
                if section.is_empty() && KEYS.iter().any(|(name, _)| *name == nearest) =>
            {
                format!("did you mean the section `{nearest}`?")
            }
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => match KEYS
                .iter()
                .find(|(_, keys)| !section.is_empty() && keys.contains(&key))
            {
                Some(("", _)) => format!("`{key}` belongs at the top, before the first section"),
                Some((other, _)) => format!("`{key}` belongs in [{other}]"),
                None => format!("the keys here are: {}", known.join(", ")),
            },
        };
        Err(document.fail(place, "is not a known key", hint))
    })
}

/// The known key that is at most a third of its letters away.
pub(super) fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, best) = known.iter().map(|k| (edit_distance(key, k), *k)).min()?;
    (distance <= 1.max(best.len() / 3)).then_some(best)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}
