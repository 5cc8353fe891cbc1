//! Data sets that are not on this machine: where they come from, and which of their files are fetched.

use super::node::Node;
use super::split_files::{Asked, LONGEST_CARD, of_converted, of_split};
use std::fmt::Debug;
use std::path::PathBuf;

/// The branch in which the Hub keeps what loading scripts make, as Parquet.
const CONVERTED: &str = "refs/convert/parquet";
/// Most bytes that are fetched for a split.
const MOST_BYTES: u64 = 2 << 30;

/// Names that had no owner once, as old task files have them, and where lm-evaluation-harness has those data sets now.
const RENAMED: [(&str, &str); 16] = [
    ("ai2_arc", "allenai/ai2_arc"),
    ("boolq", "google/boolq"),
    ("commonsense_qa", "tau/commonsense_qa"),
    ("glue", "nyu-mll/glue"),
    ("gsm8k", "openai/gsm8k"),
    ("hellaswag", "Rowan/hellaswag"),
    ("lambada_openai", "EleutherAI/lambada_openai"),
    ("mbpp", "google-research-datasets/mbpp"),
    ("nq_open", "google-research-datasets/nq_open"),
    ("openbookqa", "allenai/openbookqa"),
    ("piqa", "baber/piqa"),
    ("sciq", "allenai/sciq"),
    ("super_glue", "aps/super_glue"),
    ("trivia_qa", "mandarjoshi/trivia_qa"),
    ("truthful_qa", "truthfulqa/truthful_qa"),
    ("winogrande", "allenai/winogrande"),
];

/// A commit of a data set.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Its name, which never stands for other files.
    pub commit: String,
    /// Paths and bytes of its files.
    pub files: Vec<(String, u64)>,
}

/// Where data sets come from that are not on this machine. Errors are sentences that say what to do.
pub trait DataSource: Debug + Send + Sync {
    /// What a branch, tag or commit of a data set `owner/name` holds.
    ///
    /// # Errors
    /// A data set or revision that cannot be seen.
    fn list(&self, dataset: &str, revision: &str) -> Result<Listing, String>;
    /// One of the files, whole, on this disk.
    ///
    /// # Errors
    /// A file that cannot be fetched.
    fn fetch(&self, dataset: &str, commit: &str, path: &str) -> Result<PathBuf, String>;
}

/// A data set's name with its owner.
pub(super) fn with_owner(dataset: &str) -> &str {
    let renamed = RENAMED.iter().find(|(old, _)| *old == dataset);
    renamed.map_or(dataset, |(_, new)| new)
}

/// Files of a split, fetched: their commit, and path in the repository and place on this disk of each.
pub(super) fn fetch(
    source: &dyn DataSource,
    dataset: &str,
    asked: Asked<'_>,
) -> Result<(String, Vec<(String, PathBuf)>), String> {
    let dataset = with_owner(dataset);
    let pinned = asked.kwargs.get("revision").and_then(Node::text);
    let listing = source.list(dataset, pinned.unwrap_or("main"))?;
    let (listing, chosen) = match (chosen(source, dataset, &listing, asked), pinned) {
        (Ok(chosen), _) => (listing, chosen),
        (Err(reason), Some(revision)) => return Err(remedy(&format!("{reason} at {revision}"))),
        (Err(reason), None) => {
            let converted = source.list(dataset, CONVERTED);
            let converted = converted.map_err(|error| remedy(&format!("{reason}; {error}")))?;
            let paths: Vec<String> = paths(&converted);
            let chosen = of_converted(&paths, asked);
            let chosen = chosen
                .map_err(|other| remedy(&format!("{reason}; its branch {CONVERTED} {other}")))?;
            (converted, chosen)
        }
    };
    let size = |path: &String| {
        let file = listing.files.iter().find(|(there, _)| there == path);
        file.map_or(0, |(_, bytes)| *bytes)
    };
    let bytes = chosen.iter().map(size).fold(0, u64::saturating_add);
    if bytes > MOST_BYTES {
        let reason = format!(
            "has {bytes} bytes in split {}, more than {MOST_BYTES}",
            asked.split
        );
        return Err(remedy(&reason));
    }
    let fetched = chosen.into_iter().map(|path| {
        let place = source.fetch(dataset, &listing.commit, &path)?;
        Ok((path, place))
    });
    Ok((
        listing.commit.clone(),
        fetched.collect::<Result<_, String>>()?,
    ))
}

fn paths(listing: &Listing) -> Vec<String> {
    listing.files.iter().map(|(path, _)| path.clone()).collect()
}

fn chosen(
    source: &dyn DataSource,
    dataset: &str,
    listing: &Listing,
    asked: Asked<'_>,
) -> Result<Vec<String>, String> {
    let script = format!("{}.py", dataset.rsplit('/').next().unwrap_or(dataset));
    if listing.files.iter().any(|(path, _)| *path == script) {
        // Its files are what the script reads, not what it makes: other columns, all languages at once.
        return Err(format!(
            "is made by {script}, and nothing of a data set is executed"
        ));
    }
    let card = listing.files.iter().find(|(path, _)| path == "README.md");
    let card = match card {
        Some((path, bytes)) if *bytes <= LONGEST_CARD => {
            let place = source.fetch(dataset, &listing.commit, path)?;
            let text =
                std::fs::read(&place).map_err(|error| format!("{}: {error}", place.display()))?;
            Some(String::from_utf8_lossy(&text).into_owned())
        }
        _ => None,
    };
    of_split(&paths(listing), card.as_deref(), asked)
}

