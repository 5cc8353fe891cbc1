//! Numbers in what a card says: rates, steps, counts of tokens. Read line by line; a card is somebody's prose, and
//! what is not plainly a number is none.

/// How many tokens something says, with how exactly it says it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tokens {
    /// Tokens.
    pub tokens: f64,
    /// Half a unit of the last digit given: 1.3T is 1.3e12 ± 0.05e12.
    pub rounding: f64,
}

impl Tokens {
    /// Whether both can be the same number, with half a percent for what people call "the same".
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let room = self.rounding + other.rounding + 0.005 * self.tokens.max(other.tokens);
        (self.tokens - other.tokens).abs() <= room
    }
}

/// Stretches of `line` that begin with a digit and look like a number, with what follows each.
fn pieces(line: &str) -> Vec<(&str, &str)> {
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let inside_word = at > 0
            && (bytes[at - 1].is_ascii_alphanumeric()
                || matches!(bytes[at - 1], b'_' | b'.' | b'/'));
        if !bytes[at].is_ascii_digit() || inside_word {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() {
            let more = match bytes[at] {
                b'0'..=b'9' => true,
                // A full stop or comma belongs to the number where a digit follows.
                b'.' | b',' => bytes.get(at + 1).is_some_and(u8::is_ascii_digit),
                b'e' => bytes
                    .get(at + 1)
                    .is_some_and(|next| next.is_ascii_digit() || *next == b'-'),
                b'-' => at > start && bytes[at - 1] == b'e',
                _ => false,
            };
            if !more {
                break;
            }
            at += 1;
        }
        found.push((&line[start..at], &line[at..]));
    }
    found
}

/// Every number of a line: `3e-4`, `0.0003`, `2,000`.
#[must_use]
pub fn numbers(line: &str) -> Vec<f64> {
    pieces(&line.to_ascii_lowercase())
        .into_iter()
        .filter_map(|(text, _)| text.replace(',', "").parse().ok())
        .filter(|number: &f64| number.is_finite())
        .collect()
}

/// Every whole number of a line.
#[must_use]
pub fn whole_numbers(line: &str) -> Vec<u64> {
    pieces(line)
        .into_iter()
        .filter_map(|(text, _)| text.replace(',', "").parse().ok())
        .collect()
}

/// A line in one spelling: lower case, figures and signs of full width as those of ASCII, `トークン` as `token`.
#[must_use]
pub fn plain(line: &str) -> String {
    let narrow = |c: char| match c {
        '０'..='９' | '．' | '，' | '％' | '（' | '）' | '：' | '；' | '／' | '｜' => {
            char::from_u32(c as u32 - 0xfee0).unwrap_or(c)
        }
        '\u{3000}' => ' ',
        c => c,
    };
    let line: String = line.chars().map(narrow).collect();
    line.to_lowercase().replace("トークン", "token")
}

/// Label and value of a row of a Markdown table that has just these two.
#[must_use]
pub fn row(line: &str) -> Option<(&str, &str)> {
    let bare = |cell: &'_ str| -> (usize, usize) {
        let start = cell.len() - cell.trim_start_matches([' ', '*', '`', '_']).len();
        (
            start,
            cell.trim_end_matches([' ', '*', '`', '_', ':']).len(),
        )
    };
    let cells: Vec<&str> = line
        .trim()
        .strip_prefix('|')?
        .trim_end_matches('|')
        .split('|')
        .collect();
    let [label, value] = cells[..] else {
        return None;
    };
    let (start, end) = bare(label);
    Some((label.get(start..end)?, value.trim()))
}

/// Parts of a line that say one thing: between full stops, commas, brackets and the words that join.
pub fn clauses(line: &str) -> impl Iterator<Item = &str> {
    const ENDS: &[&str] = &[
        ". ", "; ", ", ", "。", "、", "(", ")", " with ", " using ", " and ", " at ",
    ];
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let whole = rest?;
        let cut = ENDS
            .iter()
            .filter_map(|end| Some((whole.find(end)?, end.len())))
            .min();
        let Some((at, length)) = cut else {
            rest = None;
            return Some(whole);
        };
        rest = Some(&whole[at + length..]);
        Some(&whole[..at])
    })
}

