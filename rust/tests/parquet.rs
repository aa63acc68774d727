//! What becomes of values: types, values that do not fit, and pairs that there are not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod parquet_file;

use _core::error::Error;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int32Type, Int64Type};
use arrow_array::{Array, ListArray};
use arrow_schema::{DataType, TimeUnit};
use common::*;
use parquet::basic::Type as Physical;
use parquet_file::{EACH_ROW, Row, layout, metadata, options, plan, read, write};

/// Every kind alone and in an array.
fn all_kinds() -> Vec<Kind> {
    scalars().into_iter().chain(scalars().into_iter().map(array_of)).collect()
}

/// Every type alone and in a list.
fn all_types() -> Vec<ParquetType> {
    use ParquetType::*;
    let decimal = Decimal { precision: 20, scale: 4 };
    let scalars = [
        Boolean,
        Int16,
        Int32,
        Int64,
        Float,
        Double,
        decimal,
        String,
        Json,
        Bytes,
        Date,
        Time,
        Timestamp,
        TimestampTz,
        Uuid,
    ];
    scalars.iter().cloned().chain(scalars.iter().cloned().map(|t| List(Box::new(t)))).collect()
}

/// The table of `docs/formats/types.md`, written a second time.
fn allowed(kind: Kind, parquet: &ParquetType) -> bool {
    use ParquetType as P;
    match (kind, parquet) {
        (_, P::String) | (Kind::Array { .. }, P::Json) => true,
        (Kind::Array { element, .. }, P::List(inner)) => allowed(Kind::Scalar(element), inner),
        (Kind::Array { .. }, _) => false,
        (Kind::Scalar(record), p) => match record.kind {
            "bool" => *p == P::Boolean,
            "int2" => *p == P::Int16,
            "int4" => *p == P::Int32,
            "int8" | "oid" => *p == P::Int64,
            "float4" => *p == P::Float,
            "float8" => *p == P::Double,
            "numeric" => matches!(p, P::Double | P::Decimal { .. }),
            "bytea" => *p == P::Bytes,
            "date" => *p == P::Date,
            "time" => matches!(p, P::Time | P::Int64),
            "timestamp" => *p == P::Timestamp,
            "timestamptz" => *p == P::TimestampTz,
            "uuid" => *p == P::Uuid,
            "json" | "jsonb" | "json_text" => *p == P::Json,
            _ => false,
        },
    }
}

#[test]
fn only_the_pairs_of_the_type_table_have_a_writer() {
    for kind in all_kinds() {
        for parquet in all_types() {
            let made = layout(&plan(&[("c", kind, parquet.clone())], options()));
            match made {
                Ok(_) => assert!(allowed(kind, &parquet), "{kind:?} as {parquet:?} was accepted"),
                Err(Error::Internal(_)) => assert!(!allowed(kind, &parquet), "{kind:?} as {parquet:?} was refused"),
                Err(other) => panic!("{kind:?} as {parquet:?}: {other}"),
            }
        }
    }
    for (precision, scale) in [(0, 0), (39, 0), (5, 6)] {
        let made = layout(&plan(&[("c", NUMERIC, ParquetType::Decimal { precision, scale })], options()));
        assert!(matches!(made, Err(Error::Internal(_))), "DECIMAL({precision},{scale})");
    }
}

#[test]
fn decimals_take_the_smallest_physical_type() {
    for precision in 1..=38_u8 {
        for scale in [0, precision / 2, precision] {
            let nines = "9".repeat(usize::from(precision));
            let (whole, fraction) = nines.split_at(usize::from(precision - scale));
            let whole = if whole.is_empty() { "0" } else { whole };
            let rows: Vec<Row> =
                [true, false].iter().map(|negative| vec![Some(numeric(*negative, whole, fraction))]).collect();
            let plan = plan(&[("d", NUMERIC, ParquetType::Decimal { precision, scale })], options());
            let file = write(&plan, &rows, EACH_ROW).unwrap().bytes();
            let physical = metadata(&file).file_metadata().schema_descr().column(0).physical_type();
            let smallest = match precision {
                ..=9 => Physical::INT32,
                10..=18 => Physical::INT64,
                _ => Physical::FIXED_LEN_BYTE_ARRAY,
            };
            assert_eq!(physical, smallest, "precision {precision}");
            let batch = read(&file);
            assert_eq!(batch.column(0).data_type(), &DataType::Decimal128(precision, scale as i8));
            let largest: i128 = nines.parse().unwrap();
            assert_eq!(batch.column(0).as_primitive::<Decimal128Type>().values(), &[-largest, largest]);
        }
    }
}

