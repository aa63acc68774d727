//! time and timetz (`time_send`, `time_out` and the like).

use arrow_array::types::Int64Type;

use super::calendar::{MICROS_PER_DAY, write_at_least_two, write_time};
use super::parquet_type::ParquetType;
use super::record::{
    ArrayElement, Formula, Json, JsonType, Meaning, Printing, Text, Type, Write, Xml, XmlText, no_column, quoted,
};
use crate::bytes::cursor::{Cursor, exact};
use crate::columns::builders::{Builder, Numbers};
use crate::error::{Error, Result};

pub static TIME: Type = Type {
    kind: "time",
    postgres: &["time"],
    parquet: "time",
    text: text(time_text),
    json: Json { write: |bytes, printing, out| quoted(bytes, printing, out, time_text), fast: None, document: None },
    xml: Xml { text: XmlText::Safe, fast: None, json_type: JsonType::String },
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Clock(time),
    column,
};

pub static TIMETZ: Type = Type {
    kind: "timetz",
    postgres: &["timetz"],
    parquet: "string",
    text: text(timetz_text),
    json: Json { write: |bytes, printing, out| quoted(bytes, printing, out, timetz_text), fast: None, document: None },
    xml: Xml { text: XmlText::Safe, fast: None, json_type: JsonType::String },
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Other,
    column: no_column,
};

const fn text(write: Write) -> Text {
    Text { write, fast: None, in_field: None, alphabet: Some(b"0123456789:.+-") }
}

/// Microseconds since midnight, up to and including 24:00:00.
#[inline]
pub fn time(bytes: &[u8]) -> Result<i64> {
    let micros = exact(bytes).map(i64::from_be_bytes)?;
    match u64::try_from(micros) {
        Ok(0..=MICROS_PER_DAY) => Ok(micros),
        _ => Err(Error::protocol(format!("a time of {micros} microseconds"))),
    }
}

/// A time and its zone in seconds *west* of UTC, as it is stored.
#[inline]
fn timetz(bytes: &[u8]) -> Result<(i64, i32)> {
    let mut cursor = Cursor::new(bytes);
    let micros = time(cursor.take(8)?)?;
    let zone = cursor.i32()?;
    cursor.end()?;
    Ok((micros, zone))
}

fn time_text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    write_time(time(bytes)?.unsigned_abs(), out);
    Ok(())
}

fn timetz_text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    let (micros, zone) = timetz(bytes)?;
    write_timetz(micros.unsigned_abs(), zone, out);
    Ok(())
}

/// Appends the text of `timetz_out`: the time and its zone as `+HH`, `+HH:MM` or `+HH:MM:SS`.
fn write_timetz(micros: u64, zone: i32, out: &mut Vec<u8>) {
    write_time(micros, out);
    out.push(if zone <= 0 { b'+' } else { b'-' });
    let zone = zone.unsigned_abs();
    let (hours, minutes, seconds) = (zone / 3600, zone / 60 % 60, zone % 60);
    write_at_least_two(hours, out);
    if minutes != 0 || seconds != 0 {
        out.push(b':');
        write_at_least_two(minutes, out);
    }
    if seconds != 0 {
        out.push(b':');
        write_at_least_two(seconds, out);
    }
}

/// Microseconds since midnight; none for `24:00:00`, which readers take for 00:00 or for no value.
#[inline]
fn before_midnight(bytes: &[u8]) -> Result<Option<i64>> {
    time(bytes).map(|micros| Some(micros).filter(|micros| micros.unsigned_abs() < MICROS_PER_DAY))
}

fn column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Time => Some(Box::new(Numbers::<Int64Type, _>::new(before_midnight))),
        // A plain number of microseconds, which can say 24:00:00 too.
        ParquetType::Int64 => Some(Box::new(Numbers::<Int64Type, _>::new(|bytes: &[u8]| time(bytes).map(Some)))),
        _ => None,
    }
}
