//! Text with a NUL byte in it, which PostgreSQL never stores but a function in C or a damaged page can bring: an error
//! that names row and column, in every format.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod parquet_file;

use std::sync::Arc;

use _core::bytes::flusher::SLICE_BYTES;
use _core::error::Error;
use common::*;

fn formats() -> Vec<Arc<dyn Format>> {
    let json = |lines| JsonOptions { lines, big_numbers_as_strings: false };
    let xml = |invalid_chars| XmlOptions {
        root: "r".into(),
        record: "x".into(),
        json_types: JsonTypes::All,
        invalid_chars,
        binary: Binary::Base64,
    };
    vec![
        Arc::new(csv()),
        Arc::new(CsvOptions { force_quote: vec![true; 2], formula_guard: true, ..csv() }),
        Arc::new(json(false)),
        Arc::new(json(true)),
        Arc::new(xml(InvalidXmlChars::Error)),
        Arc::new(xml(InvalidXmlChars::Drop)),
        Arc::new(parquet_file::options()),
    ]
}

/// Texts of every length that is looked at in a way of its own, with a NUL byte at their beginning, inside and at their
/// end.
fn texts() -> Vec<Vec<u8>> {
    let lengths = [1, 2, 7, 8, 12, 16, 17, 31, 32, 33, 100, 256, 257, 5_000, SLICE_BYTES + 1, 3 * SLICE_BYTES];
    let places = |length: usize| [0, length / 2, length - 1];
    let of = |length: usize, at: usize, other: u8| {
        let mut text = vec![other; length];
        text[at] = 0;
        text
    };
    let plain = lengths.iter().flat_map(|&length| places(length).map(|at| of(length, at, b'x')));
    let with_more = ["é\0", "\0é", "a\"\0", "\n\0\n", "=\0", "abcdefgé\0abcdefgh"].map(|text| text.as_bytes().to_vec());
    plain.chain(with_more).collect()
}

#[test]
fn a_nul_byte_is_refused_with_row_and_column() {
    for text in texts() {
        let document = [b"[\"", text.as_slice(), b"\"]"].concat();
        let fields = [
            (TEXT, text.clone()),
            (BY_TEXT, text.clone()),
            (JSON, document.clone()),
            (JSONB, [b"\x01", document.as_slice()].concat()),
            (array_of(TEXT), array(&[(2, 1)], &[Some(b"a".to_vec()), Some(text.clone())])),
        ];
        for (kind, field) in fields {
            for format in formats() {
                let plan = plan(&[("id", INT4), ("the column", kind)], format);
                let row = |field| vec![Some(7i32.to_be_bytes().to_vec()), field];
                let outcome = encode(&plan, &[row(None), row(Some(field.clone()))]);
                let Err(Error::Value(error)) = outcome else { panic!("{kind:?} {:?} {text:?}", plan.format) };
                assert_eq!((error.row, error.column.as_deref()), (Some(2), Some("the column")), "{error:?}");
            }
        }
    }
}

#[test]
fn bytes_and_a_zero_char_are_no_text() {
    let bytes = vec![0; 40];
    for format in formats() {
        let mut plan = plan(&[("b", BYTEA), ("c", CHAR)], format);
        plan.columns[0].parquet = ParquetType::Bytes;
        encode(&plan, &[vec![Some(bytes.clone()), Some(vec![0])]]).unwrap();
    }
}
