//! Whom a package names: the authors of its manifest, and the copyright lines of its licence files.
//!
//! Who passes on what was made from a package may have to repeat these. Nothing here judges a
//! package, so that odd fields are passed over; sizes and counts are bounded, whatever it holds.

use glasswork_release::sha256_hex;
use glasswork_release::sources::LicenceFile;

use super::archive::ArchiveFile;
use super::lock::Package;
use crate::error::{Error, Result};

/// Licence files of one package. A real one has about three.
const MAX_FILES: usize = 32;
/// Copyright lines of one file.
const MAX_LINES: usize = 20;
/// Authors of one manifest.
const MAX_AUTHORS: usize = 100;
/// Characters of one line, author or address.
const MAX_CHARACTERS: usize = 200;

/// What a package says about those who own it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notices {
    /// In the manifest's order.
    pub(crate) authors: Vec<String>,
    pub(crate) repository: Option<String>,
    /// By the bytes of their paths.
    pub(crate) files: Vec<LicenceFile>,
}

/// Whether a path of an archive is that of a licence, copying, copyright or notice file at its top.
pub(crate) fn is_licence_file(path: &str) -> bool {
    const STARTS: [&str; 6] = [
        "license",
        "licence",
        "copying",
        "copyright",
        "notice",
        "unlicense",
    ];
    !path.contains('/') && STARTS.iter().any(|start| starts_with(path, start))
}

impl Notices {
    /// Reads the manifest and, of `files`, those that are licence files.
    ///
    /// # Errors
    /// A licence file too large to be read, or more of them than a package has: leaving one out
    /// in silence would leave its owners out.
    pub(crate) fn read(
        package: &Package,
        manifest: Option<&[u8]>,
        files: &[ArchiveFile],
    ) -> Result<Self> {
        let wrong = |reason: String| Error::Archive {
            package: package.stem(),
            reason,
        };
        let (authors, repository) = manifest.map(named_by_manifest).unwrap_or_default();
        let mut found = Vec::new();
        for file in files.iter().filter(|file| is_licence_file(&file.path)) {
            if found.len() == MAX_FILES {
                return Err(wrong(format!("more than {MAX_FILES} licence files")));
            }
            let bytes = file.bytes.as_deref().ok_or_else(|| {
                let (path, size) = (&file.path, file.size);
                wrong(format!(
                    "licence file `{path}` has {size} bytes, too many to be read"
                ))
            })?;
            found.push(LicenceFile {
                path: file.path.clone(),
                sha256: sha256_hex(bytes),
                copyright: copyright_lines(&String::from_utf8_lossy(bytes)),
            });
        }
        found.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        Ok(Self {
            authors,
            repository,
            files: found,
        })
    }
}

/// `package.authors` and `package.repository`, as far as they are what they should be.
fn named_by_manifest(bytes: &[u8]) -> (Vec<String>, Option<String>) {
    let manifest = std::str::from_utf8(bytes).ok();
    let manifest = manifest.and_then(|text| text.parse::<toml::Table>().ok());
    let key = |key| manifest.as_ref()?.get("package")?.get(key);
    let text = |value: &toml::Value| value.as_str().map(shown).filter(|text| !text.is_empty());
    let authors = key("authors").and_then(toml::Value::as_array);
    let authors = authors.into_iter().flatten().filter_map(text);
    (
        authors.take(MAX_AUTHORS).collect(),
        key("repository").and_then(text),
    )
}

/// The first lines of a licence file that say whose it is.
fn copyright_lines(text: &str) -> Vec<String> {
    text.split(['\n', '\r'])
        .map(bare)
        .filter(|line| names_an_owner(line))
        .take(MAX_LINES)
        .map(shown)
        .collect()
}

/// A line without white space and the marks of comments and lists around it.
fn bare(line: &str) -> &str {
    let mark = |c: char| c.is_whitespace() || "/*#;>|-\u{feff}".contains(c);
    let end = |c: char| c.is_whitespace() || c == '*';
    let line = line.trim_start_matches(mark).trim_end_matches(end);
    line.strip_suffix("*/")
        .unwrap_or(line)
        .trim_end_matches(end)
}

