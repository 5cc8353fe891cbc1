//! Sources: where text comes from, and how each file becomes a candidate document.
//!
//! A candidate is judged here by the rules for its file ([`rules`]) and by its licence
//! ([`licence`]); what is refused stays on record with the rule's name, but without its text.
//! Files are read in parallel; the result does not depend on how many threads do it.

mod archive;
mod html;
mod language;
pub(crate) mod licence;
mod lock;
mod notices;
mod pins;
mod rules;
mod rust_text;

use std::path::{Path, PathBuf};

use glasswork_release::config::{Source, SourceKind};
use glasswork_release::{Digest, sha256_hex};
use rayon::prelude::*;

use crate::Places;
use crate::error::{Error, Result};
use crate::progress::Progress;
use licence::{Gate, Licence};
use lock::Package;
use notices::Notices;

/// Largest documentation page that is read.
const MAX_PAGE: u64 = 32 << 20;

/// A stage that refused a document, the rule, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) stage: Stage,
    pub(crate) rule: &'static str,
    pub(crate) found: String,
}

/// The stages that judge a document, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Its bytes and text.
    Extract,
    /// Its licence.
    Licence,
    /// Whether its text was seen before.
    Dedup,
    /// Training or held out.
    Split,
}

impl Stage {
    pub(crate) const ALL: [Self; 4] = [Self::Extract, Self::Licence, Self::Dedup, Self::Split];

    /// The stage's name in `data/attributes/<stage>.parquet`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Licence => "licence",
            Self::Dedup => "dedup",
            Self::Split => "split",
        }
    }
}

/// A document as it comes out of its source.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// `name@version/path` or the page's path: unique within the source.
    pub(crate) source_doc_id: String,
    /// SHA-256 of the archive or page that it was read from.
    pub(crate) raw_sha256: String,
    /// The file's path inside that archive, or the page's own.
    pub(crate) raw_path: String,
    /// The file's bytes, before extraction.
    pub(crate) raw_bytes: u64,
    /// How the file became text.
    pub(crate) extraction: &'static str,
    /// BCP 47.
    pub(crate) lang: &'static str,
    /// BLAKE3 of the text (of the raw bytes where they gave no text); `None` if they were not read.
    pub(crate) content_hash: Option<Digest>,
    /// UTF-8 bytes of the text.
    pub(crate) n_bytes: u64,
    pub(crate) licence: Licence,
    pub(crate) refused: Option<Refusal>,
    /// Empty where the document was refused.
    pub(crate) text: String,
}

/// A package of a source, for `sources.json`.
#[derive(Clone, Debug)]
pub(crate) struct SourcePackage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) licence: Licence,
    pub(crate) notices: Notices,
}

/// Everything that one source gave.
#[derive(Debug)]
pub(crate) struct Collected {
    /// Sorted by `source_doc_id`.
    pub(crate) candidates: Vec<Candidate>,
    /// Empty for sources that are not made of packages.
    pub(crate) packages: Vec<SourcePackage>,
    /// How many archives or pages the source pins.
    pub(crate) entries: u64,
    /// What the source's own statement of its licence rests on, where it makes one.
    pub(crate) evidence: Option<String>,
}

/// The lock or pins file of a source, as an absolute path.
///
/// # Errors
/// The run file does not name one.
pub(crate) fn pin_file(source: &Source, run_toml_dir: &Path) -> Result<PathBuf> {
    let (key, named) = match source.kind {
        SourceKind::CrateCode | SourceKind::CrateProse => ("lock", &source.lock),
        SourceKind::HtmlDocs => ("pins", &source.pins),
    };
    let missing = || Error::SourceKey {
        id: source.id.clone(),
        kind: crate::record::kind_name(source.kind),
        key,
    };
    Ok(run_toml_dir.join(named.as_ref().ok_or_else(missing)?))
}

/// Reads every document of a source. `pinned` is the text of its [`pin_file`] at `path`.
pub(crate) fn collect(
    source: &Source,
    path: &Path,
    pinned: &str,
    places: &Places,
    gate: &Gate,
    progress: &dyn Progress,
) -> Result<Collected> {
    let mut collected = match source.kind {
        SourceKind::CrateCode | SourceKind::CrateProse => {
            let packages = lock::parse_lock(pinned, path)?;
            progress.stage(
                &format!("read {}", source.id),
                packages.len() as u64,
                "crates",
            );
            collect_crates(source.kind, &packages, places, gate, progress)?
        }
        SourceKind::HtmlDocs => {
            let pins = pins::parse_pins(pinned, path)?;
            progress.stage(&format!("read {}", source.id), pins.len() as u64, "pages");
            collect_pages(source, &pins, places, gate, progress)?
        }
    };
    collected
        .candidates
        .sort_by(|a, b| a.source_doc_id.cmp(&b.source_doc_id));
    Ok(collected)
}

