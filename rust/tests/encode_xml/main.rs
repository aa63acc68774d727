//! XML: any bytes in, an error or a document out that a strict parser reads, with the values that were put in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod given;
mod model;
mod support;

use _core::error::Error;
use _core::formats::text::TextEncoder;
use proptest::prelude::*;
use roxmltree::Node;

use common::*;
use given::{any_options, array_bytes, array_field, json, json_soup, key, kind, text, text_array};
use model::{Json, nest, read_containers, read_json, without_scalar_types, write_json};
use support::{encoder, file, is_nil, is_xml_char, one, only, options, parse, tuple, unescape};

proptest! {
    #[test]
    fn any_field_is_an_error_or_well_formed(
        kind in kind(),
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), json_soup(), array_bytes()],
        options in any_options(),
    ) {
        if let Ok(text) = one(kind, &bytes, options) {
            parse(&text);
        }
    }

    #[test]
    fn any_json_bytes_are_an_error_or_well_formed(bytes in json_soup(), options in any_options()) {
        if let Ok(text) = one(JSON, &bytes, options) {
            parse(&text);
        }
    }

    #[test]
    fn any_row_is_an_error_or_well_formed(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        options in any_options(),
    ) {
        let mut row = 2i16.to_be_bytes().to_vec();
        row.extend(bytes);
        let mut xml = encoder(&[("a", TEXT), ("b", JSONB)], options);
        if let Ok(text) = file(&mut xml, 2, &[row]) {
            parse(&text);
        }
    }

    #[test]
    fn documents_read_back(value in json()) {
        let mut document = String::new();
        write_json(&value, &mut document);
        let text = one(JSON, document.as_bytes(), options(JsonTypes::All, InvalidXmlChars::Error)).unwrap();
        prop_assert_eq!(read_json(only(&parse(&text))), value.clone());
        let options = options(JsonTypes::Containers, InvalidXmlChars::Error);
        let text = one(JSON, document.as_bytes(), options).unwrap();
        prop_assert_eq!(read_containers(only(&parse(&text))), without_scalar_types(value));
    }

    #[test]
    fn a_document_cut_short_is_an_error(value in json(), at in any::<prop::sample::Index>()) {
        let mut document = String::new();
        write_json(&Json::Array(vec![value]), &mut document);
        let cut = &document.as_bytes()[..at.index(document.len())];
        prop_assert!(one(JSON, cut, options(JsonTypes::All, InvalidXmlChars::Drop)).is_err());
    }

    #[test]
    fn text_reads_back(value in text()) {
        // NUL is refused under every policy.
        let value = value.replace('\0', "\u{1}");
        let replaced: String = value.chars().map(|c| if is_xml_char(c) { c } else { '\u{FFFD}' }).collect();
        let dropped: String = value.chars().filter(|&c| is_xml_char(c)).collect();
        for (policy, expected) in [(InvalidXmlChars::Replace, &replaced), (InvalidXmlChars::Drop, &dropped)] {
            let mut xml = encoder(&[("c", TEXT)], options(JsonTypes::Containers, policy));
            let text = file(&mut xml, 1, &[tuple(&[Some(value.as_bytes())])]).unwrap();
            let document = parse(&text);
            prop_assert_eq!(only(&document).text().unwrap_or_default(), expected);
            prop_assert_eq!(xml.take_losses(), vec![u64::from(dropped.len() < value.len())]);
        }
        let strict = one(TEXT, value.as_bytes(), options(JsonTypes::Containers, InvalidXmlChars::Error));
        prop_assert_eq!(strict.is_ok(), dropped == value);
    }

    #[test]
    fn arrays_read_back((lengths, elements) in text_array()) {
        let bytes = |element: &Option<String>| element.as_ref().map(|text| text.as_bytes().to_vec());
        let bytes: Vec<_> = elements.iter().map(bytes).collect();
        let kind = array_of(TEXT);
        let text = one(kind, &array_field(&lengths, &bytes), options(JsonTypes::All, InvalidXmlChars::Error)).unwrap();
        prop_assert_eq!(read_json(only(&parse(&text))), nest(&lengths, &elements));
    }

    #[test]
    fn names_read_back(root in key(), record in key(), target in key()) {
        let plain = options(JsonTypes::None, InvalidXmlChars::Error);
        let names = XmlOptions { root: root.clone(), record: record.clone(), ..plain };
        let text = file(&mut encoder(&[(&target, TEXT)], names), 1, &[tuple(&[None])]).unwrap();
        let document = parse(&text);
        let record_element = document.root_element().first_element_child().unwrap();
        prop_assert_eq!(unescape(document.root_element().tag_name().name()), root);
        prop_assert_eq!(unescape(record_element.tag_name().name()), record);
        prop_assert_eq!(unescape(only(&document).tag_name().name()), target);
        prop_assert!(is_nil(only(&document)));
    }
}

