//! Token totals that do not add up: between statements, against steps × batch × sequence, along the names.

mod words;

use std::collections::BTreeSet;

use glasswork_published::Card;

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};
use crate::publication::lines::{Line, lines, main_line};
use crate::publication::statements::{
    Tokens, cell_count, clauses, plain, row, token_counts, whole_numbers,
};
use words::{ANY_TEXT, ELSE, FAMILIES, LABELS, LANGUAGES, LESS, OF_DATA, OTHERS, OWN, PART, TOTAL};

/// Statements that are held against each other.
const MOST_STATEMENTS: usize = 256;
/// A batch of another size than steps and tokens say, beyond this, is another batch.
const TOLERANCE: f64 = 0.02;
/// How far a count may lie from the line through its neighbours, as part of what they are apart: a batch that doubles
/// in between makes a sixth.
const OFF: f64 = 0.25;

/// What a card says, and where.
struct Statement {
    card: String,
    line: usize,
    tokens: Tokens,
    /// Whether it may count less than all that the model was trained on.
    less: bool,
    /// Whether it is plainly of this model's whole training: a row of a table, or a sentence about the model.
    plain: bool,
    /// Sizes of models that the line names: `7b`. Cards of families state a total for each.
    sizes: BTreeSet<String>,
}

fn statements(of: &Subject<'_>) -> Vec<Statement> {
    let mut found = Vec::new();
    for card in &of.inventory.cards {
        let title = title(card);
        for (number, line) in lines_of(card) {
            let family = |name: &&str| line.contains(*name) && !title.contains(*name);
            if OTHERS.iter().any(|word| line.contains(word)) || FAMILIES.iter().any(family) {
                continue;
            }
            if found.len() == MOST_STATEMENTS {
                return found;
            }
            if let Some(tokens) = total(&line) {
                let less = counts_less(&line);
                found.push(Statement {
                    card: card.path.clone(),
                    line: number,
                    tokens,
                    less,
                    plain: !less && is_own(&line, &title),
                    sizes: model_sizes(&line),
                });
            }
        }
    }
    found
}

/// The first heading of a card.
fn title(card: &Card) -> String {
    let mut lines = card.text.lines();
    plain(
        lines
            .find(|line| line.starts_with("# "))
            .unwrap_or_default(),
    )
}

/// Whether a line that counts tokens may count a part of them: of a language, of a source that is named.
fn counts_less(line: &str) -> bool {
    let of_source = ["tokens of ", "tokens from ", "token of ", "token from "]
        .iter()
        .filter_map(|of| line.split_once(of))
        .any(|(_, source)| {
            let source = source.trim_start_matches("the ");
            !ANY_TEXT.iter().any(|text| source.starts_with(text))
        });
    let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    of_source || has(LESS) || has(LANGUAGES) && !has(&["model", "モデル"])
}

/// Whether a row, or a sentence whose subject is the card's own model.
fn is_own(line: &str, title: &str) -> bool {
    if line.trim_start().starts_with('|') {
        return true;
    }
    if !line.is_ascii() && ["学習", "訓練"].iter().any(|word| line.contains(word)) {
        let line = line.trim_start_matches(['-', '*', ' ']);
        let subjects = ["本モデル", "このモデル", "事前学習", "学習", "訓練", "合計"];
        return subjects.iter().any(|subject| line.starts_with(subject));
    }
    line.split(". ")
        .filter(|sentence| sentence.contains("token"))
        .all(|sentence| {
            let starts = TOTAL.iter().filter_map(|word| sentence.find(word));
            let subject = &sentence[..starts.min().unwrap_or_default()];
            let mut words = subject
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty());
            words.all(|word| {
                let size = word.starts_with(|c: char| c.is_ascii_digit());
                size || OWN.contains(&word) || title.split(' ').any(|named| named == word)
            })
        })
}

/// Lines of a card in plain spelling, from 1, without those under a heading that is about something else.
fn lines_of(card: &Card) -> impl Iterator<Item = (usize, String)> {
    let (mut elsewhere, mut of_data, mut in_code) = (false, false, false);
    let lines = card.text.lines().enumerate();
    lines.filter_map(move |(at, line)| {
        let line = plain(line);
        in_code ^= line.trim_start().starts_with("```");
        if line.starts_with('#') && !in_code {
            elsewhere = PART.iter().chain(ELSE).any(|word| line.contains(word));
            of_data = OF_DATA.iter().any(|word| line.contains(word));
        }
        let row = line.trim_start().starts_with('|');
        (!(elsewhere || of_data && row)).then_some((at + 1, line))
    })
}