#[test]
fn dates_and_times_count_from_1970() {
    let columns = [
        ("d", DATE, ParquetType::Date),
        ("t", TIMESTAMP, ParquetType::Timestamp),
        ("z", TIMESTAMPTZ, ParquetType::TimestampTz),
    ];
    let row = |days: i32, micros: i64| -> Row {
        [days.to_be_bytes().to_vec(), micros.to_be_bytes().to_vec(), (micros - 1).to_be_bytes().to_vec()]
            .into_iter()
            .map(Some)
            .collect()
    };
    let epoch = 946_684_800_000_000;
    let rows = [row(-10_957, -epoch), row(i32::MIN + 1, i64::MIN + 2), row(0, i64::MAX - epoch)];
    let batch = read(&write(&plan(&columns, options()), &rows, EACH_ROW).unwrap().bytes());
    assert_eq!(batch.column(0).as_primitive::<Date32Type>().values(), &[0, i32::MIN + 1 + 10_957, 10_957]);
    assert_eq!(batch.column(1).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
    assert_eq!(batch.column(2).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    let instants = |column: usize| batch.column(column).to_data().buffers()[0].typed_data::<i64>().to_vec();
    assert_eq!(instants(1), [0, i64::MIN + 2 + epoch, i64::MAX]);
    assert_eq!(instants(2), [-1, i64::MIN + 1 + epoch, i64::MAX - 1]);
}

/// Kind, type, bytes of a value that does not fit, and its text.
fn unrepresentable() -> Vec<(Kind, ParquetType, Vec<u8>, &'static str)> {
    let decimal = ParquetType::Decimal { precision: 6, scale: 2 };
    let special = |sign: u16| [0_u16, 0, sign, 0].iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let matrix = array(&[(2, 1), (1, 1)], &[Some(vec![0, 0, 0, 1]), Some(vec![0, 0, 0, 2])]);
    vec![
        (NUMERIC, decimal.clone(), special(0xc000), "NaN"),
        (NUMERIC, decimal.clone(), special(0xd000), "Infinity"),
        (NUMERIC, decimal.clone(), special(0xf000), "-Infinity"),
        (NUMERIC, decimal.clone(), numeric(false, "10000", "00"), "10000.00"),
        (NUMERIC, decimal, numeric(true, "1", "005"), "-1.005"),
        (DATE, ParquetType::Date, i32::MAX.to_be_bytes().to_vec(), "infinity"),
        (DATE, ParquetType::Date, i32::MIN.to_be_bytes().to_vec(), "-infinity"),
        (TIMESTAMP, ParquetType::Timestamp, i64::MAX.to_be_bytes().to_vec(), "infinity"),
        (TIMESTAMPTZ, ParquetType::TimestampTz, i64::MIN.to_be_bytes().to_vec(), "-infinity"),
        // One past 294247-01-10 04:00:54.775807, the last instant of 64 bits that count from 1970.
        (
            TIMESTAMP,
            ParquetType::Timestamp,
            (i64::MAX - 946_684_800_000_000 + 1).to_be_bytes().to_vec(),
            "294247-01-10 04:00:54.775808",
        ),
        (TIME, ParquetType::Time, 86_400_000_000_i64.to_be_bytes().to_vec(), "24:00:00"),
        (array_of(INT4), ParquetType::List(Box::new(ParquetType::Int32)), matrix, "{{1},{2}}"),
    ]
}

#[test]
fn a_value_that_does_not_fit_is_an_error_that_shows_it() {
    for (kind, parquet, bytes, text) in unrepresentable() {
        let rows = [vec![None], vec![Some(bytes)]];
        let error = write(&plan(&[("the column", kind, parquet)], options()), &rows, EACH_ROW).err().unwrap();
        let Error::Value(value) = &error else { panic!("{error}") };
        assert_eq!((value.row, value.column.as_deref()), (Some(2), Some("the column")));
        assert!(value.message.starts_with(&format!("{text} does not fit in ")), "{error}");
    }
}

#[test]
fn or_null_and_counted_on_request() {
    for (kind, parquet, bytes, text) in unrepresentable() {
        let rows = [vec![None], vec![Some(bytes.clone())], vec![Some(bytes)]];
        let options = ParquetOptions { unrepresentable_as_null: true, ..options() };
        let written = write(&plan(&[("c", kind, parquet)], options), &rows, EACH_ROW).unwrap();
        assert_eq!(written.losses, [2], "{text}");
        assert_eq!(read(&written.bytes()).column(0).null_count(), 3, "{text}");
    }
}

#[test]
fn an_element_that_does_not_fit_is_nulled_alone() {
    let dates = array(&[(2, 1)], &[Some(vec![0; 4]), Some(i32::MAX.to_be_bytes().to_vec())]);
    let options = ParquetOptions { unrepresentable_as_null: true, ..options() };
    let columns = [("c", array_of(DATE), ParquetType::List(Box::new(ParquetType::Date)))];
    let written = write(&plan(&columns, options), &[vec![Some(dates)]], EACH_ROW).unwrap();
    assert_eq!(written.losses, [1]);
    let batch = read(&written.bytes());
    let elements = batch.column(0).as_list::<i32>().value(0);
    assert_eq!(elements.as_primitive::<Date32Type>().iter().collect::<Vec<_>>(), [Some(10_957), None]);
}

#[test]
fn text_must_be_utf8_and_bytes_need_not() {
    let rows = [vec![Some(b"caf\xe9".to_vec())]];
    for (kind, parquet) in [(TEXT, ParquetType::String), (BY_TEXT, ParquetType::String), (JSON, ParquetType::Json)] {
        let error = write(&plan(&[("the column", kind, parquet)], options()), &rows, EACH_ROW).err().unwrap();
        assert!(matches!(&error, Error::Value(e) if e.column.as_deref() == Some("the column")), "{error}");
    }
    let file = write(&plan(&[("c", BYTEA, ParquetType::Bytes)], options()), &rows, EACH_ROW).unwrap().bytes();
    assert_eq!(read(&file).column(0).as_binary::<i32>().value(0), b"caf\xe9");
}

/// Lists over many batches, so that buffers are used again: NULL, empty, and with NULL elements; lower bounds are
/// dropped.
#[test]
fn lists_keep_nulls_and_emptiness() {
    let value = |i: usize| -> Option<Vec<Option<i32>>> {
        match i % 5 {
            0 => None,
            1 => Some(Vec::new()),
            _ => Some((0..i % 7).map(|j| (j != 2).then_some((i * 10 + j) as i32)).collect()),
        }
    };
    let field = |i: usize| {
        let elements: Vec<_> = value(i)?.iter().map(|e| e.map(|e| e.to_be_bytes().to_vec())).collect();
        let dimensions: &[_] = if elements.is_empty() { &[] } else { &[(elements.len() as i32, 5)] };
        Some(array(dimensions, &elements))
    };
    let rows: Vec<Row> = (0..20_000).map(|i| vec![Some((i as i64).to_be_bytes().to_vec()), field(i)]).collect();
    let columns =
        [("i", INT8, ParquetType::Int64), ("l", array_of(INT4), ParquetType::List(Box::new(ParquetType::Int32)))];
    let batch = read(&write(&plan(&columns, options()), &rows, EACH_ROW).unwrap().bytes());
    assert_eq!(batch.num_rows(), rows.len());
    let lists: &ListArray = batch.column(1).as_list();
    for i in 0..rows.len() {
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(i), i as i64);
        let read = lists.is_valid(i).then(|| lists.value(i).as_primitive::<Int32Type>().iter().collect::<Vec<_>>());
        assert_eq!(read, value(i), "row {i}");
    }
}
