//! Rows of a published training sequence: JSON lines with `token_ids`, as LLM360 writes them.
//!
//! A chunk has tens of gigabytes, so it is never read whole: some rows of its beginning, or stretches evenly spread
//! over it. A line is bounded; what is no row is an error that names the byte.

use crate::{Error, Result};
use serde::Deserialize;
use std::ops::Range;

/// Longest line: a row of 8,192 tokens has 60 KB.
const MAX_LINE: u64 = 16 << 20;
/// Bytes that are read at first, to see how long lines are.
const FIRST: u64 = 64 << 10;
/// Stretches that a spread sample comes from.
const STRETCHES: u64 = 16;

/// The byte at which a line begins, and the line.
type Line = (u64, Vec<u8>);

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// Inputs and, one further, targets.
    #[serde(alias = "input_ids")]
    pub token_ids: Vec<u32>,
    /// The update that read it, from 1, where the publisher says so.
    #[serde(default)]
    pub step: Option<u64>,
}

/// A file that is read in ranges.
pub struct Chunk<'a> {
    /// Its name, for errors.
    pub path: &'a str,
    /// Its length.
    pub bytes: u64,
    /// Reads a range, which lies within the length.
    pub read: &'a dyn Fn(Range<u64>) -> Result<Vec<u8>>,
}

