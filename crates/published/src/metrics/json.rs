//! A log as JSON: an object a line, or the list in a trainer's state.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::rows::Series;
use super::{Log, MOST, MOST_LINE, step, step_key};
use crate::error::{Error, Result};
use crate::inventory::TrainerState;
use crate::json;

pub(super) fn lines(path: &str, local: &Path) -> Result<Log> {
    let io = |source| Error::Io {
        action: "read",
        path: local.into(),
        source,
    };
    let mut reader = BufReader::new(File::open(local).map_err(io)?.take(MOST));
    let (mut series, mut line) = (Series::default(), Vec::new());
    for count in 1_u64.. {
        line.clear();
        let read = (&mut reader)
            .take(MOST_LINE)
            .read_until(b'\n', &mut line)
            .map_err(io)?;
        if read == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let fail = |problem: String| Error::Content {
            path: path.into(),
            problem: format!("line {count} {problem}"),
        };
        if read as u64 == MOST_LINE && !line.ends_with(b"\n") {
            return Err(fail(format!("has more than {MOST_LINE} bytes")));
        }
        match json::parse(&line, path) {
            Ok(Value::Object(row)) => {
                if !push(&mut series, &row) {
                    break;
                }
            }
            Ok(_) => return Err(fail("is no object".into())),
            // A torn last line is what a crash leaves; what is before it counts.
            Err(_) if !line.ends_with(b"\n") => {
                series.odd();
                break;
            }
            Err(error) => return Err(fail(error.to_string())),
        }
    }
    series.log(path)
}

pub(super) fn trainer_state(path: &str, bytes: &[u8]) -> Result<(TrainerState, Log)> {
    let value = json::parse(bytes, path)?;
    let Value::Object(state) = &value else {
        return Err(Error::Content {
            path: path.into(),
            problem: "is no object".into(),
        });
    };
    let whole = |key: &str| state.get(key).and_then(Value::as_u64);
    let mut series = Series::default();
    let history = state.get("log_history").and_then(Value::as_array);
    for row in history.into_iter().flatten().filter_map(Value::as_object) {
        push(&mut series, row);
    }
    let told = TrainerState {
        global_step: whole("global_step"),
        max_steps: whole("max_steps"),
        train_batch_size: whole("train_batch_size"),
        // The trainer writes 0 where it did not count.
        tokens_seen: whole("num_input_tokens_seen").filter(|&tokens| tokens > 0),
    };
    // A state without a log is one all the same.
    Ok((told, series.log(path).unwrap_or_default()))
}

/// Adds a row, and objects within it under `outer/inner`; `false` when there is no room.
fn push(series: &mut Series, row: &Map<String, Value>) -> bool {
    let key = step_key(row.keys().map(String::as_str));
    let at = key.and_then(|key| json::number(&row[key])).and_then(step);
    let Some(at) = at else {
        series.odd();
        return true;
    };
    for (name, value) in row.iter().filter(|(name, _)| Some(name.as_str()) != key) {
        if let Value::Object(inner) = value {
            for (rest, value) in inner {
                if let Some(value) = json::number(value)
                    && !series.push(&format!("{name}/{rest}"), at, value)
                {
                    return false;
                }
            }
        } else if let Some(value) = json::number(value)
            && !series.push(name, at, value)
        {
            return false;
        }
    }
    true
}
