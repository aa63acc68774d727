//! bytea in the hex format (PostgreSQL manual, "Binary Data Types", `bytea_output = hex`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::parquet_type::ParquetType;
use super::record::{
    ArrayElement, Binary, Formula, Json, JsonType, Large, Meaning, Printing, Text, Type, Xml, XmlText,
};
use crate::bytes::escape::hex;
use crate::bytes::flusher::Flusher;
use crate::columns::builders::{Builder, Strings};
use crate::error::{Error, Result};

pub static BYTEA: Type = Type {
    kind: "bytea",
    postgres: &["bytea"],
    parquet: "bytes",
    text: Text { write: text, fast: None, in_field: None, alphabet: Some(b"\\x0123456789abcdef") },
    json: Json { write: json, fast: None, document: None },
    xml: Xml { text: XmlText::Own(xml), fast: None, json_type: JsonType::String },
    large: Some(Large { text: large_text, json: large_json }),
    // The backslash makes `array_out` quote and double it, which is what JSON does too.
    array: ArrayElement::Own(large_json),
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Other,
    column,
};

const PREFIX: &[u8] = b"\\x";
const QUOTED_PREFIX: &[u8] = b"\"\\\\x";
/// Characters of a line of base64, and what ends it but the last: a parser makes a line feed of it, and readers of
/// base64 skip both.
const BASE64_LINE: usize = 72;
const BASE64_LINE_END: &[u8] = b"\r\n";
/// Bytes converted at a time: the digits of a block are built on the stack and appended at once.
const BLOCK: usize = 64;

fn text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(PREFIX);
    digits(bytes, out);
    Ok(())
}

fn json(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(QUOTED_PREFIX);
    digits(bytes, out);
    out.push(b'"');
    Ok(())
}

fn large_text(bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
    out.extend_from_slice(PREFIX);
    flusher.in_slices(bytes, out, digits)
}

fn large_json(bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
    out.extend_from_slice(QUOTED_PREFIX);
    flusher.in_slices(bytes, out, digits)?;
    out.push(b'"');
    Ok(())
}

fn xml(bytes: &[u8], binary: Binary, out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
    match binary {
        Binary::Hex => large_text(bytes, out, flusher),
        Binary::Base64 => base64(bytes, out, flusher),
    }
}

/// Appends base64 in lines, as libxml2 writes it for the server (`xmlTextWriterWriteBase64`).
fn base64(bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
    let mut text = [0; BASE64_LINE];
    for (at, line) in bytes.chunks(BASE64_LINE / 4 * 3).enumerate() {
        if at > 0 {
            out.extend_from_slice(BASE64_LINE_END);
        }
        let length = STANDARD.encode_slice(line, &mut text).map_err(|e| Error::Internal(format!("base64: {e}")))?;
        out.extend_from_slice(text.get(..length).unwrap_or_default());
        flusher.flush_if_full(out)?;
    }
    Ok(())
}

/// Appends two hexadecimal digits a byte.
fn digits(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().saturating_mul(2));
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        out.extend_from_slice(block.map(hex).as_flattened());
    }
    for byte in rest {
        out.extend_from_slice(&hex(*byte));
    }
}

fn column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Bytes => Some(Box::new(Strings::<_, false>::new(|bytes: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(bytes);
            Ok(())
        }))),
        _ => None,
    }
}