/// The tokens of the whole training, where a line states them.
fn total(line: &str) -> Option<Tokens> {
    let has = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(line, PART) {
        return None;
    }
    if line.trim_start().starts_with('|') {
        let labelled = row(line).filter(|(label, _)| LABELS.contains(label));
        if let Some((_, value)) = labelled {
            return cell_count(value);
        }
        let whole = has(line, TOTAL) && !has(line, ELSE);
        return largest(token_counts(line)).filter(|_| whole);
    }
    if !has(line, TOTAL) {
        return None;
    }
    let own = clauses(line).filter(|clause| !has(clause, ELSE));
    largest(own.flat_map(token_counts).collect())
}

fn largest(counts: Vec<Tokens>) -> Option<Tokens> {
    counts
        .into_iter()
        .max_by(|a, b| a.tokens.total_cmp(&b.tokens))
}

/// Words such as `7b` or `olmo-7b` in a line in lower case: sizes of models, where no token follows.
fn model_sizes(line: &str) -> BTreeSet<String> {
    let words: Vec<&str> = line
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .filter(|word| !word.is_empty())
        .collect();
    words
        .iter()
        .enumerate()
        .filter(|(i, word)| {
            let number = word.strip_suffix(['b', 'm']).unwrap_or_default();
            let counts_tokens = words
                .get(i + 1)
                .is_some_and(|next| next.starts_with("token"));
            number.starts_with(|c: char| c.is_ascii_digit())
                && number.parse::<f64>().is_ok()
                && !counts_tokens
        })
        .map(|(_, word)| (*word).to_owned())
        .collect()
}

/// Whether two statements speak of the same model, in a publication whose statements name `all` sizes.
fn comparable(one: &Statement, other: &Statement, all: &BTreeSet<&String>) -> bool {
    all.len() <= 1 || !one.sizes.is_empty() && one.sizes == other.sizes
}

/// The first number of a line that speaks of one of `words` and of none of `not`.
fn stated(
    of: &Subject<'_>,
    words: &[&str],
    not: &[&str],
    room: std::ops::Range<u64>,
) -> Option<u64> {
    of.inventory
        .cards
        .iter()
        .flat_map(|card| card.text.lines())
        .find_map(|line| {
            let line = line.to_ascii_lowercase();
            let at = words
                .iter()
                .find_map(|word| Some(line.find(word)? + word.len()))?;
            if not.iter().any(|word| line.contains(word)) {
                return None;
            }
            whole_numbers(&line[at..])
                .into_iter()
                .find(|number| room.contains(number))
        })
}

/// The whole number of a row of a table with this label.
fn of_row(of: &Subject<'_>, wanted: &str) -> Option<u64> {
    let cards = of.inventory.cards.iter();
    cards.flat_map(lines_of).find_map(|(_, line)| {
        let (_, value) = row(&line).filter(|(label, _)| *label == wanted)?;
        value.replace(',', "").parse().ok().filter(|&n: &u64| n > 0)
    })
}

/// Updates, sequences a batch and tokens a sequence of a table that states all of them, as exports of this program do: their product is
/// exact.
fn factors(of: &Subject<'_>) -> Option<[u64; 3]> {
    Some([
        of_row(of, "updates")?,
        of_row(of, "sequences a batch")?,
        of_row(of, "tokens a sequence")?,
    ])
}

/// Path, tokens and their factors of a card with a table that states them all, written out, as exports of this program
/// do. They are of one count: no rounding makes them differ, and no prose beside explains it.
fn own_table(card: &Card) -> Option<(String, u64, [u64; 3])> {
    let wanted = [
        "updates",
        "sequences a batch",
        "tokens a sequence",
        "tokens",
    ];
    let mut found = [None; 4];
    let mut last = 0;
    for (number, line) in lines_of(card) {
        let Some((label, value)) = row(&line) else {
            continue;
        };
        if number != last + 1 {
            found = [None; 4];
        }
        last = number;
        if let Some(place) = wanted.iter().position(|one| *one == label) {
            found[place] = value.replace(',', "").parse().ok();
        }
        if let [Some(updates), Some(sequences), Some(tokens), Some(all)] = found {
            return Some((card.path.clone(), all, [updates, sequences, tokens]));
        }
    }
    None
}

/// Sequences a step, as cards say it.
fn batch(of: &Subject<'_>) -> Option<u64> {
    let not = [
        "token",
        "per device",
        "per-device",
        "per gpu",
        "per-gpu",
        "micro",
        "local",
        "fine-tun",
        "eval",
    ];
    stated(
        of,
        &["global batch size", "batch size"],
        &not,
        1..10_000_000,
    )
}

