//! The decoder of a column, chosen once from its kind: field bytes to the type's text, or to its JSON.
//!
//! A file a family. Each reads its bytes through `cursor` and is the only place that knows its wire format; the
//! functions that return plain values are for Parquet, those that write are for the text formats.

use crate::encode::digits::{signed, unsigned};
use crate::encode::text::json_string;
use crate::error::Result;
use crate::plan::Kind;

pub mod array;
pub mod by_text;
pub mod bytea;
pub mod datetime;
pub mod fixed;
pub mod float;
pub mod interval;
pub mod json;
pub mod numeric;
mod pieces;
pub mod text;
pub mod usual;
pub mod uuid;

use array::ArrayWriter;
use datetime::Style;
use interval::Interval;
use numeric::Numeric;
use text::CharText;

/// What a field is and how it is written.
#[derive(Debug, Clone)]
pub enum Decoder {
    Bool,
    Int2,
    Int4,
    Int8 { quoted: bool },
    Oid,
    Float4,
    Float8,
    Numeric { quoted: bool },
    Text,
    Char { server_version: u32 },
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval { server_version: u32 },
    Uuid,
    Json,
    Jsonb,
    Array(Box<ArrayWriter>),
    JsonText,
}

impl Decoder {
    /// The decoder of a kind, as a server of that version (`server_version_num`) prints it.
    pub fn new(kind: &Kind, server_version: u32) -> Decoder {
        Self::with_big_numbers(kind, server_version, false)
    }

    /// As `new`; with `quoted`, JSON has int8 and numeric as strings, for readers that hold doubles.
    pub fn with_big_numbers(kind: &Kind, server_version: u32, quoted: bool) -> Decoder {
        match kind {
            Kind::Bool => Decoder::Bool,
            Kind::Int2 => Decoder::Int2,
            Kind::Int4 => Decoder::Int4,
            Kind::Int8 => Decoder::Int8 { quoted },
            Kind::Oid => Decoder::Oid,
            Kind::Float4 => Decoder::Float4,
            Kind::Float8 => Decoder::Float8,
            Kind::Numeric => Decoder::Numeric { quoted },
            Kind::Text | Kind::ByText => Decoder::Text,
            Kind::Char => Decoder::Char { server_version },
            Kind::Bytea => Decoder::Bytea,
            Kind::Date => Decoder::Date,
            Kind::Time => Decoder::Time,
            Kind::TimeTz => Decoder::TimeTz,
            Kind::Timestamp => Decoder::Timestamp,
            Kind::TimestampTz => Decoder::TimestampTz,
            Kind::Interval => Decoder::Interval { server_version },
            Kind::Uuid => Decoder::Uuid,
            Kind::Json => Decoder::Json,
            Kind::Jsonb => Decoder::Jsonb,
            Kind::Array { element, delimiter } => {
                let decoder = Self::with_big_numbers(element, server_version, quoted);
                Decoder::Array(Box::new(ArrayWriter::new(element, *delimiter, decoder)))
            }
            Kind::JsonText => Decoder::JsonText,
        }
    }

