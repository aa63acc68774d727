//! CSV and JSON files without a server: readers of the formats, written here from their descriptions, get back what was
//! sent. That the bytes are COPY's and `row_to_json`'s is tested against PostgreSQL, from Python.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use _core::error::Error;
use common::*;
use proptest::prelude::*;

type Row = Vec<Option<Vec<u8>>>;

/// Text of what matters to the formats: their syntax, control characters, long runs, characters of two to four bytes.
fn cell() -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(
        0.9,
        "[ab,;\"'\\\\\\.\\n\\r\\t=+@\\x01\\x1f\\x7f/é\u{2028}😀-]{0,12}|\\PC{0,80}|\\\\\\.|[a-z\"]{30,70}|",
    )
}

fn rows(columns: usize) -> impl Strategy<Value = Vec<Vec<Option<String>>>> {
    prop::collection::vec(prop::collection::vec(cell(), columns), 0..5)
}

fn to_bytes(rows: &[Vec<Option<String>>]) -> Vec<Row> {
    rows.iter().map(|row| row.iter().map(|cell| cell.as_ref().map(|text| text.as_bytes().to_vec())).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn csv_reads_back(
        rows in rows(3),
        (delimiter, quote, escape, null) in prop::sample::select(vec![
            (b',', b'"', b'"', ""), (b';', b'\'', b'\'', "NULL"), (b'\t', b'"', b'\\', "\\N"), (b'|', b'=', b'.', "a"),
        ]),
        force: [bool; 3],
        crlf: bool,
    ) {
        let force_quote = force.to_vec();
        let options = CsvOptions { delimiter, quote, escape, null: null.into(), force_quote, crlf, ..csv() };
        let columns = [("a", TEXT), ("b,\"", BY_TEXT), ("null", TEXT)];
        let file = encode(&plan(&columns, Arc::new(options.clone())), &to_bytes(&rows)).unwrap();
        let read = read_csv(&file, &options);
        let header: Vec<Option<String>> = columns.iter().map(|(name, _)| Some((*name).to_owned())).collect();
        prop_assert_eq!(&read[0], &header);
        prop_assert_eq!(&read[1..], &rows[..]);
    }

    #[test]
    fn a_cell_of_one_column_is_never_an_end_of_data_mark(cell in cell()) {
        let options = CsvOptions { header: false, ..csv() };
        let file = encode(&plan(&[("a", TEXT)], Arc::new(options)), &to_bytes(&[vec![cell]])).unwrap();
        prop_assert_ne!(file, b"\\.\n");
    }

    #[test]
    fn guarded_cells_start_no_formula(rows in rows(2)) {
        let options = CsvOptions { header: false, formula_guard: true, ..csv() };
        let plan = plan(&[("a", TEXT), ("b", BY_TEXT)], Arc::new(options.clone()));
        let file = encode(&plan, &to_bytes(&rows)).unwrap();
        for (read, sent) in read_csv(&file, &options).iter().flatten().zip(rows.iter().flatten()) {
            let starts = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
            let dangerous = sent.as_ref().is_some_and(|text| text.starts_with(starts));
            let guarded = sent.as_ref().map(|text| if dangerous { format!("'{text}") } else { text.clone() });
            prop_assert_eq!(read.clone(), guarded);
        }
    }

    #[test]
    fn long_numbers_become_text(
        whole in "0|[1-9][0-9]{0,20}",
        fraction in "[0-9]{0,20}",
        int8: i64,
        shift in 0u32..64,
    ) {
        let options = CsvOptions { header: false, long_numbers_as_text: true, ..csv() };
        let int8 = int8 >> shift;
        let columns = [("a", NUMERIC), ("b", INT8), ("c", TEXT)];
        let text = b"1234567890123456789".to_vec();
        let row = vec![Some(numeric(false, &whole, &fraction)), Some(int8.to_be_bytes().to_vec()), Some(text)];
        let file = encode(&plan(&columns, Arc::new(options.clone())), &[row]).unwrap();
        let shown = |text: String| {
            let digits = text.replace(['-', '.'], "");
            if digits.trim_start_matches('0').len() > 15 { Some(format!("=\"{text}\"")) } else { Some(text) }
        };
        let number = if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") };
        let expected = vec![shown(number), shown(int8.to_string()), Some("1234567890123456789".into())];
        prop_assert_eq!(read_csv(&file, &options), vec![expected]);
    }

    #[test]
    fn json_reads_back(rows in rows(2), name in "[a-c\"\\\\\\n\\x01/é]{0,5}") {
        let columns = [(name.as_str(), TEXT), ("second", BY_TEXT)];
        let json = |lines| Arc::new(JsonOptions { lines, big_numbers_as_strings: false });
        let file = encode(&plan(&columns, json(false)), &to_bytes(&rows)).unwrap();
        let file = String::from_utf8(file).unwrap();
        let ndjson = encode(&plan(&columns, json(true)), &to_bytes(&rows)).unwrap();
        let objects: Vec<&str> = std::str::from_utf8(&ndjson).unwrap().lines().collect();
        prop_assert_eq!(objects.len(), rows.len());
        let array = if rows.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", objects.join(",\n")) };
        prop_assert_eq!(&file, &array);
        for (object, row) in objects.iter().zip(&rows) {
            prop_assert!(!object.chars().any(|c| c < ' '));
            let wanted = vec![(name.clone(), row[0].clone()), ("second".to_owned(), row[1].clone())];
            prop_assert_eq!(read_object(object), wanted);
        }
    }
}

#[test]
fn no_columns_give_empty_lines_and_empty_objects() {
    assert_eq!(encode(&plan(&[], Arc::new(csv())), &[vec![], vec![]]).unwrap(), b"\n\n\n");
    let json = Arc::new(JsonOptions { lines: true, big_numbers_as_strings: false });
    assert_eq!(encode(&plan(&[], json), &[vec![]]).unwrap(), b"{}\n");
}

#[test]
fn byte_order_mark_and_line_ends_are_options() {
    let options = CsvOptions { bom: true, crlf: true, ..csv() };
    let row = vec![Some(1i32.to_be_bytes().to_vec()), Some(b"x\ny".to_vec())];
    let file = encode(&plan(&[("a", INT4), ("b", TEXT)], Arc::new(options)), &[row]).unwrap();
    assert_eq!(file, b"\xef\xbb\xbfa,b\r\n1,\"x\ny\"\r\n");
    let bare = CsvOptions { bom: true, header: false, ..csv() };
    assert_eq!(encode(&plan(&[("a", INT4)], Arc::new(bare)), &[]).unwrap(), b"\xef\xbb\xbf");
}

#[test]
fn ndjson_keeps_a_row_on_one_line_and_json_keeps_its_layout() {
    let typed = b"{\n \"a\": 1\r\n}".to_vec();
    let kinds = [JSON, JSON_TEXT, array_of(JSON)];
    for kind in kinds {
        let field =
            if matches!(kind, Kind::Array { .. }) { array(&[(1, 1)], &[Some(typed.clone())]) } else { typed.clone() };
        let columns = [("j", kind)];
        let file = |lines| {
            encode(
                &plan(&columns, Arc::new(JsonOptions { lines, big_numbers_as_strings: false })),
                &[vec![Some(field.clone())]],
            )
        };
        let array = file(false).unwrap();
        assert!(array.windows(typed.len()).any(|window| window == typed));
        let lines = file(true).unwrap();
        assert_eq!(lines.iter().filter(|b| matches!(b, b'\n' | b'\r')).count(), 1);
        assert_eq!(lines.last(), Some(&b'\n'));
    }
}

#[test]
fn json_refuses_what_is_not_utf8_and_csv_passes_it_on() {
    let broken = b"a\xff".to_vec();
    let jsonb = b"\x01\"\xff\"".to_vec();
    for (kind, field) in [(TEXT, broken.clone()), (BY_TEXT, broken.clone()), (JSON, broken.clone()), (JSONB, jsonb)] {
        let columns = [("id", INT4), ("the column", kind)];
        let rows = [vec![Some(1i32.to_be_bytes().to_vec()), Some(field)]];
        let error =
            encode(&plan(&columns, Arc::new(JsonOptions { lines: false, big_numbers_as_strings: false })), &rows)
                .unwrap_err();
        let Error::Value(error) = error else { panic!("{error}") };
        assert_eq!(error.column.as_deref(), Some("the column"));
        assert!(error.message.contains("not valid UTF-8"), "{}", error.message);
        let file = encode(&plan(&columns, Arc::new(csv())), &rows).unwrap();
        assert!(file.contains(&0xff));
    }
}

#[test]
fn a_row_of_the_wrong_shape_is_an_error() {
    let columns = [("a", INT4)];
    let field = Some(1i32.to_be_bytes().to_vec());
    for row in [vec![], vec![field.clone(), field], vec![Some(vec![1, 2, 3])]] {
        assert!(matches!(encode(&plan(&columns, Arc::new(csv())), &[row]), Err(Error::Protocol(_))));
    }
}

/// Reads CSV by COPY's rules: an unquoted field that equals the null string is NULL; inside quotes the escape takes a
/// quote or an escape along.
fn read_csv(file: &[u8], options: &CsvOptions) -> Vec<Vec<Option<String>>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), Vec::new(), false);
    let end: &[u8] = if options.crlf { b"\r\n" } else { b"\n" };
    let mut at = 0;
    while at < file.len() {
        let b = file[at];
        if b == options.quote {
            quoted = true;
            at += 1;
            while file[at] != options.quote
                || options.escape == options.quote && file.get(at + 1) == Some(&options.quote)
            {
                if file[at] == options.escape
                    && file.get(at + 1).is_some_and(|next| *next == options.quote || *next == options.escape)
                {
                    at += 1;
                }
                field.push(file[at]);
                at += 1;
            }
            at += 1;
            continue;
        }
        let line_end = file[at..].starts_with(end);
        if b == options.delimiter || line_end {
            let text = String::from_utf8(std::mem::take(&mut field)).unwrap();
            row.push(if !quoted && text == options.null { None } else { Some(text) });
            quoted = false;
            if line_end {
                rows.push(std::mem::take(&mut row));
            }
            at += if line_end { end.len() } else { 1 };
        } else {
            field.push(b);
            at += 1;
        }
    }
    assert!(row.is_empty() && field.is_empty(), "the file ends within a row");
    rows
}

/// Reads an object of strings and nulls.
fn read_object(text: &str) -> Vec<(String, Option<String>)> {
    let mut chars = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).expect("an object").chars().peekable();
    let mut pairs = Vec::new();
    while chars.peek().is_some() {
        let key = read_string(&mut chars).expect("a key");
        assert_eq!(chars.next(), Some(':'));
        pairs.push((key, read_string(&mut chars)));
        assert!(matches!(chars.next(), Some(',') | None));
    }
    pairs
}

/// Reads a string, or `null` as `None` (RFC 8259 section 7).
fn read_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    if chars.peek() == Some(&'n') {
        assert_eq!(chars.by_ref().take(4).collect::<String>(), "null");
        return None;
    }
    assert_eq!(chars.next(), Some('"'));
    let mut out = String::new();
    loop {
        match chars.next().expect("a closing quote") {
            '"' => return Some(out),
            '\\' => out.push(match chars.next().unwrap() {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => char::from_u32(u32::from_str_radix(&chars.by_ref().take(4).collect::<String>(), 16).unwrap())
                    .unwrap(),
                c => c,
            }),
            c => out.push(c),
        }
    }
}
