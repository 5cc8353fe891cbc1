//! The whole way from archives and pages to batches, on a corpus made here.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use glasswork_data::{
    Error, Places, SequenceStore, Silent, Tokenizer, document, documents, held_out, prep, texts,
    trace_document, trace_step,
};
use glasswork_release::config::RunConfig;
use glasswork_release::{layout, sha256_hex};

/// English-looking text, the same for the same seed: words repeat, so that a tokenizer has something to learn.
fn text(seed: u64, sentences: usize) -> String {
    const WORDS: &[&str] = &[
        "ownership",
        "memory",
        "value",
        "the",
        "a",
        "of",
        "and",
        "is",
        "borrow",
        "scope",
        "when",
        "drops",
        "function",
        "returns",
        "reference",
        "lifetime",
        "compiler",
        "checks",
        "rules",
        "program",
        "thread",
        "data",
        "moves",
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        WORDS[(state >> 33) as usize % WORDS.len()]
    };
    (0..sentences)
        .map(|_| format!("{} {} {} {} {}.\n", next(), next(), next(), next(), next()))
        .collect()
}

fn code(seed: u64, lines: usize) -> String {
    text(seed, lines)
        .lines()
        .map(|line| format!("    // {line}\n"))
        .collect()
}

fn archive(files: &[(String, String)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, path, content.as_bytes())
            .expect("to memory");
    }
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(&tar.into_inner().expect("to memory"))
        .expect("to memory");
    out.finish().expect("to memory")
}

/// A corpus of five crates and ten pages, and a run over it, in a directory of its own.
struct Fixture {
    dir: tempfile::TempDir,
    run: String,
}

const RUN: &str = r#"
format = 1
name = "small"
seed = 7
profile = "f32-v1"
[model]
architecture = "llama"
vocabulary = 300
hidden = 32
layers = 1
heads = 2
kv_heads = 1
mlp = 32
sequence = 32
[tokenizer]
kind = "byte-bpe"
[[source]]
id = "code"
kind = "crate-code"
weight = 2
reference = "https://example.org"
lock = "Cargo.lock"
[[source]]
id = "prose"
kind = "crate-prose"
weight = 1
reference = "https://example.org"
lock = "Cargo.lock"
[[source]]
id = "books"
kind = "html-docs"
weight = 3
reference = "https://example.org"
pins = "docs.sha256"
licence = "MIT OR Apache-2.0"
licence_evidence = "COPYRIGHT.html"
attribution = "Nobody"
[gate]
allow = ["MIT", "Apache-2.0"]
[split]
held_out = 0.2
eval_bytes = 500
[training]
steps = 40
batch = 4
reduction_groups = 1
checkpoint_steps = [0, 40]
[optimizer]
kind = "adamw"
learning_rate = 1e-3
final_learning_rate = 1e-4
warm_up_steps = 4
beta1 = 0.9
beta2 = 0.95
epsilon = 1e-8
weight_decay = 0.1
clip = 1.0
[evaluation]
prompts = ["a", "b", "c"]
sample_tokens = 4
"#;

