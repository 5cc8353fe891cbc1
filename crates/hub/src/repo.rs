//! What can be named on the Hub: a repository, a revision of it, a commit, and the check that each name passes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The two kinds of repository that a model is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepoKind {
    /// Weights, configuration, tokenizer, card.
    Model,
    /// Documents, and tasks with their answers.
    Dataset,
}

impl RepoKind {
    /// The word in API addresses and in the cache's folder names: "models" or "datasets".
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
        }
    }
}

/// A repository, its name checked: each part has 1 to 96 of `[A-Za-z0-9._-]`, no `.` or `-`
/// at either end, no `..` and no `--`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repo {
    kind: RepoKind,
    owner: String,
    name: String,
}

impl Repo {
    /// Reads `owner/name`.
    pub fn parse(kind: RepoKind, text: &str) -> Result<Self> {
        let (owner, name) = text.split_once('/').ok_or_else(|| {
            Error::bad_name(
                "repository",
                text,
                "an owner and a name with one '/' between them are needed",
            )
        })?;
        for part in [owner, name] {
            check_part(part).map_err(|problem| Error::bad_name("repository", text, problem))?;
        }
        Ok(Self {
            kind,
            owner: owner.into(),
            name: name.into(),
        })
    }

    /// Model or data set.
    #[must_use]
    pub fn kind(&self) -> RepoKind {
        self.kind
    }

    /// The account or organisation.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name below the owner.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder in a cache of `huggingface_hub`: `models--owner--name`.
    pub(crate) fn folder(&self) -> String {
        format!("{}--{}--{}", self.kind.plural(), self.owner, self.name)
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

fn check_part(part: &str) -> Result<(), &'static str> {
    if part.is_empty() || part.len() > 96 {
        return Err("each part has 1 to 96 characters");
    }
    if !part
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    {
        return Err("only A-Z, a-z, 0-9, '.', '_' and '-' are allowed");
    }
    if part.starts_with(['.', '-']) || part.ends_with(['.', '-']) {
        return Err("no part starts or ends with '.' or '-'");
    }
    // The Hub refuses both; with "--", two repositories could share one folder of the cache.
    if part.contains("..") || part.contains("--") {
        return Err("no part holds '..' or '--'");
    }
    Ok(())
}

/// A commit: 40 lower-case hexadecimal digits. It names one state of a repository for good.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commit(String);

impl Commit {
    /// Reads 40 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self> {
        if !is_hex(text, 40) {
            return Err(Error::bad_name(
                "commit",
                text,
                "40 lower-case hexadecimal digits are needed",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The 40 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Commit {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Commit> for String {
    fn from(commit: Commit) -> Self {
        commit.0
    }
}

/// Whether `text` is exactly `digits` lower-case hexadecimal digits.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Checks a branch, tag or `refs/pr/N` by git's rules (git-check-ref-format); what passes is also a safe
/// relative path, which is how the cache keeps it.
pub(crate) fn check_revision(revision: &str) -> Result<()> {
    let bad = |problem| Err(Error::bad_name("revision", revision, problem));
    if revision.is_empty() || revision.len() > 255 {
        return bad("1 to 255 bytes are needed");
    }
    if revision
        .chars()
        .any(|c| c.is_control() || " ~^:?*[\\\"<>|".contains(c))
    {
        return bad("a control character, a space or one of ~^:?*[\\\"<>| is in it");
    }
    if revision.contains("@{") {
        return bad("'@{' is in it");
    }
    for part in revision.split('/') {
        if part.is_empty() || part.starts_with('.') || part.starts_with('-') {
            return bad("a part is empty or starts with '.' or '-'");
        }
        if part.contains("..") || part.ends_with('.') || part.ends_with(".lock") {
            return bad("a part holds '..' or ends with '.' or '.lock'");
        }
    }
    Ok(())
}

/// Percent-encodes everything but RFC 3986's unreserved characters, `/` too.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_published_families_are_read() {
        for name in [
            "LLM360/Amber",
            "EleutherAI/pythia-70m",
            "a/b.c_d-e",
            "allenai/OLMo-2-1124-7B",
        ] {
            let repo = Repo::parse(RepoKind::Model, name).unwrap();
            assert_eq!(repo.to_string(), name);
        }
        let repo = Repo::parse(RepoKind::Dataset, "o/n").unwrap();
        assert_eq!(repo.folder(), "datasets--o--n");
        for revision in [
            "main",
            "ckpt_012",
            "step3000",
            "stage1-step1000-tokens5B",
            "refs/pr/1",
            "v1.0",
        ] {
            check_revision(revision).unwrap();
        }
        assert_eq!(encode("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(encode("a b#?%é"), "a%20b%23%3F%25%C3%A9");
    }

    #[test]
    fn attack_names_that_would_leave_the_cache() {
        let long = format!("a/{}", "b".repeat(97));
        for name in [
            "", "a", "/", "a/", "/b", "../b", "a/..", "a/b/c", ".a/b", "a/-b", "a/b..c", "a\\b/c",
            "a/b\0", "a/b?x", "a/b@host", &long,
        ] {
            assert!(Repo::parse(RepoKind::Model, name).is_err(), "{name:?}");
        }
        let long = "r".repeat(256);
        for revision in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "../x",
            "a/../b",
            ".",
            "a/.b",
            "a\\b",
            "a b",
            "a\nb",
            "a:b",
            "x.lock",
            "-x",
            "a/",
            "@{1}",
            &long,
        ] {
            assert!(check_revision(revision).is_err(), "{revision:?}");
        }
        for commit in [
            "",
            "main",
            &"A".repeat(40),
            &"a".repeat(39),
            &"a".repeat(41),
            &"g".repeat(40),
        ] {
            assert!(Commit::parse(commit).is_err(), "{commit:?}");
        }
        assert!(serde_json::from_str::<Commit>("\"../../x\"").is_err());
    }
}