/// Each code unit of the BMP as text and as a JSON escape: XML 1.0, 2.2, production Char, decides.
#[test]
fn each_character_is_written_or_refused() {
    let mut xml = encoder(&[("t", TEXT), ("j", JSON)], options(JsonTypes::Containers, InvalidXmlChars::Error));
    for unit in 0..=0xFFFF {
        let c = char::from_u32(unit).filter(|&c| is_xml_char(c));
        let document = format!("\"\\u{unit:04X}\"");
        let json = file(&mut xml, 2, &[tuple(&[None, Some(document.as_bytes())])]);
        assert_eq!(json.is_ok(), c.is_some(), "U+{unit:04X} in json");
        if let Some(text) = char::from_u32(unit) {
            let text = file(&mut xml, 2, &[tuple(&[Some(text.to_string().as_bytes()), None])]);
            assert_eq!(text.is_ok(), c.is_some(), "U+{unit:04X} in text");
        }
    }
}

#[test]
fn no_rows_is_an_empty_root() {
    let text =
        file(&mut encoder(&[("c", TEXT)], options(JsonTypes::Containers, InvalidXmlChars::Error)), 1, &[]).unwrap();
    let document = parse(&text);
    assert_eq!(document.root_element().children().filter(Node::is_element).count(), 0);
    assert!(text.ends_with(">\n"));
}

#[test]
fn no_columns_is_an_empty_record() {
    let text =
        file(&mut encoder(&[], options(JsonTypes::Containers, InvalidXmlChars::Error)), 0, &[tuple(&[]), tuple(&[])])
            .unwrap();
    let document = parse(&text);
    let records: Vec<_> = document.root_element().children().filter(Node::is_element).collect();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.tag_name().name() == "record" && !record.has_children()));
}

/// A hundred thousand levels: no thread's stack would hold a call for each.
#[test]
fn nesting_takes_no_stack() {
    const DEPTH: usize = 100_000;
    for (open, close) in [("[", "]"), ("{\"a\": ", "}")] {
        let document = format!("{}1{}", open.repeat(DEPTH), close.repeat(DEPTH));
        let text = one(JSON, document.as_bytes(), options(JsonTypes::None, InvalidXmlChars::Error)).unwrap();
        let tag = if open == "[" { "item" } else { "a" };
        let expected = format!("<c>{}1{}</c>", format!("<{tag}>").repeat(DEPTH), format!("</{tag}>").repeat(DEPTH));
        assert!(text.contains(&expected));
        let unclosed = one(JSON, open.repeat(DEPTH).as_bytes(), options(JsonTypes::None, InvalidXmlChars::Error));
        assert!(unclosed.is_err());
    }
}

/// What a document makes us remember is bounded: its levels and its keys.
#[test]
fn levels_and_keys_have_limits() {
    let level = 1_000_001;
    let key = format!("{{\"{}\": 1}}", "k".repeat(1 << 20));
    let other_key = format!("{{\"{}\": 1}}", "ä".repeat(1 << 19));
    for (document, message) in
        [("[".repeat(level), "containers"), (key, "a key of more than"), (other_key, "a key of more than")]
    {
        match one(JSON, document.as_bytes(), options(JsonTypes::None, InvalidXmlChars::Error)) {
            Err(Error::Value(error)) => assert!(error.message.contains(message), "{}", error.message),
            other => panic!("{:?}", other.map(|text| text.len())),
        }
    }
    let document = format!("{}{}", "[".repeat(level - 1), "]".repeat(level - 1));
    assert!(one(JSON, document.as_bytes(), options(JsonTypes::None, InvalidXmlChars::Error)).is_ok());
}