fn collect_crates(
    kind: SourceKind,
    packages: &[Package],
    places: &Places,
    gate: &Gate,
    progress: &dyn Progress,
) -> Result<Collected> {
    let read: Vec<Result<(SourcePackage, Vec<Candidate>)>> = packages
        .par_iter()
        .map(|package| {
            let bytes = archive::read_archive(&places.cargo_home, package)?;
            let read = read_crate(kind, package, &bytes, gate);
            progress.advance(1);
            read
        })
        .collect();
    // The first error in order, not the first in time.
    let read = read.into_iter().collect::<Result<Vec<_>>>()?;
    let (packages, candidates): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    let candidates = candidates.into_iter().flatten().collect();
    let entries = packages.len() as u64;
    Ok(Collected {
        candidates,
        packages,
        entries,
        evidence: None,
    })
}

/// The documents of one archive, and what its manifest says about its licence.
fn read_crate(
    kind: SourceKind,
    package: &Package,
    bytes: &[u8],
    gate: &Gate,
) -> Result<(SourcePackage, Vec<Candidate>)> {
    let prose = kind == SourceKind::CrateProse;
    let document = |path: &str| path.ends_with(".rs") || prose && path.ends_with(".md");
    let wanted =
        |path: &str| path == "Cargo.toml" || document(path) || notices::is_licence_file(path);
    let mut files = archive::unpack(bytes, package, wanted)?;
    let manifest = files.iter().position(|file| file.path == "Cargo.toml");
    let manifest = manifest.map(|at| files.swap_remove(at));
    let manifest = manifest.as_ref().and_then(|file| file.bytes.as_deref());
    let licence = gate.judge_manifest(manifest);
    let notices = Notices::read(package, manifest, &files)?;
    let mut candidates = Vec::new();
    for file in files.into_iter().filter(|file| document(&file.path)) {
        let markdown = file.path.ends_with(".md");
        let extraction = match (prose, markdown) {
            (false, _) => rust_text::CODE_EXTRACTION,
            (true, true) => "verbatim",
            (true, false) => rust_text::DOCS_EXTRACTION,
        };
        let draft = Draft {
            source_doc_id: format!("{}@{}/{}", package.name, package.version, file.path),
            raw_sha256: package.sha256.clone(),
            raw_path: file.path,
            raw_bytes: file.size,
            extraction,
            code: !prose,
            licence: &licence,
        };
        let candidate = match file.bytes.map(String::from_utf8) {
            None => draft.unread(rules::HUGE),
            Some(Err(error)) => draft.unreadable(rules::NOT_UTF8, error.as_bytes()),
            Some(Ok(text)) => match (prose, markdown) {
                (false, _) => draft.read(rust_text::code(&text)),
                (true, true) => draft.read(text),
                (true, false) => match rust_text::docs(&text) {
                    // A file without documentation is no document of this source at all.
                    docs if docs.is_empty() => continue,
                    docs => draft.read(docs),
                },
            },
        };
        candidates.push(candidate);
    }
    let package = SourcePackage {
        name: package.name.clone(),
        version: package.version.clone(),
        sha256: package.sha256.clone(),
        licence,
        notices,
    };
    Ok((package, candidates))
}

fn collect_pages(
    source: &Source,
    pins: &[pins::Pin],
    places: &Places,
    gate: &Gate,
    progress: &dyn Progress,
) -> Result<Collected> {
    let evidence = evidence(source, &places.rust_docs)?;
    let licence = gate.judge(source.licence.as_deref(), "source", evidence.clone());
    if let (Some(stated), None) = (&source.licence, &licence.spdx) {
        // In a package this rejects its documents; in the run file it is the run's own mistake.
        let reason = licence.refused.map(|(_, found)| found).unwrap_or_default();
        let place = format!("source `{}`", source.id);
        return Err(Error::Licence {
            place,
            expression: stated.clone(),
            reason,
        });
    }
    let candidates: Vec<Result<Candidate>> = pins
        .par_iter()
        .map(|pin| {
            let path = places.rust_docs.join(&pin.path);
            let bytes = read_limited(&path, MAX_PAGE).map_err(|error| match error {
                Error::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                    Error::PinnedMissing { path: path.clone() }
                }
                error => error,
            })?;
            let found = sha256_hex(&bytes);
            if found != pin.sha256 {
                return Err(Error::PinnedMismatch {
                    path,
                    expected: pin.sha256.clone(),
                    found,
                });
            }
            let draft = Draft {
                source_doc_id: pin.path.clone(),
                raw_sha256: found,
                raw_path: pin.path.clone(),
                raw_bytes: bytes.len() as u64,
                extraction: html::EXTRACTION,
                code: false,
                licence: &licence,
            };
            let candidate = match std::str::from_utf8(&bytes) {
                Err(_) => draft.unreadable(rules::NOT_UTF8, &bytes),
                Ok(page) => match html::page_text(page) {
                    None => draft.unreadable(rules::TOO_DEEP, &bytes),
                    Some(text) => draft.read(text),
                },
            };
            progress.advance(1);
            Ok(candidate)
        })
        .collect();
    // The first error in order, not the first in time.
    let candidates = candidates.into_iter().collect::<Result<Vec<_>>>()?;
    let entries = pins.len() as u64;
    Ok(Collected {
        candidates,
        packages: Vec::new(),
        entries,
        evidence: Some(evidence),
    })
}

