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

/// Longest footer that is read: a few dozen bytes of it become hundreds.
const MOST_FOOTER: u64 = 4 << 20;
/// Columns, and groups of them, that a footer may describe.
const MOST_COLUMNS: u64 = 4096;
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
    let mut begin = vec![0; (footer as usize).min(32)];
    file.seek(SeekFrom::End(-8 - footer as i64)).map_err(io)?;
    file.read_exact(&mut begin).map_err(io)?;
    match columns(&begin) {
        None => return Err(fail("has a footer that is no Parquet file's".into())),
        Some(count) if count > MOST_COLUMNS => {
            return Err(fail(format!(
                "has {count} columns and groups; at most {MOST_COLUMNS} are read"
            )));
        }
        Some(_) => {}
    }
    // The library is written against malformed files, but its decoders have panicked on some.
    catch_unwind(AssertUnwindSafe(|| decode(path, file)))
        .unwrap_or_else(|_| Err(fail("cannot be decoded: it is malformed".into())))
}

/// How many elements the schema of a footer has, without taking memory for them. A footer begins with its version and the list of
/// its schema (Parquet's `FileMetaData`, in Thrift's compact protocol).
fn columns(footer: &[u8]) -> Option<u64> {
    let mut bytes = footer.iter().copied();
    let number = |bytes: &mut dyn Iterator<Item = u8>| {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = bytes.next()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    };
    // Field 1, an i32; field 2, a list of structures.
    if bytes.next()? != 0x15 {
        return None;
    }
    number(&mut bytes)?;
    if bytes.next()? != 0x19 {
        return None;
    }
    match bytes.next()? {
        0xfc => number(&mut bytes),
        short if short & 0x0f == 0x0c => Some(u64::from(short >> 4)),
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_a_footer_of_more_columns_than_a_log_has() {
        // Version 1, then a list of so many structures.
        let footer = |head: &[u8]| [&[0x15, 0x02, 0x19][..], head].concat();
        assert_eq!(columns(&footer(&[0x5c])), Some(5));
        assert_eq!(
            columns(&footer(&[0xfc, 0x80, 0x80, 0x80, 0x01])),
            Some(1 << 21)
        );
        for other in [
            &[][..],
            &[0x15],
            &[0x29, 0],
            &[0x15, 0x02, 0x19, 0x58],
            &[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(columns(other), None, "{other:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("log.parquet");
        let footer = [footer(&[0xfc, 0x80, 0x80, 0x80, 0x01]), vec![0; 40]].concat();
        let length = (footer.len() as u32).to_le_bytes();
        std::fs::write(&local, [b"PAR1", &footer[..], &length, b"PAR1"].concat()).unwrap();
        let told = read("log.parquet", &local).unwrap_err().to_string();
        assert!(
            told.contains("has 2097152 columns and groups; at most 4096"),
            "{told}"
        );
    }
}
