//! What a column is in a Parquet file, and its name in a plan.

/// Bytes of an INT96: nanoseconds of the day in eight, the Julian day in four, both little-endian.
pub const INT96_BYTES: i32 = 12;
/// Bytes of a UUID.
pub const UUID_BYTES: i32 = 16;
/// Largest precisions that fit in INT32 and INT64 (Parquet format, LogicalTypes.md, "DECIMAL").
pub const INT32_DIGITS: u8 = 9;
pub const INT64_DIGITS: u8 = 18;
/// Largest precision of the type, and what an `i128` holds.
pub const MAX_DIGITS: u8 = 38;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParquetType {
    Boolean,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    /// DECIMAL(precision, scale), precision up to 38.
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// UTF8 (STRING): the type's text, as COPY writes it.
    String,
    /// UTF8 with the JSON logical type: as `to_json` writes it.
    Json,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    /// The two in milliseconds, for readers without microseconds.
    TimestampMillis,
    TimestampTzMillis,
    /// Either of them as engines wrote it before Parquet had a type for it; deprecated.
    Int96,
    Uuid,
    List(Box<ParquetType>),
}

impl ParquetType {
    /// From a name in a plan: `int32`, `decimal(18,4)`, `list:int32`; none for any other text.
    pub fn named(name: &str) -> Option<ParquetType> {
        if let Some(element) = name.strip_prefix("list:") {
            return Self::named(element).map(|element| ParquetType::List(Box::new(element)));
        }
        if let Some(digits) = name.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
            let (precision, scale) = digits.split_once(',')?;
            return Some(ParquetType::Decimal {
                precision: precision.trim().parse().ok()?,
                scale: scale.trim().parse().ok()?,
            });
        }
        Some(match name {
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
            "timestamp(millis)" => ParquetType::TimestampMillis,
            "timestamptz(millis)" => ParquetType::TimestampTzMillis,
            "int96" => ParquetType::Int96,
            "uuid" => ParquetType::Uuid,
            _ => return None,
        })
    }
}

/// Bytes of the FIXED_LEN_BYTE_ARRAY that holds a signed number of `precision` digits: the fewest that are enough.
pub fn decimal_bytes(precision: u8) -> i32 {
    let largest = 10_u128.checked_pow(u32::from(precision)).map_or(u128::MAX, |n| n - 1);
    // 16 bytes hold 38 digits, the largest precision.
    (1..16).find(|&bytes| largest < 1_u128 << (8 * bytes - 1)).unwrap_or(16)
}
