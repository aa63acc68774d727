//! Any bytes as fields of any column: an error or a file that reads back, never a panic.
#![allow(clippy::unwrap_used)]

mod common;
mod parquet_file;

use common::*;
use parquet_file::{EACH_ROW, Row, options, plan, read, write};
use proptest::prelude::*;

fn pairs() -> Vec<(Kind, ParquetType)> {
    use ParquetType as P;
    let scalars = vec![
        (BOOL, P::Boolean),
        (INT2, P::Int16),
        (INT4, P::Int32),
        (INT8, P::Int64),
        (OID, P::Int64),
        (FLOAT4, P::Float),
        (FLOAT8, P::Double),
        (NUMERIC, P::String),
        (NUMERIC, P::Double),
        (NUMERIC, P::Decimal { precision: 9, scale: 3 }),
        (NUMERIC, P::Decimal { precision: 18, scale: 18 }),
        (NUMERIC, P::Decimal { precision: 38, scale: 10 }),
        (TEXT, P::String),
        (CHAR, P::String),
        (BYTEA, P::Bytes),
        (DATE, P::Date),
        (TIME, P::Time),
        (TIME, P::String),
        (TIMETZ, P::String),
        (TIMESTAMP, P::Timestamp),
        (TIMESTAMPTZ, P::TimestampTz),
        (INTERVAL, P::String),
        (UUID, P::Uuid),
        (JSON, P::Json),
        (JSONB, P::Json),
        (BY_TEXT, P::String),
        (JSON_TEXT, P::Json),
    ];
    let lists = scalars.iter().cloned().map(|(kind, parquet)| (array_of(kind), P::List(Box::new(parquet))));
    let texts = scalars.iter().cloned().flat_map(|(kind, _)| [(array_of(kind), P::String), (array_of(kind), P::Json)]);
    scalars.iter().cloned().chain(lists).chain(texts).collect()
}

/// Bytes of the lengths that fields have, small numbers among them, so that headers of arrays and numerics often hold.
fn field() -> impl Strategy<Value = Option<Vec<u8>>> {
    let small = prop::collection::vec(prop_oneof![4 => Just(0_u8), 2 => 0..4_u8, 1 => any::<u8>()], 0..60);
    let any_length = prop::collection::vec(any::<u8>(), 0..40);
    let word = any::<i64>().prop_map(|v| v.to_be_bytes().to_vec());
    let half = any::<i32>().prop_map(|v| v.to_be_bytes().to_vec());
    prop_oneof![Just(None), prop_oneof![small, any_length, word, half].prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_error_or_a_file(
        pair in prop::sample::select(pairs()),
        fields in prop::collection::vec(field(), 1..4),
        as_null: bool,
    ) {
        let (kind, parquet) = pair;
        let options = ParquetOptions { unrepresentable_as_null: as_null, ..options() };
        let plan = plan(&[("c", kind, parquet)], options);
        let rows: Vec<Row> = fields.into_iter().map(|field| vec![field]).collect();
        if let Ok(written) = write(&plan, &rows, EACH_ROW) {
            let batch = read(&written.bytes());
            prop_assert_eq!(batch.num_rows(), rows.len());
            let nulls = rows.iter().filter(|row| row.first().is_some_and(Option::is_none)).count();
            prop_assert!(batch.column(0).null_count() >= nulls);
            prop_assert!(as_null || batch.column(0).null_count() == nulls);
        }
    }

    /// Each field alone, so that most of them are valid.
    #[test]
    fn numbers_read_back(
        values in prop::collection::vec(prop::option::of(any::<i64>()), 0..300),
        group_rows in 1_usize..90,
    ) {
        use arrow_array::cast::AsArray;
        use arrow_array::types::Int64Type;
        let options = ParquetOptions { row_group_rows: group_rows, ..options() };
        let plan = plan(&[("c", INT8, ParquetType::Int64)], options);
        let rows: Vec<Row> = values.iter().map(|value| vec![value.map(|v| v.to_be_bytes().to_vec())]).collect();
        let file = write(&plan, &rows, EACH_ROW).unwrap().bytes();
        let groups = parquet_file::metadata(&file).num_row_groups();
        prop_assert_eq!(groups, values.len().div_ceil(group_rows));
        if !values.is_empty() {
            let batch = read(&file);
            prop_assert_eq!(batch.column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), values);
        }
    }
}
