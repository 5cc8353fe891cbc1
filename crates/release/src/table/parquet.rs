//! Tables to and from Parquet.
//!
//! Written: Parquet 1.0 pages, Snappy, no statistics beyond the row groups', no embedded Arrow schema, so that a file
//! depends only on its rows. Read: nothing that the declared bounds do not cover; a decoder that panics on a malformed
//! file is caught and reported as a malformed file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::basic::Compression;
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, RecordBatch, StringArray,
    UInt32Array, UInt64Array, {Float32Array, Float64Array, Int64Array},
};
use arrow_schema::{DataType, Field, Schema};

use super::{Column, Table};
use crate::error::{Error, Result};
use crate::{atomic, files};

const MAX_FILE: u64 = 8 << 30;
const MAX_FOOTER: u64 = 16 << 20;
const MAX_ROWS: i64 = 1 << 28;
const MAX_COLUMNS: usize = 4096;
const MAX_DECODED: i64 = 16 << 30;
/// A dictionary lets a small file stand for very many values. What it decodes to may be this many bytes, and this many
/// times the file's length on top.
const MIN_DECODED: u64 = 256 << 20;
const MAX_RATIO: u64 = 64;
/// Rows that are decoded at once.
const READ_ROWS: usize = 512;
/// Rows per batch: with documents of up to 256 KiB a batch's strings stay below Arrow's 2 GiB.
const BATCH_ROWS: usize = 8192;
/// Bytes of text after which a batch is cut short.
const BATCH_BYTES: usize = 64 << 20;

fn fail(path: &Path, problem: impl std::fmt::Display) -> Error {
    Error::Table {
        what: path.display().to_string(),
        problem: problem.to_string(),
    }
}

fn data_type(column: &Column) -> (DataType, bool) {
    match column {
        Column::U32(_) => (DataType::UInt32, false),
        Column::U64(_) => (DataType::UInt64, false),
        Column::I64(_) => (DataType::Int64, false),
        Column::F32(_) => (DataType::Float32, false),
        Column::F64(_) => (DataType::Float64, false),
        Column::Bool(_) => (DataType::Boolean, false),
        Column::Utf8(_) => (DataType::Utf8, false),
        Column::NullableU64(_) => (DataType::UInt64, true),
        Column::NullableF64(_) => (DataType::Float64, true),
        Column::NullableUtf8(_) => (DataType::Utf8, true),
    }
}

fn array(column: &Column, rows: std::ops::Range<usize>) -> ArrayRef {
    match column {
        Column::U32(v) => Arc::new(UInt32Array::from_iter_values(v[rows].iter().copied())),
        Column::U64(v) => Arc::new(UInt64Array::from_iter_values(v[rows].iter().copied())),
        Column::I64(v) => Arc::new(Int64Array::from_iter_values(v[rows].iter().copied())),
        Column::F32(v) => Arc::new(Float32Array::from_iter_values(v[rows].iter().copied())),
        Column::F64(v) => Arc::new(Float64Array::from_iter_values(v[rows].iter().copied())),
        Column::Bool(v) => Arc::new(BooleanArray::from(v[rows].to_vec())),
        Column::Utf8(v) => Arc::new(StringArray::from_iter_values(&v[rows])),
        Column::NullableU64(v) => Arc::new(UInt64Array::from_iter(v[rows].iter().copied())),
        Column::NullableF64(v) => Arc::new(Float64Array::from_iter(v[rows].iter().copied())),
        Column::NullableUtf8(v) => {
            Arc::new(StringArray::from_iter(v[rows].iter().map(Option::as_deref)))
        }
    }
}

/// The end of the batch that starts at `start`: as many rows as the limits on rows and text allow, at least one.
fn batch_end(table: &Table, start: usize) -> usize {
    let mut bytes = 0;
    for row in start..table.rows().min(start + BATCH_ROWS) {
        for (_, column) in table.columns() {
            bytes += match column {
                Column::Utf8(v) => v[row].len(),
                Column::NullableUtf8(v) => v[row].as_ref().map_or(0, String::len),
                _ => 8,
            };
        }
        if bytes > BATCH_BYTES {
            return row + 1;
        }
    }
    table.rows().min(start + BATCH_ROWS)
}

