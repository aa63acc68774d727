//! How a file is laid out: row groups and their bounds, pages, statistics, dictionaries, the footer, chunks.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod parquet_file;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use common::*;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet_file::{Drive, EACH_ROW, Row, metadata, noise, options, plan, read, write};

fn columns() -> [(&'static str, Kind, ParquetType); 3] {
    [("id", INT8, ParquetType::Int64), ("text", TEXT, ParquetType::String), ("doc", JSONB, ParquetType::Json)]
}

/// An ascending number, text of `length` bytes, and JSON that is NULL in each fourth row.
fn rows(count: usize, length: usize) -> Vec<Row> {
    let doc = |i: usize| (!i.is_multiple_of(4)).then(|| format!("\u{1}{{\"i\": {i}}}").into_bytes());
    (0..count).map(|i| vec![Some((i as i64).to_be_bytes().to_vec()), Some(noise(length, i as u64)), doc(i)]).collect()
}

#[test]
fn row_groups_do_not_depend_on_when_they_are_taken() {
    let plan = plan(&columns(), ParquetOptions { row_group_bytes: 400_000, ..options() });
    let rows = rows(30_000, 60);
    let each_row = write(&plan, &rows, EACH_ROW).unwrap();
    assert!(each_row.group_bytes.len() > 3);
    for take_every in [7, 10_000, usize::MAX] {
        let other = write(&plan, &rows, Drive { take_every, ..EACH_ROW }).unwrap();
        assert!(other.bytes() == each_row.bytes(), "taken every {take_every} rows");
    }
    assert_eq!(read(&each_row.bytes()).num_rows(), rows.len());
}

#[test]
fn row_groups_end_at_their_bounds() {
    let by_rows = plan(&columns(), ParquetOptions { row_group_rows: 250, ..options() });
    let file = write(&by_rows, &rows(1_100, 10), EACH_ROW).unwrap().bytes();
    let groups: Vec<i64> = metadata(&file).row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [250, 250, 250, 250, 100]);

    // A batch is at most half a megabyte of fields, so that much and the framing may come on top.
    let bound = 2 << 20;
    let by_bytes =
        plan(&columns(), ParquetOptions { row_group_bytes: bound, compression: ParquetCompression::None, ..options() });
    let written = write(&by_bytes, &rows(8_000, 1_000), EACH_ROW).unwrap();
    let (last, full) = written.group_bytes.split_last().unwrap();
    assert_eq!(full.len(), 3);
    assert!(*last < bound + (640 << 10));
    assert!(full.iter().all(|bytes| (bound - (64 << 10)..bound + (640 << 10)).contains(bytes)), "{full:?}");
}

#[test]
fn large_rows_do_not_pile_up() {
    let plan = plan(&columns(), ParquetOptions { row_group_bytes: 4 << 20, ..options() });
    let written = write(&plan, &rows(30, 1 << 20), EACH_ROW).unwrap();
    assert!(written.group_bytes.len() >= 6, "{:?}", written.group_bytes);
    // The row group, the minimum and maximum of its text, and a row.
    assert!(written.peak_memory < 9 << 20, "{}", written.peak_memory);
    let batch = read(&written.bytes());
    assert!((0..30).all(|i| batch.column(1).as_string::<i32>().value(i).as_bytes() == noise(1 << 20, i as u64)));
}

#[test]
fn chunks_have_one_size_and_join_to_the_same_file() {
    let plan = plan(&columns(), ParquetOptions { row_group_rows: 500, ..options() });
    let rows = rows(2_000, 100);
    let whole = write(&plan, &rows, EACH_ROW).unwrap();
    assert_eq!(whole.chunks.len(), 1);
    let cut = write(&plan, &rows, Drive { chunk_bytes: 1_000, ..EACH_ROW }).unwrap();
    assert!(cut.bytes() == whole.bytes());
    let (last, full) = cut.chunks.split_last().unwrap();
    assert!(full.iter().all(|chunk| chunk.len() == 1_000) && (1..=1_000).contains(&last.len()));
}

