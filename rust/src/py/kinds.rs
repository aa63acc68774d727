//! The names of decoders and Parquet types in a plan (`plan.Column.kind` and `.parquet`).

use pyo3::PyResult;

use super::plan::unknown;
use crate::plan::{Kind, ParquetType};

/// `int4`, or `array:<element kind>:<delimiter>`.
pub fn kind(name: &str) -> PyResult<Kind> {
    if let Some(rest) = name.strip_prefix("array:") {
        return match rest.rsplit_once(':').map(|(element, delimiter)| (element, delimiter.as_bytes())) {
            Some((element, [delimiter])) => {
                Ok(Kind::Array { element: Box::new(scalar(element)?), delimiter: *delimiter })
            }
            _ => Err(unknown("column.kind", name)),
        };
    }
    scalar(name)
}

fn scalar(name: &str) -> PyResult<Kind> {
    Ok(match name {
        "bool" => Kind::Bool,
        "int2" => Kind::Int2,
        "int4" => Kind::Int4,
        "int8" => Kind::Int8,
        "oid" => Kind::Oid,
        "float4" => Kind::Float4,
        "float8" => Kind::Float8,
        "numeric" => Kind::Numeric,
        "text" => Kind::Text,
        "char" => Kind::Char,
        "bytea" => Kind::Bytea,
        "date" => Kind::Date,
        "time" => Kind::Time,
        "timetz" => Kind::TimeTz,
        "timestamp" => Kind::Timestamp,
        "timestamptz" => Kind::TimestampTz,
        "interval" => Kind::Interval,
        "uuid" => Kind::Uuid,
        "json" => Kind::Json,
        "jsonb" => Kind::Jsonb,
        "by_text" => Kind::ByText,
        "json_text" => Kind::JsonText,
        other => return Err(unknown("column.kind", other)),
    })
}

/// `int32`, `decimal(18,4)`, `list:int32`.
pub fn parquet_type(name: &str) -> PyResult<ParquetType> {
    if let Some(element) = name.strip_prefix("list:") {
        return Ok(ParquetType::List(Box::new(parquet_type(element)?)));
    }
    if let Some((precision, scale)) =
        name.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')).and_then(|pair| pair.split_once(','))
    {
        return match (precision.trim().parse(), scale.trim().parse()) {
            (Ok(precision), Ok(scale)) => Ok(ParquetType::Decimal { precision, scale }),
            _ => Err(unknown("column.parquet", name)),
        };
    }
    Ok(match name {
        "boolean" => ParquetType::Boolean,
        "int16" => ParquetType::Int16,
        "int32" => ParquetType::Int32,
        "int64" => ParquetType::Int64,
        "float" => ParquetType::Float,
        "double" => ParquetType::Double,
        "string" => ParquetType::String,
        "json" => ParquetType::Json,
        "bytes" => ParquetType::Bytes,
        "date" => ParquetType::Date,
        "time" => ParquetType::Time,
        "timestamp" => ParquetType::Timestamp,
        "timestamptz" => ParquetType::TimestampTz,
        "uuid" => ParquetType::Uuid,
        other => return Err(unknown("column.parquet", other)),
    })
}
