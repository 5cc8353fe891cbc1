//! A log as Parquet, as data frames are saved.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::rows::Series;
use super::{Log, MOST, MOST_KEYS, MOST_POINTS, step, step_key};
use crate::error::{Error, Result};

/// Longest footer that is read.
const MOST_FOOTER: u64 = 16 << 20;
/// Rows that are decoded at once.
const ROWS: usize = 1024;

pub(super) fn read(path: &str, local: &Path) -> Result<Log> {
    let fail = |problem: String| Error::Content {
        path: path.into(),
        problem,
    };
    let io = |source| Error::Io {
        action: "read",
        path: local.into(),
        source,
    };
    let mut file = File::open(local).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if !(12..=MOST).contains(&length) {
        return Err(fail(format!("has {length} bytes, which no such log has")));
    }
    // The library would believe the footer's own length.
    let mut tail = [0; 8];
    file.seek(SeekFrom::End(-8)).map_err(io)?;
    file.read_exact(&mut tail).map_err(io)?;
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if tail[4..] != *b"PAR1" || footer > MOST_FOOTER.min(length - 12) {
        return Err(fail("does not end as a Parquet file".into()));
    }
    // The library is written against malformed files, but its decoders have panicked on some.
    catch_unwind(AssertUnwindSafe(|| decode(path, file)))
        .unwrap_or_else(|_| Err(fail("cannot be decoded: it is malformed".into())))
}

fn decode(path: &str, file: File) -> Result<Log> {
    let fail = |problem: String| Error::Content {
        path: path.into(),
        problem,
    };
    let bad =
        |error: parquet::errors::ParquetError| fail(format!("is no readable Parquet: {error}"));
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(bad)?;
    let fields = builder.schema().fields();
    let numeric = |kind: &DataType| kind.is_integer() || kind.is_floating();
    let chosen: Vec<usize> = (0..fields.len())
        .filter(|&at| numeric(fields[at].data_type()))
        .take(MOST_KEYS)
        .collect();
    let names: Vec<String> = chosen.iter().map(|&at| fields[at].name().clone()).collect();
    let Some(step_name) = step_key(names.iter().map(String::as_str)) else {
        return Err(fail("has no column of steps".into()));
    };
    let step_at = names
        .iter()
        .position(|name| name == step_name)
        .expect("it is one of them");
    // A dictionary lets a small file stand for very many values.
    let rows = builder.metadata().file_metadata().num_rows();
    if rows < 0 || (rows as u64).saturating_mul(names.len() as u64) > 4 * MOST_POINTS as u64 {
        return Err(fail(format!(
            "declares {rows} rows of {} columns",
            names.len()
        )));
    }
    let mask = ProjectionMask::roots(builder.parquet_schema(), chosen);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(ROWS)
        .build()
        .map_err(bad)?;
    let mut series = Series::default();
    for batch in reader {
        let batch = batch.map_err(|error| fail(error.to_string()))?;
        let columns: Vec<Vec<Option<f64>>> = batch.columns().iter().map(numbers).collect();
        for row in 0..batch.num_rows() {
            let Some(at) = columns[step_at][row].and_then(step) else {
                series.odd();
                continue;
            };
            for (name, column) in names.iter().zip(&columns) {
                if name != step_name
                    && let Some(value) = column[row]
                    && !series.push(name, at, value)
                {
                    return series.log(path);
                }
            }
        }
    }
    series.log(path)
}

/// A column as floats; steps beyond 2⁵³ would be no steps anyhow.
fn numbers(column: &ArrayRef) -> Vec<Option<f64>> {
    macro_rules! of {
        ($kind:ty) => {
            column
                .as_primitive::<$kind>()
                .iter()
                .map(|value| value.map(|value| value as f64))
                .collect()
        };
    }
    match column.data_type() {
        DataType::Float64 => of!(Float64Type),
        DataType::Float32 => of!(Float32Type),
        DataType::Int64 => of!(Int64Type),
        DataType::Int32 => of!(Int32Type),
        DataType::UInt64 => of!(UInt64Type),
        DataType::UInt32 => of!(UInt32Type),
        _ => vec![None; column.len()],
    }
}
