//! A log as comma-separated values with a line of keys.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::rows::Series;
use super::{Log, MOST, MOST_KEYS, number, step, step_key};
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
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(file.take(MOST));
    let bad = |error: csv::Error| fail(format!("is no CSV: {error}"));
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
        return Err(fail("has no column of steps".into()));
    };
    let step_at = keys
        .iter()
        .position(|key| key == step_key)
        .expect("it is one of them");
    let mut series = Series::default();
    // Columns of texts are no series; a text in a column of numbers is odd.
    let mut numeric = vec![false; keys.len()];
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(bad)? {
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
