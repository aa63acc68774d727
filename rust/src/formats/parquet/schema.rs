//! PostgreSQL type to Parquet type: the schema of the file, and the Arrow types that its column writers are fed with.
//!
//! The Parquet schema is built here and not derived from Arrow types, because the planner has already decided every
//! type. The Arrow types that the writers are fed with are physical only: a DATE column takes `Int32` arrays, a
//! DECIMAL(18,4) `Int64`. The `ARROW:schema` entry of the footer, which readers built on Arrow prefer to the Parquet
//! schema, must not repeat those; see [`reader_schema`].

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit as ArrowUnit};
use parquet::arrow::encode_arrow_schema;
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::{PrimitiveTypeBuilder, Type, TypePtr};

use crate::formats::columnar::arrow_type::{LIST_ELEMENT, arrow_type};
use crate::types::parquet_type::{INT32_DIGITS, INT64_DIGITS, INT96_BYTES, UUID_BYTES, decimal_bytes};
use crate::types::{Column, ParquetType};

/// The name of a list's repeated group, as LogicalTypes.md, "Lists", lays down.
const LIST_GROUP: &str = "list";
/// The path of a list's leaf below the column.
pub(super) const LIST_LEAF: [&str; 2] = [LIST_GROUP, LIST_ELEMENT];

/// Who is given a schema.
#[derive(Debug, Clone, Copy)]
pub(super) enum SchemaOf {
    File,
    Writers,
}

/// The Parquet type of a column or list element. Every column is OPTIONAL: `attnotnull` may be set while a NULL is
/// stored, and an outer join reports the base column.
///
/// `of` is what the type is for: the column writers of Arrow know no INT96, see [`super::int96`].
pub(super) fn parquet_type(name: &str, column: &ParquetType, of: SchemaOf) -> ParquetResult<TypePtr> {
    let physical = |physical: Physical| Type::primitive_type_builder(name, physical);
    let logical = |p: Physical, l: LogicalType| physical(p).with_logical_type(Some(l));
    let built = match column {
        ParquetType::Boolean => optional(physical(Physical::BOOLEAN))?,
        ParquetType::Int16 => optional(logical(Physical::INT32, LogicalType::integer(16, true)))?,
        ParquetType::Int32 => optional(physical(Physical::INT32))?,
        ParquetType::Int64 => optional(physical(Physical::INT64))?,
        ParquetType::Float => optional(physical(Physical::FLOAT))?,
        ParquetType::Double => optional(physical(Physical::DOUBLE))?,
        ParquetType::Decimal { precision, scale } => optional(decimal(name, *precision, *scale))?,
        ParquetType::String => optional(logical(Physical::BYTE_ARRAY, LogicalType::String))?,
        ParquetType::Json => optional(logical(Physical::BYTE_ARRAY, LogicalType::Json))?,
        ParquetType::Bytes => optional(physical(Physical::BYTE_ARRAY))?,
        ParquetType::Date => optional(logical(Physical::INT32, LogicalType::Date))?,
        ParquetType::Time => optional(logical(Physical::INT64, LogicalType::time(false, TimeUnit::MICROS)))?,
        ParquetType::Timestamp => optional(logical(Physical::INT64, LogicalType::timestamp(false, TimeUnit::MICROS)))?,
        ParquetType::TimestampTz => optional(logical(Physical::INT64, LogicalType::timestamp(true, TimeUnit::MICROS)))?,
        ParquetType::TimestampMillis => {
            optional(logical(Physical::INT64, LogicalType::timestamp(false, TimeUnit::MILLIS)))?
        }
        ParquetType::TimestampTzMillis => {
            optional(logical(Physical::INT64, LogicalType::timestamp(true, TimeUnit::MILLIS)))?
        }
        ParquetType::Int96 => match of {
            SchemaOf::File => optional(physical(Physical::INT96))?,
            SchemaOf::Writers => optional(physical(Physical::FIXED_LEN_BYTE_ARRAY).with_length(INT96_BYTES))?,
        },
        ParquetType::Uuid => {
            optional(logical(Physical::FIXED_LEN_BYTE_ARRAY, LogicalType::Uuid).with_length(UUID_BYTES))?
        }
        ParquetType::List(element) => list(name, element, of)?,
    };
    Ok(Arc::new(built))
}

