//! Sentences that people read, in Japanese and English.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// One sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

static TABLE: LazyLock<BTreeMap<String, BTreeMap<String, Words>>> = LazyLock::new(|| {
    toml::from_str(include_str!("../data/words.toml")).expect("the embedded file is tested")
});

/// The sentence of `key` in `section` (`obligation`, `trigger`, `rule`, `owes`, `state`); the key itself where it has none.
#[must_use]
pub fn words(section: &str, key: &str) -> Words {
    TABLE
        .get(section)
        .and_then(|section| section.get(key))
        .cloned()
        .unwrap_or_else(|| Words {
            ja: key.into(),
            en: key.into(),
        })
}

/// Whether there is such a sentence.
#[cfg(test)]
pub(crate) fn has(section: &str, key: &str) -> bool {
    TABLE
        .get(section)
        .is_some_and(|section| section.contains_key(key))
}
