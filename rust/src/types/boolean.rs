//! bool (`boolsend`, `boolout`).

use super::parquet_type::ParquetType;
use super::record::{ArrayElement, Binary, Formula, Json, JsonType, Meaning, Printing, Text, Type, Xml, XmlText};
use crate::bytes::cursor::exact;
use crate::bytes::flusher::Flusher;
use crate::columns::builders::{Booleans, Builder};
use crate::error::Result;

pub static BOOL: Type = Type {
    kind: "bool",
    postgres: &["bool"],
    parquet: "boolean",
    text: Text { write: text, fast: None, in_field: None, alphabet: Some(b"tf") },
    json: Json { write: json, fast: Some(fast_json), document: None },
    xml: Xml { text: XmlText::Own(xml), fast: None, json_type: JsonType::Boolean },
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Truth(bool),
    column,
};

/// `boolrecv`: any byte but zero is true.
#[inline]
pub fn bool(bytes: &[u8]) -> Result<bool> {
    exact::<1>(bytes).map(|[b]| b != 0)
}

fn text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    out.push(if bool(bytes)? { b't' } else { b'f' });
    Ok(())
}

fn json(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(word(bool(bytes)?));
    Ok(())
}

fn fast_json(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let [byte] = bytes else { return false };
    out.extend_from_slice(word(*byte != 0));
    true
}

fn xml(bytes: &[u8], _: Binary, out: &mut Vec<u8>, _: &mut Flusher<'_>) -> Result<()> {
    out.extend_from_slice(word(bool(bytes)?));
    Ok(())
}

#[inline]
fn word(value: bool) -> &'static [u8] {
    if value { b"true" } else { b"false" }
}

fn column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Boolean => Some(Box::new(Booleans::new(bool))),
        _ => None,
    }
}
