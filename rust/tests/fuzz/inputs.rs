//! Valid values, rows and streams, and what a few wrong bits make of them.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseResult;

use crate::common::*;

pub type Row = Vec<Option<Vec<u8>>>;

/// Columns, rows for them, and the format they are written in.
#[derive(Debug, Clone)]
pub struct Table {
    pub kinds: Vec<Kind>,
    pub rows: Vec<Row>,
    pub format: Arc<dyn Format>,
    /// What a reader of the format says to the file.
    pub check: Check,
}

pub type Check = fn(&[u8]) -> TestCaseResult;

fn kind() -> impl Strategy<Value = Kind> {
    (select(scalars()), prop::bool::weighted(0.3), select(b",;".to_vec())).prop_map(|(element, array, delimiter)| {
        if array { Kind::Array { element: element.record(), delimiter } } else { element }
    })
}

/// What is done to bytes that were right.
#[derive(Debug, Clone)]
enum Damage {
    Bit(Index, u8),
    Byte(Index, u8),
    /// Four bytes become a number, as lengths and counts are.
    Word(Index, i32),
    Cut(Index),
    Insert(Index, Vec<u8>),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let word = prop_oneof![-2i32..20, Just(i32::MAX), Just(i32::MIN), any::<i32>()];
    let damage = prop_oneof![
        3 => (any::<Index>(), 0u8..8).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        2 => (any::<Index>(), word).prop_map(|(at, word)| Damage::Word(at, word)),
        2 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ];
    prop_oneof![1 => Just(Vec::new()), 3 => vec(damage, 1..4)]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        match damage {
            Damage::Bit(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Damage::Byte(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Word(at, word) => {
                let at = at.index(bytes.len());
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&word.to_be_bytes()[..end - at]);
            }
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
        }
    }
    bytes
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ab,;\"'\\\\\\n\\r\\t{}=\\x01\\x7f<>&é\u{2028}\u{fffe}😀-]{0,20}".prop_map(String::into_bytes),
        "\\PC{0,60}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..40),
    ]
}

