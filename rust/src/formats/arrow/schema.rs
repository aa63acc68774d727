//! PostgreSQL type to Arrow type: what readers see.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Metadata, Schema, TimeUnit};

use crate::formats::columnar::arrow_type::{LIST_ELEMENT, arrow_type};
use crate::types::{Column, ParquetType};

/// The key under which a field names its extension type (Arrow Columnar Format, "Extension Types").
const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";
/// The canonical extension type of UUIDs (Arrow, "Canonical Extension Types").
const UUID: &str = "arrow.uuid";
/// The zone of instants.
const UTC: &str = "UTC";

/// The schema of the columns with the metadata that is known at the start.
pub fn schema(columns: &[Column], metadata: &[(String, String)]) -> Schema {
    let fields: Vec<Field> = columns.iter().map(|column| field(&column.target, &column.parquet)).collect();
    Schema::new_with_metadata(fields, metadata.iter().cloned().collect::<Metadata>())
}

/// Every field is nullable, as in Parquet. A UUID says so; inside of a list it does not, since pandas refuses lists of
/// an extension type. JSON is text: polars would make a type of its own of `arrow.json`, which no function for text
/// takes, and DuckDB parses it, and refuses what PostgreSQL's json may hold.
fn field(name: &str, column: &ParquetType) -> Field {
    let field = Field::new(name, logical_type(column), true);
    if *column == ParquetType::Uuid {
        return field.with_metadata([(EXTENSION_NAME, UUID), (EXTENSION_METADATA, "")]);
    }
    field
}

/// The Arrow type that a reader sees, as pyarrow makes it of the same column in Parquet.
pub(super) fn logical_type(column: &ParquetType) -> DataType {
    match column {
        ParquetType::Int16 => DataType::Int16,
        ParquetType::Decimal { precision, scale } => {
            DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
        }
        ParquetType::String | ParquetType::Json => DataType::Utf8,
        ParquetType::Date => DataType::Date32,
        ParquetType::Time => DataType::Time64(TimeUnit::Microsecond),
        ParquetType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ParquetType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        ParquetType::List(element) => DataType::List(Arc::new(element_field(element))),
        physical => arrow_type(physical),
    }
}

/// The field of a list's element.
pub(super) fn element_field(element: &ParquetType) -> Field {
    Field::new(LIST_ELEMENT, logical_type(element), true)
}
