//! The options of XML.

use crate::formats::options::{Options, Refused, one_of};
use crate::types::record::Binary;

#[derive(Debug, Clone)]
pub struct XmlOptions {
    pub root: String,
    pub record: String,
    pub json_types: JsonTypes,
    pub invalid_chars: InvalidXmlChars,
    pub binary: Binary,
}

/// Where `type="…"` is written on elements that come from json, jsonb and arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonTypes {
    None,
    /// On containers and empty values, where two values would look alike.
    Containers,
    All,
}

/// What happens to a character that XML 1.0 cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidXmlChars {
    Error,
    /// U+FFFD in its place, counted as a loss.
    Replace,
    /// Left out, counted as a loss.
    Drop,
}

impl XmlOptions {
    pub fn read(options: &dyn Options) -> Result<Self, Refused> {
        const JSON_TYPES: &[(&str, JsonTypes)] =
            &[("none", JsonTypes::None), ("containers", JsonTypes::Containers), ("all", JsonTypes::All)];
        const INVALID_CHARS: &[(&str, InvalidXmlChars)] = &[
            ("error", InvalidXmlChars::Error),
            ("replace", InvalidXmlChars::Replace),
            ("drop", InvalidXmlChars::Drop),
        ];
        const BINARIES: &[(&str, Binary)] = &[("base64", Binary::Base64), ("hex", Binary::Hex)];
        Ok(XmlOptions {
            root: options.text("root")?,
            record: options.text("record")?,
            json_types: one_of(options, "json_types", JSON_TYPES)?,
            invalid_chars: one_of(options, "invalid_xml_chars", INVALID_CHARS)?,
            binary: one_of(options, "xml_binary", BINARIES)?,
        })
    }
}
