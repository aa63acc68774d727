//! What the bytes of a column's fields are.

use super::parquet_type::ParquetType;
use super::record::Type;

/// A type, or an array of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Scalar(&'static Type),
    /// An array with native elements; `delimiter` is the element type's `typdelim`.
    Array {
        element: &'static Type,
        delimiter: u8,
    },
}

impl Kind {
    /// The record of the values, or of the elements.
    pub fn record(self) -> &'static Type {
        match self {
            Kind::Scalar(record) | Kind::Array { element: record, .. } => record,
        }
    }
}

/// A column of the export.
#[derive(Debug, Clone)]
pub struct Column {
    /// The name in the source, for messages.
    pub source: String,
    /// The name in the file.
    pub target: String,
    pub kind: Kind,
    /// What the column is in Parquet; read by that format only.
    pub parquet: ParquetType,
}