fn remedy(reason: &str) -> String {
    format!(
        "{reason}; to go on, put it as Parquet, JSON lines or CSV into a folder OWNER/NAME and name the folder above with --task-data"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Revisions with files of invented text; remembers what was fetched.
    #[derive(Debug)]
    struct Shelf {
        root: tempfile::TempDir,
        fetched: Mutex<Vec<String>>,
    }

    impl Shelf {
        fn new(files: &[(&str, &str, &str)]) -> Self {
            let root = tempfile::tempdir().expect("a directory");
            for (revision, path, text) in files {
                let place = root.path().join(revision.replace('/', "~")).join(path);
                std::fs::create_dir_all(place.parent().expect("has one")).expect("makes");
                std::fs::write(place, text).expect("writes");
            }
            Self {
                root,
                fetched: Mutex::default(),
            }
        }

        fn fetched(&self) -> Vec<String> {
            self.fetched.lock().expect("no panic").clone()
        }
    }

    impl DataSource for Shelf {
        fn list(&self, dataset: &str, revision: &str) -> Result<Listing, String> {
            fn below(folder: &std::path::Path, prefix: &str, files: &mut Vec<(String, u64)>) {
                for entry in std::fs::read_dir(folder).expect("lists").flatten() {
                    let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
                    match entry.path().is_dir() {
                        true => below(&entry.path(), &format!("{path}/"), files),
                        false => files.push((path, entry.metadata().expect("is there").len())),
                    }
                }
            }
            let commit = revision.replace('/', "~");
            let folder = self.root.path().join(&commit);
            if dataset != "o/lines" || !folder.is_dir() {
                return Err(format!("there is no {dataset}@{revision}"));
            }
            let mut files = Vec::new();
            below(&folder, "", &mut files);
            Ok(Listing { commit, files })
        }

        fn fetch(&self, _: &str, commit: &str, path: &str) -> Result<PathBuf, String> {
            self.fetched.lock().expect("no panic").push(path.to_owned());
            Ok(self.root.path().join(commit).join(path))
        }
    }

    fn asked<'a>(config: Option<&'a str>, kwargs: &'a Node) -> Asked<'a> {
        Asked {
            config,
            kwargs,
            split: "test",
        }
    }

    #[test]
    fn only_the_split_is_fetched() {
        let shelf = Shelf::new(&[
            ("main", "easy/test.jsonl", "{}"),
            ("main", "easy/train.jsonl", "{}"),
            ("main", "hard/test.jsonl", "{}"),
        ]);
        let (commit, files) =
            fetch(&shelf, "o/lines", asked(Some("easy"), &Node::Null)).expect("fetches");
        assert_eq!((commit.as_str(), files.len()), ("main", 1));
        assert_eq!(shelf.fetched(), ["easy/test.jsonl"]);
    }

    #[test]
    fn what_a_script_makes_is_taken_as_the_hub_converted_it() {
        // As a data set with one configuration a language: its own files would be read all at once.
        let shelf = Shelf::new(&[
            ("main", "lines.py", "raise"),
            ("main", "data/test.jsonl", "{}"),
            ("main", "data/test_de.jsonl", "{}"),
            (CONVERTED, "default/test/0000.parquet", ""),
            (CONVERTED, "de/test/0000.parquet", ""),
        ]);
        let (commit, files) = fetch(&shelf, "o/lines", asked(None, &Node::Null)).expect("fetches");
        assert_eq!(commit, "refs~convert~parquet");
        assert_eq!(files[0].0, "default/test/0000.parquet");
        assert_eq!(shelf.fetched(), ["default/test/0000.parquet"]);
    }

    #[test]
    fn a_script_alone_is_refused_with_a_remedy() {
        let shelf = Shelf::new(&[("main", "lines.py", "raise"), ("v1", "lines.py", "raise")]);
        let pinned = super::super::node::map([("revision", "v1".into())]);
        for kwargs in [&Node::Null, &pinned] {
            let why = fetch(&shelf, "o/lines", asked(None, kwargs)).expect_err("refuses");
            assert!(why.contains("nothing of a data set is executed"), "{why}");
            assert!(why.contains("--task-data"), "{why}");
        }
        assert!(shelf.fetched().is_empty());
    }

    #[test]
    fn formats_that_are_not_read_are_refused_with_a_remedy() {
        let shelf = Shelf::new(&[("main", "test.zip", "PK"), ("main", "test.jsonl.gz", "")]);
        let why = fetch(&shelf, "o/lines", asked(None, &Node::Null)).expect_err("refuses");
        assert!(
            why.contains("no file of split test in a format that is read"),
            "{why}"
        );
        assert!(why.contains("--task-data"), "{why}");
        assert!(shelf.fetched().is_empty());
    }

    #[test]
    fn attack_a_split_that_is_too_large_is_not_fetched() {
        let shelf = Shelf::new(&[("main", "test.csv", "a\n")]);
        let file = std::fs::File::create(shelf.root.path().join("main/test.csv")).expect("makes");
        // Without a block on the disk.
        file.set_len(MOST_BYTES + 1).expect("grows");
        let why = fetch(&shelf, "o/lines", asked(None, &Node::Null)).expect_err("refuses");
        assert!(why.contains("2147483649 bytes"), "{why}");
        assert!(shelf.fetched().is_empty());
    }

    #[test]
    fn a_pinned_revision_is_that_one() {
        let shelf = Shelf::new(&[("main", "test.csv", "a\n1\n"), ("v1", "test.csv", "a\n2\n")]);
        let pinned = super::super::node::map([("revision", "v1".into())]);
        let (commit, _) = fetch(&shelf, "o/lines", asked(None, &pinned)).expect("fetches");
        assert_eq!(commit, "v1");
    }

    #[test]
    fn old_names_have_owners_now() {
        assert_eq!(with_owner("hellaswag"), "Rowan/hellaswag");
        assert_eq!(with_owner("o/lines"), "o/lines");
        assert!(RENAMED.is_sorted());
    }
}
