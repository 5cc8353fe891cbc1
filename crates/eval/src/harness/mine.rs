//! A person's own documents and questions: how well a model predicts the ones and answers the others.
//!
//! Text and Markdown are predicted, tables of questions and answers are asked. Nothing of them leaves the
//! process but the numbers and answers that this returns.

use super::answers::{Progress, Wanted, answer_all};
use super::language_model::LanguageModel;
use super::log::{Kept, Log};
use super::node::Node;
use super::python::{is_space, ln, text_of};
use super::request::Ask;
use super::run::VERSION;
use super::table::separated;
use super::task_files::sha256;
use crate::EvalError;
use std::path::{Path, PathBuf};

/// Longest document.
const LONGEST: u64 = 64 << 20;
/// Most files.
const MOST_FILES: usize = 100_000;
/// Deepest folders.
const DEEPEST: usize = 16;
/// What columns of questions and of answers are called.
const QUESTIONS: [&str; 4] = ["question", "質問", "問い", "問題"];
const ANSWERS: [&str; 4] = ["answer", "回答", "答え", "解答"];

/// What may be chosen.
#[derive(Clone, Debug)]
pub struct Mine {
    /// Most tokens of an answer.
    pub answer_tokens: usize,
    /// About so many tokens are computed before answers are kept.
    pub portion: usize,
}

impl Default for Mine {
    fn default() -> Self {
        Self {
            answer_tokens: 64,
            portion: 1 << 17,
        }
    }
}

/// How a document is predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnText {
    /// Its path from the folder.
    pub path: String,
    /// UTF-8 bytes.
    pub bytes: usize,
    /// Characters.
    pub characters: usize,
    /// Tokens.
    pub tokens: usize,
    /// Bits per byte; `None` where it could not be measured.
    pub bits_per_byte: Option<f64>,
}

/// How a question is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAnswer {
    /// The table's path from the folder.
    pub path: String,
    /// The question.
    pub question: String,
    /// What should be answered.
    pub expected: String,
    /// What was answered; `None` where the question did not fit into the model.
    pub answered: Option<String>,
    /// Whether it is that, but for case and white space.
    pub exact: bool,
    /// Whether that stands in it.
    pub contains: bool,
}

/// What an own folder gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MineReport {
    /// Of each document.
    pub texts: Vec<OwnText>,
    /// Of each question.
    pub answers: Vec<OwnAnswer>,
    /// Files that were not used, and why.
    pub skipped: Vec<(String, String)>,
}

impl MineReport {
    /// Over all documents: bits per byte; `None` where there are none, or where one could not be measured, because a
    /// mean without it would hide what the model cannot do.
    pub fn bits_per_byte(&self) -> Option<f64> {
        let mut bits = 0.0;
        for text in &self.texts {
            bits += text.bits_per_byte.filter(|bits| bits.is_finite())? * text.bytes as f64;
        }
        let bytes: usize = self.texts.iter().map(|text| text.bytes).sum();
        (bytes > 0).then(|| bits / bytes as f64)
    }

    /// Over all documents: tokens a character. What a text costs is proportional to it.
    pub fn tokens_per_character(&self) -> Option<f64> {
        let characters: usize = self.texts.iter().map(|text| text.characters).sum();
        let tokens: usize = self.texts.iter().map(|text| text.tokens).sum();
        (characters > 0).then(|| tokens as f64 / characters as f64)
    }
}

