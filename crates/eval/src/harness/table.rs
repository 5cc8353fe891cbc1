//! Tables as documents: Parquet and separated values, with the types that the `datasets` library gives them.

use super::node::Node;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;

/// Most rows of a table.
const MOST_ROWS: i64 = 20_000_000;
/// Deepest nested columns.
const DEEPEST: usize = 16;

/// The rows of a Parquet file.
pub(super) fn parquet(file: File) -> Result<Vec<Node>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("is no Parquet that is read: {error}");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| wrong(&error))?;
    let rows = builder.metadata().file_metadata().num_rows();
    if !(0..=MOST_ROWS).contains(&rows) {
        return Err(format!("claims {rows} rows"));
    }
    let reader = builder
        .with_batch_size(1024)
        .build()
        .map_err(|error| wrong(&error))?;
    let mut documents = Vec::new();
    for batch in reader {
        append(&batch.map_err(|error| wrong(&error))?, &mut documents)?;
    }
    Ok(documents)
}

fn append(batch: &RecordBatch, documents: &mut Vec<Node>) -> Result<(), String> {
    let schema = batch.schema();
    for row in 0..batch.num_rows() {
        let columns = schema.fields().iter().zip(batch.columns());
        let cells =
            columns.map(|(field, column)| Ok((field.name().clone(), cell(column, row, 0)?)));
        documents.push(Node::Map(cells.collect::<Result<_, String>>()?));
    }
    Ok(())
}

fn cell(column: &ArrayRef, row: usize, depth: usize) -> Result<Node, String> {
    if depth > DEEPEST {
        return Err(format!("has columns nested deeper than {DEEPEST}"));
    }
    if column.is_null(row) {
        return Ok(Node::Null);
    }
    let list = |items: ArrayRef| {
        let items = (0..items.len()).map(|item| cell(&items, item, depth + 1));
        items.collect::<Result<_, String>>().map(Node::List)
    };
    Ok(match column.data_type() {
        DataType::Null => Node::Null,
        DataType::Boolean => Node::Bool(column.as_boolean().value(row)),
        DataType::Int8 => Node::Int(column.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Node::Int(column.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Node::Int(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Node::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Node::Int(column.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Node::Int(column.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Node::Int(column.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => {
            let value = column.as_primitive::<UInt64Type>().value(row);
            Node::Int(i64::try_from(value).map_err(|_| format!("holds {value}, beyond 63 bits"))?)
        }
        DataType::Float32 => Node::Float(column.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Node::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).into(),
        DataType::Utf8View => column.as_string_view().value(row).into(),
        DataType::List(_) => list(column.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => list(column.as_list::<i64>().value(row))?,
        DataType::FixedSizeList(..) => list(column.as_fixed_size_list().value(row))?,
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(column.as_struct().columns());
            let cells = columns
                .map(|(field, column)| Ok((field.name().clone(), cell(column, row, depth + 1)?)));
            Node::Map(cells.collect::<Result<_, String>>()?)
        }
        other => return Err(format!("has a column of {other}, which is not read")),
    })
}

/// The rows of separated values under a line of names. A column is of whole numbers, floats or truth values
/// where all its cells are; what is empty is null.
pub(super) fn separated(text: &str, separator: u8) -> Result<Vec<Node>, String> {
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.delimiter(separator).from_reader(text.as_bytes());
    let names: Vec<String> = reader
        .headers()
        .map_err(|e| e.to_string())?
        .iter()
        .map(str::to_owned)
        .collect();
    let rows: Vec<csv::StringRecord> = reader
        .records()
        .collect::<Result<_, _>>()
        .map_err(|e| e.to_string())?;
    let kinds: Vec<Kind> = (0..names.len())
        .map(|column| Kind::of(rows.iter().map(|row| row.get(column).unwrap_or_default())))
        .collect();
    let document = |row: &csv::StringRecord| {
        let cells = names.iter().zip(&kinds).zip(row.iter());
        Node::Map(
            cells
                .map(|((name, kind), cell)| (name.clone(), kind.read(cell)))
                .collect(),
        )
    };
    Ok(rows.iter().map(document).collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Float,
    Bool,
    Text,
}

impl Kind {
    fn of<'c>(cells: impl Iterator<Item = &'c str> + Clone) -> Self {
        let filled = cells.clone().filter(|cell| !cell.is_empty());
        if filled.clone().next().is_none() {
            return Self::Text;
        }
        let gaps = cells.clone().any(str::is_empty);
        let kinds = [Self::Int, Self::Float, Self::Bool];
        let fits = |kind: &Self| {
            // As with pandas, whole numbers with gaps become floats.
            !(gaps && *kind == Self::Int)
                && filled.clone().all(|cell| kind.try_read(cell).is_some())
        };
        kinds.into_iter().find(fits).unwrap_or(Self::Text)
    }

    fn try_read(self, cell: &str) -> Option<Node> {
        let numeric = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        match self {
            Self::Int => cell.parse().ok().map(Node::Int),
            Self::Float => cell
                .chars()
                .all(numeric)
                .then(|| cell.parse().ok().map(Node::Float))
                .flatten(),
            Self::Bool => match cell {
                "True" | "true" | "TRUE" => Some(Node::Bool(true)),
                "False" | "false" | "FALSE" => Some(Node::Bool(false)),
                _ => None,
            },
            Self::Text => Some(cell.into()),
        }
    }

    fn read(self, cell: &str) -> Node {
        match cell {
            "" => Node::Null,
            cell => self.try_read(cell).unwrap_or(Node::Null),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::json::write;

    #[test]
    fn columns_have_types() {
        let rows = separated("a,b,c,d\n1,2.5,x,True\n2,3,\"y, z\",False\n", b',').expect("reads");
        assert_eq!(
            write(&rows[1], None),
            r#"{"a": 2, "b": 3.0, "c": "y, z", "d": false}"#
        );
        let rows = separated("a\tb\n1\t\n\t\n", b'\t').expect("reads");
        assert_eq!(write(&rows[0], None), r#"{"a": 1.0, "b": null}"#);
    }

    #[test]
    fn attack_ragged_rows_and_no_parquet_are_errors() {
        assert!(separated("a,b\n1\n", b',').is_err());
        let folder = tempfile::tempdir().expect("a directory");
        for bytes in [&b"PAR1PAR1"[..], b"", b"PAR1\xff\xff\xff\x7fPAR1"] {
            let path = folder.path().join("x.parquet");
            std::fs::write(&path, bytes).expect("writes");
            assert!(parquet(File::open(&path).expect("opens")).is_err());
        }
    }
}
