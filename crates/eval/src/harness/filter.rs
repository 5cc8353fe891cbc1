//! What becomes of an answer before it is judged.

use super::node::Node;
use super::python::is_space;
use super::template::regex;
use fancy_regex::Regex;

/// Named filters, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) name: String,
    filters: Vec<Filter>,
}

#[derive(Clone, Debug)]
enum Filter {
    TakeFirst,
    TakeFirstK(usize),
    MajorityVote,
    Lowercase,
    Uppercase,
    RemoveWhitespace,
    Map(Vec<(String, Node)>, Node),
    Regex {
        regex: Regex,
        select: i64,
        fallback: String,
    },
}

impl Pipeline {
    /// The pipelines of a `filter_list`; without one, the first answer as it is.
    pub(super) fn of(list: Option<Node>) -> Result<Vec<Self>, String> {
        let Some(list) = list else {
            return Ok(vec![Self {
                name: "none".to_owned(),
                filters: vec![Filter::TakeFirst],
            }]);
        };
        let list = list.list().ok_or("filter_list is no list")?;
        let pipeline = |config: &Node| {
            let name = config.get("name").and_then(Node::text);
            let filters = config.get("filter").and_then(Node::list);
            let (Some(name), Some(filters)) = (name, filters) else {
                return Err("a filter has no name or no functions".to_owned());
            };
            Ok(Self {
                name: name.to_owned(),
                filters: filters.iter().map(Filter::of).collect::<Result<_, _>>()?,
            })
        };
        list.iter().map(pipeline).collect()
    }

    /// What becomes of the answers to one request.
    pub(super) fn apply(&self, answers: Vec<Node>) -> Result<Node, String> {
        self.filters
            .iter()
            .try_fold(Node::List(answers), |answers, filter| filter.apply(answers))
    }
}

impl Filter {
    fn of(config: &Node) -> Result<Self, String> {
        let function = config.get("function").and_then(Node::text);
        let given = |key: &str| config.get(key).filter(|value| **value != Node::Null);
        let text = |key: &str, otherwise: &str| match given(key) {
            None => Ok(otherwise.to_owned()),
            Some(Node::Text(text)) => Ok(text.clone()),
            Some(_) => Err(format!("{key} of a filter is no text")),
        };
        let known = |keys: &[&str]| {
            let entries = config.entries().unwrap_or_default();
            match entries
                .iter()
                .find(|(key, _)| key != "function" && !keys.contains(&key.as_str()))
            {
                Some((key, _)) => Err(format!(
                    "{key} is not supported by filter {}",
                    function.unwrap_or("?")
                )),
                None => Ok(()),
            }
        };
        let filter = match function {
            Some("take_first") => Self::TakeFirst,
            Some("take_first_k") => {
                known(&["k"])?;
                let count = given("k")
                    .and_then(Node::int)
                    .and_then(|k| usize::try_from(k).ok());
                return Ok(Self::TakeFirstK(
                    count.ok_or("k of take_first_k is no count")?,
                ));
            }
            Some("majority_vote") => Self::MajorityVote,
            Some("lowercase") => Self::Lowercase,
            Some("uppercase") => Self::Uppercase,
            Some("remove_whitespace") => Self::RemoveWhitespace,
            Some("map") => {
                known(&["mapping_dict", "default_value"])?;
                let entries = given("mapping_dict")
                    .and_then(Node::entries)
                    .unwrap_or_default();
                return Ok(Self::Map(
                    entries.to_vec(),
                    given("default_value").cloned().unwrap_or(Node::Null),
                ));
            }
            Some("regex") => {
                known(&["regex_pattern", "group_select", "fallback"])?;
                return Ok(Self::Regex {
                    regex: regex(&text("regex_pattern", r"#### (\-?[0-9\.\,]+)")?)?,
                    select: given("group_select").and_then(Node::int).unwrap_or(0),
                    fallback: text("fallback", "[invalid]")?,
                });
            }
            other => {
                return Err(format!(
                    "filter {} is not supported",
                    other.unwrap_or("without a function")
                ));
            }
        };
        known(&[])?;
        Ok(filter)
    }

