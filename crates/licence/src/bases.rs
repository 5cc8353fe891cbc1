//! Base models whose licence their name says.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::catalogue::{Licence, catalogue};
use crate::error::{Error, Result};
use crate::reading::{Confidence, Origin, Reading};

const FILE: &str = "bases.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    licence: String,
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    base: Vec<Entry>,
}

static BASES: LazyLock<BTreeMap<String, Licence>> = LazyLock::new(|| {
    parse(include_str!("../data/bases.toml")).expect("the embedded file is tested")
});

fn parse(text: &str) -> Result<BTreeMap<String, Licence>> {
    let file: File = toml::from_str(text).map_err(|error| Error::Syntax {
        file: FILE,
        problem: error.to_string(),
    })?;
    let mut bases = BTreeMap::new();
    for entry in file.base {
        let licence = catalogue()
            .find(&entry.licence)
            .ok_or_else(|| Error::Dangling {
                file: FILE,
                entry: entry.names.first().cloned().unwrap_or_default(),
                missing: entry.licence.clone(),
            })?;
        for name in entry.names {
            if bases.insert(name.clone(), licence.clone()).is_some() {
                return Err(Error::Twice { file: FILE, name });
            }
        }
    }
    Ok(bases)
}

/// What a base model is under, where its name on the Hub says it; `file` is the card that names it. `None` for every
/// other model: its own card says it, which is not read here.
#[must_use]
pub fn read_base(name: &str, file: &str) -> Option<Reading> {
    let lower = name.trim().to_lowercase();
    let exact = BASES.get(&format!("{lower}$"));
    // The longest name that the model's begins with.
    let found = exact.or_else(|| {
        let ends = lower
            .match_indices(['-', '.', '_'])
            .map(|(at, _)| at)
            .chain([lower.len()]);
        ends.rev().find_map(|at| BASES.get(&lower[..at]))
    })?;
    let origin = Origin::new(file, "base_model", name);
    Some(Reading::of_licence(origin, found.clone(), Confidence::Name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn licence(name: &str) -> Option<String> {
        read_base(name, "README.md").and_then(|reading| reading.expression)
    }

    #[test]
    fn the_embedded_file_holds() {
        let bases = parse(include_str!("../data/bases.toml")).expect("well formed");
        assert!(bases.len() > 100);
        for (name, licence) in &bases {
            assert_eq!(name, &name.to_lowercase());
            assert!(licence.class < crate::Class::Unknown, "{name}");
        }
        assert!(matches!(
            parse("[[base]]\nlicence='nonsense'\nnames=['a']\n"),
            Err(Error::Dangling { .. })
        ));
        assert!(matches!(
            parse("[[base]]\nlicence='MIT'\nnames=['a', 'a']\n"),
            Err(Error::Twice { .. })
        ));
    }

    #[test]
    fn names_say_licences_and_neighbours_do_not() {
        for (name, id) in [
            ("meta-llama/Llama-2-7b-hf", "llama2"),
            ("meta-llama/Meta-Llama-3-8B-Instruct", "llama3"),
            ("meta-llama/Llama-3.1-8B", "llama3.1"),
            ("google/gemma-2b-it", "gemma"),
            ("Qwen/Qwen2.5-3B-Instruct", "qwen-research"),
            ("Qwen/Qwen2.5-32B", "Apache-2.0"),
            ("Qwen/Qwen2.5-72B", "qwen"),
            ("Qwen/Qwen-1_8B-Chat", "tongyi-qianwen-research"),
            ("EleutherAI/pythia-6.9b-deduped", "Apache-2.0"),
            ("bigscience/bloom-560m", "bigscience-bloom-rail-1.0"),
            ("pfnet/plamo-13b-instruct-nc", "CC-BY-NC-4.0"),
            ("pfnet/plamo-13b-instruct", "Apache-2.0"),
            ("deepseek-ai/DeepSeek-R1", "MIT"),
            ("gpt2", "MIT"),
        ] {
            assert_eq!(licence(name).as_deref(), Some(id), "{name}");
        }
        for unknown in [
            "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
            "meta-llama/Llama-5-8B",
            "google/gemma-2banana",
            "google/gemma-4-9b",
            "Qwen/Qwen3.5-4B",
            "somebody/Llama-2-7b-hf",
            "mosaicml/mpt-7b-instruct",
            "microsoft/phi",
            "",
            "é-.",
        ] {
            assert_eq!(licence(unknown), None, "{unknown}");
        }
        let origin = read_base("gpt2", "README.md").expect("known").origin;
        assert_eq!(
            (origin.place.as_str(), origin.text.as_str()),
            ("base_model", "gpt2")
        );
    }
}
