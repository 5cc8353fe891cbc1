//! The keys of a `config.json`, read so that none is overlooked: each is used, known to change nothing,
//! or an error.

use super::Architecture;
use crate::ModelError;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Keys that say nothing about the forward pass: how the model was made, trained, saved or is sampled.
const INERT: &[&str] = &[
    "_attn_implementation",
    "_name_or_path",
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_pdrop",
    "auto_map",
    "bos_token_id",
    "classifier_dropout",
    "do_sample",
    "dtype",
    "embd_pdrop",
    "eos_token_id",
    "hidden_dropout",
    "hidden_dropout_prob",
    "initializer_range",
    "is_decoder",
    "keys_to_ignore_at_inference",
    "max_sequence_length",
    "model_type",
    "pad_token_id",
    // Splits a product over its inner index: another order of the same sum.
    "pretraining_tp",
    "reorder_and_upcast_attn",
    "resid_pdrop",
    "temperature",
    "tokenizer_class",
    "torch_dtype",
    "transformers_version",
    "unk_token_id",
    "use_cache",
];

/// Whether a number is positive and stays so, and finite, as a normal f32.
pub(super) fn narrows(number: f64) -> bool {
    let kept = number as f32;
    kept.is_finite() && kept >= f32::MIN_POSITIVE
}

/// The object of a `config.json`, and which of its keys were asked for.
pub(super) struct Keys<'a> {
    map: &'a Map<String, Value>,
    /// Prefix of a nested object's keys in messages.
    within: &'static str,
    used: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(map: &'a Map<String, Value>, within: &'static str) -> Self {
        Self {
            map,
            within,
            used: RefCell::default(),
        }
    }

    /// A value that is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        let (name, value) = self.map.get_key_value(key)?;
        self.used.borrow_mut().insert(name);
        (!value.is_null()).then_some(value)
    }

    pub(super) fn fail(&self, key: &str, problem: impl Into<String>) -> ModelError {
        ModelError::Config {
            key: format!("{}{key}", self.within),
            problem: problem.into(),
        }
    }

    /// As [`Self::fail`] for a value that makes sense, and that this program does not compute.
    pub(super) fn not_computed(&self, key: &str, problem: impl Into<String>) -> ModelError {
        ModelError::NotComputed {
            key: format!("{}{key}", self.within),
            problem: problem.into(),
        }
    }

    /// A count from 1 to `most`, or `default`.
    pub(super) fn count(
        &self,
        key: &str,
        default: Option<usize>,
        most: usize,
    ) -> Result<usize, ModelError> {
        let Some(value) = self.get(key) else {
            return default.ok_or_else(|| self.fail(key, "is missing"));
        };
        let count = value.as_u64().and_then(|n| usize::try_from(n).ok());
        count
            .filter(|&n| n >= 1 && n <= most)
            .ok_or_else(|| self.fail(key, format!("is {value}, not a number from 1 to {most}")))
    }

    /// A positive number within the range of f32, or `default`.
    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64, ModelError> {
        Ok(self.optional_number(key)?.unwrap_or(default))
    }

    /// A positive number within the range of f32, where there is one.
    pub(super) fn optional_number(&self, key: &str) -> Result<Option<f64>, ModelError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_f64().filter(|&x| narrows(x)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.fail(key, format!("is {value}, not a positive number of f32"))),
        }
    }

    /// Refuses a configuration without `key`, whose default would be something else.
    pub(super) fn require(&self, key: &str) -> Result<(), ModelError> {
        match self.get(key) {
            Some(_) => Ok(()),
            None => Err(self.fail(key, "is missing")),
        }
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        value
            .as_bool()
            .ok_or_else(|| self.fail(key, format!("is {value}, neither true nor false")))
    }

    /// A flag that must be `expected`, which it is where it is missing.
    pub(super) fn must_be(&self, key: &str, expected: bool) -> Result<(), ModelError> {
        if self.flag(key, expected)? == expected {
            Ok(())
        } else {
            Err(self.not_computed(key, format!("is {}, which is not computed", !expected)))
        }
    }

    /// One of `known` words with what it means, or the first.
    pub(super) fn word<T: Copy>(&self, key: &str, known: &[(&str, T)]) -> Result<T, ModelError> {
        let Some(value) = self.get(key) else {
            return Ok(known[0].1);
        };
        let found = known.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            self.not_computed(
                key,
                format!("is {value}; computed is only {}", words.join(", ")),
            )
        })
    }

    /// An object inside.
    pub(super) fn inner(
        &self,
        key: &str,
        within: &'static str,
    ) -> Result<Option<Self>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self::new(map, within))),
            Some(_) => Err(self.fail(key, "is no object")),
        }
    }

    /// Refuses whatever nobody asked for and is not known to change nothing.
    pub(super) fn finish(&self, architecture: Architecture) -> Result<(), ModelError> {
        let used = self.used.borrow();
        let known =
            |key: &str| used.contains(key) || (self.within.is_empty() && INERT.contains(&key));
        match self.map.keys().find(|key| !known(key)) {
            None => Ok(()),
            Some(key) => Err(ModelError::UnknownKey {
                key: format!(
                    "{}{}",
                    self.within,
                    key.chars().take(80).collect::<String>()
                ),
                architecture: architecture.name(),
            }),
        }
    }
}
