//! Rates of detection and false alarm: planted conflicts and sound combinations.

use std::collections::BTreeMap;

use glasswork_licence::{IntendedUse, Reading, State, Statements, conflicts, read_at, recognise};

const PRIVATE: IntendedUse = IntendedUse {
    commercial: false,
    modify: false,
    distribute: false,
    serve: false,
    train_others: false,
    users: None,
};
const BUSINESS: IntendedUse = IntendedUse {
    commercial: true,
    modify: true,
    distribute: true,
    serve: true,
    train_others: false,
    users: Some(100_000),
};

fn named(all: &[(&str, &str)]) -> Vec<(String, Reading)> {
    all.iter()
        .map(|&(name, licence)| (name.into(), read_at(licence, "data.md", "license")))
        .collect()
}

struct Case<'a> {
    name: &'a str,
    card: &'a [&'a str],
    file: Option<&'a str>,
    bases: &'a [(&'a str, &'a str)],
    sources: &'a [(&'a str, &'a str)],
    intended: IntendedUse,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            name: "org/model-7b",
            card: &["apache-2.0"],
            file: None,
            bases: &[],
            sources: &[],
            intended: BUSINESS,
        }
    }
}

impl Case<'_> {
    fn found(&self) -> Vec<(&'static str, State)> {
        let statements = Statements {
            name: self.name.into(),
            card: self
                .card
                .iter()
                .map(|licence| read_at(licence, "README.md", "license"))
                .collect(),
            files: self
                .file
                .iter()
                .map(|text| recognise(text, "LICENSE"))
                .collect(),
            bases: named(self.bases),
            sources: named(self.sources),
            prose: Vec::new(),
        };
        conflicts(&statements, &self.intended)
            .into_iter()
            .map(|conflict| (conflict.rule, conflict.state))
            .collect()
    }
}

const APACHE: &str = include_str!("../../../LICENSE");
const MIT: &str = "Permission is hereby granted, free of charge, and to permit persons to whom the Software is furnished to \
    do so, subject to the following conditions: The above copyright notice shall be included in all copies or substantial \
    portions of the Software. THE SOFTWARE IS PROVIDED";

/// Beside those phrases the other words of the licence, in no order: only counts of them are known.
fn mit() -> String {
    let texts: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(include_str!("../data/texts.toml")).expect("is well formed");
    let plain = |word: &str| {
        word.to_lowercase()
            .replace(|c: char| !c.is_alphanumeric(), "")
    };
    let mut text = format!("{MIT}\n");
    for (count, words) in &texts["MIT"] {
        let count: usize = count.parse().expect("a number");
        for word in words.split(' ') {
            let there = MIT
                .split_whitespace()
                .filter(|one| plain(one) == word)
                .count();
            text.push_str(&format!("{word} ").repeat(count.saturating_sub(there)));
        }
    }
    text
}

const GPL: &str = "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\nThe GNU General Public License is a free, copyleft license";