fn optional(builder: PrimitiveTypeBuilder<'_>) -> ParquetResult<Type> {
    builder.with_repetition(Repetition::OPTIONAL).build()
}

fn decimal(name: &str, precision: u8, scale: u8) -> PrimitiveTypeBuilder<'_> {
    let (digits, after_point) = (i32::from(precision), i32::from(scale));
    let builder = if precision <= INT32_DIGITS {
        Type::primitive_type_builder(name, Physical::INT32)
    } else if precision <= INT64_DIGITS {
        Type::primitive_type_builder(name, Physical::INT64)
    } else {
        Type::primitive_type_builder(name, Physical::FIXED_LEN_BYTE_ARRAY).with_length(decimal_bytes(precision))
    };
    builder
        .with_logical_type(Some(LogicalType::decimal(after_point, digits)))
        .with_precision(digits)
        .with_scale(after_point)
}

/// The three levels of LogicalTypes.md, "Lists": `optional group name (LIST) { repeated group list { optional … element
/// } }`.
fn list(name: &str, element: &ParquetType, of: SchemaOf) -> ParquetResult<Type> {
    let repeated = Type::group_type_builder(LIST_GROUP)
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![parquet_type(LIST_ELEMENT, element, of)?])
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(repeated)])
        .build()
}

/// The `ARROW:schema` entry, for files that have JSON: polars shows a JSON column as binary unless this entry says that
/// it is text. All else follows from the Parquet schema, so other files do without.
pub(super) fn reader_schema(columns: &[Column]) -> Option<String> {
    let fields = || columns.iter().map(|c| Field::new(&c.target, reader_type(&c.parquet), true));
    columns.iter().any(|c| is_json(&c.parquet)).then(|| encode_arrow_schema(&Schema::new(fields().collect::<Vec<_>>())))
}

/// The Arrow type that a reader should show: what pyarrow makes of the Parquet type.
fn reader_type(column: &ParquetType) -> DataType {
    match column {
        ParquetType::Int16 => DataType::Int16,
        ParquetType::Decimal { precision, scale } => {
            DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
        }
        ParquetType::String | ParquetType::Json => DataType::Utf8,
        ParquetType::Date => DataType::Date32,
        ParquetType::Time => DataType::Time64(ArrowUnit::Microsecond),
        ParquetType::Timestamp => DataType::Timestamp(ArrowUnit::Microsecond, None),
        ParquetType::TimestampTz => DataType::Timestamp(ArrowUnit::Microsecond, Some("UTC".into())),
        ParquetType::TimestampMillis => DataType::Timestamp(ArrowUnit::Millisecond, None),
        ParquetType::TimestampTzMillis => DataType::Timestamp(ArrowUnit::Millisecond, Some("UTC".into())),
        ParquetType::Int96 => DataType::Timestamp(ArrowUnit::Nanosecond, None),
        ParquetType::List(element) => DataType::List(Arc::new(Field::new(LIST_ELEMENT, reader_type(element), true))),
        physical => arrow_type(physical),
    }
}

/// Whether a column, or its elements, are JSON.
pub(super) fn is_json(parquet: &ParquetType) -> bool {
    *leaf_type(parquet) == ParquetType::Json
}

/// Whether a column, or its elements, are INT96.
pub(super) fn is_int96(parquet: &ParquetType) -> bool {
    *leaf_type(parquet) == ParquetType::Int96
}

fn leaf_type(parquet: &ParquetType) -> &ParquetType {
    match parquet {
        ParquetType::List(element) => leaf_type(element),
        other => other,
    }
}