/// At most [`MAX_CHARACTERS`], of which none moves or hides others where they are shown.
fn shown(text: &str) -> String {
    let plain = |c: char| match c {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    let mut rest = text.trim().chars().map(plain);
    let mut out: String = rest.by_ref().take(MAX_CHARACTERS).collect();
    if rest.next().is_some() {
        out.pop();
        out.push('…');
    }
    out.trim().to_owned()
}

/// Whether a line begins with a sign of copyright and goes on with a year or a name.
///
/// The texts of licences are full of lines that merely begin with the word, because a sentence
/// was broken there, or with `(c)`, because a list has an item of that letter.
fn names_an_owner(line: &str) -> bool {
    // Long lines are judged by their beginning, and most lines by their first letters.
    if !["copyright", "©", "(c)"]
        .iter()
        .any(|sign| starts_with(line, sign))
    {
        return false;
    }
    let end = line
        .char_indices()
        .nth(MAX_CHARACTERS)
        .map_or(line.len(), |(at, _)| at);
    let line = without_placeholders(&line[..end]);
    let Some(signs) = Signs::read(&line) else {
        return false;
    };
    let rest = signs.rest;
    let Some(first) = rest
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_empty())
    else {
        return false;
    };
    if is_year(first) {
        return true;
    }
    // No case at all, as in Chinese, does for a capital.
    let capital = |word: &str| word.starts_with(|c: char| c.is_alphabetic() && !c.is_lowercase());
    let year = || rest.split(|c: char| !c.is_ascii_digit()).any(is_year);
    match (signs.word, signs.circled, signs.lettered) {
        (Some(_), true, _) | (Some(_), _, true) | (None, true, _) => true,
        (Some(word), false, false) => {
            let prose = LEGAL.contains(&first.to_lowercase().as_str());
            let name = capital(first) || first == "the" || first == "by";
            !prose && (name && capital(word) || capital(first) && year())
        }
        (None, false, _) => {
            let mut words = rest.split_whitespace();
            capital(first) && (year() || rest.contains('@') || words.all(capital))
        }
    }
}

/// Words that follow "copyright" in the texts of licences and are nobody's name.
const LEGAL: [&str; 26] = [
    "act",
    "agreement",
    "and",
    "claims",
    "disclaimer",
    "holder",
    "holders",
    "in",
    "information",
    "interest",
    "law",
    "laws",
    "licence",
    "license",
    "notice",
    "notices",
    "on",
    "or",
    "owner",
    "owners",
    "patent",
    "protection",
    "rights",
    "statement",
    "trademark",
    "treaty",
];

/// The signs that a line begins with, in any order, and what follows them.
struct Signs<'a> {
    /// "Copyright" as it is spelt there.
    word: Option<&'a str>,
    /// `©`.
    circled: bool,
    /// `(c)`.
    lettered: bool,
    rest: &'a str,
}

impl<'a> Signs<'a> {
    /// `None` where the line goes on in a longer word: "copyrighted", "copyright-like".
    fn read(line: &'a str) -> Option<Self> {
        const WORD: &str = "copyright";
        let mut signs = Self {
            word: None,
            circled: false,
            lettered: false,
            rest: line,
        };
        loop {
            let rest = signs
                .rest
                .trim_start_matches(|c: char| c.is_whitespace() || ":,-–".contains(c));
            signs.rest = if starts_with(rest, WORD) && signs.word.is_none() {
                let (word, after) = rest.split_at(WORD.len());
                let mut next = after.chars();
                let first = next.next();
                let longer = |c: Option<char>| c.is_some_and(char::is_alphabetic);
                if longer(first) || first == Some('-') && longer(next.next()) {
                    return None;
                }
                signs.word = Some(word);
                after
            } else if starts_with(rest, "(c)") {
                signs.lettered = true;
                &rest[3..]
            } else if let Some(after) = rest.strip_prefix('©') {
                signs.circled = true;
                after
            } else {
                signs.rest = rest;
                return Some(signs);
            };
        }
    }
}