#[test]
fn planted_conflicts_are_found_and_sound_combinations_are_not() {
    use State::{Contradiction as C, OpenQuestion as O, Unknown as U};
    let d = Case::default;
    let train = IntendedUse {
        train_others: true,
        ..BUSINESS
    };
    let huge = IntendedUse {
        users: Some(800_000_000),
        ..BUSINESS
    };
    let mit = mit();
    let planted: Vec<(Case, &str, State)> = vec![
        (
            Case {
                card: &["apache-2.0", "odc-by"],
                ..d()
            },
            "two-licences",
            O,
        ),
        (
            Case {
                card: &["mit", "cc-by-nc-4.0"],
                intended: PRIVATE,
                ..d()
            },
            "two-licences",
            C,
        ),
        (
            Case {
                card: &["mit"],
                file: Some(APACHE),
                ..d()
            },
            "file-differs",
            C,
        ),
        (
            Case {
                file: Some("LLAMA 2 COMMUNITY LICENSE AGREEMENT"),
                ..d()
            },
            "file-differs",
            C,
        ),
        (
            Case {
                card: &["other"],
                ..d()
            },
            "licence-unknown",
            U,
        ),
        (Case { card: &[], ..d() }, "licence-unknown", U),
        (
            Case {
                card: &["free for all"],
                ..d()
            },
            "licence-unknown",
            U,
        ),
        (
            Case {
                sources: &[("crawl", "common-crawl")],
                ..d()
            },
            "licence-unknown",
            U,
        ),
        (
            Case {
                sources: &[("x", "")],
                ..d()
            },
            "licence-unknown",
            U,
        ),
        (
            Case {
                sources: &[("x", "cc-by-nc-4.0")],
                ..d()
            },
            "non-commercial-source",
            C,
        ),
        (
            Case {
                sources: &[("x", "cc-by-nc-sa-3.0")],
                ..d()
            },
            "non-commercial-source",
            C,
        ),
        (
            Case {
                sources: &[("x", "apple-amlr")],
                ..d()
            },
            "research-source",
            C,
        ),
        (
            Case {
                sources: &[("x", "qwen-research")],
                ..d()
            },
            "research-source",
            C,
        ),
        (
            Case {
                sources: &[("wiki", "cc-by-sa-4.0")],
                ..d()
            },
            "share-alike-source",
            O,
        ),
        (
            Case {
                sources: &[("wiki", "wikipedia")],
                ..d()
            },
            "share-alike-source",
            O,
        ),
        (
            Case {
                sources: &[("maps", "odbl")],
                ..d()
            },
            "share-alike-source",
            O,
        ),
        (
            Case {
                sources: &[("x", "cc-by-nd-4.0")],
                ..d()
            },
            "no-derivatives-source",
            O,
        ),
        (
            Case {
                sources: &[("x", "gpl-3.0")],
                ..d()
            },
            "copyleft-source",
            O,
        ),
        (
            Case {
                sources: &[("x", "AGPL-3.0-only")],
                ..d()
            },
            "copyleft-source",
            O,
        ),
        (
            Case {
                sources: &[("x", "MPL-2.0")],
                ..d()
            },
            "copyleft-source",
            O,
        ),
        (
            Case {
                sources: &[("x", "gemma")],
                ..d()
            },
            "restricted-source",
            O,
        ),
        (
            Case {
                sources: &[("dolma", "odc-by")],
                ..d()
            },
            "compilation",
            O,
        ),
        (
            Case {
                sources: &[("a", "cc-by-sa-4.0"), ("b", "odbl")],
                ..d()
            },
            "share-alike-clash",
            O,
        ),
        (
            Case {
                card: &["Apache-2.0 AND GPL-2.0-only"],
                ..d()
            },
            "expression-clash",
            C,
        ),
        (
            Case {
                bases: &[("meta/llama", "llama3.1")],
                name: "org/Llama-x",
                ..d()
            },
            "base-model",
            C,
        ),
        (
            Case {
                bases: &[("m", "cc-by-nc-4.0")],
                ..d()
            },
            "base-model",
            C,
        ),
        (
            Case {
                card: &["llama3.1"],
                bases: &[("m", "llama3.1")],
                ..d()
            },
            "base-name",
            C,
        ),
        (
            Case {
                bases: &[("m", "mystery")],
                ..d()
            },
            "licence-unknown",
            U,
        ),
        (
            Case {
                card: &["cc-by-nc-4.0"],
                ..d()
            },
            "use-commercial",
            C,
        ),
        (
            Case {
                card: &["cc-by-nd-4.0"],
                ..d()
            },
            "use-modify",
            C,
        ),
        (
            Case {
                card: &["mrl"],
                ..d()
            },
            "use-research",
            C,
        ),
        (
            Case {
                card: &["llama2"],
                intended: train,
                ..d()
            },
            "use-train",
            C,
        ),
        (
            Case {
                card: &["llama3.3"],
                intended: huge,
                ..d()
            },
            "use-users",
            C,
        ),
        (
            Case {
                card: &["falcon-180b"],
                ..d()
            },
            "use-hosting",
            O,
        ),
        (
            Case {
                file: Some("All rights reserved by us."),
                ..d()
            },
            "licence-unknown",
            U,
        ),
        (
            Case {
                card: &["llama3"],
                bases: &[("m", "llama3")],
                name: "org/Llama-ja",
                ..d()
            },
            "base-name",
            C,
        ),
    ];
    let sound: Vec<Case> = vec![
        d(),
        Case {
            card: &["mit"],
            ..d()
        },
        Case {
            file: Some(APACHE),
            ..d()
        },
        Case {
            card: &["mit"],
            file: Some(&mit),
            ..d()
        },
        Case {
            card: &["MIT OR Apache-2.0"],
            file: Some(APACHE),
            ..d()
        },
        Case {
            card: &["GPL-3.0-or-later"],
            file: Some(GPL),
            ..d()
        },
        Case {
            card: &["Apache-2.0", "apache-2.0"],
            ..d()
        },
        Case {
            sources: &[("a", "mit"), ("b", "apache-2.0")],
            ..d()
        },
        Case {
            sources: &[("a", "cc0-1.0"), ("b", "cc-by-4.0")],
            ..d()
        },
        Case {
            sources: &[("a", "MIT OR GPL-3.0-only")],
            ..d()
        },
        Case {
            sources: &[("a", "bsd-3-clause"), ("b", "isc"), ("c", "Zlib")],
            ..d()
        },
        Case {
            sources: &[("a", "Unlicense"), ("b", "pddl")],
            ..d()
        },
        Case {
            sources: &[("a", "etalab-2.0"), ("b", "OGL-UK-3.0")],
            ..d()
        },
        Case {
            sources: &[("a", "cdla-permissive-2.0")],
            ..d()
        },
        Case {
            sources: &[("a", "Apache-2.0 WITH LLVM-exception")],
            ..d()
        },
        Case {
            card: &["cc-by-sa-4.0"],
            sources: &[("wiki", "cc-by-sa-4.0")],
            ..d()
        },
        Case {
            card: &["cc-by-nc-4.0"],
            sources: &[("x", "cc-by-nc-4.0")],
            intended: PRIVATE,
            ..d()
        },
        Case {
            card: &["gpl-3.0"],
            sources: &[("x", "gpl-3.0")],
            ..d()
        },
        Case {
            card: &["llama3.1"],
            bases: &[("m", "llama3.1")],
            name: "org/Llama-ja-8b",
            ..d()
        },
        Case {
            card: &["llama3.3"],
            ..d()
        },
        Case {
            card: &["llama3.3"],
            intended: train,
            ..d()
        },
        Case {
            card: &["llama2"],
            ..d()
        },
        Case {
            card: &["gemma"],
            bases: &[("g", "gemma")],
            ..d()
        },
        Case {
            card: &["gemma"],
            sources: &[("outputs", "gemma")],
            ..d()
        },
        Case {
            card: &["mrl"],
            intended: PRIVATE,
            ..d()
        },
        Case {
            bases: &[("m", "mit")],
            ..d()
        },
        Case {
            card: &["deepseek"],
            ..d()
        },
        Case {
            card: &["falcon-180b"],
            intended: PRIVATE,
            ..d()
        },
    ];
    assert!(planted.len() >= 20 && sound.len() >= 20);
    let missed: Vec<_> = planted
        .iter()
        .enumerate()
        .filter(|(_, (case, rule, state))| !case.found().contains(&(*rule, *state)))
        .map(|(at, (case, rule, _))| format!("{at} {rule}: {:?}", case.found()))
        .collect();
    let alarms: Vec<_> = sound
        .iter()
        .enumerate()
        .filter(|(_, case)| !case.found().is_empty())
        .map(|(at, case)| {
            format!(
                "{at} {:?} {:?}: {:?}",
                case.card,
                case.sources,
                case.found()
            )
        })
        .collect();
    println!(
        "licence conflicts: {} of {} planted found, {} false alarms of {}",
        planted.len() - missed.len(),
        planted.len(),
        alarms.len(),
        sound.len()
    );
    assert!(missed.is_empty(), "missed: {missed:#?}");
    assert!(alarms.is_empty(), "false alarms: {alarms:#?}");
}

