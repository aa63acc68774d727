//! json and jsonb, and JSON that the server made (`to_json(c)::text`) of a type without a record: all are text that is
//! passed on as it is.

use super::record::{
    ArrayElement, Document, Formula, InField, Json, JsonType, Large, Meaning, Printing, Text, Type, Xml, XmlText,
    no_column,
};
use crate::bytes::escape::check_text;
use crate::bytes::flusher::Flusher;
use crate::error::{Error, Result};

pub static JSON: Type = Type { kind: "json", postgres: &["json"], ..DOCUMENT };

/// Spliced in as it is; JSON formats only.
pub static JSON_TEXT: Type = Type { kind: "json_text", ..DOCUMENT };

pub static JSONB: Type = Type {
    kind: "jsonb",
    postgres: &["jsonb"],
    parquet: "json",
    text: Text { write: jsonb_copy, fast: None, in_field: Some(InField::Part(jsonb_text)), alphabet: None },
    json: Json { write: jsonb_splice, fast: None, document: Some(Document::Normal) },
    xml: Xml { text: XmlText::Escaped, fast: None, json_type: JsonType::String },
    large: Some(Large { text: jsonb_large_text, json: jsonb_large_json }),
    array: ArrayElement::Any,
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Other,
    column: no_column,
};

const DOCUMENT: Type = Type {
    kind: "",
    postgres: &[],
    parquet: "json",
    text: Text { write: copy, fast: None, in_field: Some(InField::Whole), alphabet: None },
    json: Json { write: splice, fast: None, document: Some(Document::AsTyped) },
    xml: Xml { text: XmlText::Escaped, fast: None, json_type: JsonType::String },
    large: Some(Large { text: large_text, json: large_json }),
    array: ArrayElement::Any,
    formula: Formula::BehindBlank,
    big_number: false,
    meaning: Meaning::Other,
    column: no_column,
};

/// The only version of jsonb's binary format (`jsonb_send`).
const JSONB_VERSION: u8 = 1;

/// The text of a jsonb field, without its version byte.
///
/// # Errors
/// `Error::Protocol` where the version is another or missing.
#[inline]
pub fn jsonb_text(bytes: &[u8]) -> Result<&[u8]> {
    match bytes.split_first() {
        Some((&JSONB_VERSION, text)) => Ok(text),
        Some((version, _)) => Err(Error::protocol(format!("jsonb of the unknown version {version}"))),
        None => Err(Error::protocol("an empty jsonb field")),
    }
}

fn copy(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(bytes);
    Ok(())
}

fn jsonb_copy(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    copy(jsonb_text(bytes)?, printing, out)
}

/// Only that it is text is checked.
fn splice(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    check_text(bytes)?;
    out.extend_from_slice(bytes);
    Ok(())
}

fn jsonb_splice(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    splice(jsonb_text(bytes)?, printing, out)
}

fn large_text(bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
    flusher.copy(bytes, out)
}

fn large_json(bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
    check_text(bytes)?;
    flusher.copy(bytes, out)
}

fn jsonb_large_text(bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
    large_text(jsonb_text(bytes)?, out, flusher)
}

fn jsonb_large_json(bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
    large_json(jsonb_text(bytes)?, out, flusher)
}
