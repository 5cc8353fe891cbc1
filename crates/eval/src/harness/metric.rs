//! What a document's answers are worth.

use super::node::Node;
use super::python::{exp, is_space};
use super::task::Output;
use super::template::{regex, replace};

/// How documents' values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregation {
    Mean,
    Median,
    Perplexity,
    WeightedPerplexity,
    BitsPerByte,
    F1,
    Matthews,
    Brier,
}

/// A metric of a task.
#[derive(Clone, Debug)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) aggregation: Aggregation,
    pub(super) higher_is_better: Node,
    /// Of `exact_match`: what to ignore.
    ignored: Vec<String>,
    ignore_case: bool,
    ignore_punctuation: bool,
    ignore_numbers: bool,
}

/// Metrics that are computed here, with how they are aggregated and whether more is better.
const KNOWN: [(&str, Aggregation, bool); 13] = [
    ("acc", Aggregation::Mean, true),
    ("acc_norm", Aggregation::Mean, true),
    ("acc_bytes", Aggregation::Mean, true),
    ("acc_mutual_info", Aggregation::Mean, true),
    ("exact_match", Aggregation::Mean, true),
    ("likelihood", Aggregation::Mean, true),
    ("perplexity", Aggregation::Perplexity, false),
    ("word_perplexity", Aggregation::WeightedPerplexity, false),
    ("byte_perplexity", Aggregation::WeightedPerplexity, false),
    ("bits_per_byte", Aggregation::BitsPerByte, false),
    ("f1", Aggregation::F1, true),
    ("mcc", Aggregation::Matthews, true),
    ("brier_score", Aggregation::Brier, false),
];

impl Metric {
    /// The metrics of a `metric_list`, or of a kind of request. `free` ones are made by a function of the task.
    pub(super) fn of(list: Option<Node>, output: Output, free: bool) -> Result<Vec<Self>, String> {
        let Some(list) = list else {
            let names: &[&str] = match output {
                Output::LogLikelihood => &["perplexity", "acc"],
                Output::Rolling => &["word_perplexity", "byte_perplexity", "bits_per_byte"],
                Output::MultipleChoice => &["acc", "acc_norm"],
                Output::Generate => &["exact_match"],
            };
            return names
                .iter()
                .map(|name| Self::one(&super::node::map([("metric", (*name).into())]), free))
                .collect();
        };
        let list = list.list().ok_or("metric_list is no list")?;
        let metrics: Vec<Self> = list
            .iter()
            .map(|config| Self::one(config, free))
            .collect::<Result<_, _>>()?;
        let of_output = |metric: &&Self| {
            free || match output {
                Output::LogLikelihood => ["perplexity", "acc"].contains(&metric.name.as_str()),
                Output::Rolling => ["word_perplexity", "byte_perplexity", "bits_per_byte"]
                    .contains(&metric.name.as_str()),
                Output::MultipleChoice => {
                    !metric.name.contains("perplexity")
                        && metric.name != "bits_per_byte"
                        && metric.name != "likelihood"
                }
                Output::Generate => metric.name == "exact_match",
            }
        };
        match metrics.iter().find(|metric| !of_output(metric)) {
            Some(metric) => Err(format!(
                "metric {} is not computed for its output_type",
                metric.name
            )),
            None => Ok(metrics),
        }
    }