impl Fixture {
    fn new() -> Self {
        let fixture = Self {
            dir: tempfile::tempdir().expect("a directory"),
            run: RUN.into(),
        };
        let mut lock =
            String::from("version = 4\n[[package]]\nname = \"corpus\"\nversion = \"0.0.0\"\n");
        for (name, licence) in [
            ("free", "license = \"MIT/Apache-2.0\""),
            ("other", "license = \"Apache-2.0 OR MIT\""),
            ("copyleft", "license = \"GPL-3.0-only\""),
            ("unstated", "license-file = \"LICENSE\""),
            ("unreadable", "license = \"do what you like\""),
        ] {
            let stem = format!("{name}-1.2.3");
            let seed = name.len() as u64 * 100;
            let mut files = vec![
                (
                    format!("{stem}/Cargo.toml"),
                    format!(
                        "[package]\nname = \"{name}\"\n{licence}\nauthors = [\"Ann <ann@{name}>\", \"Bob\"]\n\
                         repository = \"https://example.org/{name}\"\n"
                    ),
                ),
                (
                    format!("{stem}/README.md"),
                    format!("# {name}\n\n{}", text(seed, 20)),
                ),
                (format!("{stem}/LICENSE.md"), text(seed + 1, 20)),
                (
                    format!("{stem}/COPYRIGHT"),
                    format!("Copyright (c) 2020 Ann\n\ncopyright notice of {name}\n"),
                ),
                (format!("{stem}/src/tiny.rs"), "mod x;\n".into()),
            ];
            for file in 0..12 {
                let docs = text(seed + 20 + file, 8).replace('\n', "\n/// ");
                files.push((
                    format!("{stem}/src/file{file}.rs"),
                    format!("/// {docs}\nfn f() {{\n{}}}\n", code(seed + 40 + file, 12)),
                ));
            }
            // The same file in every crate: one text, whatever its name.
            files.push((
                format!("{stem}/src/shared.rs"),
                format!("fn g() {{\n{}}}\n", code(9, 12)),
            ));
            let bytes = archive(&files);
            let sum = sha256_hex(&bytes);
            lock += &format!(
                "[[package]]\nname = \"{name}\"\nversion = \"1.2.3\"\nsource = \"registry+https://x\"\nchecksum = \"{sum}\"\n"
            );
            fixture.put(&format!("cargo/registry/cache/index/{stem}.crate"), &bytes);
        }
        fixture.put("Cargo.lock", lock.as_bytes());
        let mut pins = String::new();
        for page in 0..20 {
            let path = format!("book/page{page}.html");
            let html = format!(
                "<html><body><nav>no</nav><main><h1>Page {page}</h1><p>{}</p></main>",
                text(page, 30)
            );
            pins += &format!("{}  {path}\n", sha256_hex(html.as_bytes()));
            fixture.put(&format!("docs/html/{path}"), html.as_bytes());
        }
        fixture.put("docs/COPYRIGHT.html", b"MIT or Apache-2.0");
        fixture.put("docs.sha256", pins.as_bytes());
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("below the directory")).expect("creates");
        std::fs::write(path, bytes).expect("writes");
    }

    fn edit(mut self, from: &str, to: &str) -> Self {
        assert!(self.run.contains(from), "{from}");
        self.run = self.run.replacen(from, to, 1);
        self
    }

    fn config(&self) -> RunConfig {
        RunConfig::parse(&self.run, Path::new("run.toml")).expect("a valid run")
    }

    fn prep(&self, out: &str) -> Result<glasswork_data::PrepReport, Error> {
        let places = Places {
            cargo_home: self.path("cargo"),
            rust_docs: self.path("docs/html"),
        };
        prep(
            &self.config(),
            self.dir.path(),
            &places,
            &self.path(out),
            &Silent,
        )
    }

    /// Prepares, expects an error, and that nothing but the lock was left behind.
    fn fails(&self) -> Error {
        let error = self.prep("out").expect_err("must fail");
        let left: Vec<_> = std::fs::read_dir(self.path("out"))
            .map(|entries| {
                entries
                    .map(|entry| entry.expect("lists").file_name())
                    .collect()
            })
            .unwrap_or_default();
        assert!(
            left.iter().all(|name| name == ".lock"),
            "left behind: {left:?}"
        );
        error
    }
}

/// Every file below a directory, by its relative path.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).expect("lists") {
            let path = entry.expect("lists").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("below").to_path_buf();
                files.insert(name, std::fs::read(path).expect("reads"));
            }
        }
    }
    files
}

