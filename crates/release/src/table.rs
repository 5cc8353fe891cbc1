//! Tables: named, typed columns in memory, Parquet files on disk.
//!
//! A table has two digests. The *file* digest is for transport; Parquet bytes change with library versions. The
//! *logical* digest is over the typed rows in order and is what a replay compares.

use std::path::Path;

use crate::canonical;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

mod parquet;

/// A column: all values of one name, of one type.
#[allow(missing_docs)] // The names say it.
#[derive(Clone, Debug)]
pub enum Column {
    U32(Vec<u32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    Utf8(Vec<String>),
    NullableU64(Vec<Option<u64>>),
    NullableF64(Vec<Option<f64>>),
    NullableUtf8(Vec<Option<String>>),
}

impl Column {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U32(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Utf8(v) => v.len(),
            Self::NullableU64(v) => v.len(),
            Self::NullableF64(v) => v.len(),
            Self::NullableUtf8(v) => v.len(),
        }
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type's name, as it enters the logical digest; `?` marks a column that may hold nulls.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U32(_) => "u32",
            Self::U64(_) => "u64",
            Self::I64(_) => "i64",
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
            Self::Bool(_) => "bool",
            Self::Utf8(_) => "utf8",
            Self::NullableU64(_) => "u64?",
            Self::NullableF64(_) => "f64?",
            Self::NullableUtf8(_) => "utf8?",
        }
    }

    /// Digests as the strings they are stored as.
    pub fn digests(digests: impl IntoIterator<Item = Digest>) -> Self {
        Self::Utf8(digests.into_iter().map(|d| d.to_string()).collect())
    }

    /// Appends the bytes of row `i` that are hashed.
    fn encode(&self, i: usize, out: &mut Vec<u8>) {
        fn utf8(text: &str, out: &mut Vec<u8>) {
            out.extend_from_slice(&(text.len() as u64).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        fn nullable<T>(value: Option<T>, out: &mut Vec<u8>, write: impl FnOnce(T, &mut Vec<u8>)) {
            out.push(value.is_some().into());
            if let Some(value) = value {
                write(value, out);
            }
        }
        match self {
            Self::U32(v) => out.extend_from_slice(&v[i].to_le_bytes()),
            Self::U64(v) => out.extend_from_slice(&v[i].to_le_bytes()),
            Self::I64(v) => out.extend_from_slice(&v[i].to_le_bytes()),
            Self::F32(v) => out.extend_from_slice(&v[i].to_le_bytes()),
            Self::F64(v) => out.extend_from_slice(&v[i].to_le_bytes()),
            Self::Bool(v) => out.push(v[i].into()),
            Self::Utf8(v) => utf8(&v[i], out),
            Self::NullableU64(v) => {
                nullable(v[i], out, |x, out| out.extend_from_slice(&x.to_le_bytes()))
            }
            Self::NullableF64(v) => {
                nullable(v[i], out, |x, out| out.extend_from_slice(&x.to_le_bytes()))
            }
            Self::NullableUtf8(v) => nullable(v[i].as_deref(), out, utf8),
        }
    }
}

/// Columns of one length, in a fixed order, with distinct names.
#[derive(Clone, Debug, Default)]
pub struct Table {
    what: String,
    rows: usize,
    columns: Vec<(String, Column)>,
}

macro_rules! accessor {
    ($($(#[$doc:meta])* $name:ident: $variant:ident -> $type:ty;)*) => {
        $($(#[$doc])*
        pub fn $name(&self, column: &str) -> Result<&[$type]> {
            match self.column(column)? {
                Column::$variant(values) => Ok(values),
                other => Err(self.wrong_type(column, stringify!($name), other)),
            }
        })*
    };
}

impl Table {
    /// A table of these columns. Fails when lengths differ or a name is empty or occurs twice.
    pub fn from_columns<N: Into<String>>(
        columns: impl IntoIterator<Item = (N, Column)>,
    ) -> Result<Self> {
        let mut table = Self {
            what: "table".into(),
            ..Self::default()
        };
        for (name, column) in columns {
            table.push(name, column)?;
        }
        Ok(table)
    }

    /// Adds a column at the end; it must be as long as the others.
    pub fn push(&mut self, name: impl Into<String>, column: Column) -> Result<()> {
        let name = name.into();
        if name.is_empty() || self.columns.iter().any(|(n, _)| *n == name) {
            return Err(self.fail(format!("column name {name:?} is empty or occurs twice")));
        }
        if !self.columns.is_empty() && column.len() != self.rows {
            return Err(self.fail(format!(
                "column {name} has {} rows, the others {}",
                column.len(),
                self.rows
            )));
        }
        self.rows = column.len();
        self.columns.push((name, column));
        Ok(())
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[(String, Column)] {
        &self.columns
    }

    /// The column names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// A column by name; fails when there is none.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.columns
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, column)| column)
            .ok_or_else(|| self.fail(format!("there is no column {name}")))
    }

    accessor! {
        /// A column of `u32`.
        u32: U32 -> u32;
        /// A column of `u64`.
        u64: U64 -> u64;
        /// A column of `i64`.
        i64: I64 -> i64;
        /// A column of `f32`.
        f32: F32 -> f32;
        /// A column of `f64`.
        f64: F64 -> f64;
        /// A column of `bool`.
        bool: Bool -> bool;
        /// A column of strings.
        utf8: Utf8 -> String;
        /// A column of `u64` that may hold nulls.
        nullable_u64: NullableU64 -> Option<u64>;
        /// A column of `f64` that may hold nulls.
        nullable_f64: NullableF64 -> Option<f64>;
        /// A column of strings that may hold nulls.
        nullable_utf8: NullableUtf8 -> Option<String>;
    }

    /// A column of digests, stored as strings of 64 hexadecimal digits.
    pub fn digests(&self, column: &str) -> Result<Vec<Digest>> {
        let texts = self.utf8(column)?.iter().enumerate();
        texts
            .map(|(i, t)| {
                t.parse()
                    .map_err(|e| self.fail(format!("column {column}, row {i}: {e}")))
            })
            .collect()
    }

    fn fail(&self, problem: String) -> Error {
        Error::Table {
            what: self.what.clone(),
            problem,
        }
    }

    fn wrong_type(&self, column: &str, expected: &str, found: &Column) -> Error {
        self.fail(format!(
            "column {column} is of type {}, not {expected}",
            found.type_name()
        ))
    }

    /// The canonical JSON of `[[name, type], …]`.
    fn schema(&self) -> Vec<u8> {
        let schema: Vec<_> = self
            .columns
            .iter()
            .map(|(name, column)| (name, column.type_name()))
            .collect();
        canonical::to_canonical(&schema).expect("arrays of strings are canonical")
    }

    fn encode_row(&self, i: usize, out: &mut Vec<u8>) {
        out.clear();
        self.columns
            .iter()
            .for_each(|(_, column)| column.encode(i, out));
    }

    /// The digest of one row: `of_parts("glasswork/row/1", [schema, cells])`.
    ///
    /// Cells in column order: numbers little-endian (floats by their bits), a bool one byte, a string its length (u64)
    /// and UTF-8 bytes, a nullable one byte 0 for null, or 1 and the value. Panics when there is no row `i`.
    #[must_use]
    pub fn row_digest(&self, i: usize) -> Digest {
        let mut cells = Vec::new();
        self.encode_row(i, &mut cells);
        Digest::of_parts("glasswork/row/1", &[&self.schema(), &cells])
    }

    /// The digest of all rows in order: `of_parts("glasswork/table/1", [schema, cells of row 0, cells of row 1, …])`.
    #[must_use]
    pub fn logical_digest(&self) -> Digest {
        self.rows_digest("glasswork/table/1", 0..self.rows)
    }

    /// The digest of some rows under a domain of its own. Panics when a row is not there.
    pub(crate) fn rows_digest(&self, domain: &str, rows: std::ops::Range<usize>) -> Digest {
        let mut hasher = Hasher::with_domain(domain);
        hasher.part(&self.schema());
        let mut cells = Vec::new();
        for i in rows {
            self.encode_row(i, &mut cells);
            hasher.part(&cells);
        }
        hasher.finish()
    }

    /// Writes a Parquet file, atomically. The bytes depend only on the table (and the Parquet library's version).
    pub fn write(&self, path: &Path) -> Result<()> {
        parquet::write(self, path)
    }

    /// Reads a Parquet file whose columns all have one of the types of [`Column`].
    ///
    /// Bounds: file 8 GiB, footer 16 MiB, 2²⁸ rows, 4,096 columns, 16 GiB as declared when decompressed.
    pub fn read(path: &Path) -> Result<Self> {
        parquet::read(path)
    }
}

impl PartialEq for Table {
    /// Equal names, types and values, floats by their bits.
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows && self.logical_digest() == other.logical_digest()
    }
}