    fn one(config: &Node, free: bool) -> Result<Self, String> {
        let name = match config.get("metric") {
            Some(Node::Text(name)) => name.clone(),
            Some(Node::Function(name)) => {
                return Err(format!("metric !function {name} is not executed"));
            }
            _ => return Err("a metric has no name".to_owned()),
        };
        let known = KNOWN.iter().find(|(known, ..)| *known == name);
        if known.is_none() && !free {
            return Err(format!("metric {name} is not computed here"));
        }
        let aggregation = match config.get("aggregation") {
            None => known.map_or(Aggregation::Mean, |known| known.1),
            Some(Node::Text(aggregation)) => match aggregation.as_str() {
                "mean" | "nanmean" => Aggregation::Mean,
                "median" => Aggregation::Median,
                "perplexity" => Aggregation::Perplexity,
                "weighted_perplexity" => Aggregation::WeightedPerplexity,
                "bits_per_byte" => Aggregation::BitsPerByte,
                "f1" => Aggregation::F1,
                "matthews_corrcoef" => Aggregation::Matthews,
                "brier_score" => Aggregation::Brier,
                other => return Err(format!("aggregation {other} is not computed here")),
            },
            Some(_) => return Err(format!("aggregation of {name} is not executed")),
        };
        let flag = |key: &str| config.get(key) == Some(&Node::Bool(true));
        if flag("hf_evaluate") && name != "exact_match" {
            return Err(format!(
                "{name} of the `evaluate` library is not computed here"
            ));
        }
        let options = [
            "regexes_to_ignore",
            "ignore_case",
            "ignore_punctuation",
            "ignore_numbers",
        ];
        for (key, _) in config.entries().unwrap_or_default() {
            let general = ["metric", "aggregation", "higher_is_better", "hf_evaluate"]
                .contains(&key.as_str());
            let of_match = name == "exact_match" && options.contains(&key.as_str());
            if !general && !of_match {
                return Err(format!("{key} of metric {name} is not supported"));
            }
        }
        let ignored = config
            .get("regexes_to_ignore")
            .and_then(Node::list)
            .unwrap_or_default();
        let ignored: Vec<String> = ignored
            .iter()
            .filter_map(|n| n.text().map(str::to_owned))
            .collect();
        for pattern in &ignored {
            regex(pattern)?;
        }
        let usual = known.map_or(Node::Bool(true), |known| Node::Bool(known.2));
        Ok(Self {
            aggregation,
            higher_is_better: config.get("higher_is_better").cloned().unwrap_or(usual),
            ignored,
            ignore_case: flag("ignore_case"),
            ignore_punctuation: flag("ignore_punctuation"),
            ignore_numbers: flag("ignore_numbers"),
            name,
        })
    }

    /// A text as `exact_match` compares it.
    fn plain(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        for pattern in &self.ignored {
            text = replace(&text, pattern, "", 0)?;
        }
        if self.ignore_case {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation {
            text.retain(|c| !c.is_ascii_punctuation());
        }
        if self.ignore_numbers {
            text.retain(|c| !c.is_ascii_digit());
        }
        Ok(text)
    }

    /// `exact_match` of an answer against each of `golds`, averaged.
    pub(super) fn exact_match(&self, golds: &[String], answer: &str) -> Result<f64, String> {
        let answer = self.plain(answer)?;
        let mut matches = 0;
        for gold in golds {
            // Comparing in NumPy drops what is empty at the end of both; nothing else is trimmed.
            matches += usize::from(
                self.plain(gold)?.trim_end_matches('\0') == answer.trim_end_matches('\0'),
            );
        }
        Ok(matches as f64 / golds.len().max(1) as f64)
    }
}

/// `len(re.split(r"\s+", text))`: the harness counts the empty words at the ends too.
pub(super) fn words(text: &str) -> usize {
    let mut words = 1;
    let mut within = false;
    for c in text.chars() {
        let space = is_space(c);
        words += usize::from(space && !within);
        within = space;
    }
    words
}

/// Place of the first largest value; a NaN is larger than all, as for NumPy.
pub(super) fn argmax(values: &[f64]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if values[best].is_nan() {
            break;
        }
        if *value > values[best] || value.is_nan() {
            best = place;
        }
    }
    best
}

/// e^x, normalised.
pub(super) fn softmax(values: &[f64]) -> Vec<f64> {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = values.iter().map(|value| exp(value - largest)).collect();
    let total: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::json::parse;

    #[test]
    fn empty_words_count() {
        for (text, count) in [("", 1), ("a", 1), (" a b\n\nc ", 5), ("a\u{3000}b", 2)] {
            assert_eq!(words(text), count, "{text:?}");
        }
    }

    #[test]
    fn the_first_largest() {
        assert_eq!(argmax(&[-2.0, -1.0, -1.0]), 1);
        assert_eq!(argmax(&[-2.0, f64::NAN, 5.0]), 1);
    }

    #[test]
    fn exact_match_ignores_what_it_is_told() {
        let config = r##"[{"metric": "exact_match", "ignore_case": true, "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]}]"##;
        let metric = &Metric::of(
            Some(parse(config).expect("parses")),
            Output::Generate,
            false,
        )
        .expect("reads")[0];
        assert_eq!(
            metric.exact_match(&["so it is\n#### 1,200".into()], "$1200."),
            Ok(1.0)
        );
        assert_eq!(
            metric.exact_match(&["Yes".into(), "no".into()], "YES"),
            Ok(0.5)
        );
    }

    #[test]
    fn what_is_not_computed_is_refused() {
        for list in [
            r#"[{"metric": "bleu"}]"#,
            r#"[{"metric": "exact_match", "odd": 1}]"#,
            r#"[{"metric": "acc"}]"#,
            r#"[{"metric": "exact_match", "aggregation": "ter"}]"#,
        ] {
            assert!(
                Metric::of(Some(parse(list).expect("parses")), Output::Generate, false).is_err(),
                "{list}"
            );
        }
    }
}
