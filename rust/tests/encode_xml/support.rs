//! Rows by hand, and what an independent parser makes of the file.

use _core::bytes::flusher::Flusher;
use _core::copy::frame::Frames;
use _core::error::Result;
use _core::formats::text::TextEncoder;
use _core::formats::xml::Xml;
use roxmltree::{Document, Node};

use crate::common::*;

pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

pub fn options(json_types: JsonTypes, invalid_chars: InvalidXmlChars) -> XmlOptions {
    XmlOptions { root: "records".into(), record: "record".into(), json_types, invalid_chars, binary: Binary::Base64 }
}

pub fn encoder(columns: &[(&str, Kind)], options: XmlOptions) -> Xml {
    let columns: Vec<Column> = columns
        .iter()
        .map(|(target, kind)| Column {
            source: format!("source of {target}"),
            target: (*target).to_owned(),
            kind: *kind,
            parquet: ParquetType::String,
        })
        .collect();
    Xml::new(&options, &columns, VERSION)
}

/// A row as binary COPY has it.
pub fn tuple(fields: &[Option<&[u8]>]) -> Vec<u8> {
    let mut bytes = i16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
    for field in fields {
        match field {
            None => bytes.extend((-1i32).to_be_bytes()),
            Some(field) => {
                bytes.extend(i32::try_from(field.len()).unwrap().to_be_bytes());
                bytes.extend_from_slice(field);
            }
        }
    }
    bytes
}

/// The whole file with these rows.
pub fn file(xml: &mut Xml, columns: usize, rows: &[Vec<u8>]) -> Result<String> {
    let mut frames = Frames::new(columns);
    frames.message(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0").unwrap();
    let mut out = Vec::new();
    xml.header(&mut out);
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(xml.separator());
        }
        xml.row(frames.message(row)?.expect("a row"), &mut out, &mut Flusher::new(usize::MAX, &mut |_| Ok(())))?;
    }
    xml.footer(!rows.is_empty(), &mut out);
    Ok(String::from_utf8(out).expect("output in UTF-8"))
}

/// The file with one row of one column `c`.
pub fn one(kind: Kind, bytes: &[u8], options: XmlOptions) -> Result<String> {
    file(&mut encoder(&[("c", kind)], options), 1, &[tuple(&[Some(bytes)])])
}

pub fn parse(text: &str) -> Document<'_> {
    Document::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The only element of the only record.
pub fn only<'a>(document: &'a Document<'a>) -> Node<'a, 'a> {
    document.root_element().first_element_child().unwrap().first_element_child().unwrap()
}

pub fn is_nil(node: Node<'_, '_>) -> bool {
    node.attribute((XSI, "nil")) == Some("true")
}

/// The name that an element's name was made from.
pub fn unescape(name: &str) -> String {
    if name == "_" {
        return String::new();
    }
    let (mut out, mut rest) = (String::new(), name);
    while let Some(c) = rest.chars().next() {
        let escape = rest.strip_prefix("_x").and_then(|after| {
            let (hex, after) = after.split_once('_')?;
            let valid = matches!(hex.len(), 4 | 6) && hex.bytes().all(|b| b.is_ascii_hexdigit());
            valid.then(|| (char::from_u32(u32::from_str_radix(hex, 16).unwrap()).expect("a character"), after))
        });
        let (c, after) = escape.unwrap_or((c, &rest[c.len_utf8()..]));
        out.push(c);
        rest = after;
    }
    out
}

pub fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
