//! One place where an error becomes text: what broke, and what to do.

use crate::output::{Output, shown};
use std::fmt::Display;
use std::process::ExitCode;

/// An error with its remedy and its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    /// An error (exit code 1).
    pub(crate) fn new(message: impl Display, hint: Option<String>) -> Self {
        Self {
            message: message.to_string(),
            hint,
            code: 1,
        }
    }

    /// An error with the exit code of the command that ended with it.
    pub(crate) fn with_code(code: u8, message: impl Display, hint: Option<String>) -> Self {
        Self {
            message: message.to_string(),
            hint,
            code,
        }
    }

    /// Wrong usage (exit code 2).
    pub(crate) fn usage(message: impl Display, hint: &str) -> Self {
        Self {
            message: message.to_string(),
            hint: Some(hint.to_owned()),
            code: 2,
        }
    }

    /// A mismatch (exit code 3).
    pub(crate) fn mismatch(message: impl Display, hint: Option<String>) -> Self {
        Self {
            message: message.to_string(),
            hint,
            code: crate::MISMATCH,
        }
    }

    /// Not enough evidence (exit code 4).
    pub(crate) fn not_enough(message: impl Display, hint: Option<String>) -> Self {
        Self {
            message: message.to_string(),
            hint,
            code: crate::NOT_ENOUGH,
        }
    }

    /// Prints the error and gives its exit code.
    pub(crate) fn report(&self, output: &Output) -> ExitCode {
        if output.json {
            let json = serde_json::json!({ "error": self.message, "hint": self.hint });
            eprintln!("{json}");
        } else {
            eprintln!(
                "{} {}",
                output.style("error:", "1;31"),
                shown(&self.message)
            );
            if let Some(hint) = &self.hint {
                eprintln!(" {} {}", output.style("hint:", "1;36"), shown(hint));
            }
        }
        ExitCode::from(self.code)
    }
}

macro_rules! from_library {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(&error, error.hint())
            }
        })*
    };
}

from_library!(
    glasswork_release::Error,
    glasswork_data::Error,
    glasswork_train::TrainError,
    glasswork_eval::EvalError,
    glasswork_replay::ReplayError,
    glasswork_audit::Error,
    glasswork_page::Error,
    glasswork_model::ModelError,
    glasswork_hub::Error,
    glasswork_poc::Error,
    glasswork_published::Error,
);