#[test]
fn from_archives_and_pages_to_batches_and_back() {
    let fixture = Fixture::new();
    let report = fixture.prep("out").expect("prepares");
    assert!(!report.already_done);
    let out = fixture.path("out");

    // Every verdict has its rule, and every package its evidence.
    let code = report.sources.source("code").expect("a source");
    let rejected: BTreeMap<&str, u64> = code
        .rejected
        .iter()
        .map(|count| (count.rule.as_str(), count.documents))
        .collect();
    assert_eq!(rejected["near-empty"], 5);
    assert_eq!(rejected["licence-not-allowed"], 13);
    assert_eq!(rejected["licence-missing"], 13);
    assert_eq!(rejected["licence-unparsable"], 13);
    assert_eq!(rejected["exact-duplicate"], 1);
    assert_eq!(code.packages.len(), 5);
    assert_eq!(
        code.packages[1].licence.as_deref(),
        Some("MIT OR Apache-2.0")
    );
    assert_eq!(
        code.packages[0].refused.as_deref(),
        Some("licence-not-allowed")
    );
    assert_eq!(code.stages.last().expect("stages").documents, 25);
    let prose = report.sources.source("prose").expect("a source");
    assert!(
        prose
            .rejected
            .iter()
            .any(|count| count.rule == "licence-text" && count.documents == 5)
    );

    // What the chunks hold is what the segments, the order and the documents say.
    let store = SequenceStore::open(&out).expect("opens");
    assert_eq!(store.rows(), 160);
    assert_eq!(store.sources(), ["books", "code", "prose"]);
    assert_eq!(store.digest(), report.sequence_digest);
    let tokenizer = Tokenizer::open(&out.join(layout::TOKENIZER)).expect("opens");
    let records = documents(&out).expect("reads");
    let all: BTreeMap<u64, String> = store
        .sources()
        .iter()
        .flat_map(|source| texts(&out, source).expect("reads"))
        .collect();
    for step in 1..=40 {
        let batch = store.batch(step, 4).expect("reads");
        let mut covered = 0;
        for segment in trace_step(&out, step).expect("traces") {
            let row = &batch.tokens[segment.slot as usize * 33..][..33];
            let mut tokens = tokenizer.encode(&all[&segment.doc]);
            tokens.push(tokenizer.end_of_text());
            let found = &row[segment.seq_start as usize..segment.seq_end as usize];
            assert_eq!(
                found,
                &tokens[segment.doc_tok_start as usize..][..found.len()]
            );
            assert_eq!(
                store.sources()[batch.source[segment.slot as usize]],
                segment.source
            );
            assert_eq!(records[segment.doc as usize].split, "train");
            assert!(!segment.licence.is_empty());
            covered += found.len();
        }
        assert_eq!(covered, 4 * 33);
    }
    assert!(matches!(store.batch(0, 4), Err(Error::NoStep { .. })));
    assert!(matches!(
        store.batch(41, 4),
        Err(Error::NoStep {
            step: 41,
            steps: 40
        })
    ));
    assert!(matches!(trace_step(&out, 41), Err(Error::NoStep { .. })));

    // Held-out text is bounded, comes from every source, and stands nowhere in training.
    let held = held_out(&out, 500).expect("reads");
    for source in store.sources() {
        let bytes: usize = held
            .iter()
            .filter(|held| &held.source == source)
            .map(|held| held.text.len())
            .sum();
        assert_eq!(bytes, 500, "{source}");
    }
    for held in &held {
        assert_eq!(records[held.doc as usize].split, "held-out");
        assert!(trace_document(&out, held.doc).expect("traces").is_empty());
        assert!(all[&held.doc].starts_with(&held.text));
    }
    let (first, text) = document(&out, 0).expect("reads");
    assert_eq!((first.split.as_str(), text), ("rejected", None));
}

#[test]
fn every_package_of_every_crate_source_names_its_owners() {
    let fixture = Fixture::new();
    let sources = fixture.prep("out").expect("prepares").sources;
    let code = &sources.source("code").expect("a source").packages;
    assert_eq!(*code, sources.source("prose").expect("a source").packages);
    assert!(!code.is_empty());
    for package in code {
        assert_eq!(
            package.authors,
            [format!("Ann <ann@{}>", package.name), "Bob".into()]
        );
        let repository = format!("https://example.org/{}", package.name);
        assert_eq!(package.repository, Some(repository));
        let paths: Vec<_> = package
            .licence_files
            .iter()
            .map(|file| &file.path)
            .collect();
        assert_eq!(paths, ["COPYRIGHT", "LICENSE.md"]);
        let text = format!(
            "Copyright (c) 2020 Ann\n\ncopyright notice of {}\n",
            package.name
        );
        let [copyright, licence] = &package.licence_files[..] else {
            panic!("two files");
        };
        assert_eq!(copyright.sha256, sha256_hex(text.as_bytes()));
        assert_eq!(copyright.copyright, ["Copyright (c) 2020 Ann"]);
        assert!(licence.copyright.is_empty());
    }
    // They are no documents for that, unless they were before.
    let documents = documents(&fixture.path("out")).expect("reads");
    assert!(
        documents
            .iter()
            .all(|document| !document.source_doc_id.ends_with("/COPYRIGHT"))
    );
}

