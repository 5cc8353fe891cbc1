//! What a person names: a folder, or a repository of the Hub.

use std::fmt;
use std::path::PathBuf;

use glasswork_hub::{Repo, RepoKind};

use crate::error::{Error, Result};

/// What begins a name on the Hub.
const SCHEME: &str = "hf:";

/// Where a publication lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder on this disk.
    Folder(PathBuf),
    /// A repository of the Hub, at one revision or with all of its checkpoints.
    Hub {
        /// The repository.
        repo: Repo,
        /// A branch, tag or commit.
        revision: Option<String>,
    },
}

impl Place {
    /// Reads `hf:owner/name`, `hf:owner/name@revision`, `hf:datasets/owner/name`, and everything else as a folder.
    ///
    /// # Errors
    /// A name on the Hub that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let fail = |problem: String| Error::Place {
            name: text.chars().take(200).collect(),
            problem,
        };
        if text.is_empty() || text.contains('\0') {
            return Err(fail("it is empty, or holds a zero byte".into()));
        }
        let Some(name) = text.strip_prefix(SCHEME) else {
            return Ok(Self::Folder(text.into()));
        };
        let (name, revision) = match name.split_once('@') {
            Some((_, "")) => return Err(fail("nothing follows its @".into())),
            Some((name, revision)) => (name, Some(revision.to_owned())),
            None => (name, None),
        };
        let (kind, name) = match name.strip_prefix("datasets/") {
            Some(name) if name.contains('/') => (RepoKind::Dataset, name),
            _ => (RepoKind::Model, name),
        };
        let repo = Repo::parse(kind, name).map_err(|error| fail(error.to_string()))?;
        Ok(Self::Hub { repo, revision })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Hub { repo, revision } => {
                let kind = match repo.kind() {
                    RepoKind::Model => "",
                    RepoKind::Dataset => "datasets/",
                };
                write!(f, "{SCHEME}{kind}{repo}")?;
                revision
                    .iter()
                    .try_for_each(|revision| write!(f, "@{revision}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_shown_again() {
        for name in [
            "hf:LLM360/Amber",
            "hf:a/b@stage1-step1000-tokens5B",
            "hf:datasets/LLM360/AmberDatasets",
            "models/amber",
            "hf-is-a-folder",
        ] {
            assert_eq!(Place::parse(name).unwrap().to_string(), name);
        }
        let folder = Place::parse("./hf:a/b").unwrap();
        assert!(matches!(folder, Place::Folder(_)));
    }

    #[test]
    fn attack_names_that_leave_the_hub() {
        for name in [
            "hf:",
            "hf:a",
            "hf:a/b@",
            "hf:../b",
            "hf:a/..",
            "hf:a/b/c",
            "hf:a/b\n",
            "",
            "a\0b",
            "hf:https://example.org/b",
        ] {
            assert!(Place::parse(name).is_err(), "{name:?}");
        }
    }
}
