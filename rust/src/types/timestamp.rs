//! timestamp and timestamptz (`timestamp_send`, `timestamp_out` and the like), the latter in UTC.

use arrow_array::types::Int64Type;

use super::calendar::{MICROS_PER_DAY, Style, push_timestamp, write_timestamp};
use super::parquet_type::{INT96_BYTES, ParquetType};
use super::record::{
    ArrayElement, Binary, FastText, Formula, Json, JsonType, Meaning, Text, Type, Write, Xml, XmlText, no_infinity,
};
use super::text::ANY_TEXT;
use crate::bytes::cursor::exact;
use crate::bytes::flusher::Flusher;
use crate::columns::builders::{Builder, FixedBytes, Numbers};
use crate::error::{Error, Result};

pub static TIMESTAMP: Type = Type {
    kind: "timestamp",
    postgres: &["timestamp"],
    parquet: "timestamp",
    text: text(
        |bytes, _, out| write(bytes, Style::Text, out),
        |bytes, before, out| push(bytes, Style::Text, before, out),
    ),
    json: Json {
        write: |bytes, _, out| quoted(bytes, Style::Iso, out),
        fast: Some(|bytes, out| push_quoted(bytes, Style::Iso, out)),
        document: None,
    },
    xml: Xml {
        text: XmlText::Own(|bytes, _, out, _| write_xml(bytes, Style::Iso, out)),
        fast: Some(|bytes, before, out| push(bytes, Style::Iso, before, out)),
        json_type: JsonType::String,
    },
    large: None,
    array: ArrayElement::WithoutEscapes,
    formula: Formula::Possible,
    big_number: false,
    meaning: Meaning::Moment(timestamp),
    column: timestamp_column,
};

pub static TIMESTAMPTZ: Type = Type {
    kind: "timestamptz",
    postgres: &["timestamptz"],
    parquet: "timestamptz",
    text: text(
        |bytes, _, out| write(bytes, Style::TextUtc, out),
        |bytes, before, out| push(bytes, Style::TextUtc, before, out),
    ),
    json: Json {
        write: |bytes, _, out| quoted(bytes, Style::IsoUtc, out),
        fast: Some(|bytes, out| push_quoted(bytes, Style::IsoUtc, out)),
        document: None,
    },
    xml: Xml {
        text: XmlText::Own(|bytes, _, out, _| write_xml(bytes, Style::IsoUtc, out)),
        fast: Some(|bytes, before, out| push(bytes, Style::IsoUtc, before, out)),
        json_type: JsonType::String,
    },
    large: None,
    array: ArrayElement::WithoutEscapes,
    formula: Formula::Possible,
    big_number: false,
    meaning: Meaning::Instant(timestamp),
    column: timestamptz_column,
};

/// timestamptz in a zone that is not UTC, for XML: the server knows the zones, so it arrives as text in XML Schema's
/// form (`to_json(c) #>> '{}'`).
pub static TIMESTAMPTZ_ISO: Type = Type {
    kind: "timestamptz_iso",
    xml: Xml { text: XmlText::Own(xml_of_text), fast: None, json_type: JsonType::String },
    ..ANY_TEXT
};

/// Microseconds from 1970-01-01 (Parquet) to 2000-01-01 (PostgreSQL's epoch).
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_MILLIS: i64 = EPOCH_MICROS / MICROS_PER_MILLI;
const MICROS_PER_MILLI: i64 = 1000;
const NANOS_PER_MICRO: i64 = 1000;
/// The Julian day of 2000-01-01 (PostgreSQL's `POSTGRES_EPOCH_JDATE`).
const EPOCH_JULIAN_DAY: i64 = 2_451_545;

const fn text(write: Write, fast: FastText) -> Text {
    // With infinity and BC.
    Text { write, fast: Some(fast), in_field: None, alphabet: Some(b"-0123456789:.+infity BC") }
}

/// Microseconds since 2000-01-01 00:00 (timestamptz: UTC); `i64::MAX` and `i64::MIN` are infinity and -infinity.
#[inline]
pub fn timestamp(bytes: &[u8]) -> Result<i64> {
    exact(bytes).map(i64::from_be_bytes)
}