#[test]
fn conflicts_name_clauses_and_places_and_serialise() {
    let statements = Statements {
        card: vec![read_at("apache-2.0", "README.md", "license")],
        sources: named(&[("x", "cc-by-nc-4.0")]),
        ..Statements::default()
    };
    let found = conflicts(&statements, &PRIVATE);
    let json = serde_json::to_value(&found).expect("plain data");
    assert_eq!(json[0]["state"], "contradiction");
    assert_eq!(
        json[0]["parties"][1]["clauses"][0],
        "CC-BY-NC-4.0, section 2(a)(1)"
    );
    assert_eq!(json[0]["parties"][1]["origin"]["file"], "data.md");
    for conflict in &found {
        assert_ne!(
            conflict.text.en, conflict.rule,
            "{} has no words",
            conflict.rule
        );
    }
}

#[test]
fn who_states_nothing_has_no_place_where_it_is_stated() {
    let statements = Statements {
        card: vec![read_at("apache-2.0", "README.md", "license")],
        sources: named(&[("silent", ""), ("odd", "see website")]),
        ..Statements::default()
    };
    let found = conflicts(&statements, &PRIVATE);
    let stated: Vec<bool> = found
        .iter()
        .map(|conflict| conflict.parties[0].origin.is_some())
        .collect();
    assert_eq!(stated, [false, true]);
}
