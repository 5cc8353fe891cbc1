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

/// Every count of tokens of a line: `1.3T tokens`, `1.3 trillion tokens`; where none stands right before the word, as in a row
/// of a table, every number with a unit.
#[must_use]
pub fn token_counts(line: &str) -> Vec<Tokens> {
    let line = line.to_ascii_lowercase();
    if !line.contains("token") {
        return Vec::new();
    }
    let counts: Vec<(Tokens, bool)> = pieces(&line)
        .into_iter()
        .filter_map(|(text, rest)| count(text, rest))
        .collect();
    let any_direct = counts.iter().any(|(_, direct)| *direct);
    counts
        .into_iter()
        .filter(|(_, direct)| *direct || !any_direct)
        .map(|(tokens, _)| tokens)
        .collect()
}

/// A number with its unit, and whether the word "tokens" follows.
fn count(text: &str, rest: &str) -> Option<(Tokens, bool)> {
    const UNITS: &[(&str, f64)] = &[
        ("trillion", 1e12),
        ("billion", 1e9),
        ("t", 1e12),
        ("b", 1e9),
    ];
    let between: &[char] = &[' ', '-', '*'];
    let plain = text.replace(',', "");
    let number: f64 = plain.parse().ok()?;
    let rest = rest.trim_start_matches(between);
    let (after, unit) = UNITS.iter().find_map(|(name, unit)| {
        let after = rest.strip_prefix(name)?;
        let ends = !after.starts_with(|c: char| c.is_ascii_alphanumeric());
        ends.then_some((after.trim_start_matches(between), *unit))
    })?;
    if after.starts_with("param") || after.starts_with("model") {
        return None;
    }
    let digits = plain.split_once('.').map_or(0, |(_, after)| after.len());
    let last = (0..digits.min(18)).fold(1.0, |unit, _| unit / 10.0);
    let tokens = Tokens {
        tokens: number * unit,
        rounding: 0.5 * last * unit,
    };
    let sound = tokens.tokens.is_finite() && tokens.tokens > 0.0;
    sound.then_some((tokens, after.starts_with("token")))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let counts = token_counts("A 7B model trained on 1.3T tokens, of which 197.67B are C4");
        assert_eq!((counts[0].tokens, counts.len()), (1.3e12, 1));
        assert_eq!(
            token_counts("| Total tokens | 1,258.5B |")[0].tokens,
            1.2585e12
        );
        assert!((counts[0].rounding - 0.05e12).abs() < 1.0);
        let exact = Tokens {
            tokens: 274_320.0 * 2240.0 * 2048.0,
            rounding: 0.0,
        };
        assert!(exact.agrees(&counts[0]));
        let other = token_counts("1.415 trillion tokens")[0];
        assert!(!other.agrees(&token_counts("1.300T tokens")[0]));
        assert!(token_counts("7B parameters").is_empty());
        assert!(token_counts("30 tokens, 5 tables").is_empty());
    }

    #[test]
    fn attack_a_line_of_digits_is_only_a_number() {
        let digits = "9".repeat(100_000);
        assert!(token_counts(&format!("{digits}T tokens")).is_empty());
        assert!(whole_numbers(&digits).is_empty());
    }
}