#[test]
fn data_whose_records_have_other_fields_is_done_anew() {
    let fixture = Fixture::new();
    let digest = fixture.prep("out").expect("prepares").sequence_digest;
    let path = fixture.path("out").join(layout::SOURCES);
    let new = std::fs::read(&path).expect("reads");
    let mut old: serde_json::Value = serde_json::from_slice(&new).expect("parses");
    old["inputs_digest"] = "0".repeat(64).into();
    for package in old["sources"][0]["packages"]
        .as_array_mut()
        .expect("packages")
    {
        let package = package.as_object_mut().expect("an object");
        package.remove("licence_files").expect("was there");
    }
    std::fs::write(&path, old.to_string()).expect("writes");
    let report = fixture.prep("out").expect("prepares anew");
    assert!(!report.already_done);
    assert_eq!(report.sequence_digest, digest);
    assert_eq!(std::fs::read(&path).expect("reads"), new);
}

#[test]
fn threads_make_no_difference_and_a_second_call_has_nothing_to_do() {
    let fixture = Fixture::new();
    fixture.prep("one").expect("prepares");
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        let out = format!("out{threads}");
        pool.install(|| fixture.prep(&out)).expect("prepares");
        assert_eq!(tree(&fixture.path("one")), tree(&fixture.path(&out)));
    }
    let before = tree(&fixture.path("one"));
    assert!(fixture.prep("one").expect("finds it").already_done);
    assert_eq!(tree(&fixture.path("one")), before);
}

#[test]
fn an_interrupted_call_is_cleaned_up_and_done_again() {
    let fixture = Fixture::new();
    fixture.put("out/.tmp-1-0-data/documents.parquet", b"half");
    assert!(!fixture.prep("out").expect("prepares").already_done);
    let names: Vec<_> = tree(&fixture.path("out")).into_keys().collect();
    assert!(
        names
            .iter()
            .all(|name| !name.to_string_lossy().contains(".tmp")),
        "{names:?}"
    );
}