impl Chunk<'_> {
    /// The first rows, at most `most`; ends early where `go_on` says no to a row.
    ///
    /// # Errors
    /// What is no row, and what reading fails with.
    pub fn head(&self, most: usize, go_on: impl Fn(&Row) -> bool) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let (mut at, mut ask) = (0, FIRST);
        while rows.len() < most && at < self.bytes {
            let (lines, used) = self.lines(at, ask)?;
            if used == 0 {
                ask = self.longer(at, ask)?;
                continue;
            }
            for (place, line) in lines {
                let row = self.row(place, &line)?;
                if rows.len() == most || !go_on(&row) {
                    return Ok(rows);
                }
                rows.push(row);
            }
            at += used;
        }
        Ok(rows)
    }

    /// The last rows, at most `most`.
    ///
    /// # Errors
    /// As [`Self::head`].
    pub fn tail(&self, most: usize) -> Result<Vec<Row>> {
        let Some(line) = self.line()? else {
            return Ok(Vec::new());
        };
        let ask = (most as u64 + 2).saturating_mul(line).min(4 * MAX_LINE);
        let from = self.bytes.saturating_sub(ask);
        let (lines, _) = self.lines(from, ask)?;
        let begun = usize::from(from > 0);
        let lines = lines.get(begun..).unwrap_or_default();
        let skipped = lines.len().saturating_sub(most);
        let rows = lines.iter().skip(skipped);
        rows.map(|(place, line)| self.row(*place, line)).collect()
    }

    /// Length of the longest of the first lines, its end included; `None` of an empty file.
    fn line(&self) -> Result<Option<u64>> {
        let mut ask = FIRST;
        loop {
            let (lines, used) = self.lines(0, ask)?;
            if let Some(longest) = lines.iter().map(|(_, line)| line.len() as u64 + 1).max() {
                return Ok(Some(longest));
            }
            if used == self.bytes {
                return Ok(None);
            }
            ask = self.longer(0, ask)?;
        }
    }

    /// About `most` rows, evenly spread; all of them where there are not more.
    ///
    /// # Errors
    /// As [`Self::head`].
    pub fn spread(&self, most: usize) -> Result<Vec<Row>> {
        let Some(line) = self.line()? else {
            return Ok(Vec::new());
        };
        let stretches = STRETCHES.min(most as u64).max(1);
        let a_stretch = (most as u64).div_ceil(stretches);
        // One line more, because a stretch begins within a line.
        let ask = (a_stretch + 2).saturating_mul(line).min(4 * MAX_LINE);
        if ask.saturating_mul(stretches) >= self.bytes {
            let rows = self.head(usize::MAX, |_| true)?;
            let every = rows.len().div_ceil(most.max(1)).max(1);
            return Ok(rows.into_iter().step_by(every).collect());
        }
        let mut rows = Vec::new();
        for stretch in 0..stretches {
            let from = (self.bytes - ask) / stretches.max(2) * stretch;
            let (lines, _) = self.lines(from, ask)?;
            let begun = usize::from(from > 0);
            for (place, line) in lines.into_iter().skip(begun).take(a_stretch as usize) {
                rows.push(self.row(place, &line)?);
            }
        }
        rows.truncate(most);
        Ok(rows)
    }

    /// Lines of a range with the bytes at which they begin, and the bytes up to the end of the last whole one.
    fn lines(&self, from: u64, ask: u64) -> Result<(Vec<Line>, u64)> {
        let to = from.saturating_add(ask).min(self.bytes);
        let bytes = (self.read)(from..to)?;
        let mut lines = Vec::new();
        let mut start = 0;
        let ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n');
        for (end, _) in ends {
            lines.push((from + start as u64, bytes[start..end].to_vec()));
            start = end + 1;
        }
        // The file's last line may lack its end.
        if to == self.bytes && start < bytes.len() {
            lines.push((from + start as u64, bytes[start..].to_vec()));
            start = bytes.len();
        }
        lines.retain(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
        Ok((lines, start as u64))
    }

    /// A larger piece to ask for, where a line did not fit.
    fn longer(&self, at: u64, ask: u64) -> Result<u64> {
        if ask >= MAX_LINE {
            return Err(self.no_row(at, format!("a line of more than {MAX_LINE} bytes")));
        }
        Ok(ask * 4)
    }

    fn row(&self, place: u64, line: &[u8]) -> Result<Row> {
        let row: Row =
            serde_json::from_slice(line).map_err(|e| self.no_row(place, e.to_string()))?;
        if row.token_ids.len() < 2 {
            return Err(self.no_row(place, "fewer than two tokens".into()));
        }
        Ok(row)
    }

    fn no_row(&self, place: u64, problem: String) -> Error {
        Error::NoRow {
            path: self.path.into(),
            place,
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(text: &str, look: impl FnOnce(&Chunk<'_>) -> T) -> T {
        look(&Chunk {
            path: "train_000.jsonl",
            bytes: text.len() as u64,
            read: &|range| Ok(text.as_bytes()[range.start as usize..range.end as usize].to_vec()),
        })
    }

    fn file(rows: usize, tokens: usize) -> String {
        let row = |i: usize| {
            let ids: Vec<String> = (0..tokens).map(|t| (i + t).to_string()).collect();
            format!(
                "{{\"token_ids\":[{}],\"source\":\"x\",\"step\":{}}}\n",
                ids.join(","),
                i / 4 + 1
            )
        };
        (0..rows).map(row).collect()
    }

    #[test]
    fn the_head_ends_where_it_is_told_to() {
        let text = file(64, 2049);
        let rows = with(&text, |chunk| chunk.head(99, |row| row.step == Some(1))).expect("rows");
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[3].token_ids[0], 3);
        assert_eq!(
            with(&text, |chunk| chunk.head(50, |_| true))
                .expect("rows")
                .len(),
            50
        );
        assert_eq!(
            with(&text, |chunk| chunk.head(99, |_| true))
                .expect("rows")
                .len(),
            64
        );
    }

    #[test]
    fn a_spread_sample_reaches_over_the_file() {
        let text = file(1000, 300);
        let rows = with(&text, |chunk| chunk.spread(32)).expect("rows");
        assert_eq!(rows.len(), 32);
        let firsts: Vec<u32> = rows.iter().map(|row| row.token_ids[0]).collect();
        assert!(firsts.is_sorted() && firsts[31] > 900, "{firsts:?}");
        // Where all fits, nothing is missed or taken twice.
        let text = file(5, 10);
        assert_eq!(
            with(&text, |chunk| chunk.spread(99)).expect("rows").len(),
            5
        );
        assert!(with("", |chunk| chunk.spread(9)).expect("rows").is_empty());
    }

    #[test]
    fn the_tail_is_the_last_rows() {
        let text = file(1000, 300);
        let rows = with(&text, |chunk| chunk.tail(5)).expect("rows");
        let firsts: Vec<u32> = rows.iter().map(|row| row.token_ids[0]).collect();
        assert_eq!(firsts, [995, 996, 997, 998, 999]);
        assert_eq!(
            with(&file(3, 9), |chunk| chunk.tail(5))
                .expect("rows")
                .len(),
            3
        );
        assert!(with("", |chunk| chunk.tail(5)).expect("rows").is_empty());
    }

    #[test]
    fn a_last_line_without_its_end_counts() {
        let rows = with("{\"token_ids\":[1,2]}\n\n{\"input_ids\":[3,4]}", |c| {
            c.head(9, |_| true)
        });
        assert_eq!(rows.expect("rows").len(), 2);
    }

    #[test]
    fn attack_lines_that_are_no_rows() {
        let long = format!("{{\"token_ids\":[{}]}}", "1,".repeat(9_000_000));
        for text in [
            "{\"token_ids\":[1]}\n",
            "{\"token_ids\":[1,-2]}\n",
            "{\"token_ids\":[1,4294967296]}\n",
            "{\"token_ids\":\"1,2\"}\n",
            "[1,2]\n",
            "\u{0}\n",
            &long,
            &"[".repeat(100_000),
        ] {
            let shown: String = text.chars().take(30).collect();
            for result in [
                with(text, |chunk| chunk.head(9, |_| true)),
                with(text, |chunk| chunk.spread(9)),
            ] {
                assert!(matches!(result, Err(Error::NoRow { .. })), "{shown}");
            }
        }
    }
}
