//! Lines of a licence file that name authors or the licence itself, and say nothing else.

use crate::texts::{word, words};

/// Words by which a line or a name would say more than who wrote something.
const TERMS: [&str; 40] = [
    "exclusively",
    "solely",
    "usage",
    "consent",
    "deployment",
    "needs",
    "requires",
    "nonprofit",
    "nur",
    "uniquement",
    "not",
    "no",
    "only",
    "without",
    "except",
    "commercial",
    "commercially",
    "noncommercial",
    "prohibited",
    "forbidden",
    "restricted",
    "use",
    "used",
    "may",
    "must",
    "shall",
    "clause",
    "notwithstanding",
    "sell",
    "sold",
    "purpose",
    "purposes",
    "academic",
    "educational",
    "evaluation",
    "internal",
    "private",
    "terms",
    "conditions",
    "agreement",
];
/// How such words begin, in languages that are written in Latin letters.
const ROOTS: [&str; 16] = [
    "commerc", "kommerz", "comerc", "prohib", "proib", "interdi", "verbot", "verbiet", "untersag",
    "vietat", "verbod", "forbid", "restric", "permis", "permit", "licens",
];
/// Projects whose publisher heads its texts with `For NAME software`.
const HEADS: [&str; 10] = [
    "gloo",
    "zstandard",
    "react",
    "rocksdb",
    "flow",
    "jest",
    "xnnpack",
    "fbgemm",
    "mslk",
    "tensorpipe",
];
/// What stands before a full stop that ends no sentence, and after which a name may be over.
const SHORT: [&str; 11] = [
    "inc", "ltd", "co", "corp", "llc", "al", "jr", "sr", "dr", "st", "prof",
];
/// Words in small letters that stand between names.
const BETWEEN: [&str; 59] = [
    "and",
    "the",
    "of",
    "by",
    "to",
    "in",
    "et",
    "al",
    "contributors",
    "contributor",
    "authors",
    "author",
    "others",
    "inc",
    "ltd",
    "llc",
    "co",
    "corp",
    "corporation",
    "foundation",
    "all",
    "rights",
    "reserved",
    "its",
    "developers",
    "project",
    "team",
    "present",
    "portions",
    "parts",
    "original",
    "work",
    "code",
    "port",
    "copyright",
    "holder",
    "holders",
    "c",
    "de",
    "van",
    "von",
    "der",
    "den",
    "la",
    "le",
    "del",
    "da",
    "members",
    "group",
    "various",
    "with",
    "affiliates",
    "company",
    "respective",
    "individual",
    "as",
    "shown",
    "see",
    "file",
];
/// What follows `copyright` in sentences of licences.
const SENTENCES: [&str; 14] = [
    "holder",
    "holders",
    "notice",
    "notices",
    "and",
    "or",
    "license",
    "law",
    "laws",
    "statement",
    "to",
    "in",
    "interest",
    "interests",
];
/// Words of a title beside the licence's own name.
const TITLES: [&str; 34] = [
    "the",
    "license",
    "version",
    "this",
    "software",
    "project",
    "package",
    "module",
    "crate",
    "library",
    "work",
    "source",
    "code",
    "is",
    "released",
    "distributed",
    "licensed",
    "under",
    "terms",
    "of",
    "see",
    "a",
    "new",
    "simplified",
    "modified",
    "revised",
    "expat",
    "open",
    "osi",
    "approved",
    "2clause",
    "3clause",
    "legal",
    "spdxlicenseidentifier",
];
/// The most words of a line that names an author.
const MAX_AUTHORS: usize = 24;
/// The most words after a single letter with a full stop: a name is over soon.
const MAX_AFTER_INITIAL: usize = 1;
/// The most words of a title.
const MAX_TITLE: usize = 12;
/// The most words in small letters that are taken for names: people sign with what they are called on the net.
const MAX_SMALL: usize = 2;

/// Whether the word could say what may be done, or is of a language without spaces, where one word can say anything.
pub(crate) fn says_more(word: &str) -> bool {
    TERMS.contains(&word)
        || ROOTS.iter().any(|root| word.starts_with(root))
        || !word.chars().all(is_latin)
}

