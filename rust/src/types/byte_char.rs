//! The one-byte type `"char"` (`charsend`, `charout`).

use super::record::{ArrayElement, Formula, Json, JsonType, Meaning, Printing, Text, Type, Xml, XmlText, no_column};
use crate::bytes::cursor::exact;
use crate::bytes::escape::json_string;
use crate::error::Result;

pub static CHAR: Type = Type {
    kind: "char",
    postgres: &["char"],
    parquet: "string",
    text: Text { write: text, fast: None, in_field: None, alphabet: None },
    json: Json { write: json, fast: None, document: None },
    xml: Xml { text: XmlText::Escaped, fast: None, json_type: JsonType::String },
    large: None,
    array: ArrayElement::Any,
    formula: Formula::Possible,
    big_number: false,
    meaning: Meaning::Text,
    column: no_column,
};

/// From this version on `charout` writes a byte above 127 as a backslash and three octal digits; before, as it is.
const OCTAL_SINCE: u32 = 150_000;

fn text(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(CharText::parse(bytes, printing.server_version)?.as_bytes());
    Ok(())
}

fn json(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    json_string(CharText::parse(bytes, printing.server_version)?.as_bytes(), out)
}

/// The text of a value: at most four bytes, held by value.
#[derive(Debug, Clone, Copy)]
struct CharText {
    bytes: [u8; 4],
    length: usize,
}

impl CharText {
    /// Reads the field: the zero byte prints as the empty string.
    #[inline]
    fn parse(bytes: &[u8], server_version: u32) -> Result<Self> {
        let [byte] = exact::<1>(bytes)?;
        Ok(match byte {
            0 => CharText { bytes: [0; 4], length: 0 },
            128.. if server_version >= OCTAL_SINCE => {
                CharText { bytes: [b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)], length: 4 }
            }
            _ => CharText { bytes: [byte, 0, 0, 0], length: 1 },
        })
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}