    /// Appends exactly what the type's output function prints, which is what COPY has for the value.
    ///
    /// # Errors
    /// `Error::Protocol` where the bytes are not of this type. `out` may then hold part of the text.
    #[inline]
    pub fn write_text(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Decoder::Bool => out.push(if fixed::bool(bytes)? { b't' } else { b'f' }),
            Decoder::Int2 => signed(fixed::int2(bytes)?.into(), out),
            Decoder::Int4 => signed(fixed::int4(bytes)?.into(), out),
            Decoder::Int8 { .. } => signed(fixed::int8(bytes)?, out),
            Decoder::Oid => unsigned(fixed::oid(bytes)?.into(), out),
            Decoder::Float4 => float::write_f32(fixed::float4(bytes)?, out),
            Decoder::Float8 => float::write_f64(fixed::float8(bytes)?, out),
            Decoder::Numeric { .. } => match numeric::short_text(bytes) {
                Some(text) => text.push(out),
                None => Numeric::parse(bytes)?.write(out),
            },
            Decoder::Text | Decoder::Json | Decoder::JsonText => out.extend_from_slice(bytes),
            Decoder::Char { server_version } => {
                out.extend_from_slice(CharText::parse(bytes, *server_version)?.as_bytes())
            }
            Decoder::Bytea => bytea::write(bytes, out),
            Decoder::Date => datetime::write_date(datetime::date(bytes)?, out),
            Decoder::Time => datetime::write_time(datetime::time(bytes)?.unsigned_abs(), out),
            Decoder::TimeTz => {
                let (micros, zone) = datetime::timetz(bytes)?;
                datetime::write_timetz(micros.unsigned_abs(), zone, out);
            }
            Decoder::Timestamp => datetime::write_timestamp(datetime::timestamp(bytes)?, Style::Text, out),
            Decoder::TimestampTz => datetime::write_timestamp(datetime::timestamp(bytes)?, Style::TextUtc, out),
            Decoder::Interval { server_version } => Interval::parse(bytes)?.write(*server_version, out),
            Decoder::Uuid => uuid::write(bytes, out)?,
            Decoder::Jsonb => out.extend_from_slice(json::jsonb_text(bytes)?),
            Decoder::Array(writer) => writer.write_text(bytes, out)?,
        }
        Ok(())
    }

    /// Appends exactly what `row_to_json` has for the value, with its quotes and escapes; json and jsonb as they are.
    ///
    /// # Errors
    /// `Error::Protocol` where the bytes are not of this type, `Error::Value` where text is not UTF-8.
    #[inline]
    pub fn write_json(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Decoder::Bool => out.extend_from_slice(if fixed::bool(bytes)? { b"true" } else { b"false" }),
            Decoder::Int2 | Decoder::Int4 | Decoder::Int8 { quoted: false } => self.write_text(bytes, out)?,
            Decoder::Numeric { quoted: false } => match numeric::short_text(bytes) {
                Some(text) => text.push(out),
                None => {
                    let number = Numeric::parse(bytes)?;
                    if number.is_special() { self.write_quoted(bytes, out)? } else { number.write(out) }
                }
            },
            Decoder::Float4 if fixed::float4(bytes)?.is_finite() => self.write_text(bytes, out)?,
            Decoder::Float8 if fixed::float8(bytes)?.is_finite() => self.write_text(bytes, out)?,
            Decoder::Text => json_string(bytes, out)?,
            Decoder::Char { server_version } => CharText::parse(bytes, *server_version)?.write_json(out)?,
            Decoder::Bytea => {
                out.extend_from_slice(b"\"\\\\x");
                bytea::write_digits(bytes, out);
                out.push(b'"');
            }
            Decoder::Timestamp => quoted_timestamp(bytes, Style::Iso, out)?,
            Decoder::TimestampTz => quoted_timestamp(bytes, Style::IsoUtc, out)?,
            Decoder::Json | Decoder::JsonText => by_text::splice_json(bytes, out)?,
            Decoder::Jsonb => by_text::splice_json(json::jsonb_text(bytes)?, out)?,
            Decoder::Array(writer) => writer.write_json(bytes, out)?,
            Decoder::Int8 { .. }
            | Decoder::Oid
            | Decoder::Float4
            | Decoder::Float8
            | Decoder::Numeric { .. }
            | Decoder::Date
            | Decoder::Time
            | Decoder::TimeTz
            | Decoder::Interval { .. }
            | Decoder::Uuid => self.write_quoted(bytes, out)?,
        }
        Ok(())
    }

    /// The text between quotes, of a type whose text has nothing to escape.
    #[inline]
    fn write_quoted(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.push(b'"');
        self.write_text(bytes, out)?;
        out.push(b'"');
        Ok(())
    }
}

#[inline]
fn quoted_timestamp(bytes: &[u8], style: Style, out: &mut Vec<u8>) -> Result<()> {
    let micros = datetime::timestamp(bytes)?;
    out.push(b'"');
    datetime::write_timestamp(micros, style, out);
    out.push(b'"');
    Ok(())
}
