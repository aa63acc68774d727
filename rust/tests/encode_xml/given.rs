//! What the properties are tried on.

use proptest::prelude::*;

use crate::common::*;
use crate::model::Json;
use crate::support::{is_xml_char, options};

pub fn text() -> impl Strategy<Value = String> {
    let c = prop_oneof![
        any::<char>(),
        prop::sample::select("_x0020&<>\"'\r\n\t:-.é😀]\u{FFFD}\u{85}".chars().collect::<Vec<_>>())
    ];
    prop::collection::vec(c, 0..10).prop_map(|chars| chars.into_iter().collect())
}

pub fn xml_text() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.chars().filter(|&c| is_xml_char(c)).collect())
}

pub fn key() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 14] = [
        "",
        "_",
        "__",
        "item",
        "xml",
        "type",
        "a b",
        "_x0020_",
        "_x0020 ",
        "_x005F_",
        "_x01F600_",
        "xsi:nil",
        "1",
        "created_at",
    ];
    prop_oneof![text(), prop::sample::select(&KNOWN[..]).prop_map(str::to_owned)]
}

pub fn json() -> impl Strategy<Value = Json> {
    let number = "-?(0|[1-9][0-9]{0,20})([.][0-9]{1,5})?([eE][+-]?[0-9]{1,3})?";
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number.prop_map(Json::Number),
        xml_text().prop_map(Json::String)
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            prop::collection::vec((key(), inner), 0..5).prop_map(Json::Object),
        ]
    })
}

pub fn kind() -> impl Strategy<Value = Kind> {
    let scalars = vec![
        BOOL,
        INT2,
        INT8,
        FLOAT8,
        NUMERIC,
        TEXT,
        CHAR,
        BYTEA,
        DATE,
        TIMESTAMPTZ,
        INTERVAL,
        UUID,
        JSON,
        JSONB,
        BY_TEXT,
    ];
    (prop::sample::select(scalars), any::<bool>()).prop_map(|(kind, array)| if array { array_of(kind) } else { kind })
}

pub fn any_options() -> impl Strategy<Value = XmlOptions> {
    (
        prop::sample::select(vec![JsonTypes::None, JsonTypes::Containers, JsonTypes::All]),
        prop::sample::select(vec![InvalidXmlChars::Error, InvalidXmlChars::Replace, InvalidXmlChars::Drop]),
    )
        .prop_map(|(json_types, invalid_chars)| options(json_types, invalid_chars))
}

/// PieceSink of JSON in any order: much closer to documents than random bytes are.
pub fn json_soup() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\"a\"",
        b"\"a\":",
        b"\"_\":",
        b"\" \"",
        b"\"\":",
        b"null",
        b"true",
        b"false",
        b"tru",
        b"0",
        b"-1.5e3",
        b"01",
        b".5",
        b"1e",
        b" ",
        b"\n",
        b"\\",
        b"\\u00",
        b"\"\\ud83d\"",
        b"\"\\ud83d\\ude00\"",
        b"\"\\u0000\":",
        b"\"&<\r>\"",
        b"\x01",
        b"\xEF\xBF\xBE",
        b"\xEF\xBF",
        b"\xff",
        "\"é\"".as_bytes(),
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..14).prop_map(|pieces| pieces.concat())
}

/// An array field: the header of `array_send`, and the elements as they come.
pub fn array_field(lengths: &[i32], elements: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = i32::try_from(lengths.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend([0; 8]);
    for length in lengths {
        bytes.extend(length.to_be_bytes());
        bytes.extend(1i32.to_be_bytes());
    }
    for element in elements {
        let length = element.as_ref().map_or(-1, |element| i32::try_from(element.len()).unwrap());
        bytes.extend(length.to_be_bytes());
        bytes.extend_from_slice(element.as_deref().unwrap_or_default());
    }
    bytes
}

/// Arrays whose elements need not be as many as the header says, nor of the type.
pub fn array_bytes() -> impl Strategy<Value = Vec<u8>> {
    let element = prop::option::of(prop_oneof![prop::collection::vec(any::<u8>(), 0..12), json_soup()]);
    (prop::collection::vec(0i32..4, 0..4), prop::collection::vec(element, 0..30))
        .prop_map(|(lengths, elements)| array_field(&lengths, &elements))
}

/// The lengths of up to four dimensions, and as many texts or NULLs as they hold.
pub fn text_array() -> impl Strategy<Value = (Vec<i32>, Vec<Option<String>>)> {
    prop::collection::vec(1i32..4, 0..=4).prop_flat_map(|lengths| {
        let count = if lengths.is_empty() { 0 } else { lengths.iter().product::<i32>() };
        (Just(lengths), prop::collection::vec(prop::option::of(xml_text()), usize::try_from(count).unwrap()))
    })
}
