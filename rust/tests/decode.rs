//! The decoders without a server: malformed input never panics or grows without bound, and what is written reads back
//! as what was sent. That the text is PostgreSQL's is tested against PostgreSQL, from Python.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use _core::copy::frame::Frames;
use _core::error::Error;
use _core::types::array::Array;
use _core::types::numeric::{self, Numeric};
use _core::types::{Decoder, Printing};
use common::*;
use proptest::prelude::*;

/// A numeric's text: sign, 131,072 digits before the point and 16,383 after.
const MAX_NUMERIC_TEXT: usize = 150_000;

fn scalar() -> impl Strategy<Value = Kind> {
    prop::sample::select(scalars())
}

fn kind() -> impl Strategy<Value = Kind> {
    let delimiter = prop::sample::select(b",;0 ".to_vec());
    prop_oneof![
        scalar(),
        (scalar(), delimiter).prop_map(|(element, delimiter)| Kind::Array { element: element.record(), delimiter })
    ]
}

/// Bytes that get past the first checks more often than arbitrary ones: sizes that types have, numerics, arrays.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let arbitrary = prop::collection::vec(any::<u8>(), 0..64);
    let sized =
        prop::sample::select(vec![1usize, 2, 4, 8, 12, 16]).prop_flat_map(|n| prop::collection::vec(any::<u8>(), n));
    let number =
        (0u16..6, any::<i16>(), prop::sample::select(vec![0u16, 0x4000, 0xc000, 0xd000, 0xf000, 1]), 0u16..0x4001)
            .prop_flat_map(|(count, weight, sign, scale)| {
                prop::collection::vec(0u16..10_010, usize::from(count)).prop_map(move |groups| {
                    let mut words = vec![count, weight as u16, sign, scale];
                    words.extend(groups);
                    words.iter().flat_map(|word| word.to_be_bytes()).collect()
                })
            });
    let scalar_bytes = prop_oneof![arbitrary, sized, number];
    let elements = prop::collection::vec(prop::option::of(scalar_bytes.clone().boxed()), 0..9);
    let dimensions = prop::collection::vec((prop_oneof![-1i32..4, any::<i32>()], any::<i32>()), 0..8);
    let arrays = (dimensions, elements.clone()).prop_map(|(dimensions, elements)| array(&dimensions, &elements));
    let line = elements.prop_map(|elements| array(&[(elements.len() as i32, 1)], &elements));
    let whole = prop_oneof![scalar_bytes, arrays, line];
    // Cut somewhere, now and then.
    (whole, prop::option::weighted(0.2, any::<prop::sample::Index>())).prop_map(|(mut bytes, cut)| {
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes
    })
}

/// Numerics of a few digits around the point, which take short ways, with some that are none.
fn small_numeric() -> impl Strategy<Value = Vec<u8>> {
    let sign = prop::sample::select(vec![0u16, 0, 0x4000, 0x4000, 0xc000, 0x8000]);
    let groups = prop::collection::vec(
        prop_oneof![0u16..10_000, prop::sample::select(vec![0u16, 9, 10, 100, 1000, 5000, 9999, 10_000])],
        0..6,
    );
    (groups, -3i16..4, sign, 0u16..12, prop::bool::weighted(0.05)).prop_map(|(groups, weight, sign, scale, odd)| {
        let header = [groups.len() as u16, weight as u16, sign, scale];
        let mut bytes: Vec<u8> = header.iter().chain(&groups).flat_map(|word| word.to_be_bytes()).collect();
        if odd {
            bytes.push(0);
        }
        bytes
    })
}

