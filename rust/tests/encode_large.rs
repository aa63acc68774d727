//! Large fields: what comes out in pieces is what comes out whole, and the buffer stays small.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use _core::bytes::flusher::SLICE_BYTES;
use _core::error::Error;
use common::*;
use proptest::prelude::*;

/// What a slice can become at most: an empty array of json as an `<item>` for each two bytes.
const GROWTH: usize = 16;
/// When the buffer is handed on.
const FULL: usize = 1000;

fn csv_formats() -> Vec<Arc<dyn Format>> {
    vec![
        Arc::new(CsvOptions { formula_guard: true, ..csv() }),
        Arc::new(CsvOptions { quote: b'\'', escape: b'\\', force_quote: vec![true; 9], ..csv() }),
        Arc::new(CsvOptions { delimiter: b'\\', null: "{".into(), ..csv() }),
    ]
}

/// Those that must be UTF-8.
fn utf8_formats() -> Vec<Arc<dyn Format>> {
    let json = |lines| JsonOptions { lines, big_numbers_as_strings: false };
    let xml = |invalid_chars| XmlOptions {
        root: "r".into(),
        record: "x".into(),
        json_types: JsonTypes::Containers,
        invalid_chars,
        binary: Binary::Base64,
    };
    vec![
        Arc::new(json(false)),
        Arc::new(json(true)),
        Arc::new(xml(InvalidXmlChars::Replace)),
        Arc::new(xml(InvalidXmlChars::Drop)),
    ]
}

fn formats() -> Vec<Arc<dyn Format>> {
    csv_formats().into_iter().chain(utf8_formats()).collect()
}

/// Text of the bytes that formats escape, in runs, longer than a slice.
fn long_text() -> impl Strategy<Value = String> {
    let run = prop_oneof![
        3 => "[a-z=]{1,30}".prop_map(|text| text),
        2 => "[\"\\\\,'\\n\\r\\t<>&{} ]{1,10}".prop_map(|text| text),
        1 => "[\\x01\\x1f\u{fffe}é\u{2028}😀]{1,5}".prop_map(|text| text),
    ];
    (prop::collection::vec(run, 1..20), 1..3 * SLICE_BYTES / 10).prop_map(|(runs, wanted)| {
        let once = runs.concat();
        once.repeat(SLICE_BYTES / once.len() + 1 + wanted / once.len())
    })
}

/// A json document with these texts in it, typed by somebody who likes line breaks.
fn document(text: &str) -> String {
    let mut string = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => string.extend(['\\', c]),
            c if c < ' ' => string.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => string.push(c),
        }
    }
    string.push('"');
    format!(
        "\t[{string},\r\n {{\"k\": {string}, \"a b\": [{string}, {}]}}, 0.{}]",
        "[], ".repeat(9) + "{}",
        "12".repeat(SLICE_BYTES)
    )
}

/// The field of each kind that a long text can be.
fn fields(text: &str) -> Vec<(Kind, Vec<u8>)> {
    let bytes = text.as_bytes().to_vec();
    let json = document(text).into_bytes();
    let jsonb = [b"\x01", json.as_slice()].concat();
    let short: Vec<Option<Vec<u8>>> = text
        .as_bytes()
        .chunks(7)
        .filter(|part| std::str::from_utf8(part).is_ok())
        .map(|part| Some(part.into()))
        .collect();
    let digits = numeric(true, &"9".repeat(90_000), &"1".repeat(16_000));
    vec![
        (TEXT, bytes.clone()),
        (BY_TEXT, bytes.clone()),
        (BYTEA, bytes.clone()),
        (JSON, json.clone()),
        (JSONB, jsonb.clone()),
        (array_of(TEXT), array(&[(3, 1)], &[Some(bytes.clone()), None, Some(bytes.clone())])),
        (array_of(TEXT), array(&[(short.len() as i32, 0)], &short)),
        (array_of(BYTEA), array(&[(1, 1), (2, 1)], &[Some(bytes.clone()), Some(bytes)])),
        (array_of(JSONB), array(&[(2, 1)], &[Some(jsonb), None])),
        (array_of(JSON), array(&[(1, 1)], &[Some(json)])),
        (array_of(NUMERIC), array(&[(30, 1)], &vec![Some(digits.clone()); 30])),
        (NUMERIC, digits),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2) })]

    #[test]
    fn pieces_are_the_whole(text in long_text()) {
        for (kind, field) in fields(&text) {
            let columns = [("a", INT4), ("b", kind), ("c", TEXT)];
            let rows = [vec![Some(7i32.to_be_bytes().to_vec()), Some(field), Some(text.clone().into_bytes())]];
            for format in formats() {
                let plan = plan(&columns, format);
                let whole = encode(&plan, &rows).unwrap();
                let (pieces, most) = encode_in_pieces(&plan, &rows, FULL).unwrap();
                prop_assert!(whole == pieces, "{kind:?} {:?}", plan.format);
                prop_assert!(most <= FULL + GROWTH * SLICE_BYTES, "{kind:?} {:?}: {most}", plan.format);
            }
        }
    }
}

