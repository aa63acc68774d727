//! The types that are read natively: field bytes to text, JSON, XML and columns.
//!
//! A type is one record ([`Type`]) in the file of its family, which reads its bytes through `bytes::cursor` and is the
//! only place that knows its wire format, and one line in [`TYPES`]. What has no record arrives as text that the server
//! made ([`text::BY_TEXT`], [`json::JSON_TEXT`]). `decoder` puts a record to work, `array` does so for arrays of one.

pub mod array;
pub mod boolean;
pub mod byte_char;
pub mod bytea;
pub mod calendar;
pub mod date;
pub mod decoder;
pub mod float;
pub mod integer;
pub mod interval;
pub mod json;
pub mod kind;
pub mod numeric;
pub mod parquet_type;
pub mod record;
pub mod scalar;
pub mod text;
pub mod time;
pub mod timestamp;
pub mod uuid;

pub use decoder::Decoder;
pub use kind::{Column, Kind};
pub use parquet_type::ParquetType;
pub use record::{Printing, Type};

/// Every type; a line each.
pub static TYPES: &[&Type] = &[
    &boolean::BOOL,
    &integer::INT2,
    &integer::INT4,
    &integer::INT8,
    &integer::OID,
    &float::FLOAT4,
    &float::FLOAT8,
    &numeric::NUMERIC,
    &text::TEXT,
    &text::BY_TEXT,
    &byte_char::CHAR,
    &bytea::BYTEA,
    &date::DATE,
    &time::TIME,
    &time::TIMETZ,
    &timestamp::TIMESTAMP,
    &timestamp::TIMESTAMPTZ,
    &timestamp::TIMESTAMPTZ_ISO,
    &interval::INTERVAL,
    &uuid::UUID,
    &json::JSON,
    &json::JSONB,
    &json::JSON_TEXT,
];

/// The record of that name.
pub fn record(kind: &str) -> Option<&'static Type> {
    TYPES.iter().find(|record| record.kind == kind).copied()
}

/// From a name in a plan: `int4`, or `array:<element kind>:<delimiter>`; none for any other text.
pub fn kind(name: &str) -> Option<Kind> {
    let Some(array) = name.strip_prefix("array:") else { return record(name).map(Kind::Scalar) };
    match array.rsplit_once(':').map(|(element, delimiter)| (record(element), delimiter.as_bytes())) {
        Some((Some(element), [delimiter])) => Some(Kind::Array { element, delimiter: *delimiter }),
        _ => None,
    }
}