/// Measures `model` on the texts, Markdown and tables below `folder`. Answers are kept in the file `log`.
///
/// # Errors
/// A folder or log that cannot be read, a model that cannot compute.
pub fn mine(
    model: &mut dyn LanguageModel,
    folder: &Path,
    options: &Mine,
    log: Option<&Path>,
    progress: &dyn Progress,
) -> Result<MineReport, EvalError> {
    let mut files = Vec::new();
    list(folder, "", 0, &mut files)?;
    files.sort();
    let mut report = MineReport::default();
    let (mut texts, mut questions) = (Vec::new(), Vec::new());
    for (path, place) in files {
        let ending = place
            .extension()
            .and_then(|e| e.to_str())
            .map(str::to_ascii_lowercase);
        let separator = match ending.as_deref() {
            Some("txt" | "md" | "markdown") => None,
            Some("csv") => Some(b','),
            Some("tsv") => Some(b'\t'),
            _ => {
                report
                    .skipped
                    .push((path, "is neither text, Markdown nor a table".to_owned()));
                continue;
            }
        };
        let read =
            glasswork_release::files::read(&place, LONGEST).map_err(|error| error.to_string());
        let text =
            read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is no UTF-8".to_owned()));
        let used = text.and_then(|text| {
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            match separator {
                Some(separator) => questions.extend(
                    pairs(text, separator)?
                        .into_iter()
                        .map(|(q, a)| (path.clone(), q, a)),
                ),
                None if text.trim().is_empty() => return Err("is empty".to_owned()),
                None => texts.push((path.clone(), text.to_owned())),
            }
            Ok(())
        });
        if let Err(reason) = used {
            report.skipped.push((path, reason));
        }
    }
    if texts.is_empty() && questions.is_empty() {
        return Err(EvalError::Mine {
            path: folder.into(),
            reason: "holds no text, Markdown or table of questions and answers".to_owned(),
        });
    }
    let mut log = Log::open(log)?;
    let under = sha256(format!("{}\nmine\n{VERSION}\n", model.identity()).as_bytes());
    let mut wanted = Vec::new();
    for (_, text) in &texts {
        let tokens = Ask::Rolling { text: text.clone() }.tokens(model)?;
        wanted.push(tokens.map(|tokens| Wanted::new(tokens, &under)));
    }
    let how = super::node::map([
        ("max_gen_toks", Node::Int(options.answer_tokens as i64)),
        ("until", Node::List(vec!["\n".into()])),
    ]);
    for (_, question, _) in &questions {
        let context = format!("Q: {question}\nA:");
        let tokens = Ask::Generate {
            context,
            how: how.clone(),
        }
        .tokens(model)?;
        wanted.push(tokens.map(|tokens| Wanted::new(tokens, &under)));
    }
    let asked: Vec<Wanted> = wanted
        .iter()
        .filter_map(|wanted| wanted.as_ref().ok().cloned())
        .collect();
    answer_all(model, &asked, &mut log, options.portion, progress)?;
    let (of_texts, of_questions) = wanted.split_at(texts.len());
    for ((path, text), wanted) in texts.into_iter().zip(of_texts) {
        let kept = wanted.as_ref().ok().and_then(|wanted| wanted.answer(&log));
        let bits = match kept {
            Some(Kept::Likelihood(value, _)) if value.is_finite() => {
                Some(-value / text.len() as f64 / ln(2.0))
            }
            _ => None,
        };
        report.texts.push(OwnText {
            path,
            bytes: text.len(),
            characters: text.chars().count(),
            tokens: model.encode(&text, false)?.len(),
            bits_per_byte: bits,
        });
    }
    for ((path, question, expected), wanted) in questions.into_iter().zip(of_questions) {
        let answered = match wanted.as_ref().ok().and_then(|wanted| wanted.answer(&log)) {
            Some(Kept::Text(text)) => Some(text.trim_matches(is_space).to_owned()),
            _ => None,
        };
        let (given, right) = (answered.as_deref().map(plain), plain(&expected));
        report.answers.push(OwnAnswer {
            exact: given.as_deref() == Some(&right),
            contains: given.is_some_and(|given| given.contains(&right)),
            path,
            question,
            expected,
            answered,
        });
    }
    Ok(report)
}