/// The line without what a template leaves to be filled in: `[yyyy]`, `<name of author>`, `YYYY`.
fn without_placeholders(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(open) = rest.find(['[', '<', '{']) {
        let close = match rest.as_bytes()[open] {
            b'[' => ']',
            b'<' => '>',
            _ => '}',
        };
        let Some(length) = rest[open..].find(close) else {
            break;
        };
        let inside = rest[open + 1..open + length].to_lowercase();
        let mut words = inside
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty());
        // An address such as <author@example.org> is none of these.
        let blank = !inside.contains('@')
            && words.all(|word| {
                let word = word.trim_end_matches('s');
                [
                    "author",
                    "copyright",
                    "dates",
                    "full",
                    "fullname",
                    "holder",
                    "name",
                    "of",
                    "or",
                    "organization",
                    "owner",
                    "the",
                    "year",
                    "yyyy",
                    "developer",
                    "your",
                    "company",
                ]
                .contains(&word)
            });
        out.push_str(&rest[..open]);
        if !blank {
            out.push_str(&rest[open..=open + length]);
        }
        rest = &rest[open + length + 1..];
    }
    out.push_str(rest);
    out.replace("YYYY", "").replace("yyyy", "")
}

fn is_year(word: &str) -> bool {
    word.len() == 4
        && (word.starts_with("19") || word.starts_with("20"))
        && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` begins with `start`, whatever the case of ASCII letters.
fn starts_with(text: &str, start: &str) -> bool {
    let begin = text.as_bytes().get(..start.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::{crate_of, package};
    use super::super::archive::unpack;
    use super::*;

    fn named(line: &str) -> bool {
        names_an_owner(bare(line))
    }

    fn read(files: &[(&str, &[u8])]) -> Result<Notices> {
        let package = package("a");
        let files = unpack(&crate_of(files), &package, |_| true).expect("valid");
        let manifest = files.iter().find(|file| file.path == "Cargo.toml");
        let manifest = manifest.and_then(|file| file.bytes.as_deref());
        Notices::read(&package, manifest, &files)
    }

    #[test]
    fn owners_are_named_by_year_or_by_name() {
        for line in [
            "Copyright (c) 2014 The Rust Project Developers",
            "   Copyright 2018-2019 A. Author <author@example.org>",
            "COPYRIGHT 1999 SOMEBODY",
            "copyright (C) 2020, somebody",
            "Copyright © 1991-2023 Unicode, Inc.",
            "© 2021 Somebody",
            "© Somebody",
            "(c) 2020 Somebody",
            "(C) Some Body <some@example.org>",
            "(c) Copyright 2020 somebody",
            "Copyright (c) Ulrik Sverdrup \"bluss\" 2015-2023",
            "Copyright (c) the somebody developers",
            "Copyright Individual contributors",
            "Copyright the Project authors",
            "Copyright: Some Body",
            "Copyright 山田太郎",
            "Copyright (c) 2015",
            "// Copyright 2015-2016 Some Body.",
            "/* Copyright 2015 Some Body */",
            " * **Copyright (c) 2020 Some Body**",
            "\u{feff}Copyright 2020 Some Body",
        ] {
            assert!(named(line), "{line}");
        }
    }

    #[test]
    fn the_words_of_licences_are_no_owners() {
        for line in [
            "copyright license to reproduce, prepare Derivative Works of,",
            "copyright notice that is included in or attached to the work",
            "Copyright notices are retained in src/* files where relevant.",
            "copyright holder, and you cure the violation prior to 30 days after",
            "copyright protection under copyright law or other applicable laws.",
            "copyright on the Program, and are irrevocable provided the stated",
            "copyright treaty adopted on 20 December 1996, or",
            "Copyrights in the Rand project are retained by their contributors. No",
            "copyright-like laws that apply to other kinds of works of 1996",
            "COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER",
            "COPYRIGHT AND PERMISSION NOTICE",
            "Copyright and Related Rights. A Work made available under CC0 may be",
            "(c) You must retain, in the Source form of any Derivative Works",
            "(c) under Patent Claims infringed by Covered Software in the absence of",
            "The above copyright notice and this permission notice shall be included in 2020",
            "copyright:",
            "Copyright",
            "(c)",
            "",
        ] {
            assert!(!named(line), "{line}");
        }
    }

    #[test]
    fn templates_name_nobody() {
        for line in [
            "Copyright [yyyy] [name of copyright owner]",
            "Copyright {yyyy} {name of copyright owner}",
            "Copyright (C) <year>  <name of author>",
            "Copyright (c) <year> <copyright holders>",
            "Copyright (c) <''year''> <''copyright holders''>",
            "Copyright (c) [year] [fullname]",
            "Copyright (c) YYYY",
        ] {
            assert!(!named(line), "{line}");
        }
        assert!(named("Copyright {yyyy} The Project Developers"));
        assert!(named("Copyright (c) 2020 [name of copyright owner]"));
    }

    #[test]
    fn manifest_and_licence_files_are_read_in_a_fixed_order() {
        let notices = read(&[
            ("a-1.0.0/unlicense", b"Anyone is free"),
            (
                "a-1.0.0/LICENSE-MIT",
                b"MIT\n\nCopyright (c) 2020 A\r\nCopyright 2021 B\n",
            ),
            ("a-1.0.0/src/LICENSE", b"Copyright 2020 not at the top"),
            ("a-1.0.0/README.md", b"Copyright 2020 not a licence file"),
            ("a-1.0.0/COPYING", b"Copyright \xa9 2020 Latin One"),
            (
                "a-1.0.0/Cargo.toml",
                b"[package]\nauthors = [\"B <b@x>\", \"A\"]\nrepository = \"https://x.org/a\"\n",
            ),
        ])
        .expect("reads");
        assert_eq!(notices.authors, ["B <b@x>", "A"]);
        assert_eq!(notices.repository.as_deref(), Some("https://x.org/a"));
        let files = notices.files.iter();
        let files: Vec<_> = files
            .map(|f| (f.path.as_str(), f.copyright.join("|")))
            .collect();
        assert_eq!(
            files,
            [
                ("COPYING", "Copyright \u{fffd} 2020 Latin One".to_owned()),
                (
                    "LICENSE-MIT",
                    "Copyright (c) 2020 A|Copyright 2021 B".to_owned()
                ),
                ("unlicense", String::new()),
            ]
        );
        assert_eq!(notices.files[2].sha256, sha256_hex(b"Anyone is free"));
    }

    #[test]
    fn odd_manifests_name_nobody() {
        for manifest in [
            &b"[package]\nauthors = \"A\"\nrepository = 7\n"[..],
            b"[package]\nauthors = [7, \" \"]\nrepository = \"\"\n",
            b"package = 1\n",
            b"[package",
            b"\xff",
        ] {
            assert_eq!(named_by_manifest(manifest), (vec![], None));
        }
        assert_eq!(read(&[]).expect("reads"), Notices::default());
    }

    #[test]
    fn attack_endless_lines_and_names() {
        let lines = "Copyright 2020 X\n".repeat(100_000);
        assert_eq!(copyright_lines(&lines).len(), MAX_LINES);
        let long = format!("Copyright 2020 {}", "é".repeat(1 << 20));
        let lines = copyright_lines(&long);
        assert_eq!(lines[0].chars().count(), MAX_CHARACTERS);
        assert!(lines[0].ends_with('…'));
        let brackets = format!("Copyright {}", "[".repeat(1 << 20));
        assert!(copyright_lines(&brackets).is_empty());
        let authors = format!("[package]\nauthors = [{}]\n", "\"A\",".repeat(10_000));
        assert_eq!(named_by_manifest(authors.as_bytes()).0.len(), MAX_AUTHORS);
    }

    #[test]
    fn attack_characters_that_hide_others() {
        let lines = copyright_lines("Copyright 2020 A\u{202e}B\u{1b}[31m\u{7}C\n");
        assert_eq!(lines, ["Copyright 2020 A B [31m C"]);
    }

    #[test]
    fn attack_more_licence_files_than_a_package_has() {
        let names: Vec<String> = (0..=MAX_FILES)
            .map(|n| format!("a-1.0.0/LICENSE-{n}"))
            .collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b"x"[..])).collect();
        assert!(read(&files[..MAX_FILES]).is_ok());
        let error = read(&files).expect_err("too many").to_string();
        assert!(error.contains("licence files"), "{error}");
    }

    #[test]
    fn attack_a_licence_file_too_large_to_be_read() {
        let large = vec![b' '; (4 << 20) + 1];
        let error = read(&[("a-1.0.0/NOTICE", &large)])
            .expect_err("too large")
            .to_string();
        assert!(error.contains("NOTICE"), "{error}");
    }
}
