//! How long a person wants to wait: `10m`, `2h`, `1d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time, from ten seconds to thirty days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget(Duration);

impl Budget {
    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

/// A text that is no budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no budget: a whole number and `s`, `m`, `h` or `d`, from 10s to 30d, as in `10m`"
)]
pub struct NoBudget(String);

impl FromStr for Budget {
    type Err = NoBudget;

    fn from_str(text: &str) -> Result<Self, NoBudget> {
        let wrong = || NoBudget(text.chars().take(40).collect());
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let count: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        let seconds = u64::from(count) * seconds;
        if (10..=30 * 86_400).contains(&seconds) {
            Ok(Self(Duration::from_secs(seconds)))
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [(86_400, 'd'), (3600, 'h'), (60, 'm')];
        let whole = units.iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
        let (unit, name) = whole.unwrap_or(&(1, 's'));
        write!(f, "{}{name}", seconds / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("10m", 600, "10m"),
            ("2h", 7200, "2h"),
            ("1d", 86_400, "1d"),
            ("90s", 90, "90s"),
            ("120m", 7200, "2h"),
        ] {
            let budget: Budget = text.parse().expect(text);
            assert_eq!(budget.duration().as_secs(), seconds);
            assert_eq!(budget.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_budget_is_refused() {
        for text in [
            "",
            "m",
            "10",
            "1.5h",
            "-1h",
            "9s",
            "31d",
            "10 m",
            "4294967295d",
            "十分",
            "10分",
        ] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
    }
}