fn is_latin(c: char) -> bool {
    c.is_ascii() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Whether the line names authors and nothing beyond.
#[must_use]
pub fn names_authors(line: &str) -> bool {
    let all: Vec<String> = words(line).collect();
    if all.is_empty() || all.len() > MAX_AUTHORS {
        return false;
    }
    if all == ["all", "rights", "reserved"] {
        return true;
    }
    let stands: Vec<&str> = line
        .trim_start_matches(|c: char| c.is_whitespace() || "*#>/;-|".contains(c))
        .split_whitespace()
        .collect();
    let marked = |at: usize| {
        stands.get(at).is_some_and(|word| {
            let word = word.to_ascii_lowercase();
            word.starts_with('©')
                || word.starts_with("(c)")
                || word.starts_with(|c: char| c.is_ascii_digit())
        })
    };
    let opens = match all[0].as_str() {
        "copyright" => !all
            .get(1)
            .is_some_and(|next| SENTENCES.contains(&next.as_str())),
        // `© 2017 Somebody`, `Original code Copyright 2017 Somebody`.
        _ => {
            line.contains('©') && marked(0)
                || marked(0) && stands[0].to_ascii_lowercase().starts_with("(c)")
                || (1..=3).any(|at| {
                    stands
                        .get(at)
                        .is_some_and(|word| self::word(word) == "copyright")
                        && marked(at + 1)
                })
        }
    };
    let small = stands
        .iter()
        .filter(|stands| {
            let plain = word(stands);
            let inner = stands.trim_matches(|c: char| !c.is_alphanumeric());
            inner.starts_with(char::is_lowercase)
                && !BETWEEN.contains(&plain.as_str())
                // Addresses.
                && !inner.contains(['@', '.', '/'])
        })
        .count();
    opens
        && small <= MAX_SMALL
        && !all.iter().any(|word| says_more(word))
        && nothing_follows(&stands)
}

/// Whether after the sentence that names authors nothing stands but rights that are reserved, or other authors.
fn nothing_follows(stands: &[&str]) -> bool {
    for (at, word) in stands.iter().enumerate() {
        if !word.ends_with(['.', '!', ';', ':']) {
            continue;
        }
        let rest = &stands[at + 1..];
        let Some(next) = rest.first() else {
            return true;
        };
        let plain = self::word(word);
        let next_plain = self::word(next);
        // `J. Smith`, `S.A. Somebody`.
        let initial = plain.chars().count() == 1 || word.trim_end_matches('.').contains('.');
        let goes_on = BETWEEN.contains(&next_plain.as_str())
            || next.starts_with(['<', '(', '&', '©'])
            || next.starts_with(|c: char| c.is_ascii_digit());
        // `Dr. Somebody`, but not `Inc. Somebody`.
        let title = matches!(plain.as_str(), "dr" | "st" | "prof");
        let name = rest
            .iter()
            .position(|word| {
                BETWEEN.contains(&self::word(word).as_str())
                    || word.starts_with(['<', '(', '&'])
                    || word.ends_with([',', '.'])
            })
            .unwrap_or(rest.len().saturating_sub(1));
        if initial && name <= MAX_AFTER_INITIAL
            || title
            || SHORT.contains(&plain.as_str()) && goes_on
        {
            continue;
        }
        let rest: Vec<String> = rest.iter().map(|word| self::word(word)).collect();
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        return rest == ["all", "rights", "reserved"]
            || rest.len() == 1 && stands[at + 1].contains('@')
            || names_authors(&stands[at + 1..].join(" "));
    }
    true
}

/// Whether the line says no more than that this is licence `id`, called `name`.
pub(crate) fn is_title(line: &str, id: &str, name: &str) -> bool {
    let all: Vec<String> = words(line).collect();
    let own: Vec<String> = words(&id.replace('-', " "))
        .chain(words(id))
        .chain(words(name))
        .collect();
    // `For Gloo software`: another word there could say what it is for.
    let heads = all.len() == 3
        && all[0] == "for"
        && all[2] == "software"
        && HEADS.contains(&all[1].as_str());
    heads
        || all.len() <= MAX_TITLE
            && all
                .iter()
                .all(|word| own.contains(word) || TITLES.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_named_in_many_ways() {
        for line in [
            "Copyright (c) 2014-2022 Steven Fackler, Yuki Okushi",
            "Copyright 2019 dtolnay and contributors",
            "© 2021 Emilio Cobos Álvarez",
            "(c) 2013 Radim Řehůřek <me@radimrehurek.com>",
            "Portions Copyright 2017 Google Inc.",
            "// Copyright (C) 2020 The Example Authors. All rights reserved.",
            "All rights reserved.",
            "Copyright (c) 2020 J. R. Smith, Example Corp. and others. All Rights Reserved.",
            "   Copyright [yyyy] [name of copyright owner]",
            "Copyright (c) 2022, the respective contributors, as shown by the AUTHORS file.",
        ] {
            assert!(names_authors(line), "{line}");
        }
    }

    #[test]
    fn attack_terms_beside_an_authors_name() {
        for line in [
            "Copyright 2024 X. Commercial use prohibited.",
            "Copyright 2024 X, ask before every deployment please",
            "Copyright 2024 X. Kommerzielle Nutzung untersagt.",
            "Copyright 2024 X. Utilisation commerciale interdite.",
            "Copyright 2024 某社 商用利用を禁ずる",
            "Copyright 2024 Икс. Коммерческое использование запрещено",
            "Copyright 2024 X, for research purposes",
            "Copyright 2024 X, see the file TERMS",
            "Copyright 2024 Acme. Exclusively For Research Usage.",
            "Copyright 2024 Acme. Deployment Needs Written Consent.",
            "Copyright 2024 Acme. Nur für die Forschung.",
            "Copyright 2024 Acme. Ask Us First.",
            "Copyright 2024 Acme, Inc. Ask Us First.",
            "Copyright 2024 X. Ask Us First.",
            "COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM",
            "2024 Somebody who asks for money",
        ] {
            assert!(!names_authors(line), "{line}");
        }
    }

    #[test]
    fn titles_name_the_licence_and_nothing_else() {
        for line in [
            "The MIT License (MIT)",
            "# MIT License",
            "This software is released under the MIT license:",
            "For Gloo software",
            "SPDX-License-Identifier: MIT",
        ] {
            assert!(is_title(line, "MIT", "MIT License"), "{line}");
        }
        for line in [
            "MIT License, modified by us for research",
            "This software is not released under the MIT license",
            "Apache License",
            "For commercial software",
            "For Research Software",
            "For nonprofit software",
            "For Nonprofit Software",
            "SPDX-License-Identifier: CC-BY-NC-4.0",
            "SPDX-License-Identifier: MIT 商用利用禁止",
            "SPDX-License-Identifier: MIT WITH no-commercial clause",
        ] {
            assert!(!is_title(line, "MIT", "MIT License"), "{line}");
        }
    }
}
