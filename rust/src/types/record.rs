//! The record of a type: everything that the rest of the core asks about it, in one place.
//!
//! Each type makes one in its own file, and `types/mod.rs` lists them. A format or a planner never names a type; it
//! reads the record.

use std::fmt;

use super::parquet_type::ParquetType;
use crate::bytes::flusher::Flusher;
use crate::columns::builders::Builder;
use crate::error::{Error, Result};

/// What the text of some types depends on beside the value.
#[derive(Debug, Clone, Copy)]
pub struct Printing {
    /// `server_version_num`: text is as a server of that version prints it.
    pub server_version: u32,
    /// JSON has int8 and numeric as strings, for readers that hold doubles.
    pub big_numbers_as_strings: bool,
}

/// Appends what a field becomes.
///
/// # Errors
/// `Error::Protocol` where the bytes are not of the type, `Error::Value` where the format cannot hold the value. Part
/// of the text may have been appended then.
pub type Write = fn(&[u8], Printing, &mut Vec<u8>) -> Result<()>;

/// As [`Write`], in slices for a long field: the flusher is asked between them.
pub type Stream = fn(&[u8], &mut Vec<u8>, &mut Flusher<'_>) -> Result<()>;

/// Appends what `query_to_xml` has for a value, where that is not the type's text.
pub type WriteXml = fn(&[u8], Binary, &mut Vec<u8>, &mut Flusher<'_>) -> Result<()>;

/// What bytea is in XML (`xmlbinary`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Base64,
    /// The type's text: `\x` and two digits a byte.
    Hex,
}

/// Appends a byte and the text of a field, if it is one of the values that most are. It returns in a register, where
/// the result of [`Write`] goes through memory. False says nothing about the field, and nothing was appended.
pub type FastText = fn(&[u8], Option<u8>, &mut Vec<u8>) -> bool;

/// The same for the JSON of a field.
pub type FastJson = fn(&[u8], &mut Vec<u8>) -> bool;

/// One type as it arrives in binary COPY. Several types of PostgreSQL may share a record (text, varchar, name).
pub struct Type {
    /// The name in a plan (`plan.Column.kind`).
    pub kind: &'static str,
    /// The types of `pg_catalog` that arrive so; none for what only generated SQL makes.
    pub postgres: &'static [&'static str],
    /// The Parquet type where no option says otherwise, by its name in a plan; `decimal` depends on the column's type
    /// modifier.
    pub parquet: &'static str,
    pub text: Text,
    pub json: Json,
    pub xml: Xml,
    /// How a field of more than [`SLICE_BYTES`](crate::bytes::flusher::SLICE_BYTES) is written; none for the types that
    /// never print more than 150,000 bytes.
    pub large: Option<Large>,
    /// What `array_out` does with an element.
    pub array: ArrayElement,
    /// Whether a spreadsheet could run the text as a formula.
    pub formula: Formula,
    /// Whether values can have more digits than a double or a spreadsheet keeps.
    pub big_number: bool,
    /// What a value means to a person, for options that write it otherwise than the server does.
    pub meaning: Meaning,
    /// The builder of a column of that Parquet type; none where the two do not go together. `STRING` and `JSON` are
    /// made of the text and need no builder here.
    pub column: fn(&ParquetType) -> Option<Box<dyn Builder>>,
}

/// What a value means, with what reads it; infinities are those of the type.
#[derive(Clone, Copy)]
pub enum Meaning {
    /// Text that somebody wrote.
    Text,
    /// Text that the server made of a type without a record: of an address, of an amount of money.
    Printed,
    Truth(fn(&[u8]) -> Result<bool>),
    /// Of any width; a float4 as the float8 of the same value.
    Float(fn(&[u8]) -> Result<f64>),
    Integer,
    /// A number with a decimal point that is no float.
    Decimal,
    /// Days since 2000-01-01; `i32::MAX` and `i32::MIN` are infinity and -infinity.
    Day(fn(&[u8]) -> Result<i32>),
    /// Microseconds since midnight, up to and including a whole day.
    Clock(fn(&[u8]) -> Result<i64>),
    /// Microseconds since 2000-01-01 00:00; `i64::MAX` and `i64::MIN` are infinity and -infinity.
    Moment(fn(&[u8]) -> Result<i64>),
    /// The same in UTC, of a value that has a zone.
    Instant(fn(&[u8]) -> Result<i64>),
    /// Anything else.
    Other,
}

