//! Series that a training logged.

use serde::{Deserialize, Serialize};

/// One key of one log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricSeries {
    /// The file.
    pub path: String,
    /// The key as logged: `loss`, `train/loss`.
    pub key: String,
    /// What it is, where its name says it.
    pub kind: Option<MetricKind>,
    /// Step and value in the order of the file: steps may go back, values may be no numbers.
    #[serde(with = "points")]
    pub points: Vec<(u64, f64)>,
}

/// What a series measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Cross-entropy, nats a token.
    Loss,
    /// Learning rate.
    LearningRate,
    /// Norm of the gradient.
    GradNorm,
    /// Tokens, samples or steps a second.
    Speed,
    /// Tokens seen.
    Tokens,
}

/// A float that survives JSON: what is not finite is `"NaN"`, `"inf"` or `"-inf"`.
pub(super) mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Written {
        Number(f64),
        Word(Word),
    }

    #[derive(Serialize, Deserialize)]
    pub(super) enum Word {
        #[serde(rename = "NaN")]
        NotANumber,
        #[serde(rename = "inf")]
        Infinite,
        #[serde(rename = "-inf")]
        MinusInfinite,
    }

    impl From<f64> for Written {
        fn from(value: f64) -> Self {
            if value.is_finite() {
                Self::Number(value)
            } else if value.is_nan() {
                Self::Word(Word::NotANumber)
            } else if value > 0.0 {
                Self::Word(Word::Infinite)
            } else {
                Self::Word(Word::MinusInfinite)
            }
        }
    }

    impl From<Written> for f64 {
        fn from(written: Written) -> Self {
            match written {
                Written::Number(value) => value,
                Written::Word(Word::NotANumber) => Self::NAN,
                Written::Word(Word::Infinite) => Self::INFINITY,
                Written::Word(Word::MinusInfinite) => Self::NEG_INFINITY,
            }
        }
    }

    pub(in crate::inventory) fn serialize<S: Serializer>(
        value: &f64,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        Written::from(*value).serialize(to)
    }

    pub(in crate::inventory) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<f64, D::Error> {
        Written::deserialize(from).map(f64::from)
    }
}

mod points {
    use super::number::Written;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        points: &[(u64, f64)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            points
                .iter()
                .map(|&(step, value)| (step, Written::from(value))),
        )
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(u64, f64)>, D::Error> {
        let points = Vec::<(u64, Written)>::deserialize(from)?;
        Ok(points
            .into_iter()
            .map(|(step, value)| (step, value.into()))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_survives_json() {
        let series = MetricSeries {
            path: "metrics.csv".into(),
            key: "loss".into(),
            kind: Some(MetricKind::Loss),
            points: vec![(1, 2.5), (2, f64::NAN), (1, f64::NEG_INFINITY)],
        };
        let text = serde_json::to_string(&series).expect("serialises");
        assert!(text.contains(r#"[[1,2.5],[2,"NaN"],[1,"-inf"]]"#), "{text}");
        let back: MetricSeries = serde_json::from_str(&text).expect("parses");
        assert!(back.points[1].1.is_nan() && back.points[2] == (1, f64::NEG_INFINITY));
    }
}
