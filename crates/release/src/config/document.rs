//! A TOML text whose keys know their lines.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result};

/// A parsed text, for finding keys.
pub(super) struct Document<'a> {
    path: PathBuf,
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(text: &'a str, path: &Path) -> Result<Self> {
        let root = DeTable::parse(text).map_err(|error| Error::Config {
            path: path.into(),
            line: error.span().map(|span| line_of(text, span.start)),
            key: "syntax".into(),
            problem: error.message().trim().replace('\n', "; "),
            hint: Some(
                "strings need quotes, sections look like [model]; see examples/demo/run.toml"
                    .into(),
            ),
        })?;
        Ok(Self {
            path: path.into(),
            text,
            root,
        })
    }

    /// An error at a dotted key such as `model.heads` or `source.2.kind`; the line is that of the longest part of the
    /// key that is there.
    pub(super) fn fail(
        &self,
        key: &str,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Error {
        let hint: String = hint.into();
        Error::Config {
            path: self.path.clone(),
            line: self.line(key),
            key: key.into(),
            problem: problem.into(),
            hint: (!hint.is_empty()).then_some(hint),
        }
    }

    /// The same for an error of the TOML library, which knows the place but not the key.
    pub(super) fn fail_at(&self, error: &toml::de::Error) -> Error {
        let offset = error.span().map(|span| span.start);
        let mut key = String::new();
        if let Some(offset) = offset {
            key_at(self.root.get_ref(), offset, &mut key);
        }
        Error::Config {
            path: self.path.clone(),
            line: offset
                .filter(|_| !key.is_empty())
                .map(|offset| line_of(self.text, offset)),
            key: if key.is_empty() { "file".into() } else { key },
            problem: in_plain_words(error.message()),
            hint: Some("examples/demo/run.toml shows every key with a value".into()),
        }
    }

    /// Calls `visit(section, key)` for every key of the document; sections of arrays are named without their index.
    pub(super) fn for_each_key(
        &self,
        visit: &mut dyn FnMut(&str, &str, &str) -> Result<()>,
    ) -> Result<()> {
        walk(self.root.get_ref(), "", "", visit)
    }

    fn line(&self, key: &str) -> Option<usize> {
        let mut table = self.root.get_ref();
        let mut array = None;
        let mut found = None;
        for part in key.split('.') {
            let value = if let Some(items) = array.take() {
                let items: &[Spanned<DeValue<'_>>] = items;
                let Some(item) = part
                    .parse()
                    .ok()
                    .and_then(|i: usize| items.get(i.checked_sub(1)?))
                else {
                    break;
                };
                found = Some(item.span().start);
                item
            } else {
                let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part)
                else {
                    break;
                };
                found = Some(name.span().start);
                value
            };
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                DeValue::Array(items) => array = Some(&**items),
                _ => break,
            }
        }
        found.map(|offset| line_of(self.text, offset))
    }
}

/// What the parser says, without the names of Rust's types.
fn in_plain_words(message: &str) -> String {
    let mut text = message.trim().replace('\n', "; ");
    for (expected, plain) in [
        ("expected u64", "expected a whole number"),
        ("expected usize", "expected a whole number"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
    ] {
        text = text.replace(expected, plain);
    }
    text
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|&&b| b == b'\n')
        .count()
        + 1
}

fn walk(
    table: &DeTable<'_>,
    section: &str,
    place: &str,
    visit: &mut dyn FnMut(&str, &str, &str) -> Result<()>,
) -> Result<()> {
    for (name, value) in table {
        let name: &str = name.get_ref();
        let here = if place.is_empty() {
            name.to_owned()
        } else {
            format!("{place}.{name}")
        };
        visit(section, name, &here)?;
        match value.get_ref() {
            DeValue::Table(inner) => walk(inner, name, &here, visit)?,
            DeValue::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    if let DeValue::Table(inner) = item.get_ref() {
                        walk(inner, name, &format!("{here}.{}", i + 1), visit)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Appends the dotted key whose value contains `offset`.
fn key_at(table: &DeTable<'_>, offset: usize, key: &mut String) {
    fn push(key: &mut String, part: &str) {
        if !key.is_empty() {
            key.push('.');
        }
        key.push_str(part);
    }
    fn contains(value: &DeValue<'_>, span: std::ops::Range<usize>, offset: usize) -> bool {
        match value {
            // The span of a section is its header's alone; look inside.
            DeValue::Table(inner) => {
                span.contains(&offset)
                    || inner
                        .iter()
                        .any(|(_, v)| contains(v.get_ref(), v.span(), offset))
            }
            DeValue::Array(items) => {
                span.contains(&offset)
                    || items
                        .iter()
                        .any(|v| contains(v.get_ref(), v.span(), offset))
            }
            _ => span.contains(&offset),
        }
    }
    for (name, value) in table {
        if !contains(value.get_ref(), value.span(), offset) && !name.span().contains(&offset) {
            continue;
        }
        push(key, name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => key_at(inner, offset, key),
            DeValue::Array(items) => {
                let place = items
                    .iter()
                    .position(|item| contains(item.get_ref(), item.span(), offset));
                if let Some((i, DeValue::Table(inner))) = place.map(|i| (i, items[i].get_ref())) {
                    push(key, &(i + 1).to_string());
                    key_at(inner, offset, key);
                }
            }
            _ => {}
        }
        return;
    }
}
