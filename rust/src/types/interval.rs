//! interval in the `postgres` style (`EncodeInterval`, `INTSTYLE_POSTGRES`).

use super::calendar::{MICROS_PER_SECOND, write_at_least_two, write_fraction};
use super::record::{
    ArrayElement, Formula, Json, JsonType, Meaning, Printing, Text, Type, Xml, XmlText, no_column, quoted,
};
use crate::bytes::cursor::Cursor;
use crate::bytes::digits::signed;
use crate::error::Result;

pub static INTERVAL: Type = Type {
    kind: "interval",
    postgres: &["interval"],
    parquet: "string",
    // With year, mon, day and infinity.
    text: Text { write: text, fast: None, in_field: None, alphabet: Some(b"-+0123456789:. yearsmondinfity") },
    json: Json { write: json, fast: None, document: None },
    xml: Xml { text: XmlText::Safe, fast: None, json_type: JsonType::String },
    large: None,
    array: ArrayElement::WithoutEscapes,
    // -1 days is no number to a spreadsheet.
    formula: Formula::Possible,
    big_number: false,
    meaning: Meaning::Other,
    column: no_column,
};

/// From this version on the largest and smallest values of all three fields are the infinities; before, they are
/// finite.
const INFINITY_SINCE: u32 = 170_000;
const MONTHS_PER_YEAR: i32 = 12;

fn text(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    Interval::parse(bytes)?.write(printing.server_version, out);
    Ok(())
}

fn json(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    quoted(bytes, printing, out, text)
}

/// The three fields of an interval, which are independent and may differ in sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interval {
    months: i32,
    days: i32,
    micros: i64,
}

impl Interval {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        let micros = cursor.i64()?;
        let days = cursor.i32()?;
        let months = cursor.i32()?;
        cursor.end()?;
        Ok(Interval { months, days, micros })
    }

    /// Appends the text of `interval_out` of a server of that version.
    fn write(self, server_version: u32, out: &mut Vec<u8>) {
        if server_version >= INFINITY_SINCE {
            match (self.months, self.days, self.micros) {
                (i32::MAX, i32::MAX, i64::MAX) => return out.extend_from_slice(b"infinity"),
                (i32::MIN, i32::MIN, i64::MIN) => return out.extend_from_slice(b"-infinity"),
                _ => (),
            }
        }
        let mut parts = Parts { empty: true, after_negative: false };
        parts.write(self.months / MONTHS_PER_YEAR, "year", out);
        parts.write(self.months % MONTHS_PER_YEAR, "mon", out);
        parts.write(self.days, "day", out);
        if parts.empty || self.micros != 0 {
            parts.write_time(self.micros, out);
        }
    }
}

/// What has been written so far decides blanks and signs (`AddPostgresIntPart`).
struct Parts {
    empty: bool,
    /// The last part was negative: a positive one now needs its sign.
    after_negative: bool,
}

impl Parts {
    fn write(&mut self, value: i32, unit: &str, out: &mut Vec<u8>) {
        if value == 0 {
            return;
        }
        if !self.empty {
            out.push(b' ');
        }
        if self.after_negative && value > 0 {
            out.push(b'+');
        }
        signed(value.into(), out);
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if value != 1 {
            out.push(b's');
        }
        self.after_negative = value < 0;
        self.empty = false;
    }

    /// Hours may have any number of digits.
    fn write_time(&self, micros: i64, out: &mut Vec<u8>) {
        if !self.empty {
            out.push(b' ');
        }
        if micros < 0 {
            out.push(b'-');
        } else if self.after_negative {
            out.push(b'+');
        }
        let magnitude = micros.unsigned_abs();
        let seconds = magnitude / MICROS_PER_SECOND;
        write_at_least_two(seconds / 3600, out);
        out.push(b':');
        write_at_least_two(seconds / 60 % 60, out);
        out.push(b':');
        write_at_least_two(seconds % 60, out);
        // Below a million.
        write_fraction((magnitude % MICROS_PER_SECOND) as u32, out);
    }
}