#[test]
fn an_unrepresentable_character_names_column_and_code_point() {
    for (kind, bytes, point) in [
        (TEXT, "a\u{1}".as_bytes(), "U+0001"),
        (TEXT, "\u{FFFE}".as_bytes(), "U+FFFE"),
        (JSON, b"[\"\\u0000\"]", "U+0000"),
        (JSON, b"{\"k\": \"a\\uDC00\"}", "U+DC00"),
    ] {
        match one(kind, bytes, options(JsonTypes::Containers, InvalidXmlChars::Error)) {
            Err(Error::Value(error)) => {
                assert_eq!(error.column.as_deref(), Some("source of c"));
                assert!(error.message.contains(point), "{}", error.message);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What is left of a string when all of it was dropped must look like an empty string, wherever it stands.
#[test]
fn a_string_of_dropped_characters_is_marked_as_empty() {
    for document in [r#""\u0001""#, r#"["\u0001"]"#, r#"{"k": "\u0001"}"#, r#"{" ": "\u0001"}"#] {
        for types in [JsonTypes::Containers, JsonTypes::All] {
            let text = one(JSON, document.as_bytes(), options(types, InvalidXmlChars::Drop)).unwrap();
            let parsed = parse(&text);
            let leaf = parsed.descendants().rfind(Node::is_element).unwrap();
            assert_eq!((leaf.attribute("type"), leaf.text()), (Some("string"), None), "{text}");
        }
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    for kind in [TEXT, BY_TEXT, JSON] {
        assert!(matches!(one(kind, b"\"\xff\"", options(JsonTypes::All, InvalidXmlChars::Drop)), Err(Error::Value(_))));
    }
}

#[test]
fn dates_and_timestamps_have_the_form_of_xml_schema_and_no_infinity() {
    let given = || options(JsonTypes::Containers, InvalidXmlChars::Error);
    let day = |days: i32| one(DATE, &days.to_be_bytes(), given());
    let moment = |kind: Kind, micros: i64| one(kind, &micros.to_be_bytes(), given());
    let leaf = |text: String| only(&parse(&text)).text().unwrap_or_default().to_owned();
    assert_eq!(leaf(day(7_306).unwrap()), "2020-01-02");
    assert_eq!(leaf(day(-730_120).unwrap()), "0001-12-31 BC");
    let micros = 631_282_530_605_477;
    assert_eq!(leaf(moment(TIMESTAMP, micros).unwrap()), "2020-01-02T12:15:30.605477");
    assert_eq!(leaf(moment(TIMESTAMPTZ, micros).unwrap()), "2020-01-02T12:15:30.605477+00:00");
    for infinite in [day(i32::MAX), day(i32::MIN), moment(TIMESTAMP, i64::MAX), moment(TIMESTAMPTZ, i64::MIN)] {
        let Err(Error::Value(error)) = infinite else { panic!("{infinite:?}") };
        assert_eq!(error.column.as_deref(), Some("source of c"));
        assert!(error.message.contains("infinite"), "{}", error.message);
    }
    let moments = |micros: i64| array_field(&[1], &[Some(micros.to_be_bytes().to_vec())]);
    let text = one(array_of(TIMESTAMP), &moments(micros), given()).unwrap();
    assert!(text.contains("<item>2020-01-02T12:15:30.605477</item>"), "{text}");
    assert!(one(array_of(TIMESTAMP), &moments(i64::MAX), given()).is_err());
}

#[test]
fn a_timestamp_of_another_zone_is_the_servers_text() {
    let given = || options(JsonTypes::Containers, InvalidXmlChars::Error);
    let kind = Kind::Scalar(&_core::types::timestamp::TIMESTAMPTZ_ISO);
    let text = one(kind, b"2020-01-02T13:15:30+01:00", given()).unwrap();
    assert!(text.contains("<c>2020-01-02T13:15:30+01:00</c>"), "{text}");
    assert!(one(kind, b"-infinity", given()).is_err());
}

#[test]
fn bytea_is_base64_in_lines_or_hex_on_request() {
    let bytes: Vec<u8> = (0..=255).collect();
    let given = || options(JsonTypes::Containers, InvalidXmlChars::Error);
    for length in [0, 1, 2, 3, 53, 54, 55, 108, 256] {
        let text = one(BYTEA, &bytes[..length], given()).unwrap();
        let (_, content) = text.split_once("<c>").unwrap();
        let (content, _) = content.split_once("</c>").unwrap();
        let lines: Vec<&str> = content.split("\r\n").collect();
        assert!(lines.iter().rev().skip(1).all(|line| line.len() == 72), "{content}");
        assert_eq!(decode_base64(&lines.concat()), bytes[..length]);
    }
    let hex = XmlOptions { binary: Binary::Hex, ..given() };
    let text = one(BYTEA, &[0xde, 0xad], hex).unwrap();
    assert!(text.contains("<c>\\xdead</c>"), "{text}");
}

/// RFC 4648, section 4, written a second time.
fn decode_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert!(text.len().is_multiple_of(4));
    let mut out = Vec::new();
    for group in text.as_bytes().chunks(4) {
        let padding = group.iter().filter(|b| **b == b'=').count();
        let digit = |b: &u8| ALPHABET.find(char::from(*b)).unwrap_or(0) as u32;
        let bits = group.iter().fold(0, |bits, b| bits << 6 | digit(b));
        out.extend(&bits.to_be_bytes()[1..4 - padding]);
    }
    out
}