/// Tokens a sequence: as cards say it, else the configuration's longest.
fn sequence(of: &Subject<'_>) -> Option<u64> {
    let said = stated(
        of,
        &["sequence length", "context length", "seq len", "seq_len"],
        &["fine-tun", "extended"],
        16..100_000_000,
    );
    said.or_else(|| {
        let configs = of
            .inventory
            .checkpoints
            .iter()
            .filter_map(|one| one.config.as_ref());
        configs
            .filter_map(|config| {
                [
                    "max_position_embeddings",
                    "n_positions",
                    "max_sequence_length",
                ]
                .iter()
                .find_map(|key| config.get(*key)?.as_u64())
            })
            .next()
    })
}

/// Steps of the whole training, as cards say it.
fn steps(of: &Subject<'_>) -> Option<u64> {
    stated(
        of,
        &[
            "training steps",
            "total steps",
            "train steps",
            "number of steps",
            "total iterations",
            "training iterations",
        ],
        &["warm", "fine-tun", "every", "per "],
        10..1_000_000_000,
    )
}

/// Statements that differ are contradictions, and so are names that leave their line; a product that differs is a doubt, because its
/// factors are read out of prose.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let statements = statements(of);
    let sizes: BTreeSet<&String> = statements.iter().flat_map(|one| &one.sizes).collect();
    let mut findings = Vec::new();
    let differ = |one: &Statement, other: &Statement| {
        let (few, many) = match one.tokens.tokens < other.tokens.tokens {
            true => (one, other),
            false => (other, one),
        };
        comparable(one, other, &sizes) && !few.less && !few.tokens.agrees(&many.tokens)
    };
    let pairs = statements.iter().enumerate().flat_map(|(i, one)| {
        let before = statements[..i].iter();
        before.map(move |other| (one, other))
    });
    let differing: Vec<_> = pairs.filter(|(one, other)| differ(one, other)).collect();
    let surely = differing
        .iter()
        .find(|(one, other)| one.plain && other.plain);
    if let Some((one, other)) = surely.or(differing.first()) {
        // Of what prose counts, a sentence about something else is easily taken for one about the model.
        let severity = match surely {
            Some(_) => Severity::Contradiction,
            None => Severity::Doubt,
        };
        findings.push(
            about(severity, &one.card, "totals_differ")
                .with("stated", one.tokens.tokens)
                .with("other", other.tokens.tokens)
                .with("line", one.line)
                .with("other_line", other.line)
                .on(evidence::file(&one.card, None, "cards"))
                .on(evidence::file(&other.card, None, "cards")),
        );
    }
    let own = of.inventory.cards.iter().find_map(own_table);
    if let Some((card, said, [updates, sequences, tokens])) = &own {
        let product = u128::from(*updates) * u128::from(*sequences);
        let product = product.checked_mul(u128::from(*tokens));
        if product != Some(u128::from(*said)) {
            let product = *updates as f64 * *sequences as f64 * *tokens as f64;
            findings.push(
                about(Severity::Contradiction, card, "product_differs")
                    .with("stated", *said as f64)
                    .with("product", product)
                    .with("steps", *updates)
                    .on(evidence::file(card, None, "cards")),
            );
        }
    }
    if own.is_none()
        && let Some([updates, sequences, tokens]) = factors(of)
        && let Some(first) = statements.first()
    {
        let product = updates as f64 * sequences as f64 * tokens as f64;
        let exact = Tokens {
            tokens: product,
            rounding: 0.0,
        };
        // Figures of one table are written out, or rounded as they show.
        let says_so = |one: &Statement| {
            let apart = (one.tokens.tokens - exact.tokens).abs();
            apart == 0.0 || one.tokens.tokens % 1e6 == 0.0 && one.tokens.agrees(&exact)
        };
        if !statements.iter().any(says_so) {
            findings.push(
                about(Severity::Contradiction, &first.card, "product_differs")
                    .with("stated", first.tokens.tokens)
                    .with("product", product)
                    .with("steps", updates)
                    .on(evidence::file(&first.card, None, "cards")),
            );
        }
    }
    let product = |steps: u64| Some(steps as f64 * batch(of)? as f64 * sequence(of)? as f64);
    if let (Some(steps), Some(first)) = (steps(of), statements.first())
        && let Some(product) = product(steps)
    {
        let exact = Tokens {
            tokens: product,
            rounding: TOLERANCE * product,
        };
        if !statements.iter().any(|one| one.tokens.agrees(&exact)) {
            findings.push(
                about(Severity::Doubt, &first.card, "product_differs")
                    .with("stated", first.tokens.tokens)
                    .with("product", product)
                    .with("steps", steps)
                    .on(evidence::file(&first.card, None, "cards")),
            );
        }
    }
    for line in lines(of.inventory) {
        findings.extend(along_names(of, &line));
    }
    if let Some(line) = main_line(of.inventory)
        && let Some((step, index)) = line.members.last()
        && let Some(named) = of.inventory.checkpoints[*index].tokens
        && let Some(product) = product(*step)
    {
        let room = TOLERANCE * product + unit(&counts(of, &line)) as f64;
        if (named as f64 - product).abs() > room {
            findings.push(
                about(
                    Severity::Doubt,
                    &of.inventory.checkpoints[*index].name,
                    "product_differs",
                )
                .with("stated", named)
                .with("product", product)
                .with("steps", *step),
            );
        }
    }
    findings
}

