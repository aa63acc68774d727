//! text, varchar, bpchar, name and enum labels, whose bytes are the text; and text that the server made of a type
//! without a record.
//!
//! For the latter the planner selects `CASE WHEN c IS DISTINCT FROM NULL THEN pg_catalog.format('%s', c) END`, which is
//! what COPY would write; it is not looked into.

use super::record::{
    ArrayElement, Formula, InField, Json, JsonType, Large, Meaning, Printing, Text, Type, Xml, XmlText, no_column,
};
use crate::bytes::escape::{SHORT, any_byte, check_text, json_content, json_string};
use crate::bytes::flusher::Flusher;
use crate::error::Result;

pub static TEXT: Type = Type { kind: "text", postgres: &["text", "varchar", "bpchar", "name"], ..ANY_TEXT };

pub static BY_TEXT: Type = Type { kind: "by_text", meaning: Meaning::Printed, ..ANY_TEXT };

/// What is text on the wire, for a kind of its own.
pub(super) const ANY_TEXT: Type = Type {
    kind: "",
    postgres: &[],
    parquet: "string",
    text: Text { write: text, fast: None, in_field: Some(InField::Whole), alphabet: None },
    json: Json { write: json, fast: Some(fast_json), document: None },
    xml: Xml { text: XmlText::Escaped, fast: None, json_type: JsonType::String },
    large: Some(Large { text: large_text, json: large_json }),
    array: ArrayElement::Any,
    formula: Formula::Possible,
    big_number: false,
    meaning: Meaning::Text,
    column: no_column,
};

fn text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(bytes);
    Ok(())
}

fn json(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    json_string(bytes, out)
}

/// Most text is short, ASCII, and has nothing to escape: that is seen in one pass.
fn fast_json(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    if bytes.len() > SHORT || any_byte(bytes, |b| (b < b' ') | (b == b'"') | (b == b'\\') | !b.is_ascii()) {
        return false;
    }
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
    true
}

fn large_text(bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
    flusher.copy(bytes, out)
}

fn large_json(bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
    check_text(bytes)?;
    out.push(b'"');
    flusher.in_slices(bytes, out, json_content)?;
    out.push(b'"');
    Ok(())
}