#[test]
fn a_file_without_rows_has_its_schema() {
    let file = write(&plan(&columns(), options()), &[], EACH_ROW).unwrap().bytes();
    let metadata = metadata(&file);
    assert_eq!((metadata.num_row_groups(), metadata.file_metadata().num_rows()), (0, 0));
    let names: Vec<_> = metadata.file_metadata().schema_descr().columns().iter().map(|c| c.name().to_owned()).collect();
    assert_eq!(names, ["id", "text", "doc"]);
    assert_eq!((&file[..4], &file[file.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]));
}

#[test]
fn the_footer_carries_what_is_known_early_and_late() {
    let early = ParquetOptions { metadata: vec![("dataset".into(), "public.t".into())], ..options() };
    let entries = |columns: &[(&str, Kind, ParquetType)]| {
        let metadata = metadata(&write(&plan(columns, early.clone()), &[], EACH_ROW).unwrap().bytes());
        assert_eq!(
            metadata.file_metadata().created_by(),
            Some(concat!("polyglot-export version ", env!("CARGO_PKG_VERSION")))
        );
        let entries = metadata.file_metadata().key_value_metadata().unwrap().clone();
        entries.into_iter().map(|e| (e.key, e.value.unwrap())).collect::<Vec<_>>()
    };
    // The Arrow schema is there for readers that would show JSON as binary, and only then.
    let with_json = entries(&columns());
    assert_eq!(with_json.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["dataset", "ARROW:schema", "late"]);
    let without = entries(&columns()[..2]);
    assert_eq!(without, [("dataset".into(), "public.t".into()), ("late".into(), "0".into())]);
}

#[test]
fn page_index_and_statistics_hold_for_each_page() {
    let rows = rows(70_000, 8);
    let plan = plan(&columns(), ParquetOptions { row_group_rows: 50_000, ..options() });
    let file = write(&plan, &rows, EACH_ROW).unwrap().bytes();
    let metadata = metadata(&file);
    let index = metadata.page_index().unwrap();
    let mut ids = 0..rows.len() as i64;
    for (group, metadata) in metadata.row_groups().iter().enumerate() {
        let ColumnIndexMetaData::INT64(pages) = index.column_index(group, 0).unwrap() else {
            panic!("not an INT64 column")
        };
        let locations = &index.offset_index(group, 0).unwrap().page_locations;
        let ends = locations.iter().skip(1).map(|page| page.first_row_index).chain([metadata.num_rows()]);
        for (page, (location, end)) in locations.iter().zip(ends).enumerate() {
            let in_page: Vec<i64> = ids.by_ref().take((end - location.first_row_index) as usize).collect();
            assert_eq!((pages.min_value(page), pages.max_value(page)), (in_page.first(), in_page.last()));
        }
        // JSON has no order: no minimum, no maximum, but the number of NULLs.
        let json = metadata.column(2).statistics().unwrap();
        assert_eq!(json.null_count_opt(), Some((metadata.num_rows() as u64).div_ceil(4)));
        assert!(json.min_bytes_opt().is_none() && index.column_index(group, 2).is_none());
    }
    assert_eq!(ids.next(), None);

    // Reads single rows by the offset index.
    let wanted = [3_usize, 19_999, 20_000, 49_999, 50_000, 69_999];
    let mut at = 0;
    let mut selectors = Vec::new();
    for row in wanted {
        selectors.extend([RowSelector::skip(row - at), RowSelector::select(1)]);
        at = row + 1;
    }
    let with_index = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, with_index).unwrap();
    let reader = reader.with_row_selection(RowSelection::from(selectors)).build().unwrap();
    let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
    let read: Vec<i64> =
        batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    assert_eq!(read, wanted.map(|row| row as i64));
    let texts: Vec<_> =
        batches.iter().flat_map(|b| b.column(1).as_string::<i32>().iter().map(|t| t.unwrap().to_owned())).collect();
    assert_eq!(texts, wanted.map(|row| String::from_utf8(noise(8, row as u64)).unwrap()));
}