/// A JSON document as it could be typed.
fn document() -> impl Strategy<Value = Vec<u8>> {
    let string = "\"([a-z_<&\u{fffe}é😀 ]|\\\\[nrtbf\"/\\\\]|\\\\u00[0-9a-f]{2}|\\\\ud8[0-9a-f]{2}){0,8}\"";
    let leaf = prop_oneof![
        string,
        "-?(0|[1-9][0-9]{0,25})([.][0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
        select(vec!["true", "false", "null", "{}", "[]", " [ ] ", "\"\""]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 30, 4, move |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..5), select(vec![",", " ,\r\n"]))
                .prop_map(|(items, comma)| format!("[{}]", items.join(comma))),
            vec((string, inner), 0..5).prop_map(|members| {
                let members: Vec<_> = members.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
    .prop_map(String::into_bytes)
}

/// A field that a server could send.
fn valid(kind: Kind) -> BoxedStrategy<Vec<u8>> {
    let fixed = |size: usize| vec(any::<u8>(), size).boxed();
    let Kind::Scalar(record) = kind else { return valid_array(kind) };
    match record.kind {
        "bool" | "char" => fixed(1),
        "int2" => fixed(2),
        "int4" | "oid" | "float4" | "date" => fixed(4),
        "int8" | "float8" | "timestamp" | "timestamptz" => fixed(8),
        "time" => (0i64..=86_400_000_000).prop_map(|micros| micros.to_be_bytes().to_vec()).boxed(),
        "timetz" => (0i64..=86_400_000_000, -60_000i32..60_000)
            .prop_map(|(micros, zone)| [micros.to_be_bytes().as_slice(), &zone.to_be_bytes()].concat())
            .boxed(),
        "interval" | "uuid" => fixed(16),
        "numeric" => (any::<bool>(), "0|[1-9][0-9]{0,30}", "[0-9]{0,30}")
            .prop_map(|(negative, whole, fraction)| numeric(negative, &whole, &fraction))
            .boxed(),
        "text" | "by_text" | "bytea" => text().boxed(),
        "timestamptz_iso" => "-?infinity|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}[+-][0-9:]{5}( BC)?"
            .prop_map(String::into_bytes)
            .boxed(),
        "json" | "json_text" => document().boxed(),
        "jsonb" => document().prop_map(|document| [b"\x01", document.as_slice()].concat()).boxed(),
        other => panic!("no fields of the type {other}"),
    }
}

fn valid_array(kind: Kind) -> BoxedStrategy<Vec<u8>> {
    let elements = vec(prop::option::weighted(0.8, valid(Kind::Scalar(kind.record()))), 9);
    (1i32..4, 0i32..4, -3i32..4, elements)
        .prop_map(|(rows, columns, lower, elements)| match columns {
            0 => array(&[], &[]),
            _ => array(&[(rows, lower), (columns, 1)], &elements[..(rows * columns) as usize]),
        })
        .boxed()
}

fn damaged_field(kind: Kind) -> BoxedStrategy<Vec<u8>> {
    let meaningless = vec(any::<u8>(), 0..50);
    let spoiled = (valid(kind), damages()).prop_map(|(bytes, damages)| damaged(bytes, &damages));
    prop_oneof![8 => spoiled, 1 => meaningless].boxed()
}

/// A kind and a field that may be of it.
pub fn fields() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    kind().prop_flat_map(|kind| (Just(kind), damaged_field(kind)))
}

/// The kinds of some columns, and rows for them in which most values are right.
fn columns_and_rows() -> impl Strategy<Value = (Vec<Kind>, Vec<Row>)> {
    vec(kind(), 0..4).prop_flat_map(|kinds| {
        let field =
            |kind: &Kind| prop::option::weighted(0.9, prop_oneof![5 => valid(*kind), 1 => damaged_field(*kind)]);
        let row: Vec<_> = kinds.iter().map(field).collect();
        (Just(kinds), vec(row, 0..4))
    })
}

/// CopyData payloads of a COPY of some columns, which may be damaged, merged or missing.
pub fn streams() -> impl Strategy<Value = (usize, Vec<Vec<u8>>)> {
    (columns_and_rows(), any::<bool>(), vec((any::<Index>(), damages()), 0..3)).prop_map(
        |((kinds, rows), joined, damage)| {
            let mut messages = vec![copy_header()];
            messages.extend(rows.iter().map(|row| payload(row)));
            messages.push((-1i16).to_be_bytes().to_vec());
            if joined {
                let first = messages.remove(1);
                messages[0].extend(first);
            }
            for (at, damages) in damage {
                let at = at.index(messages.len());
                messages[at] = damaged(std::mem::take(&mut messages[at]), &damages);
            }
            (kinds.len(), messages)
        },
    )
}

/// What a server sends in the middle of a COPY, with something wrong in it, and the sizes of the reads that get it.
pub fn server_bytes() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let body = prop_oneof![
        4 => vec(any::<u8>(), 0..60),
        1 => (0usize..400_000).prop_map(|length| vec![b'x'; length]),
        2 => "(S(ERROR|FATAL)\\x00)?C[0-9A-Z]{5}\\x00M[a-zé ]{0,20}\\x00(D[a-z]{0,5}\\x00)?\\x00"
            .prop_map(String::into_bytes),
        1 => "COPY [0-9]{0,25}\\x00".prop_map(String::into_bytes),
    ];
    let message =
        (prop_oneof![3 => select(b"dcCZENSAHGRTKtvn".to_vec()), 1 => any::<u8>()], body).prop_map(|(tag, body)| {
            let length = i32::try_from(body.len() + 4).unwrap();
            [&[tag], length.to_be_bytes().as_slice(), &body].concat()
        });
    let bytes = (vec(message, 0..6), damages()).prop_map(|(messages, damages)| damaged(messages.concat(), &damages));
    (bytes, vec(prop_oneof![1usize..9, 1usize..5000, Just(usize::MAX)], 1..4))
}

pub fn rows(format: impl Strategy<Value = Arc<dyn Format>>, check: Check) -> impl Strategy<Value = Table> {
    (columns_and_rows(), format).prop_map(move |((kinds, rows), format)| Table { kinds, rows, format, check })
}

/// Documents alone, damaged more often than values of a row are.
pub fn documents(check: Check) -> impl Strategy<Value = Table> {
    let row = (document(), damages()).prop_map(|(document, damages)| vec![Some(damaged(document, &damages))]);
    (vec(row, 1..3), xml_options()).prop_map(move |(rows, format)| Table { kinds: vec![JSON], rows, format, check })
}

