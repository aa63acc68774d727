//! The kinds by name, and what else a test's plan is made of.
#![allow(dead_code, unused_imports)]

pub use _core::compression::Compression;
pub use _core::formats::Format;
pub use _core::formats::csv::{Charset, CsvOptions, Pattern, Truth, Words};
pub use _core::formats::json::JsonOptions;
pub use _core::formats::parquet::{ParquetCompression, ParquetOptions};
pub use _core::formats::xml::{InvalidXmlChars, JsonTypes, XmlOptions};
pub use _core::plan::{Limits, Plan, Scan, Source};
pub use _core::types::record::Binary;
pub use _core::types::{Column, Kind, ParquetType};
use _core::types::{
    boolean, byte_char, bytea, date, float, integer, interval, json, numeric, text, time, timestamp, uuid,
};
pub use _core::wire::params::{
    ChannelBinding, ConnectParams, Host, Methods, SslMode, SslParams, TcpParams, TlsVersions,
};

pub const BOOL: Kind = Kind::Scalar(&boolean::BOOL);
pub const INT2: Kind = Kind::Scalar(&integer::INT2);
pub const INT4: Kind = Kind::Scalar(&integer::INT4);
pub const INT8: Kind = Kind::Scalar(&integer::INT8);
pub const OID: Kind = Kind::Scalar(&integer::OID);
pub const FLOAT4: Kind = Kind::Scalar(&float::FLOAT4);
pub const FLOAT8: Kind = Kind::Scalar(&float::FLOAT8);
pub const NUMERIC: Kind = Kind::Scalar(&numeric::NUMERIC);
pub const TEXT: Kind = Kind::Scalar(&text::TEXT);
pub const BY_TEXT: Kind = Kind::Scalar(&text::BY_TEXT);
pub const CHAR: Kind = Kind::Scalar(&byte_char::CHAR);
pub const BYTEA: Kind = Kind::Scalar(&bytea::BYTEA);
pub const DATE: Kind = Kind::Scalar(&date::DATE);
pub const TIME: Kind = Kind::Scalar(&time::TIME);
pub const TIMETZ: Kind = Kind::Scalar(&time::TIMETZ);
pub const TIMESTAMP: Kind = Kind::Scalar(&timestamp::TIMESTAMP);
pub const TIMESTAMPTZ: Kind = Kind::Scalar(&timestamp::TIMESTAMPTZ);
pub const INTERVAL: Kind = Kind::Scalar(&interval::INTERVAL);
pub const UUID: Kind = Kind::Scalar(&uuid::UUID);
pub const JSON: Kind = Kind::Scalar(&json::JSON);
pub const JSONB: Kind = Kind::Scalar(&json::JSONB);
pub const JSON_TEXT: Kind = Kind::Scalar(&json::JSON_TEXT);

/// Every kind that is not an array.
pub fn scalars() -> Vec<Kind> {
    _core::types::TYPES.iter().map(|record| Kind::Scalar(record)).collect()
}

/// An array with such elements.
pub fn array_of(element: Kind) -> Kind {
    Kind::Array { element: element.record(), delimiter: b',' }
}