    fn apply(&self, answers: Node) -> Result<Node, String> {
        let Node::List(mut answers) = answers else {
            return Err("a filter follows one that left a single answer".to_owned());
        };
        let each = |answers: Vec<Node>, change: &dyn Fn(&str) -> Result<Node, String>| {
            let changed = answers.iter().map(|answer| match answer.text() {
                Some(text) => change(text),
                None => Err("a filter of texts was given none".to_owned()),
            });
            changed.collect::<Result<_, _>>().map(Node::List)
        };
        match self {
            Self::TakeFirst if answers.is_empty() => Err("there is no answer to take".to_owned()),
            Self::TakeFirst => Ok(answers.swap_remove(0)),
            Self::TakeFirstK(count) if answers.len() < *count => Err(format!(
                "there are {} answers to take {count} of",
                answers.len()
            )),
            Self::TakeFirstK(count) => {
                answers.truncate(*count);
                Ok(Node::List(answers))
            }
            Self::MajorityVote => {
                // The first of the most frequent ones, as `Counter.most_common`.
                let votes = |answer: &Node| answers.iter().filter(|other| *other == answer).count();
                let mut best: Option<(&Node, usize)> = None;
                for answer in &answers {
                    let count = votes(answer);
                    if best.is_none_or(|(_, most)| count > most) {
                        best = Some((answer, count));
                    }
                }
                let (answer, _) = best.ok_or("there is no answer to vote on")?;
                Ok(Node::List(vec![answer.clone()]))
            }
            Self::Lowercase => each(answers, &|text| Ok(text.to_lowercase().into())),
            Self::Uppercase => each(answers, &|text| Ok(text.to_uppercase().into())),
            Self::RemoveWhitespace => each(answers, &|text| Ok(text.trim_matches(is_space).into())),
            Self::Map(entries, otherwise) => each(answers, &|text| {
                let entry = entries.iter().find(|(key, _)| key == text);
                Ok(entry.map_or(otherwise, |(_, value)| value).clone())
            }),
            Self::Regex {
                regex,
                select,
                fallback,
            } => each(answers, &|text| {
                extract(regex, text, *select, fallback).map(Node::Text)
            }),
        }
    }
}

/// `findall`, of which one match is selected, of which the first group that is not empty.
fn extract(regex: &Regex, text: &str, select: i64, fallback: &str) -> Result<String, String> {
    let mut found = Vec::new();
    for captures in regex.captures_iter(text) {
        let captures = captures.map_err(|error| error.to_string())?;
        let group = |index: usize| captures.get(index).map_or("", |group| group.as_str());
        found.push(match captures.len() {
            1 => Some(group(0).to_owned()),
            2 => Some(group(1).to_owned()),
            groups => (1..groups)
                .map(group)
                .find(|text| !text.is_empty())
                .map(str::to_owned),
        });
    }
    let at = if select < 0 {
        found.len() as i64 + select
    } else {
        select
    };
    if found.is_empty() {
        return Ok(fallback.to_owned());
    }
    let selected = usize::try_from(at)
        .ok()
        .and_then(|at| found.into_iter().nth(at));
    let selected =
        selected.ok_or_else(|| format!("group_select {select} is beyond the matches"))?;
    Ok(selected
        .as_deref()
        .unwrap_or(fallback)
        .trim_matches(is_space)
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::json::parse;

    fn apply(filters: &str, answers: &[&str]) -> Result<Node, String> {
        let list = format!("[{{\"name\": \"x\", \"filter\": {filters}}}]");
        let pipelines = Pipeline::of(Some(parse(&list).expect("parses")))?;
        pipelines[0].apply(answers.iter().map(|&a| a.into()).collect())
    }

    #[test]
    fn answers_are_extracted() {
        let strict = r#####"[{"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"}, {"function": "take_first"}]"#####;
        assert_eq!(
            apply(strict, &["so #### 1,200 . #### 3"]),
            Ok("1,200".into())
        );
        assert_eq!(apply(strict, &["none"]), Ok("[invalid]".into()));
        let flexible = r#"[{"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"}, {"function": "take_first"}]"#;
        assert_eq!(apply(flexible, &["first 12, then 7"]), Ok("7".into()));
        let tidy = r#"[{"function": "lowercase"}, {"function": "remove_whitespace"}, {"function": "majority_vote"}, {"function": "take_first"}]"#;
        assert_eq!(apply(tidy, &["B", " a", "A "]), Ok("a".into()));
        let mapped = r#"[{"function": "map", "mapping_dict": {"x": 1}, "default_value": -1}, {"function": "take_first"}]"#;
        assert_eq!(apply(mapped, &["y"]), Ok(Node::Int(-1)));
    }

    #[test]
    fn what_is_not_supported_is_an_error() {
        for filters in [
            r#"[{"function": "custom"}]"#,
            r#"[{"function": "regex", "flags": 1}]"#,
            r#"[{"function": "regex", "regex_pattern": "("}]"#,
            "[{}]",
        ] {
            assert!(apply(filters, &["a"]).is_err(), "{filters}");
        }
        assert!(
            apply(
                r#"[{"function": "take_first"}, {"function": "lowercase"}]"#,
                &["a"]
            )
            .is_err()
        );
    }

    #[test]
    fn attack_a_pattern_that_never_ends_is_an_error() {
        let filters = r#"[{"function": "regex", "regex_pattern": "^(?:a(?=a|$)|a(?=a|$))*c"}]"#;
        assert!(apply(filters, &[&"a".repeat(64)]).is_err());
    }
}
