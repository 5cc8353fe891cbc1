//! The licence gate: which documents a run may train on, and why the others may not be.

use glasswork_release::sha256_hex;
use serde::Deserialize;
use spdx::expression::{ExprNode, Operator};
use spdx::{Expression, ParseMode};

use crate::error::{Error, Result};

/// A licence as it stands in the record of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Licence {
    /// The normalised SPDX expression, where there is one.
    pub(crate) spdx: Option<String>,
    /// What it covers: `package` or `source`.
    pub(crate) scope: &'static str,
    /// The file that states it, and its digest: `Cargo.toml sha256:…`.
    pub(crate) evidence: String,
    /// The rule that refuses it, and what was found, for a reader.
    pub(crate) refused: Option<(&'static str, String)>,
}

/// The licences that a run allows.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    allowed: Vec<String>,
}

impl Gate {
    /// Checks the allow list: each entry one licence, with its exception if it has one.
    ///
    /// # Errors
    /// An entry that is no single SPDX licence.
    pub(crate) fn new(allow: &[String]) -> Result<Self> {
        let mut allowed = Vec::new();
        for entry in allow {
            let wrong = |reason: String| Error::Licence {
                place: "gate.allow".into(),
                expression: entry.clone(),
                reason,
            };
            let (_, expression) = parse(entry).map_err(wrong)?;
            let mut terms = expression.requirements();
            match (terms.next(), terms.next()) {
                (Some(term), None) => allowed.push(term.req.to_string()),
                _ => return Err(wrong("one licence an entry".into())),
            }
        }
        Ok(Self { allowed })
    }

    /// Judges an expression: of an `OR` one side must be allowed, of an `AND` both. A licence with
    /// an exception (`WITH`) is its own licence and must be allowed as such.
    pub(crate) fn judge(
        &self,
        stated: Option<&str>,
        scope: &'static str,
        evidence: String,
    ) -> Licence {
        let refuse = |spdx, rule, found| Licence {
            spdx,
            scope,
            evidence: evidence.clone(),
            refused: Some((rule, found)),
        };
        let Some(stated) = stated.map(str::trim).filter(|stated| !stated.is_empty()) else {
            return refuse(
                None,
                "licence-missing",
                "no SPDX expression is stated".into(),
            );
        };
        match parse(stated) {
            Err(reason) => refuse(None, "licence-unparsable", format!("`{stated}`: {reason}")),
            Ok((normal, expression)) => {
                if expression.evaluate(|term| self.allowed.contains(&term.to_string())) {
                    Licence {
                        spdx: Some(normal),
                        scope,
                        evidence,
                        refused: None,
                    }
                } else {
                    let found = format!("`{normal}` is not on the run's list");
                    refuse(Some(normal), "licence-not-allowed", found)
                }
            }
        }
    }

    /// Judges a package by the manifest in its archive; `None` where the archive has none.
    pub(crate) fn judge_manifest(&self, manifest: Option<&[u8]>) -> Licence {
        let Some(bytes) = manifest else {
            return self.judge(None, "package", "no Cargo.toml in the archive".into());
        };
        let evidence = format!("Cargo.toml sha256:{}", sha256_hex(bytes));
        let read = std::str::from_utf8(bytes)
            .map_err(|error| error.to_string())
            .and_then(|text| toml::from_str::<Manifest>(text).map_err(|error| error.to_string()));
        match read {
            Err(_) => Licence {
                spdx: None,
                scope: "package",
                evidence,
                refused: Some(("licence-unparsable", "Cargo.toml cannot be read".into())),
            },
            Ok(Manifest { package }) => {
                let mut licence = self.judge(package.license.as_deref(), "package", evidence);
                if let (Some(("licence-missing", found)), Some(file)) =
                    (&mut licence.refused, package.license_file)
                {
                    *found = format!("only a licence file is stated: `{file}`");
                }
                licence
            }
        }
    }
}

/// What the gate reads of a manifest; cargo writes it, so that nothing is inherited.
#[derive(Deserialize)]
struct Manifest {
    package: ManifestPackage,
}

#[derive(Deserialize)]
struct ManifestPackage {
    license: Option<String>,
    #[serde(rename = "license-file")]
    license_file: Option<String>,
}

/// Parses laxly (crates.io once accepted `MIT/Apache-2.0`) and gives the normal spelling.
fn parse(stated: &str) -> Result<(String, Expression), String> {
    let reason = |error: spdx::ParseError| error.reason.to_string();
    let normal = Expression::canonicalize(stated)
        .map_err(reason)?
        .unwrap_or_else(|| stated.into());
    let expression = Expression::parse_mode(&normal, ParseMode::LAX).map_err(reason)?;
    Ok((normal, expression))
}

