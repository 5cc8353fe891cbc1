//! A made-up corpus of crates and pages, a run over it that trains in a fraction of a second, and
//! the release that comes out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use glasswork_release::sha256_hex;
use tempfile::TempDir;

/// The run. A batch of 6 that a micro-batch of 4 does not divide, and heads narrower than a vector.
pub(crate) const RUN: &str = r#"format = 1
name = "tiny"
seed = 7
profile = "f32-v1"

[model]
architecture = "llama"
vocabulary = 320
hidden = 32
layers = 2
heads = 4
kv_heads = 2
mlp = 48
sequence = 32

[tokenizer]
kind = "byte-bpe"

[[source]]
id = "code"
kind = "crate-code"
weight = 1
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
weight = 2
reference = "https://example.org"
pins = "docs.sha256"
licence = "MIT OR Apache-2.0"
licence_evidence = "COPYRIGHT.html"

[gate]
allow = ["MIT", "Apache-2.0"]

[split]
held_out = 0.2
eval_bytes = 500

[training]
steps = 20
batch = 6
reduction_groups = 1
checkpoint_steps = [0, 1, 5, 10, 15, 20]

[optimizer]
kind = "adamw"
learning_rate = 1e-2
final_learning_rate = 1e-3
warm_up_steps = 4

[evaluation]
prompts = ["The compiler", "A reference", "fn main"]
sample_tokens = 8
"#;

