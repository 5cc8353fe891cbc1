//! A log as comma-separated values with a line of keys.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::rows::Series;
use super::{Log, MOST, MOST_KEYS, MOST_LINE, STEPS, number, step, step_key};
use crate::error::{Error, Result};

pub(super) fn read(path: &str, local: &Path) -> Result<Log> {
    let fail = |problem: String| Error::Content {
        path: path.into(),
        problem,
    };
    let file = File::open(local).map_err(|source| Error::Io {
        action: "open",
        path: local.into(),
        source,
    })?;
    // A line of commas takes eight bytes of memory each: what may be read is renewed line by line.
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(file.take(MOST_LINE));
    let bad = |error: csv::Error| fail(format!("is no CSV: {error}"));
    let too_long = |line: u64| fail(format!("line {line} has more than {MOST_LINE} bytes"));
    reader.byte_headers().map_err(bad)?;
    if reader.get_ref().limit() == 0 {
        return Err(too_long(1));
    }
    let keys = reader.byte_headers().map_err(bad)?;
    if keys.len() > MOST_KEYS {
        return Err(fail(format!(
            "has {} columns; at most {MOST_KEYS} are read",
            keys.len()
        )));
    }
    let keys: Vec<String> = keys
        .iter()
        .map(|key| {
            String::from_utf8_lossy(key)
                .trim_start_matches('\u{feff}')
                .trim()
                .to_owned()
        })
        .collect();
    let Some(step_key) = step_key(keys.iter().map(String::as_str)) else {
        return Err(fail(format!(
            "has no column of steps: call the one that counts updates `step` (known are {})",
            STEPS.join(", ")
        )));
    };
    let step_at = keys
        .iter()
        .position(|key| key == step_key)
        .expect("it is one of them");
    let mut series = Series::default();
    // Columns of texts are no series; a text in a column of numbers is odd.
    let mut numeric = vec![false; keys.len()];
    let mut record = csv::ByteRecord::new();
    loop {
        reader.get_mut().set_limit(MOST_LINE);
        if reader.position().byte() > MOST || !reader.read_byte_record(&mut record).map_err(bad)? {
            break;
        }
        if reader.get_ref().limit() == 0 {
            return Err(too_long(reader.position().line()));
        }
        let text = |at: usize| {
            record
                .get(at)
                .and_then(|cell| std::str::from_utf8(cell).ok())
        };
        let Some(step) = text(step_at).and_then(number).and_then(step) else {
            series.odd();
            continue;
        };
        for (at, key) in keys.iter().enumerate().filter(|(at, _)| *at != step_at) {
            let cell = text(at).map(str::trim);
            if cell.is_none_or(str::is_empty) {
                continue;
            }
            match cell.and_then(number) {
                Some(value) => {
                    numeric[at] = true;
                    if !series.push(key, step, value) {
                        return series.log(path);
                    }
                }
                None if numeric[at] => series.odd(),
                None => {}
            }
        }
    }
    series.log(path)
}