/// The file on which the stated licence of a documentation source rests: its name and digest.
/// It lies below the documentation's root or, as the toolchain's own `COPYRIGHT.html`, beside it.
fn evidence(source: &Source, root: &Path) -> Result<String> {
    let missing = |key| Error::SourceKey {
        id: source.id.clone(),
        kind: crate::record::kind_name(source.kind),
        key,
    };
    source.licence.as_ref().ok_or_else(|| missing("licence"))?;
    let name = source
        .licence_evidence
        .as_ref()
        .ok_or_else(|| missing("licence_evidence"))?;
    let path = root.join(name);
    if !pins::is_plain(name) {
        let reason = format!(
            "source `{}`: licence_evidence is no plain relative path",
            source.id
        );
        return Err(Error::Inconsistent {
            path: name.into(),
            reason,
        });
    }
    let beside = root
        .parent()
        .map(|parent| parent.join(name))
        .filter(|_| !path.exists());
    let path = beside.filter(|beside| beside.exists()).unwrap_or(path);
    let bytes = read_limited(&path, MAX_PAGE).map_err(|_| Error::PinnedMissing { path })?;
    Ok(format!("{name} sha256:{}", sha256_hex(&bytes)))
}

/// A whole file, refused before it is read if it is longer than `limit`.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(Error::read(path))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::read(path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::read(path)(std::io::Error::other(format!(
            "larger than {limit} bytes"
        ))));
    }
    Ok(bytes)
}

/// What is known of a file before its text is.
struct Draft<'a> {
    source_doc_id: String,
    raw_sha256: String,
    raw_path: String,
    raw_bytes: u64,
    extraction: &'static str,
    code: bool,
    licence: &'a Licence,
}

impl Draft<'_> {
    fn finish(self, refused: Option<Refusal>, hash: Option<Digest>, text: String) -> Candidate {
        let licence = self.licence.clone();
        let refused = refused.or_else(|| {
            let (rule, found) = licence.refused.clone()?;
            Some(Refusal {
                stage: Stage::Licence,
                rule,
                found,
            })
        });
        let lang = match (self.code, text.is_empty()) {
            (true, _) => language::CODE,
            (false, true) => language::UNDETERMINED,
            (false, false) => language::of_prose(&text),
        };
        Candidate {
            source_doc_id: self.source_doc_id,
            raw_sha256: self.raw_sha256,
            raw_path: self.raw_path,
            raw_bytes: self.raw_bytes,
            extraction: self.extraction,
            lang,
            content_hash: hash,
            n_bytes: text.len() as u64,
            licence,
            text: if refused.is_some() {
                String::new()
            } else {
                text
            },
            refused,
        }
    }

    /// A file whose bytes were not even read.
    fn unread(self, rule: &'static str) -> Candidate {
        let found = format!("{} bytes", self.raw_bytes);
        self.finish(
            Some(Refusal {
                stage: Stage::Extract,
                rule,
                found,
            }),
            None,
            String::new(),
        )
    }

    /// A file whose bytes give no text.
    fn unreadable(self, rule: &'static str, bytes: &[u8]) -> Candidate {
        let found = format!("{} bytes", bytes.len());
        let refusal = Refusal {
            stage: Stage::Extract,
            rule,
            found,
        };
        self.finish(Some(refusal), Some(Digest::of(bytes)), String::new())
    }

    /// A file whose text was extracted; the rules decide.
    fn read(self, text: String) -> Candidate {
        let found = format!("{} bytes of text", text.len());
        let refusal = rules::rejected(&self.raw_path, &text, self.code).map(|rule| Refusal {
            stage: Stage::Extract,
            rule,
            found,
        });
        let hash = Digest::of(text.as_bytes());
        self.finish(refusal, Some(hash), text)
    }
}