pub fn csv_options() -> impl Strategy<Value = Arc<dyn Format>> {
    let bytes = select(vec![(b',', b'"', b'"'), (b';', b'\'', b'\''), (b'\t', b'"', b'\\'), (b'1', b'-', b'x')]);
    (bytes, select(vec!["", "NULL", "\\N", "{"]), any::<[bool; 6]>(), csv_for_people()).prop_map(
        |((delimiter, quote, escape), null, flags, for_people)| {
            let [header, forced, crlf, bom, formula_guard, long_numbers_as_text] = flags;
            let force_quote = vec![forced; 4];
            let null = null.to_owned();
            Arc::new(CsvOptions {
                delimiter,
                quote,
                escape,
                null,
                header,
                force_quote,
                crlf,
                bom,
                formula_guard,
                long_numbers_as_text,
                ..for_people
            }) as Arc<dyn Format>
        },
    )
}

/// The options by which values are written otherwise than the server prints them.
fn csv_for_people() -> impl Strategy<Value = CsvOptions> {
    let charset = select(vec!["utf-8", "utf-16le", "utf-16be", "windows-1252", "shift_jis", "gb18030"]);
    (charset, any::<[bool; 6]>()).prop_map(|(charset, flags)| {
        let [replace_unencodable, keep, decimal_comma, truth, fixed, patterns] = flags;
        let words = || Words { truth: vec!["wahr".into(), "true".into()], months: vec!["may".into(), "märz".into()] };
        let pattern = |text| patterns.then(|| Pattern::read(text, false).unwrap());
        CsvOptions {
            charset: Charset::read(charset).unwrap(),
            replace_unencodable,
            keep_text: keep.then(words),
            decimal_comma,
            booleans: truth.then_some(Truth { yes: b"true", no: b"false" }),
            float_digits: fixed.then_some(3),
            date_format: pattern("%d.%m.%y %A %j"),
            timestamp_format: pattern("%F %I:%M:%S.%f %p, %b"),
            ..CsvOptions::default()
        }
    })
}

pub fn json_options(lines: bool) -> impl Strategy<Value = Arc<dyn Format>> {
    any::<bool>().prop_map(move |big_numbers_as_strings| {
        Arc::new(JsonOptions { lines, big_numbers_as_strings }) as Arc<dyn Format>
    })
}

pub fn xml_options() -> impl Strategy<Value = Arc<dyn Format>> {
    let json_types = select(vec![JsonTypes::None, JsonTypes::Containers, JsonTypes::All]);
    let invalid_chars = select(vec![InvalidXmlChars::Error, InvalidXmlChars::Replace, InvalidXmlChars::Drop]);
    let binary = select(vec![Binary::Base64, Binary::Hex]);
    (json_types, invalid_chars, binary).prop_map(|(json_types, invalid_chars, binary)| {
        Arc::new(XmlOptions { root: "records".into(), record: "record".into(), json_types, invalid_chars, binary })
            as Arc<dyn Format>
    })
}

/// One column of a Parquet file, the values for it, and whether what does not fit becomes NULL.
pub fn parquet_rows() -> impl Strategy<Value = (Kind, ParquetType, Vec<Row>, bool)> {
    use ParquetType as P;
    let pairs = vec![
        (BOOL, P::Boolean),
        (INT2, P::Int16),
        (INT4, P::Int32),
        (INT8, P::Int64),
        (OID, P::Int64),
        (FLOAT4, P::Float),
        (FLOAT8, P::Double),
        (NUMERIC, P::Double),
        (NUMERIC, P::String),
        (NUMERIC, P::Decimal { precision: 9, scale: 3 }),
        (NUMERIC, P::Decimal { precision: 38, scale: 10 }),
        (TEXT, P::String),
        (BYTEA, P::Bytes),
        (DATE, P::Date),
        (TIME, P::Time),
        (TIMESTAMP, P::Timestamp),
        (TIMESTAMPTZ, P::TimestampTz),
        (INTERVAL, P::String),
        (UUID, P::Uuid),
        (JSONB, P::Json),
    ];
    (select(pairs), 0..3, any::<bool>()).prop_flat_map(|((kind, parquet), form, as_null)| {
        let (kind, parquet) = match form {
            0 => (kind, parquet),
            1 => (array_of(kind), P::List(Box::new(parquet))),
            _ => (array_of(kind), P::Json),
        };
        let field = prop_oneof![5 => valid(kind), 1 => damaged_field(kind)];
        let rows = vec(prop::option::weighted(0.9, field).prop_map(|field| vec![field]), 1..6);
        (Just(kind), Just(parquet), rows, Just(as_null))
    })
}