#[test]
fn dictionaries_are_made_where_values_repeat() {
    let columns = [
        ("unique", INT8, ParquetType::Int64),
        ("repeated", INT8, ParquetType::Int64),
        ("words", TEXT, ParquetType::String),
        ("texts", TEXT, ParquetType::String),
        ("nulls", TEXT, ParquetType::String),
    ];
    let number = |n: usize| Some((n as i64).to_be_bytes().to_vec());
    let row =
        |i: usize| vec![number(i), number(i % 10), Some(vec![b'a' + (i % 9) as u8]), Some(noise(20, i as u64)), None];
    let rows: Vec<Row> = (0..10_000).map(row).collect();
    let file = write(&plan(&columns, options()), &rows, EACH_ROW).unwrap().bytes();
    let has_dictionary: Vec<bool> = metadata(&file)
        .row_group(0)
        .columns()
        .iter()
        .map(|column| column.encodings().any(|encoding| encoding == Encoding::RLE_DICTIONARY))
        .collect();
    assert_eq!(has_dictionary, [false, true, true, false, false]);
}

#[test]
fn a_fast_codec_is_used_for_numbers_where_it_saves_a_quarter() {
    let columns = [("number", INT8, ParquetType::Int64), ("text", TEXT, ParquetType::String)];
    // The first row group has numbers of eight random bytes, the second ascending ones.
    let number = |i: usize| {
        if i < 10_000 { noise(16, i as u64).as_chunks::<8>().0[0].to_vec() } else { i.to_be_bytes().to_vec() }
    };
    let rows: Vec<Row> = (0..20_000).map(|i| vec![Some(number(i)), Some(noise(20, i as u64))]).collect();
    for (compression, of_noise) in [
        (ParquetCompression::Snappy, Compression::UNCOMPRESSED),
        (ParquetCompression::Lz4Raw, Compression::UNCOMPRESSED),
        (ParquetCompression::Gzip, Compression::GZIP(Default::default())),
    ] {
        let file = write(
            &plan(&columns, ParquetOptions { compression, row_group_rows: 10_000, ..options() }),
            &rows,
            EACH_ROW,
        )
        .unwrap()
        .bytes();
        let metadata = metadata(&file);
        let codecs: Vec<Vec<Compression>> = metadata
            .row_groups()
            .iter()
            .map(|group| group.columns().iter().map(|column| column.compression()).collect())
            .collect();
        let codec = codecs[0][1];
        assert_ne!(codec, Compression::UNCOMPRESSED);
        assert_eq!(codecs, [[of_noise, codec], [codec, codec]]);
    }
}

#[test]
fn wide_tables_stay_bounded() {
    let names: Vec<String> = (0..1_600).map(|i| format!("c{i}")).collect();
    let kinds = [(INT8, ParquetType::Int64), (TEXT, ParquetType::String), (BOOL, ParquetType::Boolean)];
    let columns: Vec<_> = names
        .iter()
        .zip(kinds.iter().cycle())
        .map(|(name, (kind, parquet))| (name.as_str(), *kind, parquet.clone()))
        .collect();
    let row = |i: usize| -> Row {
        let fields = [(i as i64 % 3).to_be_bytes().to_vec(), vec![b'x'; i % 5], vec![u8::from(i.is_multiple_of(2))]];
        fields.iter().cycle().take(names.len()).cloned().map(Some).collect()
    };
    let rows: Vec<Row> = (0..300).map(row).collect();
    let bound = 1 << 20;
    let plan = plan(&columns, ParquetOptions { row_group_bytes: bound, ..options() });
    let written = write(&plan, &rows, EACH_ROW).unwrap();
    // Dictionaries of the first columns come on top of the row group: 72 KB each for a hash table.
    assert!(written.peak_memory < bound + (64 * (80 << 10)) + (2 << 20), "{}", written.peak_memory);
    let file = written.bytes();
    let metadata = metadata(&file);
    assert!(metadata.num_row_groups() > 1);
    let dictionaries =
        |column: &&parquet::file::metadata::ColumnChunkMetaData| column.dictionary_page_offset().is_some();
    assert_eq!(metadata.row_group(0).columns().iter().filter(dictionaries).count(), 64);
    let batch = read(&file);
    assert_eq!((batch.num_rows(), batch.num_columns()), (rows.len(), names.len()));
    assert!((0..rows.len()).all(|i| batch.column(1_599).as_primitive::<Int64Type>().value(i) == i as i64 % 3));
}
