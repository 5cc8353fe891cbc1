//! What a repository says it holds: branches, tags, and the files of a commit. Every name is checked here, once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::repo::{Commit, check_revision, is_hex};

/// A branch or a tag and the commit it stands at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The name, without `refs/heads/`.
    pub name: String,
    /// Where it stands.
    pub commit: Commit,
}

/// The branches and tags of a repository, each sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refs {
    /// Branches. LLM360, Pythia and OLMo keep one for each checkpoint.
    pub branches: Vec<Named>,
    /// Tags.
    pub tags: Vec<Named>,
}

/// A file as listed for a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// Relative, with `/`, checked.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content, where the file is in large-file storage; 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// Git's object name of the file (or of its pointer); 40 hexadecimal digits.
    pub oid: String,
}

impl RemoteFile {
    /// The name of its blob in the cache: the SHA-256, or git's object name.
    pub(crate) fn etag(&self) -> &str {
        self.sha256.as_deref().unwrap_or(&self.oid)
    }

    /// Checks what a listing, a cached listing or a caller put in.
    pub(crate) fn check(&self) -> Result<()> {
        check_path(&self.path)?;
        if !is_hex(&self.oid, 40) {
            return Err(Error::bad_name(
                "object name",
                &self.oid,
                "40 hexadecimal digits are needed",
            ));
        }
        match &self.sha256 {
            Some(sha256) if !is_hex(sha256, 64) => Err(Error::bad_name(
                "SHA-256",
                sha256,
                "64 hexadecimal digits are needed",
            )),
            _ => Ok(()),
        }
    }
}

/// Checks that `path` stays below where it is put, on every system.
pub(crate) fn check_path(path: &str) -> Result<()> {
    let bad = |problem| Err(Error::bad_name("path", path, problem));
    if path.is_empty() || path.len() > 1024 {
        return bad("1 to 1024 bytes are needed");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return bad("a backslash or a control character is in it");
    }
    for part in path.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            return bad("a part is empty, '.' or '..'");
        }
        if part.as_bytes().get(1) == Some(&b':') {
            return bad("a part starts with a drive letter");
        }
        if part.len() > 255 {
            return bad("a part has more than 255 bytes");
        }
    }
    Ok(())
}

/// Sorts by path and refuses what no tree of files can be: a name twice, or a name that is also a folder.
pub(crate) fn checked_tree(mut files: Vec<RemoteFile>) -> Result<Vec<RemoteFile>> {
    for file in &files {
        file.check()?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut paths = BTreeSet::new();
    for file in &files {
        if !paths.insert(file.path.as_str()) {
            return Err(Error::bad_name("path", &file.path, "it is listed twice"));
        }
    }
    for file in &files {
        for (at, _) in file.path.match_indices('/') {
            if paths.contains(&file.path[..at]) {
                return Err(Error::bad_name(
                    "path",
                    &file.path,
                    "a part of it is listed as a file",
                ));
            }
        }
    }
    Ok(files)
}

/// One page of `/api/…/tree/…`.
pub(crate) fn parse_tree_page(what: &str, json: &[u8]) -> Result<Vec<RemoteFile>> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "type")]
        kind: String,
        path: String,
        #[serde(default)]
        size: u64,
        #[serde(default)]
        oid: String,
        lfs: Option<Lfs>,
    }
    #[derive(Deserialize)]
    struct Lfs {
        oid: String,
        size: u64,
    }
    let entries: Vec<Entry> = from_json(what, json)?;
    let files = entries.into_iter().filter(|e| e.kind == "file");
    Ok(files
        .map(|entry| RemoteFile {
            path: entry.path,
            size: entry.lfs.as_ref().map_or(entry.size, |l| l.size),
            sha256: entry.lfs.map(|l| l.oid),
            oid: entry.oid,
        })
        .collect())
}