/// What the type's output function prints, which is what COPY has.
pub struct Text {
    pub write: Write,
    pub fast: Option<FastText>,
    /// Where the text lies in the field as it is; none where it is made.
    pub in_field: Option<InField>,
    /// All bytes that the text can hold, where that is a small set and the text is never empty.
    pub alphabet: Option<&'static [u8]>,
}

/// Where in a field its text lies.
#[derive(Clone, Copy)]
pub enum InField {
    /// The field is the text.
    Whole,
    /// The field without what comes before the text.
    Part(fn(&[u8]) -> Result<&[u8]>),
}

/// What `row_to_json` has for a value, with its quotes and escapes.
pub struct Json {
    pub write: Write,
    pub fast: Option<FastJson>,
    /// Whether values are JSON documents.
    pub document: Option<Document>,
}

/// Who laid a JSON document out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// Somebody who typed it: it may hold line breaks.
    AsTyped,
    /// The server, on one line.
    Normal,
}

/// What a value is in XML.
pub struct Xml {
    pub text: XmlText,
    /// The fast way to it, for a text that holds nothing to escape.
    pub fast: Option<FastText>,
    /// What `to_json` would call it, for elements of arrays.
    pub json_type: JsonType,
}

pub enum XmlText {
    /// The type's text, which holds nothing to escape.
    Safe,
    /// The type's text, escaped.
    Escaped,
    /// A form of its own, which holds nothing to escape.
    Own(WriteXml),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonType {
    String,
    /// NaN and the infinities, which end in a letter, are strings nevertheless.
    Number,
    Boolean,
}

pub struct Large {
    pub text: Stream,
    pub json: Stream,
}

/// How an element's text gets the quotes that `array_out` puts around blanks, braces, delimiters and the like.
#[derive(Clone, Copy)]
pub enum ArrayElement {
    /// Only the delimiter could make them necessary, and a comma never does.
    Plain,
    /// The text may need them, but holds neither quote nor backslash.
    WithoutEscapes,
    /// The text is arbitrary.
    Any,
    /// Written with its quotes by the type itself.
    Own(Stream),
}

/// Whether a spreadsheet could take the text of a type for a formula. A number never is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formula {
    Never,
    /// By its first byte.
    Possible,
    /// Only behind a blank that a spreadsheet may skip.
    BehindBlank,
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)
    }
}

/// A record is its name: there is one of each.
impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Type {}

/// What `query_to_xml` says to a value that XML Schema has no form for.
#[cold]
pub fn no_infinity(type_name: &str) -> Error {
    Error::value(format!("XML has no infinite {type_name}, as query_to_xml has none"))
}

/// For types whose column in Parquet is made of their text.
pub fn no_column(_: &ParquetType) -> Option<Box<dyn Builder>> {
    None
}

/// Appends the text between quotes, for the JSON of a type whose text has nothing to escape.
#[inline]
pub fn quoted(bytes: &[u8], printing: Printing, out: &mut Vec<u8>, text: Write) -> Result<()> {
    out.push(b'"');
    text(bytes, printing, out)?;
    out.push(b'"');
    Ok(())
}

/// The same for a fast way.
#[inline]
pub fn fast_quoted(bytes: &[u8], out: &mut Vec<u8>, text: FastText) -> bool {
    let fast = text(bytes, Some(b'"'), out);
    if fast {
        out.push(b'"');
    }
    fast
}