/// A text as answers are compared: lower case, one space between words.
fn plain(text: &str) -> String {
    let words = text.split(is_space).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Questions and answers of a table.
fn pairs(text: &str, separator: u8) -> Result<Vec<(String, String)>, String> {
    let rows = separated(text, separator)?;
    let column = |row: &Node, names: &[&str]| {
        let entries = row.entries().unwrap_or_default();
        let named = |key: &str| names.contains(&key.trim().to_lowercase().as_str());
        let cell = entries.iter().find(|(key, _)| named(key));
        cell.map(|(_, value)| {
            if *value == Node::Null {
                String::new()
            } else {
                text_of(value)
            }
        })
    };
    let pair = |row: &Node| Some((column(row, &QUESTIONS)?, column(row, &ANSWERS)?));
    let pairs: Option<Vec<(String, String)>> = rows.iter().map(pair).collect();
    let mut pairs = pairs.ok_or("has no columns question and answer")?;
    pairs.retain(|(question, answer)| !question.is_empty() && !answer.is_empty());
    match pairs.is_empty() {
        true => Err("has no question with its answer".to_owned()),
        false => Ok(pairs),
    }
}

fn list(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(), EvalError> {
    let io = |source| EvalError::Read {
        path: folder.into(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        // Links are not followed: what is measured is what lies in the folder.
        let kind = entry.file_type().map_err(io)?;
        if kind.is_dir() && depth < DEEPEST {
            list(&entry.path(), &format!("{prefix}{name}/"), depth + 1, files)?;
        } else if kind.is_file() {
            if files.len() == MOST_FILES {
                return Err(EvalError::Mine {
                    path: folder.into(),
                    reason: format!("holds more than {MOST_FILES} files"),
                });
            }
            files.push((format!("{prefix}{name}"), entry.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::answers::Unwatched;
    use crate::harness::fake::Fake;

    #[test]
    fn own_documents_and_questions() {
        let folder = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("writes")
        };
        write("a.txt", "hello world");
        write("b.md", "# 線\n");
        // The fake counts on from the last byte of the prompt, ':'.
        write("qa.csv", "Question,Answer\nwhat?,\"; < = >\"\nand?,; <\n");
        write("質問.csv", "質問,回答\nなに?,;<=>?@\n");
        write("empty.txt", " ");
        write("photo.png", "x");
        write("other.csv", "a,b\n1,2\n");
        let mut model = Fake::new(64);
        let options = Mine {
            answer_tokens: 6,
            ..Mine::default()
        };
        let report = mine(&mut model, folder.path(), &options, None, &Unwatched).expect("measures");
        assert_eq!(report.texts.len(), 2);
        assert_eq!((report.texts[1].bytes, report.texts[1].characters), (6, 4));
        assert!(report.bits_per_byte().expect("measured") > 0.0);
        assert_eq!(report.tokens_per_character(), Some(17.0 / 15.0));
        let judged: Vec<(bool, bool)> = report
            .answers
            .iter()
            .map(|a| (a.exact, a.contains))
            .collect();
        assert_eq!(judged, [(false, false), (false, false), (true, true)]);
        assert_eq!(report.answers[0].answered.as_deref(), Some(";<=>?@"));
        let skipped: Vec<&str> = report
            .skipped
            .iter()
            .map(|(path, _)| path.as_str())
            .collect();
        assert_eq!(skipped, ["empty.txt", "other.csv", "photo.png"]);
    }

    #[test]
    fn a_document_without_a_number_is_not_left_out_of_the_mean() {
        let text = |bits_per_byte| OwnText {
            path: "a.txt".into(),
            bytes: 10,
            characters: 10,
            tokens: 10,
            bits_per_byte,
        };
        let mut report = MineReport {
            texts: vec![text(Some(1.0)), text(Some(2.0))],
            ..MineReport::default()
        };
        assert_eq!(report.bits_per_byte(), Some(1.5));
        for none in [None, Some(f64::NAN)] {
            report.texts.push(text(none));
            assert_eq!(report.bits_per_byte(), None);
            report.texts.pop();
        }
        assert_eq!(MineReport::default().bits_per_byte(), None);
    }

    #[test]
    fn attack_links_are_not_followed() {
        let folder = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("a.txt")).expect("links");
        assert!(
            mine(
                &mut Fake::new(64),
                folder.path(),
                &Mine::default(),
                None,
                &Unwatched
            )
            .is_err()
        );
    }
}