/// Fewest tokens that a number without a unit says in prose: no training is shorter, and much else is.
const FEWEST: f64 = 1e6;
/// What may follow `token` where it is not a training that is counted.
const OF_ELSE: &[&str] = &[
    "/",
    "per ",
    "a ",
    "an ",
    "each",
    "in each",
    "in a ",
    "long",
    "of context",
    "context",
    "window",
    "vocab",
    "or more",
    "or less",
];

/// Every count of tokens of a line in [plain] spelling: `1.3t tokens`, `1,300,000,000,000 tokens`, `1.3兆token`, `3000億token`; where none
/// stands right before the word, as in a row of a table, every number with a unit. `tokens per second`, `tokens a batch`
/// and their like count something else.
#[must_use]
pub fn token_counts(line: &str) -> Vec<Tokens> {
    if !line.contains("token") {
        return Vec::new();
    }
    let counts: Vec<(Tokens, bool)> = pieces(line)
        .into_iter()
        // What follows 兆 belongs to the number before.
        .filter(|(text, rest)| !line[..line.len() - text.len() - rest.len()].ends_with('兆'))
        .filter_map(|(text, rest)| count(text, rest))
        .collect();
    let any_direct = counts.iter().any(|(_, direct)| *direct);
    counts
        .into_iter()
        .filter(|(_, direct)| *direct || !any_direct)
        .map(|(tokens, _)| tokens)
        .collect()
}

/// The number of a cell whose label says that it counts tokens, in [plain] spelling.
#[must_use]
pub fn cell_count(cell: &str) -> Option<Tokens> {
    let found = pieces(cell);
    let (text, rest) = *found.first()?;
    let rest = rest.trim_start_matches(BETWEEN);
    match united(text, rest) {
        Some((tokens, after)) if !after.contains(['/', '%']) => Some(tokens),
        None if found.len() == 1 && (rest.is_empty() || rest.starts_with("token")) => whole(text),
        _ => None,
    }
}

/// What may stand between a number, its unit and the word.
const BETWEEN: &[char] = &[' ', '-', '*'];

/// A number with its unit, or without one, and whether the word "tokens" follows.
fn count(text: &str, rest: &str) -> Option<(Tokens, bool)> {
    let rest = rest.trim_start_matches(BETWEEN);
    let (tokens, after) = match united(text, rest) {
        Some(found) => found,
        None if rest.starts_with("token") => {
            (whole(text).filter(|one| one.tokens >= FEWEST)?, rest)
        }
        None => return None,
    };
    if after.starts_with("param") || after.starts_with("model") || after.starts_with("パラメ") {
        return None;
    }
    let word = after.strip_prefix("token");
    let what = word.map(|rest| rest.strip_prefix('s').unwrap_or(rest));
    let what = what.map(|rest| rest.trim_start_matches(BETWEEN));
    if what.is_some_and(|what| OF_ELSE.iter().any(|of| what.starts_with(of))) {
        return None;
    }
    Some((tokens, word.is_some()))
}

/// A number and the unit that follows it, with what follows that. Japanese units follow each other: `1兆3000億`.
fn united<'r>(text: &str, rest: &'r str) -> Option<(Tokens, &'r str)> {
    const UNITS: &[(&str, f64)] = &[
        ("trillion", 1e12),
        ("billion", 1e9),
        ("t", 1e12),
        ("b", 1e9),
        ("兆", 1e12),
        ("億", 1e8),
    ];
    let bare = text.replace(',', "");
    let number: f64 = bare.parse().ok()?;
    let (mut after, unit) = UNITS.iter().find_map(|(name, unit)| {
        let after = rest.strip_prefix(name)?;
        let ends = !after.starts_with(|c: char| c.is_ascii_alphanumeric());
        // After a Japanese unit, figures go on with the same number.
        (ends || !name.is_ascii()).then_some((after, *unit))
    })?;
    let digits = bare.split_once('.').map_or(0, |(_, after)| after.len());
    let last = (0..digits.min(18)).fold(1.0, |unit, _| unit / 10.0);
    let (mut tokens, mut rounding) = (number * unit, 0.5 * last * unit);
    if rest.starts_with('兆')
        && let Some((more, later)) = pieces(after).first()
        && after.starts_with(more)
        && let Some(later) = later.strip_prefix('億')
    {
        tokens += more.replace(',', "").parse::<f64>().ok()? * 1e8;
        (rounding, after) = (0.5e8, later);
    }
    let sound = tokens.is_finite() && tokens > 0.0;
    sound.then_some((
        Tokens { tokens, rounding },
        after.trim_start_matches(BETWEEN),
    ))
}

