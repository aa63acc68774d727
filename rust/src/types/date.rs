//! date (`date_send`, `date_out`).

use arrow_array::types::Int32Type;

use super::calendar::{short_date, write_date};
use super::parquet_type::ParquetType;
use super::record::{
    ArrayElement, Binary, Formula, Json, JsonType, Meaning, Printing, Text, Type, Xml, XmlText, fast_quoted,
    no_infinity, quoted,
};
use crate::bytes::cursor::exact;
use crate::bytes::flusher::Flusher;
use crate::columns::builders::{Builder, Numbers};
use crate::error::Result;

pub static DATE: Type = Type {
    kind: "date",
    postgres: &["date"],
    parquet: "date",
    // With infinity and BC.
    text: Text { write: text, fast: Some(fast), in_field: None, alphabet: Some(b"-0123456789infity BC") },
    json: Json { write: json, fast: Some(|bytes, out| fast_quoted(bytes, out, fast)), document: None },
    xml: Xml { text: XmlText::Own(xml), fast: Some(fast), json_type: JsonType::String },
    large: None,
    array: ArrayElement::WithoutEscapes,
    // -infinity is no number to a spreadsheet.
    formula: Formula::Possible,
    big_number: false,
    meaning: Meaning::Day(date),
    column,
};

/// Days from 1970-01-01 (Parquet) to 2000-01-01 (PostgreSQL's epoch).
const EPOCH_DAYS: i32 = 10_957;

/// Days since 2000-01-01; `i32::MAX` and `i32::MIN` are infinity and -infinity.
#[inline]
pub fn date(bytes: &[u8]) -> Result<i32> {
    exact(bytes).map(i32::from_be_bytes)
}

fn text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    write_date(date(bytes)?, out);
    Ok(())
}

fn json(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    quoted(bytes, printing, out, text)
}

fn fast(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    let short = date(field).ok().and_then(short_date).and_then(|text| text.behind_byte(before));
    short.map(|text| text.push(out)).is_some()
}

/// XML Schema's form, which is the type's text; it has no infinity.
fn xml(bytes: &[u8], _: Binary, out: &mut Vec<u8>, _: &mut Flusher<'_>) -> Result<()> {
    let days = date(bytes)?;
    if is_infinite(days) {
        return Err(no_infinity("date"));
    }
    write_date(days, out);
    Ok(())
}

#[inline]
fn is_infinite(days: i32) -> bool {
    days == i32::MIN || days == i32::MAX
}

/// Days since 1970-01-01; none for an infinity.
#[inline]
fn unix_days(bytes: &[u8]) -> Result<Option<i32>> {
    let days = date(bytes)?;
    Ok(if is_infinite(days) { None } else { days.checked_add(EPOCH_DAYS) })
}

fn column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Date => Some(Box::new(Numbers::<Int32Type, _>::new(unix_days))),
        _ => None,
    }
}
