//! uuid: sixteen bytes, printed as RFC 9562 section 4 does, in lower case.

use super::parquet_type::{ParquetType, UUID_BYTES};
use super::record::{ArrayElement, Formula, Json, JsonType, Meaning, Printing, Text, Type, Xml, XmlText, quoted};
use crate::bytes::cursor::exact;
use crate::bytes::escape::hex;
use crate::columns::builders::{Builder, FixedBytes};
use crate::error::Result;

pub static UUID: Type = Type {
    kind: "uuid",
    postgres: &["uuid"],
    parquet: "uuid",
    text: Text { write: text, fast: None, in_field: None, alphabet: Some(b"-0123456789abcdef") },
    json: Json { write: json, fast: None, document: None },
    xml: Xml { text: XmlText::Safe, fast: None, json_type: JsonType::String },
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Other,
    column,
};

/// Length of the text form: 32 digits and four hyphens.
const TEXT: usize = 36;

fn text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    let uuid = exact::<16>(bytes)?;
    out.reserve(TEXT);
    for (i, byte) in uuid.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&hex(*byte));
    }
    Ok(())
}

fn json(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    quoted(bytes, printing, out, text)
}

fn column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Uuid => Some(Box::new(FixedBytes::new(UUID_BYTES, |bytes: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(&exact::<16>(bytes)?);
            Ok(true)
        }))),
        _ => None,
    }
}