/// A number written out. Noughts at its end may be rounded: half a unit of its last other figure.
fn whole(text: &str) -> Option<Tokens> {
    let bare = text.replace(',', "");
    if !bare.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let tokens: f64 = bare
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite() && *n > 0.0)?;
    let noughts = bare.len() - bare.trim_end_matches('0').len();
    let unit = (0..noughts).fold(1.0, |unit, _| unit * 10.0);
    let rounding = 0.5 * unit;
    Some(Tokens { tokens, rounding })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(line: &str) -> Vec<Tokens> {
        token_counts(&plain(line))
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(numbers("| Learning rate | 3e-4 |"), [3e-4]);
        assert_eq!(numbers("from 0.0003 to 3.0E-5."), [3e-4, 3e-5]);
        assert_eq!(whole_numbers("2,000 warm-up steps"), [2000]);
        assert!(numbers("gpt2 and llama_7 and v1.2").is_empty());
        assert!(numbers("1e999").is_empty());
    }

    #[test]
    fn token_counts_carry_their_rounding() {
        let found = counts("A 7B model trained on 1.3T tokens, of which 197.67B are C4");
        assert_eq!((found[0].tokens, found.len()), (1.3e12, 1));
        assert_eq!(counts("| Total tokens | 1,258.5B |")[0].tokens, 1.2585e12);
        assert!((found[0].rounding - 0.05e12).abs() < 1.0);
        let exact = Tokens {
            tokens: 274_320.0 * 2240.0 * 2048.0,
            rounding: 0.0,
        };
        assert!(exact.agrees(&found[0]));
        let other = counts("1.415 trillion tokens")[0];
        assert!(!other.agrees(&counts("1.300T tokens")[0]));
        assert!(counts("7B parameters").is_empty());
        assert!(counts("30 tokens, 5 tables").is_empty());
    }

    #[test]
    fn the_same_number_is_read_in_every_spelling() {
        for text in [
            "1,300,000,000,000 tokens",
            "1300000000000 tokens",
            "1.3 trillion tokens",
            "1.3T tokens",
            "**1.3T** tokens",
            "1.3兆トークン",
            "１．３兆トークン",
            "1兆3000億トークン",
            "1 兆3,000億トークン",
            "13000億トークン",
            "1,300 B tokens",
        ] {
            let found = counts(text);
            assert_eq!(found.len(), 1, "{text}");
            assert!((found[0].tokens - 1.3e12).abs() < 1.0, "{text} {found:?}");
        }
        assert_eq!(counts("3000億トークン")[0].tokens, 3e11);
        assert_eq!(counts("2,638,400 tokens")[0].rounding, 50.0);
    }

    #[test]
    fn what_counts_something_else_is_no_count() {
        for text in [
            "3,500,000 tokens per second",
            "3,500,000 tokens/s",
            "4,194,304 tokens a batch",
            "1,048,576 tokens of context",
            "1,048,576-token context",
            "8B tokens each",
            "130億パラメータ, トークン",
        ] {
            assert!(counts(text).is_empty(), "{text} {:?}", counts(text));
        }
    }

    #[test]
    fn rows_of_two_cells_are_taken_apart() {
        assert_eq!(
            row("| **tokens** | 2,638,400 |"),
            Some(("tokens", "2,638,400"))
        );
        assert_eq!(row("| tokens | 1 | 2 |"), None);
        assert_eq!(row("tokens: 5"), None);
        assert_eq!(
            cell_count("2,638,400").map(|one| one.tokens),
            Some(2_638_400.0)
        );
        assert_eq!(cell_count("1.3t").map(|one| one.tokens), Some(1.3e12));
        for cell in ["30%", "4m", "2,048 × 2,240", "1.3t / gpu", "-"] {
            assert_eq!(cell_count(cell), None, "{cell}");
        }
    }

    #[test]
    fn attack_a_line_of_digits_is_only_a_number() {
        let digits = "9".repeat(100_000);
        assert!(counts(&format!("{digits}T tokens")).is_empty());
        assert!(counts(&format!("{digits} tokens")).is_empty());
        assert!(counts(&format!("1兆{digits}億トークン")).is_empty());
        assert!(whole_numbers(&digits).is_empty());
    }
}