#[inline]
fn write(bytes: &[u8], style: Style, out: &mut Vec<u8>) -> Result<()> {
    write_timestamp(timestamp(bytes)?, style, out);
    Ok(())
}

/// XML Schema has no infinity.
fn write_xml(bytes: &[u8], style: Style, out: &mut Vec<u8>) -> Result<()> {
    let micros = timestamp(bytes)?;
    if is_infinite(micros) {
        return Err(no_infinity("timestamp"));
    }
    write_timestamp(micros, style, out);
    Ok(())
}

fn xml_of_text(bytes: &[u8], _: Binary, out: &mut Vec<u8>, _: &mut Flusher<'_>) -> Result<()> {
    if matches!(bytes, b"infinity" | b"-infinity") {
        return Err(no_infinity("timestamp"));
    }
    if !bytes.iter().all(|b| b.is_ascii_digit() || b"-:.+T BC".contains(b)) {
        return Err(Error::protocol("a timestamp with other characters than those of one"));
    }
    out.extend_from_slice(bytes);
    Ok(())
}

#[inline]
fn is_infinite(micros: i64) -> bool {
    micros == i64::MIN || micros == i64::MAX
}

#[inline]
fn push(bytes: &[u8], style: Style, before: Option<u8>, out: &mut Vec<u8>) -> bool {
    timestamp(bytes).is_ok_and(|micros| push_timestamp(micros, style, before, out))
}

#[inline]
fn quoted(bytes: &[u8], style: Style, out: &mut Vec<u8>) -> Result<()> {
    let micros = timestamp(bytes)?;
    out.push(b'"');
    write_timestamp(micros, style, out);
    out.push(b'"');
    Ok(())
}

#[inline]
fn push_quoted(bytes: &[u8], style: Style, out: &mut Vec<u8>) -> bool {
    let pushed = push(bytes, style, Some(b'"'), out);
    if pushed {
        out.push(b'"');
    }
    pushed
}

/// Microseconds since 1970-01-01; none for an infinity and past 294247-01-10, where 64 bits end.
#[inline]
fn unix_micros(bytes: &[u8]) -> Result<Option<i64>> {
    let micros = timestamp(bytes)?;
    Ok(if is_infinite(micros) { None } else { micros.checked_add(EPOCH_MICROS) })
}

/// Milliseconds since 1970-01-01; none for an infinity, and where microseconds would be lost.
#[inline]
fn unix_millis(bytes: &[u8]) -> Result<Option<i64>> {
    let micros = timestamp(bytes)?;
    let whole = !is_infinite(micros) && micros % MICROS_PER_MILLI == 0;
    Ok(if whole { (micros / MICROS_PER_MILLI).checked_add(EPOCH_MILLIS) } else { None })
}

/// Appends an INT96: nanoseconds of the day and the Julian day. Every timestamp but the infinities has one.
fn write_int96(bytes: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    let micros = timestamp(bytes)?;
    let day_micros = MICROS_PER_DAY as i64;
    let day = i32::try_from(micros.div_euclid(day_micros).saturating_add(EPOCH_JULIAN_DAY));
    let (false, Ok(day)) = (is_infinite(micros), day) else { return Ok(false) };
    let nanos = micros.rem_euclid(day_micros).saturating_mul(NANOS_PER_MICRO);
    out.extend_from_slice(&nanos.to_le_bytes());
    out.extend_from_slice(&day.to_le_bytes());
    Ok(true)
}

fn timestamp_column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Timestamp => Some(Box::new(Numbers::<Int64Type, _>::new(unix_micros))),
        ParquetType::TimestampMillis => Some(Box::new(Numbers::<Int64Type, _>::new(unix_millis))),
        ParquetType::Int96 => Some(Box::new(FixedBytes::new(INT96_BYTES, write_int96))),
        _ => None,
    }
}

fn timestamptz_column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::TimestampTz => Some(Box::new(Numbers::<Int64Type, _>::new(unix_micros))),
        ParquetType::TimestampTzMillis => Some(Box::new(Numbers::<Int64Type, _>::new(unix_millis))),
        ParquetType::Int96 => Some(Box::new(FixedBytes::new(INT96_BYTES, write_int96))),
        _ => None,
    }
}