/// English-looking sentences, the same for the same seed.
fn sentences(seed: u64, count: usize) -> String {
    const SUBJECTS: &[&str] = &[
        "The compiler",
        "A reference",
        "Every thread",
        "The reader",
        "This function",
        "An owner",
        "The program",
    ];
    const VERBS: &[&str] = &[
        "checks",
        "returns",
        "borrows",
        "moves",
        "drops",
        "explains",
        "remembers",
    ];
    const OBJECTS: &[&str] = &[
        "the value",
        "a slice of bytes",
        "its own memory",
        "the lifetime",
        "an error",
        "the whole text",
    ];
    const ENDINGS: &[&str] = &[
        "at once",
        "when the scope ends",
        "without a copy",
        "before it is used",
        "in order",
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut pick = |words: &[&'static str]| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        words[(state >> 33) as usize % words.len()]
    };
    (0..count)
        .map(|_| {
            format!(
                "{} {} {} {}.\n",
                pick(SUBJECTS),
                pick(VERBS),
                pick(OBJECTS),
                pick(ENDINGS)
            )
        })
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

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// Runs `command` to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().expect("starts");
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Insists on an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    /// The JSON document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// `glasswork` in `directory`, with nothing of this machine's settings.
pub(crate) fn glasswork(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glasswork"));
    command
        .current_dir(directory)
        .args(arguments)
        .env_remove("GLASSWORK_ISA")
        .env("NO_COLOR", "1");
    command
}

/// A directory with `run.toml`, a cargo home, pages, and `runs/tiny` once it is made.
pub(crate) struct Corpus {
    directory: TempDir,
    run: String,
}

impl Corpus {
    /// Three crates (one under a licence that the run refuses) and thirty pages.
    pub(crate) fn new() -> Self {
        let corpus = Self {
            directory: tempfile::tempdir().expect("a directory"),
            run: RUN.to_owned(),
        };
        let mut lock =
            String::from("version = 4\n[[package]]\nname = \"corpus\"\nversion = \"0.0.0\"\n");
        for (seed, (name, licence)) in [
            ("one", "MIT"),
            ("two", "Apache-2.0 OR MIT"),
            ("three", "GPL-3.0-only"),
        ]
        .iter()
        .enumerate()
        {
            let seed = 1000 * (seed as u64 + 1);
            let stem = format!("{name}-1.0.0");
            let manifest = format!("[package]\nname = \"{name}\"\nlicense = \"{licence}\"\n");
            let mut files = vec![(format!("{stem}/Cargo.toml"), manifest)];
            for file in 0..10 {
                let comment = sentences(seed + file, 12).replace('\n', "\n    // ");
                let prose = sentences(seed + 100 + file, 12);
                files.push((
                    format!("{stem}/src/file{file}.rs"),
                    format!("fn part{file}() {{\n    // {comment}\n}}\n"),
                ));
                files.push((
                    format!("{stem}/doc/page{file}.md"),
                    format!("# Part {file}\n\n{prose}"),
                ));
            }
            let bytes = archive(&files);
            let sum = sha256_hex(&bytes);
            lock += &format!(
                "[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"registry+https://example.org\"\nchecksum = \"{sum}\"\n"
            );
            corpus.put(&format!("cargo/registry/cache/index/{stem}.crate"), &bytes);
        }
        corpus.put("Cargo.lock", lock.as_bytes());
        let mut pins = String::new();
        for page in 0..30 {
            let text = sentences(page, 30);
            let html = format!(
                "<html><body><nav>no</nav><main><h1>Page {page}</h1><p>{text}</p></main></body></html>"
            );
            let path = format!("book/page{page}.html");
            pins += &format!("{}  {path}\n", sha256_hex(html.as_bytes()));
            corpus.put(&format!("docs/html/{path}"), html.as_bytes());
        }
        corpus.put("docs/COPYRIGHT.html", b"MIT or Apache-2.0");
        corpus.put("docs.sha256", pins.as_bytes());
        corpus.put("run.toml", RUN.as_bytes());
        corpus
    }

    /// The same with another line in `run.toml`.
    pub(crate) fn edit(mut self, from: &str, to: &str) -> Self {
        assert!(self.run.contains(from), "run.toml has no {from:?}");
        self.run = self.run.replacen(from, to, 1);
        self.put("run.toml", self.run.as_bytes());
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where the release grows.
    pub(crate) fn release(&self) -> PathBuf {
        self.path().join("runs/tiny")
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("below the directory")).expect("creates");
        std::fs::write(path, bytes).expect("writes");
    }

    pub(crate) fn glasswork(&self, arguments: &[&str]) -> Answer {
        Answer::of(&mut glasswork(self.path(), arguments))
    }

    /// `prep` with the corpus' own cargo home and pages.
    pub(crate) fn prep(&self) -> Answer {
        self.glasswork(&[
            "prep",
            "run.toml",
            "--cargo-home",
            "cargo",
            "--rust-docs",
            "docs/html",
        ])
    }

    pub(crate) fn train(&self, arguments: &[&str]) -> Answer {
        self.glasswork(&[&["train", "run.toml", "--json"], arguments].concat())
    }
}

/// A prepared, trained, sealed release, and what `train` said of it.
pub(crate) struct Trained {
    pub(crate) corpus: Corpus,
    pub(crate) root: String,
    pub(crate) state_digest: String,
}

/// The release of [`RUN`], made once for all tests that run at the same time. Nobody changes it:
/// whoever wants to, takes a [`Trained::copy`].
pub(crate) fn trained() -> Arc<Trained> {
    static SHARED: Mutex<Weak<Trained>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(trained) = shared.upgrade() {
        return trained;
    }
    let trained = Arc::new(Trained::make(Corpus::new()));
    *shared = Arc::downgrade(&trained);
    trained
}

impl Trained {
    /// Prepares and trains `corpus`.
    pub(crate) fn make(corpus: Corpus) -> Self {
        corpus.prep().exits(0);
        let said = corpus.train(&[]).exits(0).json();
        let text = |key: &str| said[key].as_str().expect("a digest").to_owned();
        Self {
            root: text("root"),
            state_digest: text("state_digest"),
            corpus,
        }
    }

    /// A copy of the release, alone in a directory of its own, as `tiny`.
    pub(crate) fn copy(&self) -> TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        copy(&self.corpus.release(), &directory.path().join("tiny"));
        directory
    }
}

/// Copies a directory with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("creates");
    for entry in std::fs::read_dir(from).expect("lists") {
        let path = entry.expect("lists").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copies");
        }
    }
}

/// Every file below `directory`, by its relative path, ascending; the lock is not one.
pub(crate) fn listing(directory: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(at) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&at) else {
            continue;
        };
        for path in entries.map(|entry| entry.expect("lists").path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name != ".lock") {
                files.push(
                    path.strip_prefix(directory)
                        .expect("below")
                        .to_string_lossy()
                        .into_owned(),
                );
            }
        }
    }
    files.sort();
    files
}