/// The value of an expression: each licence's by its identifier (an exception does not change the
/// class of its base), joined by `or` and `and`; `None` where it is no expression.
pub(crate) fn evaluate<T>(
    expression: &str,
    licence: impl Fn(&str) -> T,
    or: impl Fn(T, T) -> T,
    and: impl Fn(T, T) -> T,
) -> Option<T> {
    let (_, expression) = parse(expression).ok()?;
    let mut values = Vec::new();
    for node in expression.iter() {
        let value = match node {
            ExprNode::Req(term) => match term.req.license.id() {
                Some(id) => licence(id.name),
                None => licence(&term.req.license.to_string()),
            },
            ExprNode::Op(operator) => {
                let (right, left) = (values.pop()?, values.pop()?);
                match operator {
                    Operator::Or => or(left, right),
                    Operator::And => and(left, right),
                }
            }
        };
        values.push(value);
    }
    values.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        let allow = [
            "MIT",
            "Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "Unicode-3.0",
        ];
        Gate::new(&allow.map(String::from)).expect("valid")
    }

    fn verdict(stated: &str) -> (Option<String>, Option<&'static str>) {
        let licence = gate().judge(Some(stated), "package", "e".into());
        (licence.spdx, licence.refused.map(|(rule, _)| rule))
    }

    #[test]
    fn either_side_of_or_suffices_and_needs_both_of_and() {
        assert_eq!(verdict("MIT OR GPL-3.0-only").1, None);
        assert_eq!(
            verdict("MIT AND GPL-3.0-only").1,
            Some("licence-not-allowed")
        );
        assert_eq!(verdict("(MIT OR Apache-2.0) AND Unicode-3.0").1, None);
        assert_eq!(
            verdict("(MIT OR Apache-2.0) AND CC-BY-SA-4.0").1,
            Some("licence-not-allowed")
        );
        assert_eq!(verdict("MPL-2.0").1, Some("licence-not-allowed"));
    }

    #[test]
    fn an_exception_makes_another_licence() {
        assert_eq!(verdict("Apache-2.0 WITH LLVM-exception").1, None);
        assert_eq!(
            verdict("MIT WITH LLVM-exception").1,
            Some("licence-not-allowed")
        );
    }

    #[test]
    fn the_slash_form_is_normalised() {
        assert_eq!(
            verdict("MIT/Apache-2.0"),
            (Some("MIT OR Apache-2.0".into()), None)
        );
        assert_eq!(
            verdict("Apache-2.0 / MIT"),
            (Some("Apache-2.0 OR MIT".into()), None)
        );
    }

    #[test]
    fn what_is_no_licence_is_refused_by_name() {
        assert_eq!(verdict("See LICENSE"), (None, Some("licence-unparsable")));
        assert_eq!(verdict("MIT OR"), (None, Some("licence-unparsable")));
        assert_eq!(verdict("Nonstandard"), (None, Some("licence-unparsable")));
        assert_eq!(verdict("  "), (None, Some("licence-missing")));
    }

    #[test]
    fn manifests_are_the_evidence() {
        let judge = |text: &str| gate().judge_manifest(Some(text.as_bytes()));
        let good = judge("[package]\nname = \"a\"\nlicense = \"MIT\"\n");
        assert_eq!(good.refused, None);
        assert!(good.evidence.starts_with("Cargo.toml sha256:"));
        let rule = |licence: Licence| licence.refused.map(|(rule, _)| rule);
        assert_eq!(
            rule(judge("[package]\nlicense-file = \"L\"\n")),
            Some("licence-missing")
        );
        assert_eq!(rule(judge("[package]\n")), Some("licence-missing"));
        assert_eq!(rule(judge("[package")), Some("licence-unparsable"));
        assert_eq!(rule(gate().judge_manifest(None)), Some("licence-missing"));
        assert_eq!(
            rule(gate().judge_manifest(Some(b"\xff"))),
            Some("licence-unparsable")
        );
    }

    #[test]
    fn an_allow_list_holds_single_licences() {
        assert!(Gate::new(&["MIT OR Apache-2.0".into()]).is_err());
        assert!(Gate::new(&["Gibberish".into()]).is_err());
    }

    #[test]
    fn an_or_takes_one_side_and_an_and_both() {
        let strictest =
            |text| evaluate(text, |id| u8::from(id == "GPL-3.0-only"), u8::min, u8::max);
        assert_eq!(strictest("MIT OR GPL-3.0-only"), Some(0));
        assert_eq!(strictest("MIT AND GPL-3.0-only"), Some(1));
        assert_eq!(
            strictest("(MIT OR GPL-3.0-only) AND Apache-2.0 WITH LLVM-exception"),
            Some(0)
        );
        assert_eq!(strictest("nonsense text"), None);
    }
}
