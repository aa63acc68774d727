#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::io::Read;

use super::*;
use crate::copy::frame::Tuple;
use crate::formats::base::{Piece, PieceSink, Totals};
use crate::types::{Kind, ParquetType, kind};

fn column(name: &str, kind: Kind) -> Column {
    Column { source: name.into(), target: name.into(), kind, parquet: ParquetType::String }
}

/// Pieces in the order in which they were pushed.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl PieceSink for Pieces {
    fn push(&mut self, piece: Piece) -> Result<()> {
        self.0.push(piece);
        Ok(())
    }
}

fn encoding(bounds: Bounds, chunk_bytes: usize) -> XlsxEncoding {
    let columns = vec![column("n", kind("int4").unwrap()), column("t", kind("text").unwrap())];
    XlsxEncoding {
        options: XlsxOptions { sheet: "s".into(), truncate_long_text: false },
        layout: Arc::new(Layout::new("s", &columns)),
        columns,
        server_version: 180_000,
        chunk_bytes,
        bounds,
    }
}

/// A file of segments with so many rows.
fn file(segments: &[u32], bounds: Bounds, chunk_bytes: usize) -> Vec<u8> {
    let encoding = encoding(bounds, chunk_bytes);
    let pool = Arc::new(ChunkPool::new(chunk_bytes, 0));
    let mut assembler = encoding.file_assembler().unwrap();
    let mut out = Vec::new();
    let mut n = 0_i32;
    for rows in segments {
        let mut encoder = encoding.segment_encoder(&pool).unwrap();
        let mut pieces = Pieces::default();
        for _ in 0..*rows {
            n += 1;
            let row = [&4_i32.to_be_bytes()[..], &n.to_be_bytes(), &2_i32.to_be_bytes(), b"<x"].concat();
            encoder.row(Tuple::of_fields(&row), &mut pieces).unwrap();
        }
        let end = encoder.finish(&mut pieces).unwrap();
        assert_eq!(pieces.0.iter().map(|piece| piece.rows).sum::<u64>(), u64::from(*rows));
        for piece in pieces.0 {
            assembler.piece(piece.body).unwrap();
            while let Some(chunk) = assembler.take_chunk() {
                out.extend(chunk.prefix);
                out.extend(chunk.body);
            }
        }
        assembler.segment_end(&end);
    }
    assembler.finish(&Totals { rows: 0, losses: Vec::new() }).unwrap();
    while let Some(chunk) = assembler.take_chunk() {
        out.extend(chunk.prefix);
        out.extend(chunk.body);
    }
    out
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> usize {
    bytes[at..at + N].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// The parts of a zip by its directory.
fn parts(file: &[u8]) -> BTreeMap<String, String> {
    let end = file.len() - 22;
    assert_eq!(&file[end..end + 4], b"PK\x05\x06");
    let (mut at, mut found) = (number::<4>(file, end + 16), BTreeMap::new());
    for _ in 0..number::<2>(file, end + 10) {
        let (method, packed, length) =
            (number::<2>(file, at + 10), number::<4>(file, at + 20), number::<4>(file, at + 24));
        let name_length = number::<2>(file, at + 28);
        let name = std::str::from_utf8(&file[at + 46..at + 46 + name_length]).unwrap();
        let body = &file[number::<4>(file, at + 42) + 30 + name_length..][..packed];
        let mut text = String::new();
        match method {
            0 => text.push_str(std::str::from_utf8(body).unwrap()),
            8 => assert_eq!(flate2::read::DeflateDecoder::new(body).read_to_string(&mut text).unwrap(), length),
            _ => panic!("method {method}"),
        }
        assert_eq!((text.len(), crc32fast::hash(text.as_bytes()) as usize), (length, number::<4>(file, at + 16)));
        found.insert(name.to_owned(), text);
        at += 46 + name_length;
    }
    assert_eq!(at, end);
    found
}

const SMALL: Bounds = Bounds { sheet_rows: 100, sheet_bytes: 1 << 20, strip_rows: 10, strip_bytes: 1 << 20 };

fn rows_of_sheets(file: &[u8]) -> Vec<usize> {
    let parts = parts(file);
    let numbers = 1..=parts.keys().filter(|name| name.starts_with("xl/worksheets/")).count();
    numbers.map(|n| parts[&format!("xl/worksheets/sheet{n}.xml")].matches("<row>").count() - 1).collect()
}

#[test]
fn sheets_end_before_they_are_full_and_hold_all_rows() {
    for segments in [&[][..], &[0], &[1], &[89], &[90], &[91], &[300], &[5, 0, 60, 60, 250, 3], &[10; 40]] {
        let file = file(segments, SMALL, 1 << 20);
        let sheets = rows_of_sheets(&file);
        assert_eq!(sheets.iter().sum::<usize>(), segments.iter().sum::<u32>() as usize, "{segments:?}");
        assert!(sheets.iter().all(|rows| *rows < 100), "{segments:?} {sheets:?}");
        // No sheet ends while a strip of the largest size would fit.
        assert!(sheets[..sheets.len() - 1].iter().all(|rows| *rows + 10 >= 90), "{segments:?} {sheets:?}");
        for part in parts(&file).values() {
            roxmltree::Document::parse(part).unwrap();
        }
    }
}

#[test]
fn a_sheet_ends_by_its_bytes_too() {
    let bounds = Bounds { sheet_bytes: 2_000, strip_bytes: 500, strip_rows: 50, sheet_rows: 1_000_000 };
    let sheets = rows_of_sheets(&file(&[400], bounds, 1 << 20));
    assert!(sheets.len() > 5, "{sheets:?}");
    assert_eq!(sheets.iter().sum::<usize>(), 400);
}

#[test]
fn neither_chunks_nor_the_way_that_segments_are_cut_into_pieces_change_the_file() {
    let whole = file(&[95, 200, 7], SMALL, 1 << 20);
    assert!(whole == file(&[95, 200, 7], SMALL, 1));
    let mut counter = SheetCounter::new();
    counter.update(&whole).unwrap();
    assert_eq!(counter.finish().unwrap(), 302);
}

#[test]
fn sheets_are_named_by_their_number() {
    let parts = parts(&file(&[200], SMALL, 1 << 20));
    let workbook = &parts["xl/workbook.xml"];
    for name in ["name=\"s\"", "name=\"s (2)\"", "name=\"s (3)\"", "'s (3)'!$A$1:$B$21"] {
        assert!(workbook.contains(name), "{workbook}");
    }
    assert!(parts["xl/worksheets/sheet3.xml"].ends_with("<autoFilter ref=\"A1:B21\"/></worksheet>"));
}