/// The answer of `/api/…/refs`.
pub(crate) fn parse_refs(what: &str, json: &[u8]) -> Result<Refs> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        branches: Vec<Entry>,
        #[serde(default)]
        tags: Vec<Entry>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        name: String,
        target_commit: String,
    }
    let checked = |entries: Vec<Entry>| -> Result<Vec<Named>> {
        let mut named = entries
            .into_iter()
            // One odd branch must not hide all others; it cannot be asked for, so it is not listed.
            .filter(|entry| check_revision(&entry.name).is_ok())
            .map(|entry| {
                Ok(Named {
                    commit: Commit::parse(&entry.target_commit)?,
                    name: entry.name,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        named.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(named)
    };
    let answer: Answer = from_json(what, json)?;
    Ok(Refs {
        branches: checked(answer.branches)?,
        tags: checked(answer.tags)?,
    })
}

/// The commit in the answer of `/api/…/revision/…`.
pub(crate) fn parse_revision(what: &str, json: &[u8]) -> Result<Commit> {
    #[derive(Deserialize)]
    struct Answer {
        sha: String,
    }
    Commit::parse(&from_json::<Answer>(what, json)?.sha)
}

/// Most objects of an answer: four times the files that a repository may have. Each takes some two hundred bytes.
const OBJECTS: usize = 400_000;

fn from_json<'a, T: Deserialize<'a>>(what: &str, json: &'a [u8]) -> Result<T> {
    // Counted before anything is made of them; braces within names count, too.
    if json.iter().filter(|b| **b == b'{').count() > OBJECTS {
        return Err(Error::TooLarge {
            what: what.into(),
            limit: OBJECTS as u64,
            unit: "entries",
        });
    }
    serde_json::from_slice(json).map_err(|e| {
        // serde_json quotes what it found; the position says enough and repeats nothing of the server's.
        let (line, column) = (e.line(), e.column());
        Error::bad_answer(
            what,
            format!("its JSON is not as documented, at line {line} column {column}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> RemoteFile {
        RemoteFile {
            path: path.into(),
            size: 1,
            sha256: None,
            oid: "0".repeat(40),
        }
    }

    #[test]
    fn a_page_as_the_hub_writes_it_is_read() {
        let oid = "a".repeat(40);
        let sha = "b".repeat(64);
        let json = format!(
            r#"[{{"type":"directory","oid":"{oid}","size":0,"path":"train"}},
                {{"type":"file","oid":"{oid}","size":3,"path":"config.json"}},
                {{"type":"file","oid":"{oid}","size":135,"path":"train/a.bin","xetHash":"{sha}",
                  "lfs":{{"oid":"{sha}","size":9000000000,"pointerSize":135}}}}]"#
        );
        let files = checked_tree(parse_tree_page("x", json.as_bytes()).unwrap()).unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!((files[0].size, files[0].etag()), (3, oid.as_str()));
        assert_eq!(
            (files[1].size, files[1].etag()),
            (9_000_000_000, sha.as_str())
        );
        let refs = format!(
            r#"{{"branches":[{{"name":"main","ref":"refs/heads/main","targetCommit":"{oid}"}}],"tags":[],"converts":[]}}"#
        );
        assert_eq!(
            parse_refs("x", refs.as_bytes()).unwrap().branches[0].name,
            "main"
        );
    }

    #[test]
    fn attack_dotdot_names() {
        let long = "a".repeat(1025);
        for path in [
            "",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "/etc/passwd",
            "a//b",
            "a/",
            "a\\..\\b",
            "C:/x",
            "a/C:x",
            "a\0b",
            "a\nb",
            "./a",
            &long,
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
            assert!(checked_tree(vec![file(path)]).is_err(), "{path:?}");
        }
        for path in ["a", ".gitattributes", "a..b/c", "données/é.json", "a b"] {
            check_path(path).unwrap();
        }
    }

    #[test]
    fn attack_answers_of_more_entries_than_there_can_be() {
        let entry = format!(
            "{{\"name\":\"a\",\"targetCommit\":\"{}\"}},",
            "0".repeat(40)
        );
        let refs = |count: usize| format!("{{\"branches\":[{}]}}", entry.repeat(count));
        let whole = refs(3).replace(",]", "]");
        assert_eq!(parse_refs("x", whole.as_bytes()).unwrap().branches.len(), 3);
        let error = parse_refs("x", refs(OBJECTS).as_bytes()).unwrap_err();
        let expected = matches!(
            error,
            Error::TooLarge { limit, unit, .. } if limit == OBJECTS as u64 && unit == "entries"
        );
        assert!(expected, "{error}");
        let page = "{},".repeat(OBJECTS + 1);
        assert!(matches!(
            parse_tree_page("x", page.as_bytes()),
            Err(Error::TooLarge { .. })
        ));
    }

    #[test]
    fn attack_a_listing_that_is_no_tree() {
        assert!(checked_tree(vec![file("a"), file("a")]).is_err());
        assert!(checked_tree(vec![file("a"), file("a-b"), file("a/b")]).is_err());
        assert!(checked_tree(vec![file("a/b"), file("a-b"), file("a/c")]).is_ok());
        let mut odd = file("a");
        odd.oid = "../../x".into();
        assert!(checked_tree(vec![odd]).is_err());
        let mut odd = file("a");
        odd.sha256 = Some("../../x".into());
        assert!(checked_tree(vec![odd]).is_err());
    }
}
