//! The Arrow types of the columns as they are built: physical types and nothing else. What a file says of them beside
//! that is the format's own.

use std::sync::Arc;

use arrow_schema::{DataType, Field};

use crate::types::ParquetType;
use crate::types::parquet_type::{INT32_DIGITS, INT64_DIGITS, INT96_BYTES, UUID_BYTES, decimal_bytes};

/// The name of a list's element (Parquet's LogicalTypes.md, "Lists").
pub const LIST_ELEMENT: &str = "element";

/// The Arrow type of the arrays that are built of a column.
pub fn arrow_type(column: &ParquetType) -> DataType {
    match column {
        ParquetType::Boolean => DataType::Boolean,
        ParquetType::Int16 | ParquetType::Int32 | ParquetType::Date => DataType::Int32,
        ParquetType::Int64
        | ParquetType::Time
        | ParquetType::Timestamp
        | ParquetType::TimestampTz
        | ParquetType::TimestampMillis
        | ParquetType::TimestampTzMillis => DataType::Int64,
        ParquetType::Float => DataType::Float32,
        ParquetType::Double => DataType::Float64,
        ParquetType::Decimal { precision, .. } if *precision <= INT32_DIGITS => DataType::Int32,
        ParquetType::Decimal { precision, .. } if *precision <= INT64_DIGITS => DataType::Int64,
        ParquetType::Decimal { precision, .. } => DataType::FixedSizeBinary(decimal_bytes(*precision)),
        // Binary and not Utf8: the bytes were checked when they were appended, and the file's type is the Parquet
        // schema's.
        ParquetType::String | ParquetType::Json | ParquetType::Bytes => DataType::Binary,
        ParquetType::Int96 => DataType::FixedSizeBinary(INT96_BYTES),
        ParquetType::Uuid => DataType::FixedSizeBinary(UUID_BYTES),
        ParquetType::List(element) => DataType::List(Arc::new(element_field(element))),
    }
}

/// The Arrow field of a list's element.
pub fn element_field(element: &ParquetType) -> Field {
    Field::new(LIST_ELEMENT, arrow_type(element), true)
}

/// The type as messages name it.
pub fn describe(column: &ParquetType) -> String {
    match column {
        ParquetType::Boolean => "BOOLEAN".into(),
        ParquetType::Int16 => "INT(16)".into(),
        ParquetType::Int32 => "INT32".into(),
        ParquetType::Int64 => "INT64".into(),
        ParquetType::Float => "FLOAT".into(),
        ParquetType::Double => "DOUBLE".into(),
        ParquetType::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        ParquetType::String => "STRING".into(),
        ParquetType::Json => "JSON".into(),
        ParquetType::Bytes => "BYTE_ARRAY".into(),
        ParquetType::Date => "DATE".into(),
        ParquetType::Time => "TIME(MICROS)".into(),
        ParquetType::Timestamp | ParquetType::TimestampTz => "TIMESTAMP(MICROS)".into(),
        ParquetType::TimestampMillis | ParquetType::TimestampTzMillis => "TIMESTAMP(MILLIS)".into(),
        ParquetType::Int96 => "INT96".into(),
        ParquetType::Uuid => "UUID".into(),
        ParquetType::List(_) => "a LIST, which has one dimension".into(),
    }
}