pub(super) fn write(table: &Table, path: &Path) -> Result<()> {
    let fields: Vec<Field> = table
        .columns()
        .iter()
        .map(|(name, column)| {
            let (kind, nullable) = data_type(column);
            Field::new(name, kind, nullable)
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let properties = WriterProperties::builder()
        .set_created_by("glasswork".into())
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(1 << 20))
        .set_offset_index_disabled(true)
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let encode = || -> Result<Vec<u8>, ::parquet::errors::ParquetError> {
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
        let mut start = 0;
        while start < table.rows() {
            let end = batch_end(table, start);
            let arrays = table
                .columns()
                .iter()
                .map(|(_, column)| array(column, start..end))
                .collect();
            writer.write(&RecordBatch::try_new(schema.clone(), arrays)?)?;
            start = end;
        }
        writer.into_inner()
    };
    let bytes = encode().map_err(|e| fail(path, e))?;
    atomic::write_file(path, &bytes)
}

/// Checks what the footer declares before anything is decoded.
fn expect_bounds(metadata: &ParquetMetaData, path: &Path) -> Result<()> {
    let columns = metadata.file_metadata().schema_descr().num_columns();
    if columns > MAX_COLUMNS {
        return Err(fail(
            path,
            format!("has {columns} columns; at most {MAX_COLUMNS} are read"),
        ));
    }
    let rows = metadata.file_metadata().num_rows();
    let mut sum = 0i64;
    let mut decoded = 0i64;
    for group in metadata.row_groups() {
        let overflow = || fail(path, "its row groups declare impossible sizes");
        if group.num_rows() < 0 || group.total_byte_size() < 0 {
            return Err(overflow());
        }
        sum = sum.checked_add(group.num_rows()).ok_or_else(overflow)?;
        for column in group.columns() {
            if !matches!(
                column.compression(),
                Compression::UNCOMPRESSED | Compression::SNAPPY
            ) {
                return Err(fail(
                    path,
                    format!(
                        "is compressed with {}; only SNAPPY is read",
                        column.compression()
                    ),
                ));
            }
            let size = column.uncompressed_size();
            decoded = decoded
                .checked_add(size)
                .filter(|_| size >= 0)
                .ok_or_else(overflow)?;
        }
    }
    if rows != sum {
        return Err(fail(
            path,
            format!("declares {rows} rows; its row groups hold {sum}"),
        ));
    }
    if !(0..=MAX_ROWS).contains(&rows) || decoded > MAX_DECODED {
        let problem = format!(
            "declares {rows} rows of {decoded} bytes in all; at most {MAX_ROWS} and {MAX_DECODED} are read"
        );
        return Err(fail(path, problem));
    }
    Ok(())
}

/// Checks the footer's own length, which the library would otherwise believe.
fn expect_footer(file: &std::fs::File, length: u64, path: &Path) -> Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    let io = |e| Error::io("read", path, 0, e);
    if length < 12 {
        return Err(fail(
            path,
            format!("has {length} bytes and so is not a Parquet file"),
        ));
    }
    let mut tail = [0; 8];
    let mut reader = file;
    reader.seek(SeekFrom::End(-8)).map_err(io)?;
    reader.read_exact(&mut tail).map_err(io)?;
    reader.seek(SeekFrom::Start(0)).map_err(io)?;
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if &tail[4..] != b"PAR1" {
        return Err(fail(path, "does not end as a Parquet file"));
    }
    if footer > MAX_FOOTER || footer > length - 12 {
        return Err(fail(
            path,
            format!("declares a footer of {footer} bytes; the file has {length}"),
        ));
    }
    Ok(())
}

pub(super) fn read(path: &Path) -> Result<Table> {
    let (file, length) = files::open(path)?;
    if length > MAX_FILE {
        return Err(Error::TooLarge {
            path: path.into(),
            length,
            limit: MAX_FILE,
        });
    }
    expect_footer(&file, length, path)?;
    // The Parquet library is written against malformed files, but its decoders have panicked on some.
    let limit = MIN_DECODED + MAX_RATIO * length;
    catch_unwind(AssertUnwindSafe(|| decode(file, limit, path)))
        .unwrap_or_else(|_| Err(fail(path, "cannot be decoded: it is malformed")))
}