/// Short fields can print much; the text of what they become is not held either.
#[test]
fn digits_of_many_numerics_do_not_pile_up() {
    let ten_bytes = || Some([1u16, 32_767, 0, 0, 1].iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>());
    let of = array_of(NUMERIC);
    let many = array(&[(50, 1)], &vec![ten_bytes(); 50]);
    let columns: Vec<(String, Kind)> = (0..40).map(|i| (format!("c{i}"), NUMERIC)).chain([("a".into(), of)]).collect();
    let columns: Vec<(&str, Kind)> = columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let mut row = vec![ten_bytes(); 40];
    row.push(Some(many));
    for format in formats() {
        let (file, most) = encode_in_pieces(&plan(&columns, format), &[row.clone()], FULL).unwrap();
        assert!(file.len() >= 90 * 131_069, "{}", file.len());
        assert!(most < 4 * 131_072, "{most}");
    }
}

#[test]
fn what_cannot_be_written_is_found_in_large_fields_too() {
    let mut broken = "x".repeat(3 * SLICE_BYTES).into_bytes();
    broken.push(0xff);
    let json = [b"\"", broken.as_slice(), b"\""].concat();
    for (kind, field) in [(TEXT, broken.clone()), (JSON, json), (BY_TEXT, broken)] {
        for format in utf8_formats() {
            let error =
                encode_in_pieces(&plan(&[("c", kind)], format), &[vec![Some(field.clone())]], FULL).unwrap_err();
            let Error::Value(error) = error else { panic!("{error}") };
            assert_eq!(error.column.as_deref(), Some("c"));
        }
    }
    let control = format!("{}\u{1}", "x".repeat(3 * SLICE_BYTES)).into_bytes();
    let options = XmlOptions {
        root: "r".into(),
        record: "x".into(),
        json_types: JsonTypes::None,
        invalid_chars: InvalidXmlChars::Error,
        binary: Binary::Base64,
    };
    let error = encode_in_pieces(&plan(&[("c", TEXT)], Arc::new(options)), &[vec![Some(control)]], FULL).unwrap_err();
    assert!(error.to_string().contains("column \"c\"") && error.to_string().contains("U+0001"), "{error}");
}

/// An element that lost all of its characters is an empty one, also where it is as long as a slice.
#[test]
fn a_long_string_of_dropped_characters_is_empty() {
    let options = XmlOptions {
        root: "r".into(),
        record: "x".into(),
        json_types: JsonTypes::Containers,
        invalid_chars: InvalidXmlChars::Drop,
        binary: Binary::Base64,
    };
    let dropped = "\u{1}".repeat(3 * SLICE_BYTES);
    let escaped = format!("[\"{}\"]", "\\u0001".repeat(SLICE_BYTES));
    let of = array_of(TEXT);
    for (kind, field) in [(of, array(&[(1, 1)], &[Some(dropped.into_bytes())])), (JSON, escaped.into_bytes())] {
        for full in [1, FULL, 16 * SLICE_BYTES] {
            let (file, _) =
                encode_in_pieces(&plan(&[("c", kind)], Arc::new(options.clone())), &[vec![Some(field.clone())]], full)
                    .unwrap();
            let file = String::from_utf8(file).unwrap();
            assert!(file.contains("<c type=\"array\"><item type=\"string\"></item></c>"), "{file}");
        }
    }
}

/// The null string of COPY is compared with whole values, however long they are.
#[test]
fn a_long_value_that_equals_the_null_string_is_quoted() {
    let long = "x".repeat(2 * SLICE_BYTES);
    let of = array_of(TEXT);
    let elements = array(&[(1, 1)], &[Some(long.clone().into_bytes())]);
    for (kind, field, null) in [(TEXT, long.clone().into_bytes(), long.clone()), (of, elements, format!("{{{long}}}"))]
    {
        for (null, quote) in [(null.clone(), "\""), (format!("{null}y"), "")] {
            let text = if kind == TEXT { long.clone() } else { format!("{{{long}}}") };
            let options = CsvOptions { header: false, null, ..csv() };
            let file = encode(&plan(&[("c", kind)], Arc::new(options)), &[vec![Some(field.clone())]]).unwrap();
            assert!(file == format!("{quote}{text}{quote}\n").into_bytes());
        }
    }
}