/// How many figures there are to hold against each other: statements, a product of factors, names with tokens.
pub(crate) fn compared(of: &Subject<'_>) -> usize {
    let product = factors(of).is_some()
        || steps(of).is_some() && batch(of).is_some() && sequence(of).is_some();
    let named = main_line(of.inventory).map_or(0, |line| counts(of, &line).len());
    statements(of).len() + usize::from(product) + if named >= 3 { named } else { 0 }
}

fn about(severity: Severity, subject: &str, reason: &str) -> Finding {
    Finding::new("token_totals", severity, subject, reason).asking("token_counts")
}

/// Step, tokens and index of the checkpoints of a line that say how many tokens they saw.
fn counts(of: &Subject<'_>, line: &Line) -> Vec<(u64, u64, usize)> {
    line.members
        .iter()
        .filter_map(|(step, index)| Some((*step, of.inventory.checkpoints[*index].tokens?, *index)))
        .collect()
}

/// What counts in names are rounded to: the largest power of ten that divides them all.
fn unit(counts: &[(u64, u64, usize)]) -> u64 {
    let divides = |unit: &u64| counts.iter().all(|(_, tokens, _)| tokens % unit == 0);
    std::iter::successors(Some(1_u64), |unit| unit.checked_mul(10))
        .take_while(|unit| *unit <= 1_000_000_000)
        .filter(divides)
        .last()
        .unwrap_or(1)
}

/// Names whose tokens fall, or leave the line through their neighbours.
fn along_names(of: &Subject<'_>, line: &Line) -> Vec<Finding> {
    let counts = counts(of, line);
    let unit = unit(&counts) as f64;
    let mut off: Vec<(f64, usize)> = Vec::new();
    for i in 0..counts.len() {
        if counts.len() < 3 {
            break;
        }
        // The ends are held against the line through the two next to them.
        let (a, b) = match i {
            0 => (1, 2),
            i if i + 1 == counts.len() => (i - 2, i - 1),
            i => (i - 1, i + 1),
        };
        let at = |i: usize| (counts[i].0 as f64, counts[i].1 as f64);
        let ((x0, y0), (x1, y1), (x, y)) = (at(a), at(b), at(i));
        if x1 <= x0 {
            continue;
        }
        let expected = y0 + (y1 - y0) * (x - x0) / (x1 - x0);
        let reach = ((x - x0) / (x1 - x0)).abs().max(1.0);
        let room = unit * (1.0 + 2.0 * reach) + OFF * (y1 - y0).abs() * reach;
        let distance = (y - expected).abs() / room;
        if distance > 1.0 {
            off.push((distance, i));
        }
    }
    // One wrong count moves its neighbours' lines, too: only the farthest of neighbours is told.
    let told: Vec<usize> = off
        .iter()
        .filter(|(distance, i)| {
            off.iter()
                .all(|(other, j)| i == j || i.abs_diff(*j) > 2 || other < distance)
        })
        .map(|(_, i)| *i)
        .collect();
    let mut findings: Vec<Finding> = told
        .into_iter()
        .map(|i| {
            let (step, tokens, index) = counts[i];
            about(
                Severity::Contradiction,
                &of.inventory.checkpoints[index].name,
                "tokens_off_the_line",
            )
            .with("step", step)
            .with("tokens", tokens)
        })
        .collect();
    if findings.is_empty()
        && let Some(fall) = counts.windows(2).find(|pair| pair[1].1 < pair[0].1)
    {
        findings.push(
            about(
                Severity::Contradiction,
                &of.inventory.checkpoints[fall[1].2].name,
                "tokens_fall",
            )
            .with("tokens", fall[1].1)
            .with("before", fall[0].1),
        );
    }
    findings
}

#[cfg(test)]
mod tests;