/// How large the text of a field can be at most: a small factor, unless numerics are in it.
fn text_limit(kind: Kind, input: usize) -> usize {
    match kind {
        Kind::Scalar(_) if kind == NUMERIC => MAX_NUMERIC_TEXT,
        Kind::Array { .. } if Kind::Scalar(kind.record()) == NUMERIC => input / 4 * MAX_NUMERIC_TEXT + 100,
        _ => input * 8 + 100,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn any_bytes_give_a_value_or_an_error(
        kind in kind(),
        bytes in field(),
        version in prop::sample::select(vec![140_000u32, 160_000, 180_000]),
    ) {
        let decoder = Decoder::new(kind, version);
        let mut out = b"before".to_vec();
        let _ = decoder.write_text(&bytes, &mut out);
        prop_assert!(out.len() <= text_limit(kind, bytes.len()), "text of {} bytes", out.len());
        prop_assert!(out.starts_with(b"before"));
        out.clear();
        if decoder.write_json(&bytes, &mut out).is_ok() {
            prop_assert!(std::str::from_utf8(&out).is_ok());
        }
        prop_assert!(out.len() <= text_limit(kind, bytes.len()), "JSON of {} bytes", out.len());
    }

    #[test]
    fn an_array_has_no_more_elements_than_its_bytes_hold(bytes in field()) {
        if let Ok(array) = Array::parse(&bytes) {
            prop_assert!(array.len() <= bytes.len() / 4);
            let elements: Vec<_> = array.elements().collect();
            prop_assert!(elements.len() <= array.len());
            let held: usize = elements.iter().flatten().flatten().map(|element| element.len() + 4).sum();
            prop_assert!(held <= bytes.len());
        }
    }

    #[test]
    fn the_short_ways_of_a_numeric_lead_where_the_long_one_does(bytes in small_numeric(), scale in 0u8..8) {
        let long = Numeric::parse(&bytes);
        if let Some(short) = numeric::short_text(&bytes) {
            let (mut appended, mut expected) = (Vec::new(), Vec::new());
            short.push(&mut appended);
            long.as_ref().unwrap().write(&mut expected);
            prop_assert_eq!(appended, expected);
        }
        if let Some(value) = numeric::short_decimal(&bytes, scale) {
            prop_assert_eq!(long.unwrap().to_decimal(38, scale), Some(i128::from(value)));
        }
    }

    #[test]
    fn what_is_appended_at_once_is_the_text(
        kind in scalar(),
        bytes in prop_oneof![field(), small_numeric()],
        before in prop::option::of(Just(b',')),
    ) {
        let decoder = Decoder::new(kind, VERSION);
        let mut out = b"x".to_vec();
        if decoder.fast_text().is_some_and(|push| push(&bytes, before, &mut out)) {
            let mut expected: Vec<u8> = b"x".iter().copied().chain(before).collect();
            decoder.write_text(&bytes, &mut expected).unwrap();
            prop_assert_eq!(out, expected);
        } else {
            prop_assert_eq!(out, b"x");
        }
    }

    #[test]
    fn any_numeric_converts_or_is_refused(bytes in field(), precision in 0u8..=255, scale in 0u8..=255) {
        if let Ok(number) = Numeric::parse(&bytes) {
            if let Some(decimal) = number.to_decimal(precision, scale) {
                prop_assert!(decimal.unsigned_abs() < 10u128.pow(u32::from(precision).min(38)));
            }
            let _ = number.to_f64();
        }
    }

    #[test]
    fn any_messages_give_rows_or_an_error(
        columns in 0usize..5,
        start in prop::bool::weighted(0.8),
        messages in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..8)), 0..5)
                .prop_map(|fields| payload(&fields)),
            Just(vec![0xff, 0xff]),
        ], 0..6),
    ) {
        let mut frames = Frames::new(columns);
        if start {
            prop_assert!(frames.message(&copy_header()).unwrap().is_none());
        }
        for message in &messages {
            let Ok(Some(mut tuple)) = frames.message(message) else { continue };
            let mut held = 0;
            for _ in 0..columns {
                match tuple.field() {
                    Ok(field) => held += field.map_or(0, <[u8]>::len),
                    Err(_) => break,
                }
            }
            prop_assert!(held <= message.len());
            let _ = tuple.end();
        }
    }

    #[test]
    fn whole_numbers_read_back(value in any::<i64>(), shift in 0u32..64) {
        let value = value >> shift;
        prop_assert_eq!(text(INT8, &value.to_be_bytes()).parse::<i64>().unwrap(), value);
        prop_assert_eq!(text(INT4, &(value as i32).to_be_bytes()).parse::<i32>().unwrap(), value as i32);
        prop_assert_eq!(text(INT2, &(value as i16).to_be_bytes()).parse::<i16>().unwrap(), value as i16);
        prop_assert_eq!(text(OID, &(value as u32).to_be_bytes()).parse::<u32>().unwrap(), value as u32);
    }

    #[test]
    fn floats_read_back(bits in any::<u64>()) {
        let double = f64::from_bits(bits);
        let back: f64 = text(FLOAT8, &double.to_be_bytes()).parse().unwrap();
        prop_assert!(back.to_bits() == double.to_bits() || back.is_nan() && double.is_nan());
        let single = f32::from_bits(bits as u32);
        let back: f32 = text(FLOAT4, &single.to_be_bytes()).parse().unwrap();
        prop_assert!(back.to_bits() == single.to_bits() || back.is_nan() && single.is_nan());
    }

    #[test]
    fn whole_floats_print_the_shortest_digits_strictly_between_the_midpoints(
        mantissa in (1u64 << 52)..(1 << 53), zeros in 0u32..53, exponent in 2u32..60,
    ) {
        // Trailing zeros in the mantissa give powers of two and the round values that lie near an edge.
        let mantissa = mantissa >> zeros << zeros;
        let value = (mantissa | 1 << 52) as f64 * f64::from(2u32).powi(exponent as i32);
        let printed = text(FLOAT8, &value.to_be_bytes());
        let (digits, power) = scientific(&printed);
        let inside = |decimal: u128| {
            let (low, high) = (value.next_down() as u128 + value as u128, value as u128 + value.next_up() as u128);
            low < 2 * decimal && 2 * decimal < high
        };
        prop_assert!(inside(digits * 10u128.pow(power)), "{printed} is not strictly inside");
        // One digit less, rounded down or up, is outside.
        let shorter = digits / 10;
        let step = 10u128.pow(power + 1);
        prop_assert!(!inside(shorter * step) && !inside((shorter + 1) * step), "{printed} is not shortest");
    }

    #[test]
    fn numerics_read_back(negative: bool, whole in "0|[1-9][0-9]{0,40}", fraction in "[0-9]{0,30}|0{0,20}[0-9]{0,3}") {
        let bytes = numeric(negative, &whole, &fraction);
        let zero = format!("{whole}{fraction}").bytes().all(|b| b == b'0');
        let sign = if negative && !zero { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        let wanted = format!("{sign}{whole}{point}{fraction}");
        prop_assert_eq!(&text(NUMERIC, &bytes), &wanted);
        let number = Numeric::parse(&bytes).unwrap();
        prop_assert_eq!(number.to_f64(), wanted.parse::<f64>().unwrap());
        // With as many digits after the point as there are, all digits are kept: the whole number is known.
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_start_matches('0').len().max(1);
        let decimal = number.to_decimal(38, fraction.len() as u8);
        if significant <= 38 {
            prop_assert_eq!(decimal, Some(format!("{sign}{digits}").parse::<i128>().unwrap()));
            let narrower = number.to_decimal(significant as u8 - 1, fraction.len() as u8);
            prop_assert_eq!(narrower, zero.then_some(0));
        } else {
            prop_assert_eq!(decimal, None);
        }
        // One digit fewer after the point is exact only where the last digit is zero.
        if let Some(last) = fraction.bytes().last() {
            let shorter = number.to_decimal(38, fraction.len() as u8 - 1);
            if last != b'0' {
                prop_assert_eq!(shorter, None);
            } else if significant <= 38 {
                prop_assert_eq!(shorter, decimal.map(|d| d / 10));
            }
        }
    }

    #[test]
    fn timestamps_read_back(
        year in prop_oneof![-2i64..3, -4712i64..294_277],
        month in 1i64..13,
        day in 1i64..29,
        micros in 0i64..86_400_000_000,
        round in 0u32..7,
    ) {
        let micros = micros / 10i64.pow(round) * 10i64.pow(round);
        let days = days_from_2000(year, month, day);
        let stamp = days * 86_400_000_000 + micros;
        let clock = clock(micros);
        let (shown, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
        let date = format!("{shown:04}-{month:02}-{day:02}");
        prop_assert_eq!(text(DATE, &(days as i32).to_be_bytes()), format!("{date}{era}"));
        prop_assert_eq!(text(TIME, &micros.to_be_bytes()), clock.clone());
        prop_assert_eq!(text(TIMESTAMP, &stamp.to_be_bytes()), format!("{date} {clock}{era}"));
        prop_assert_eq!(text(TIMESTAMPTZ, &stamp.to_be_bytes()), format!("{date} {clock}+00{era}"));
        prop_assert_eq!(json(TIMESTAMP, &stamp.to_be_bytes()), format!("\"{date}T{clock}{era}\""));
        prop_assert_eq!(json(TIMESTAMPTZ, &stamp.to_be_bytes()), format!("\"{date}T{clock}+00:00{era}\""));
    }

    #[test]
    fn intervals_read_back(months: i32, days: i32, micros: i64, zeros in 0u8..8) {
        let months = if zeros & 1 == 0 { months } else { 0 };
        let days = if zeros & 2 == 0 { days } else { 0 };
        let micros = if zeros & 4 == 0 { micros } else { 0 };
        let mut bytes = micros.to_be_bytes().to_vec();
        bytes.extend_from_slice(&days.to_be_bytes());
        bytes.extend_from_slice(&months.to_be_bytes());
        let expected = (i64::from(months), i64::from(days), i128::from(micros));
        prop_assert_eq!(read_interval(&text(INTERVAL, &bytes)), expected);
    }

    #[test]
    fn bytes_and_uuids_read_back(bytes in prop::collection::vec(any::<u8>(), 0..200), uuid: [u8; 16]) {
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        prop_assert_eq!(text(BYTEA, &bytes), format!("\\x{hex}"));
        prop_assert_eq!(json(BYTEA, &bytes), format!("\"\\\\x{hex}\""));
        let printed = text(UUID, &uuid);
        let hyphens: Vec<usize> = printed.match_indices('-').map(|(at, _)| at).collect();
        prop_assert_eq!(hyphens, vec![8, 13, 18, 23]);
        prop_assert_eq!(u128::from_str_radix(&printed.replace('-', ""), 16).unwrap(), u128::from_be_bytes(uuid));
    }

    #[test]
    fn arrays_read_back(
        lengths in prop::collection::vec(1i32..4, 1..5),
        lower in prop::sample::select(vec![1i32, 1, 0, -7]),
        texts in prop::collection::vec(prop::option::of("[ -~\\n\\t\\r]{0,6}|NULL|nUll|é😀"), 81),
    ) {
        let count = lengths.iter().product::<i32>() as usize;
        let elements: Vec<Option<String>> = texts.into_iter().take(count).collect();
        let fields: Vec<_> = elements.iter().map(|e| e.as_ref().map(|e| e.as_bytes().to_vec())).collect();
        let dimensions: Vec<_> = lengths.iter().map(|length| (*length, lower)).collect();
        let kind = array_of(TEXT);
        let printed = text(kind, &array(&dimensions, &fields));
        let bounds: String = lengths.iter().map(|length| format!("[{lower}:{}]", lower + length - 1)).collect();
        let bounds = format!("{bounds}=");
        let literal = if lower == 1 { printed.as_str() } else { printed.strip_prefix(&bounds).expect("bounds") };
        let depth = lengths.len();
        let braces = literal.chars().take_while(|c| *c == '{').count();
        prop_assert_eq!(braces, depth);
        prop_assert_eq!(read_array(literal), elements);
    }
}

/// A megabyte of array elements of 131,072 digits each would be gigabytes of text.
#[test]
fn an_array_of_huge_numerics_is_refused_before_it_fills_the_memory() {
    let huge: Vec<u8> = [1u16, 0x7fff, 0, 0, 1].iter().flat_map(|word| word.to_be_bytes()).collect();
    let elements = vec![Some(huge); 60_000];
    let bytes = array(&[(60_000, 1)], &elements);
    let decoder = Decoder::new(array_of(NUMERIC), VERSION);
    let mut out = Vec::new();
    assert!(matches!(decoder.write_text(&bytes, &mut out), Err(Error::TooLarge(_))));
    assert!(out.len() < 17 << 20, "{} bytes", out.len());
    out.clear();
    assert!(matches!(decoder.write_json(&bytes, &mut out), Err(Error::TooLarge(_))));
}

#[test]
fn the_same_interval_is_infinite_only_where_the_server_has_infinity() {
    let mut bytes = i64::MAX.to_be_bytes().to_vec();
    bytes.extend_from_slice(&i32::MAX.to_be_bytes());
    bytes.extend_from_slice(&i32::MAX.to_be_bytes());
    let print = |version| {
        let mut out = Vec::new();
        Decoder::new(INTERVAL, version).write_text(&bytes, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(print(170_000), "infinity");
    assert_eq!(read_interval(&print(169_999)), (i64::from(i32::MAX), i64::from(i32::MAX), i128::from(i64::MAX)));
}

#[test]
fn big_numbers_are_strings_on_request_also_inside_arrays() {
    let int8 = 7i64.to_be_bytes().to_vec();
    let kind = array_of(INT8);
    let printing = Printing { server_version: VERSION, big_numbers_as_strings: true };
    let mut out = Vec::new();
    Decoder::with(kind, printing).write_json(&array(&[(1, 1)], &[Some(int8)]), &mut out).unwrap();
    Decoder::with(NUMERIC, printing).write_json(&numeric(false, "7", "50"), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "[\"7\"]\"7.50\"");
}

fn text(kind: Kind, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    Decoder::new(kind, VERSION).write_text(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(kind: Kind, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    Decoder::new(kind, VERSION).write_json(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Digits and power of ten of `d.ddde+xx`.
fn scientific(text: &str) -> (u128, u32) {
    let (mantissa, exponent) = text.split_once("e+").expect("an exponent");
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: usize = exponent.parse().unwrap();
    (format!("{first}{rest}").parse().unwrap(), (exponent - rest.len()) as u32)
}

/// By counting years, not by the algorithm under test.
fn days_from_2000(year: i64, month: i64, day: i64) -> i64 {
    let leap = |y: i64| y.rem_euclid(4) == 0 && (y.rem_euclid(100) != 0 || y.rem_euclid(400) == 0);
    let leaps_before = |y: i64| (y - 1).div_euclid(4) - (y - 1).div_euclid(100) + (y - 1).div_euclid(400);
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month as usize - 1];
    let years = (year - 2000) * 365 + leaps_before(year) - leaps_before(2000);
    years + before + i64::from(month > 2 && leap(year)) + day - 1
}

fn clock(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let digits = format!(".{fraction:06}");
    let fraction = if fraction == 0 { "" } else { digits.trim_end_matches('0') };
    format!("{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Months, days and microseconds of an interval's text.
fn read_interval(text: &str) -> (i64, i64, i128) {
    let (mut months, mut days, mut micros) = (0, 0, 0);
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        if word.contains(':') {
            let sign = if word.starts_with('-') { -1 } else { 1 };
            let parts: Vec<&str> = word.trim_start_matches(['-', '+']).split(':').collect();
            let (seconds, fraction) = parts[2].split_once('.').unwrap_or((parts[2], ""));
            let whole = parts[0].parse::<i128>().unwrap() * 3600
                + parts[1].parse::<i128>().unwrap() * 60
                + seconds.parse::<i128>().unwrap();
            micros = sign * (whole * 1_000_000 + format!("{fraction:0<6}").parse::<i128>().unwrap());
            continue;
        }
        let value: i64 = word.parse().unwrap();
        match words.next().unwrap().trim_end_matches('s') {
            "year" => months += 12 * value,
            "mon" => months += value,
            "day" => days = value,
            unit => panic!("unit {unit}"),
        }
    }
    (months, days, micros)
}

/// The elements of an array literal in order, whatever its braces (PostgreSQL manual, "Array Input and Output Syntax").
fn read_array(literal: &str) -> Vec<Option<String>> {
    let mut elements = Vec::new();
    let mut chars = literal.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' | ',' => (),
            '"' => {
                let mut element = String::new();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => element.push(chars.next().unwrap()),
                        c => element.push(c),
                    }
                }
                elements.push(Some(element));
            }
            first => {
                let mut element = String::from(first);
                while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '}')) {
                    element.push(c);
                }
                elements.push(if element == "NULL" { None } else { Some(element) });
            }
        }
    }
    elements
}
