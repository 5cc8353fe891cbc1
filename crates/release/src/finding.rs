//! One thing that does not agree in a release.

use std::fmt;

use serde::Serialize;

/// One thing that does not agree: which file, which step and tensor where that is known, what was expected and found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, relative to the release, with `/`.
    pub path: String,
    /// The first step it concerns.
    pub step: Option<u64>,
    /// The last step it concerns, where that is a range.
    pub last_step: Option<u64>,
    /// The tensor it concerns.
    pub tensor: Option<String>,
    /// What was compared, in words ("digest of the file", "state digest", …).
    pub what: String,
    /// What the rest of the release, or the pinned root, says.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Finding {
    /// A finding about a file as a whole.
    pub fn new(
        path: impl Into<String>,
        what: impl Into<String>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self {
            path: path.into(),
            step: None,
            last_step: None,
            tensor: None,
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// The same, about one step.
    #[must_use]
    pub fn at_step(self, step: u64) -> Self {
        Self {
            step: Some(step),
            ..self
        }
    }

    /// The same, about the steps `first..=last`.
    #[must_use]
    pub fn at_steps(self, first: u64, last: u64) -> Self {
        Self {
            step: Some(first),
            last_step: (last > first).then_some(last),
            ..self
        }
    }

    /// The same, about one tensor.
    #[must_use]
    pub fn at_tensor(self, tensor: impl Into<String>) -> Self {
        Self {
            tensor: Some(tensor.into()),
            ..self
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match (self.step, self.last_step) {
            (Some(first), Some(last)) => write!(f, ", steps {first} to {last}")?,
            (Some(step), None) => write!(f, ", step {step}")?,
            _ => {}
        }
        if let Some(tensor) = &self.tensor {
            write!(f, ", tensor {tensor}")?;
        }
        write!(
            f,
            ": {}: expected {}, found {}",
            self.what, self.expected, self.found
        )
    }
}