/// Decodes a file whose values may take at most `limit` bytes.
fn decode(file: std::fs::File, limit: u64, path: &Path) -> Result<Table> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .map_err(|e| fail(path, e))?;
    expect_bounds(builder.metadata(), path)?;
    let schema = builder.schema().clone();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let problem = || {
            let null = if field.is_nullable() { "nullable " } else { "" };
            fail(
                path,
                format!(
                    "column {} has the type {null}{}, which tables do not have",
                    field.name(),
                    field.data_type()
                ),
            )
        };
        columns.push(empty_like(field).ok_or_else(problem)?);
    }
    let expected = builder.metadata().file_metadata().num_rows();
    let reader = builder
        .with_batch_size(READ_ROWS)
        .build()
        .map_err(|e| fail(path, e))?;
    let mut rows = 0i64;
    let mut decoded = 0u64;
    for batch in reader {
        let batch = batch.map_err(|e| fail(path, e))?;
        rows += batch.num_rows() as i64;
        decoded = decoded.saturating_add(batch.get_array_memory_size() as u64);
        if decoded > limit {
            let problem =
                format!("decodes to more than {limit} bytes, out of proportion to its length");
            return Err(fail(path, problem));
        }
        if rows > expected {
            break;
        }
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            append(column, array).ok_or_else(|| fail(path, "holds nulls where none may be"))?;
        }
    }
    if rows != expected {
        return Err(fail(
            path,
            format!("declares {expected} rows and holds {rows}"),
        ));
    }
    let names = schema.fields().iter().map(|f| f.name().clone());
    let mut table = Table::from_columns(names.zip(columns)).map_err(|e| fail(path, e))?;
    table.what = path.display().to_string();
    Ok(table)
}

fn empty_like(field: &Field) -> Option<Column> {
    Some(match (field.data_type(), field.is_nullable()) {
        (DataType::UInt32, false) => Column::U32(vec![]),
        (DataType::UInt64, false) => Column::U64(vec![]),
        (DataType::Int64, false) => Column::I64(vec![]),
        (DataType::Float32, false) => Column::F32(vec![]),
        (DataType::Float64, false) => Column::F64(vec![]),
        (DataType::Boolean, false) => Column::Bool(vec![]),
        (DataType::Utf8, false) => Column::Utf8(vec![]),
        (DataType::UInt64, true) => Column::NullableU64(vec![]),
        (DataType::Float64, true) => Column::NullableF64(vec![]),
        (DataType::Utf8, true) => Column::NullableUtf8(vec![]),
        _ => return None,
    })
}

/// Appends an array to the column of its type; `None` when nulls are in it and may not be.
fn append(column: &mut Column, array: &ArrayRef) -> Option<()> {
    fn values<T: ArrowPrimitiveType>(array: &ArrayRef) -> Option<&PrimitiveArray<T>> {
        array.as_primitive_opt::<T>()
    }
    let plain = || (array.null_count() == 0).then_some(());
    match column {
        Column::U32(v) => {
            (
                plain()?,
                v.extend_from_slice(values::<UInt32Type>(array)?.values()),
            )
                .1
        }
        Column::U64(v) => {
            (
                plain()?,
                v.extend_from_slice(values::<UInt64Type>(array)?.values()),
            )
                .1
        }
        Column::I64(v) => {
            (
                plain()?,
                v.extend_from_slice(values::<Int64Type>(array)?.values()),
            )
                .1
        }
        Column::F32(v) => {
            (
                plain()?,
                v.extend_from_slice(values::<Float32Type>(array)?.values()),
            )
                .1
        }
        Column::F64(v) => {
            (
                plain()?,
                v.extend_from_slice(values::<Float64Type>(array)?.values()),
            )
                .1
        }
        Column::Bool(v) => (plain()?, v.extend(array.as_boolean_opt()?.values().iter())).1,
        Column::Utf8(v) => {
            (
                plain()?,
                v.extend(
                    array
                        .as_string_opt::<i32>()?
                        .iter()
                        .flatten()
                        .map(str::to_owned),
                ),
            )
                .1
        }
        Column::NullableU64(v) => v.extend(values::<UInt64Type>(array)?.iter()),
        Column::NullableF64(v) => v.extend(values::<Float64Type>(array)?.iter()),
        Column::NullableUtf8(v) => v.extend(
            array
                .as_string_opt::<i32>()?
                .iter()
                .map(|t| t.map(str::to_owned)),
        ),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_small_file_of_many_values() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        let text = vec!["x".repeat(1000); 10_000];
        Table::from_columns([("a", Column::Utf8(text))])
            .unwrap()
            .write(&path)
            .unwrap();
        let open = || std::fs::File::open(&path).unwrap();
        assert!(open().metadata().unwrap().len() < 10_000);
        let error = decode(open(), 1 << 20, &path).unwrap_err();
        assert!(error.to_string().contains("out of proportion"), "{error}");
        assert_eq!(decode(open(), 1 << 30, &path).unwrap().rows(), 10_000);
    }
}
