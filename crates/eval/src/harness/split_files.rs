//! Which files of a data set's repository make up a split: as its card says, else as its folders and names do.

use super::node::Node;
use fancy_regex::Regex;
use std::collections::BTreeSet;

/// Endings that are read.
pub(super) const ENDINGS: [&str; 5] = ["jsonl", "json", "csv", "tsv", "parquet"];
/// Longest card whose settings are read.
pub(super) const LONGEST_CARD: u64 = 4 << 20;
/// Most patterns with wild cards for a split, and longest one.
const MOST_PATTERNS: usize = 64;
const LONGEST_PATTERN: usize = 1024;

/// What a task asks of a data set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// `dataset_name`: the configuration.
    pub(super) config: Option<&'a str>,
    /// `dataset_kwargs`; `data_files` and `data_dir` go before the card.
    pub(super) kwargs: &'a Node,
    pub(super) split: &'a str,
}

/// Whether a file is one that is read.
pub(super) fn is_data(path: &str) -> bool {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Files of a split, sorted, out of `all` paths of a repository, `card` being its README.md.
///
/// # Errors
/// No such configuration, no such split, or settings that say neither.
pub(super) fn of_split(
    all: &[String],
    card: Option<&str>,
    asked: Asked<'_>,
) -> Result<Vec<String>, String> {
    let text = |key: &str| asked.kwargs.get(key).and_then(Node::text);
    let mut folder = text("data_dir").map(str::to_owned);
    let given = asked.kwargs.get("data_files");
    let mut patterns = given.map(|files| patterns(files, asked.split));
    let mut config = asked.config;
    if patterns.is_none() && folder.is_none() {
        let configs = card.map(configs).transpose()?.unwrap_or_default();
        if let Some(found) = Config::choose(&configs, asked.config)? {
            folder.clone_from(&found.folder);
            patterns = found.files.as_ref().map(|files| patterns_of(files, asked));
            config = None;
        }
    }
    let folder = folder
        .as_deref()
        .map(below)
        .filter(|folder| !folder.is_empty());
    let inside: Vec<&String> = match folder {
        Some(folder) => {
            let prefix = format!("{folder}/");
            all.iter()
                .filter(|path| path.starts_with(&prefix))
                .collect()
        }
        None => all.iter().collect(),
    };
    let found = match patterns {
        Some(patterns) => matching(&inside, folder, &patterns)?,
        None => by_layout(&inside, config, asked.split),
    };
    let mut found: Vec<String> = found.into_iter().filter(|path| is_data(path)).collect();
    if found.is_empty() {
        return Err(format!(
            "has no file of split {} in a format that is read ({})",
            asked.split,
            ENDINGS.join(", ")
        ));
    }
    found.sort();
    Ok(found)
}

/// Files of a split in the branch that the Hub keeps converted: `CONFIG/SPLIT/0000.parquet`.
///
/// # Errors
/// No such configuration or split, or one of which only a part was converted.
pub(super) fn of_converted(all: &[String], asked: Asked<'_>) -> Result<Vec<String>, String> {
    let configs: BTreeSet<&str> = all
        .iter()
        .filter(|path| path.split('/').count() == 3)
        .filter_map(|path| path.split('/').next())
        .collect();
    let config = match asked.config {
        Some(config) => config,
        None if configs.contains("default") => "default",
        None => match configs.iter().collect::<Vec<_>>()[..] {
            [one] => one,
            _ => return Err(which(&configs)),
        },
    };
    let inside = |folder: &str| {
        let prefix = format!("{config}/{folder}/");
        let files = all
            .iter()
            .filter(|path| path.starts_with(&prefix) && is_data(path));
        files.cloned().collect::<Vec<_>>()
    };
    let mut found = inside(asked.split);
    if found.is_empty() {
        let split = asked.split;
        return Err(match inside(&format!("partial-{split}")).is_empty() {
            true => format!("has no split {split} of a configuration {config}"),
            false => format!("has split {split} converted in part only"),
        });
    }
    found.sort();
    Ok(found)
}

fn which(configs: &BTreeSet<&str>) -> String {
    let names: Vec<&str> = configs.iter().take(12).copied().collect();
    format!(
        "has {} configurations ({} …): dataset_name is to say which",
        configs.len(),
        names.join(", ")
    )
}

/// A configuration of a card.
#[derive(Debug)]
struct Config {
    name: String,
    is_default: bool,
    folder: Option<String>,
    /// `data_files`, as Hub cards write them.
    files: Option<serde_norway::Value>,
}

impl Config {
    /// The one that was asked for. `None` where a card names none.
    fn choose<'c>(all: &'c [Self], name: Option<&str>) -> Result<Option<&'c Self>, String> {
        if all.is_empty() {
            return Ok(None);
        }
        let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
        let found = match name {
            Some(name) => all.iter().find(|one| one.name == name),
            None => match all {
                [one] => Some(one),
                _ => all
                    .iter()
                    .find(|one| one.is_default)
                    .or_else(|| all.iter().find(|one| one.name == "default")),
            },
        };
        match (found, name) {
            (Some(found), _) => Ok(Some(found)),
            (None, Some(name)) => Err(format!("has no configuration {name}; it {}", which(&names))),
            (None, None) => Err(which(&names)),
        }
    }
}