#[test]
fn changed_inputs_are_done_anew_until_training_has_begun() {
    let fixture = Fixture::new();
    fixture.prep("out").expect("prepares");
    let fixture = fixture.edit("learning_rate = 1e-3", "learning_rate = 2e-3");
    assert!(fixture.prep("out").expect("same data").already_done);
    assert_eq!(
        RunConfig::load(&fixture.path("out/run.toml")).expect("reads"),
        fixture.config()
    );
    let fixture = fixture.edit("seed = 7", "seed = 8");
    assert!(!fixture.prep("out").expect("other order").already_done);
    fixture.put("out/ledger.jsonl", b"");
    assert!(fixture.prep("out").expect("the same run").already_done);
    let fixture = fixture.edit("seed = 8", "seed = 9");
    let error = fixture.prep("out").expect_err("another run");
    assert!(matches!(error, Error::OtherRun { .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn archives_must_be_there_and_be_the_pinned_ones() {
    let fixture = Fixture::new();
    let archive = "cargo/registry/cache/index/other-1.2.3.crate";
    let mut bytes = std::fs::read(fixture.path(archive)).expect("reads");
    bytes[20] ^= 1;
    fixture.put(archive, &bytes);
    let error = fixture.fails();
    assert!(matches!(error, Error::ArchiveMismatch { .. }), "{error}");
    std::fs::remove_file(fixture.path(archive)).expect("removes");
    let error = fixture.fails();
    assert!(matches!(error, Error::ArchiveMissing { .. }), "{error}");
    assert!(error.hint().expect("a hint").contains("cargo fetch"));
}

#[test]
fn pages_must_be_there_and_be_the_pinned_ones() {
    let fixture = Fixture::new();
    fixture.put("docs/html/book/page3.html", b"<main>other</main>");
    assert!(matches!(fixture.fails(), Error::PinnedMismatch { .. }));
    std::fs::remove_file(fixture.path("docs/html/book/page3.html")).expect("removes");
    let error = fixture.fails();
    assert!(matches!(error, Error::PinnedMissing { .. }), "{error}");
    assert!(error.hint().expect("a hint").contains("rust-docs"));
    let fixture = Fixture::new();
    std::fs::remove_file(fixture.path("docs/COPYRIGHT.html")).expect("removes");
    assert!(matches!(fixture.fails(), Error::PinnedMissing { .. }));
}

#[test]
fn nothing_left_to_train_on_is_an_error() {
    let fixture = Fixture::new().edit(r#"allow = ["MIT", "Apache-2.0"]"#, r#"allow = ["Zlib"]"#);
    let error = fixture.fails();
    assert!(matches!(error, Error::NoDocuments { .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_source_that_the_licence_gate_empties_leaves_the_mixture() {
    let fixture = Fixture::new().edit(
        "licence = \"MIT OR Apache-2.0\"",
        "licence = \"MIT AND CC-BY-SA-4.0\"",
    );
    let report = fixture.prep("out").expect("the others remain");
    let ids: Vec<_> = report
        .mixture
        .sources
        .iter()
        .map(|source| source.id.as_str())
        .collect();
    assert_eq!(ids, ["code", "prose"]);
    let books = report.sources.source("books").expect("still on record");
    assert_eq!(
        (books.train.documents, books.rejected[0].documents),
        (0, 20)
    );
}

#[test]
fn a_sequence_longer_than_the_data_is_an_error() {
    let error = Fixture::new()
        .edit("sequence = 32", "sequence = 65536")
        .fails();
    assert!(
        matches!(error, Error::SequenceTooLong { needed: 65537, .. }),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_vocabulary_that_the_text_cannot_fill_is_an_error() {
    let error = Fixture::new()
        .edit("vocabulary = 300", "vocabulary = 60000")
        .fails();
    assert!(
        matches!(error, Error::Vocabulary { asked: 60000, .. }),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_licence_that_is_none_is_an_error_of_the_run_file() {
    let error = Fixture::new()
        .edit(
            "licence = \"MIT OR Apache-2.0\"",
            "licence = \"free for all\"",
        )
        .fails();
    assert!(matches!(error, Error::Licence { .. }), "{error}");
    let error = Fixture::new()
        .edit("\"Apache-2.0\"]", "\"Apache 2\"]")
        .fails();
    assert!(matches!(error, Error::Licence { .. }), "{error}");
}

#[test]
fn attack_tokens_beyond_the_vocabulary() {
    let fixture = Fixture::new();
    fixture.prep("out").expect("prepares");
    let chunk = fixture.path("out").join(layout::chunk(0));
    let mut bytes = std::fs::read(&chunk).expect("reads");
    let last = bytes.len() - 1;
    bytes[last] = 0xff;
    std::fs::write(&chunk, bytes).expect("writes");
    let store = SequenceStore::open(&fixture.path("out")).expect("the shape is right");
    assert!(store.batch(39, 4).is_ok());
    assert!(matches!(
        store.batch(40, 4),
        Err(Error::Inconsistent { .. })
    ));
}

#[test]
fn attack_a_mixture_that_contradicts_the_chunks() {
    let fixture = Fixture::new();
    fixture.prep("out").expect("prepares");
    let path = fixture.path("out").join(layout::MIXTURE);
    let mixture = std::fs::read_to_string(&path).expect("reads");
    for (from, to) in [
        ("\"rows\":160,", "\"rows\":159,"),
        ("\"sequence_length\":32", "\"sequence_length\":64"),
        ("\"weight\":3", "\"weight\":18446744073709551615"),
        ("\"format\":1", "\"format\":2"),
        ("\"seed\":\"7\"", "\"seed\":\"8\""),
    ] {
        assert!(mixture.contains(from), "{from}");
        std::fs::write(&path, mixture.replacen(from, to, 1)).expect("writes");
        assert!(
            SequenceStore::open(&fixture.path("out")).is_err(),
            "{from} -> {to}"
        );
    }
    std::fs::write(&path, mixture.replacen("\"format\":1", "\"format\":2", 1)).expect("writes");
    let error = SequenceStore::open(&fixture.path("out")).expect_err("a future format");
    assert!(error.hint().expect("a hint").contains("newer"), "{error}");
}