/// `configs` of the settings at the head of a card.
fn configs(card: &str) -> Result<Vec<Config>, String> {
    use serde_norway::Value;
    let card = card.strip_prefix('\u{feff}').unwrap_or(card);
    let Some(rest) = card.strip_prefix("---") else {
        return Ok(Vec::new());
    };
    let Some((head, _)) = rest.split_once("\n---") else {
        return Ok(Vec::new());
    };
    let head: Value = serde_norway::from_str(head)
        .map_err(|error| format!("has a card whose settings are no YAML: {error}"))?;
    let Some(Value::Sequence(all)) = head.get("configs") else {
        return Ok(Vec::new());
    };
    let read = |one: &Value| {
        let text = |key: &str| one.get(key).and_then(Value::as_str).map(str::to_owned);
        Config {
            name: text("config_name").unwrap_or_else(|| "default".to_owned()),
            is_default: one.get("default").and_then(Value::as_bool) == Some(true),
            folder: text("data_dir"),
            files: one.get("data_files").cloned(),
        }
    };
    Ok(all.iter().map(read).collect())
}

/// Patterns of a split in `data_files` of a card: texts are the training split, maps name one.
fn patterns_of(files: &serde_norway::Value, asked: Asked<'_>) -> Vec<String> {
    use serde_norway::Value;
    let texts = |value: &Value| -> Vec<String> {
        match value {
            Value::String(one) => vec![one.clone()],
            Value::Sequence(several) => several
                .iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    };
    let of_split = |one: &Value| match one.get("split").and_then(Value::as_str) {
        Some(split) if split == asked.split => one.get("path").map(texts).unwrap_or_default(),
        _ => Vec::new(),
    };
    match files {
        Value::Sequence(several) if several.iter().any(Value::is_mapping) => {
            several.iter().flat_map(of_split).collect()
        }
        files if asked.split == "train" => texts(files),
        _ => Vec::new(),
    }
}

/// Patterns of a split in `data_files` of a task.
fn patterns(files: &Node, split: &str) -> Vec<String> {
    let given = match files {
        Node::Map(_) => files.get(split),
        files => (split == "train").then_some(files),
    };
    match given {
        Some(Node::Text(one)) => vec![one.clone()],
        Some(Node::List(several)) => several
            .iter()
            .filter_map(|one| one.text().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// A path of a card as listings have it: from the root, without `./`.
fn below(path: &str) -> &str {
    let path = path.trim_matches('/');
    if path == "." {
        return "";
    }
    path.trim_start_matches("./")
}

/// The paths that a pattern names, below `folder`.
fn matching(
    paths: &[&String],
    folder: Option<&str>,
    patterns: &[String],
) -> Result<Vec<String>, String> {
    let mut found: BTreeSet<&String> = BTreeSet::new();
    let mut wild = 0;
    for pattern in patterns {
        let pattern = match folder {
            Some(folder) => format!("{folder}/{}", below(pattern)),
            None => below(pattern).to_owned(),
        };
        if !pattern.contains(['*', '?']) {
            found.extend(paths.iter().copied().filter(|path| **path == pattern));
            continue;
        }
        wild += 1;
        if wild > MOST_PATTERNS || pattern.len() > LONGEST_PATTERN {
            return Err(format!(
                "has more than {MOST_PATTERNS} patterns, or one longer than {LONGEST_PATTERN} bytes"
            ));
        }
        let regex = glob(&pattern)?;
        found.extend(
            paths
                .iter()
                .copied()
                .filter(|path| regex.is_match(path).unwrap_or(false)),
        );
    }
    Ok(found.into_iter().cloned().collect())
}

/// `*` and `?` within a part of a path, `**` across parts. It has no backtracking: time is linear in a path.
fn glob(pattern: &str) -> Result<Regex, String> {
    let mut regex = "^".to_owned();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let (step, part) = match c {
            '*' if rest.starts_with("**/") => (3, "(?:.*/)?".to_owned()),
            '*' if rest.starts_with("**") => (2, ".*".to_owned()),
            '*' => (1, "[^/]*".to_owned()),
            '?' => (1, "[^/]".to_owned()),
            c => (
                c.len_utf8(),
                fancy_regex::escape(&c.to_string()).into_owned(),
            ),
        };
        regex.push_str(&part);
        rest = &rest[step..];
    }
    regex.push('$');
    Regex::new(&regex).map_err(|error| format!("has a pattern that is none: {error}"))
}

/// Files of a split by folders and names. A configuration is a folder, or stands before the split in a file's name.
fn by_layout(all: &[&String], config: Option<&str>, split: &str) -> Vec<String> {
    let readable: Vec<&String> = all.iter().copied().filter(|path| is_data(path)).collect();
    let of_config: Vec<&String> = match config {
        Some(name) => {
            let in_folder = |path: &&String| folders(path).any(|part| part == name);
            let named = |path: &&String| {
                file_name(path).starts_with(&format!("{name}-"))
                    || file_name(path).starts_with(&format!("{name}_"))
            };
            let inside: Vec<&String> = readable.iter().copied().filter(in_folder).collect();
            match inside.is_empty() {
                true => readable.iter().copied().filter(named).collect(),
                false => inside,
            }
        }
        None => Vec::new(),
    };
    // A data set without configurations in its files' names may still be asked for by one; one with folders of others, not.
    let plain = |path: &&String| {
        folders(path).all(|folder| {
            folder == "data"
                || SPLITS
                    .iter()
                    .flat_map(|all| all.iter())
                    .any(|name| *name == folder)
        })
    };
    let of_config = match (of_config.is_empty(), config) {
        (true, Some(_)) => readable.into_iter().filter(plain).collect(),
        (true, None) => readable,
        (false, _) => of_config,
    };
    // The split's own name goes before what it is also called: some have both `dev` and `validation`.
    let known = SPLITS.iter().find(|all| all[0] == split);
    let own = [split];
    let names: &[&str] = known.copied().unwrap_or(&own);
    let mut found = names.iter().map(|name| {
        let files = of_config.iter().filter(|path| says(path, name));
        files.map(|path| (*path).clone()).collect::<Vec<_>>()
    });
    let found = found.find(|files| !files.is_empty());
    one_format(found.unwrap_or_default())
}

/// The same rows often lie there in several formats: those of the ending that most files have, by name where as many.
fn one_format(files: Vec<String>) -> Vec<String> {
    let ending = |path: &String| {
        file_name(path)
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let mut endings = std::collections::BTreeMap::<String, usize>::new();
    for file in &files {
        *endings.entry(ending(file)).or_default() += 1;
    }
    let most = endings
        .iter()
        .max_by_key(|(_, count)| **count)
        .map(|(name, _)| name.clone());
    files
        .into_iter()
        .filter(|file| Some(ending(file)) == most)
        .collect()
}

/// Names of splits, and what they are also called.
const SPLITS: [&[&str]; 3] = [
    &["validation", "valid", "val", "dev"],
    &["train", "training"],
    &["test", "testing", "eval", "evaluation"],
];

fn folders(path: &str) -> impl Iterator<Item = &str> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.split('/').filter(|part| !part.is_empty())
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file's name, or its folder's, says that it belongs to a split.
fn says(path: &str, split: &str) -> bool {
    let stem = file_name(path).split('.').next().unwrap_or_default();
    // `validation_matched` is a name, too.
    stem.split('-').any(|word| word == split)
        || stem.split(['-', '_']).any(|word| word == split)
        || folders(path).last().is_some_and(|folder| folder == split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::json::parse;

    fn files(paths: &str) -> Vec<String> {
        paths.split_whitespace().map(str::to_owned).collect()
    }

    fn asked<'a>(config: Option<&'a str>, split: &'a str) -> Asked<'a> {
        Asked {
            config,
            kwargs: &Node::Null,
            split,
        }
    }

    #[test]
    fn an_unknown_configuration_is_not_all_of_them() {
        let languages = files("en/test.jsonl de/test.jsonl");
        assert!(of_split(&languages, None, asked(Some("fr"), "test")).is_err());
        let flat = files("data/test-00000.parquet");
        assert_eq!(
            of_split(&flat, None, asked(Some("fr"), "test")),
            Ok(flat.clone())
        );
    }

    #[test]
    fn the_same_rows_in_two_formats_count_once() {
        let both = files("test.csv test-0.parquet test-1.parquet");
        let found = of_split(&both, None, asked(None, "test"));
        assert_eq!(found, Ok(files("test-0.parquet test-1.parquet")));
    }

    #[test]
    fn a_split_may_have_an_underscore() {
        let all = files("validation_matched-00000.jsonl validation_mismatched-00000.jsonl");
        let found = |split| of_split(&all, None, asked(None, split));
        assert_eq!(
            found("validation_matched"),
            Ok(files("validation_matched-00000.jsonl"))
        );
    }

    #[test]
    fn a_card_says_which_files() {
        let card = "---\nlicense: mit\nconfigs:\n- config_name: en\n  data_files:\n  - split: test\n    path: data/x_test_en.jsonl\n\
                    - config_name: all\n  default: true\n  data_files:\n  - split: test\n    path: [data/x_test*, \"more/**\"]\n\
                    - config_name: flat\n  data_files: data/x_test.jsonl\n- config_name: below\n  data_dir: ./more/\n- config_name: here\n  data_dir: .\n---\n# Card\n";
        let all = files(
            "README.md data/x_test.jsonl data/x_test_en.jsonl more/a/b.csv more/c.py more/test.csv",
        );
        let found = |config, split| of_split(&all, Some(card), asked(config, split));
        assert_eq!(found(Some("en"), "test"), Ok(files("data/x_test_en.jsonl")));
        assert_eq!(
            found(None, "test"),
            Ok(files(
                "data/x_test.jsonl data/x_test_en.jsonl more/a/b.csv more/test.csv"
            ))
        );
        assert_eq!(found(Some("flat"), "train"), Ok(files("data/x_test.jsonl")));
        assert_eq!(found(Some("below"), "test"), Ok(files("more/test.csv")));
        assert_eq!(
            found(Some("here"), "test"),
            // One format: more/test.csv may hold the same rows.
            Ok(files("data/x_test.jsonl data/x_test_en.jsonl"))
        );
        assert!(found(Some("en"), "train").is_err());
        let none = found(Some("de"), "test").expect_err("is not there");
        assert!(none.contains("no configuration de"), "{none}");
    }

    #[test]
    fn a_task_goes_before_the_card() {
        let card = "---\nconfigs:\n- config_name: default\n  data_files: a.csv\n---\n";
        let all = files("a.csv b.csv");
        let kwargs = parse(r#"{"data_files": {"test": "b.csv"}}"#).expect("parses");
        let asked = Asked {
            config: None,
            kwargs: &kwargs,
            split: "test",
        };
        assert_eq!(of_split(&all, Some(card), asked), Ok(files("b.csv")));
    }

    #[test]
    fn layouts_of_the_hub_are_read() {
        // As the data sets of our tasks lie there.
        let mmlu = files(
            "all/test-00000-of-00001.parquet anatomy/dev-00000-of-00001.parquet anatomy/test-00000-of-00001.parquet \
             anatomy/validation-00000-of-00001.parquet",
        );
        let found = |config, split| by_layout(&mmlu.iter().collect::<Vec<_>>(), config, split);
        for split in ["dev", "validation", "test"] {
            let expected = format!("anatomy/{split}-00000-of-00001.parquet");
            assert_eq!(found(Some("anatomy"), split), [expected]);
        }
        let pages = files(
            "wikitext-103-v1/wikitext-103-v1-test.parquet wikitext-2-raw-v1/wikitext-2-raw-v1-test.parquet",
        );
        let found = of_split(&pages, None, asked(Some("wikitext-2-raw-v1"), "test"));
        assert_eq!(
            found,
            Ok(files("wikitext-2-raw-v1/wikitext-2-raw-v1-test.parquet"))
        );
    }

    #[test]
    fn what_the_hub_converted_is_read() {
        let all = files(
            "winogrande_xl/train/0000.parquet winogrande_xl/train/0001.parquet winogrande_xs/train/0000.parquet \
             winogrande_xl/partial-test/0000.parquet .gitattributes",
        );
        let found = |config, split| of_converted(&all, asked(config, split));
        assert_eq!(
            found(Some("winogrande_xl"), "train"),
            Ok(files(
                "winogrande_xl/train/0000.parquet winogrande_xl/train/0001.parquet"
            ))
        );
        let part = found(Some("winogrande_xl"), "test").expect_err("is a part");
        assert!(part.contains("in part only"), "{part}");
        let many = found(None, "train").expect_err("says which");
        assert!(many.contains("winogrande_xl, winogrande_xs"), "{many}");
    }

    #[test]
    fn attack_patterns_do_not_run_for_long() {
        let path = format!("{}b.csv", "a".repeat(1000));
        let all = vec![path];
        let bomb = |pattern: &str, count: usize| {
            let paths = format!("{pattern:?},").repeat(count);
            let card = format!(
                "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: [{paths}]\n---\n"
            );
            of_split(&all, Some(&card), asked(None, "test"))
        };
        assert!(bomb(&"*a".repeat(400), 1).is_err());
        assert!(bomb("*", MOST_PATTERNS + 1).is_err());
        assert!(bomb(&"*".repeat(LONGEST_PATTERN + 1), 1).is_err());
        assert!(of_split(&all, Some("---\n: [\n---\n"), asked(None, "test")).is_err());
    }
}
