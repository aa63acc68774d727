//! What must hold for any input.

use std::io::{self, Read};

use _core::bytes::flusher::Flusher;
use _core::copy::frame::Frames;
use _core::types::Decoder;
use _core::wire::{READ_BUFFER, ReadBuffer, refusal};
use postgres_protocol::message::backend::Message;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::common::*;
use crate::inputs::{Row, Table};
use crate::parquet_file::{self, EACH_ROW};

/// The longest text of a numeric: a sign, 131,072 digits, a point and 16,383 more.
const MAX_NUMERIC_TEXT: usize = 147_457;
/// Bytes that a byte of a field can become: `[],` as two tags of 26 bytes, U+0001 as `\u0001`.
const GROWTH: usize = 26;
/// What stands around a value: tags, keys, brackets.
const AROUND: usize = 200;
/// When the buffer of an encoder is handed on.
const FULL: usize = 50;

/// What the text of fields of so many bytes may have at most.
fn text_bound(kind: Kind, bytes: usize) -> usize {
    let numerics = match kind {
        _ if Kind::Scalar(kind.record()) != NUMERIC => 0,
        Kind::Scalar(_) => 1,
        Kind::Array { .. } => bytes / 4,
    };
    bytes * GROWTH + numerics * MAX_NUMERIC_TEXT + AROUND
}

pub fn decoders((kind, bytes): (Kind, Vec<u8>)) -> TestCaseResult {
    let decoder = Decoder::new(kind, VERSION);
    for json in [false, true] {
        let mut whole = Vec::new();
        let result = if json { decoder.write_json(&bytes, &mut whole) } else { decoder.write_text(&bytes, &mut whole) };
        // A vector doubles, and starts with a few bytes.
        prop_assert!(whole.capacity() <= 2 * text_bound(kind, bytes.len()), "{} bytes are held", whole.capacity());
        if json && result.is_ok() {
            prop_assert!(std::str::from_utf8(&whole).is_ok());
        }
        let (mut pieces, mut out) = (Vec::new(), Vec::new());
        let mut pass_on = |out: &mut Vec<u8>| {
            pieces.append(out);
            Ok(())
        };
        let mut flusher = Flusher::new(FULL, &mut pass_on);
        let again = if json {
            decoder.stream_json(&bytes, &mut out, &mut flusher)
        } else {
            decoder.stream_text(&bytes, &mut out, &mut flusher)
        };
        pieces.append(&mut out);
        prop_assert_eq!(result.is_ok(), again.is_ok());
        prop_assert!(result.is_err() || whole == pieces);
    }
    Ok(())
}

pub fn frames((columns, messages): (usize, Vec<Vec<u8>>)) -> TestCaseResult {
    let mut frames = Frames::new(columns);
    for message in &messages {
        let Ok(tuple) = frames.message(message) else { return Ok(()) };
        let Some(mut tuple) = tuple else { continue };
        let mut read = 0;
        for _ in 0..columns {
            match tuple.field() {
                Ok(field) => read += field.map_or(0, <[u8]>::len) + 4,
                Err(_) => return Ok(()),
            }
        }
        prop_assert!(read + 2 <= message.len());
        let mut beyond = tuple;
        if tuple.end().is_err() {
            return Ok(());
        }
        prop_assert!(beyond.field().is_err(), "a field behind the end");
    }
    let _ = frames.finish();
    Ok(())
}

/// Gives bytes in reads of the given sizes, then the end of the stream.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    read: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wanted = self.sizes.next().copied().unwrap_or(1);
        let n = wanted.min(buf.len()).min(self.bytes.len());
        buf[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes = &self.bytes[n..];
        self.read += n;
        Ok(n)
    }
}

pub fn messages((bytes, sizes): (Vec<u8>, Vec<usize>)) -> TestCaseResult {
    let mut source = Pieces { bytes: &bytes, sizes: sizes.iter().cycle(), read: 0 };
    let mut buffer = ReadBuffer::new(1 << 30);
    let mut given = 0;
    while let Ok(frame) = buffer.next(&mut source) {
        let body = buffer.body(frame);
        prop_assert!(
            bytes[given..].starts_with(&[&[frame.tag], &(body.len() as i32 + 4).to_be_bytes()[..], body].concat())
        );
        given += body.len() + 5;
        if let Ok(Message::ErrorResponse(error)) = buffer.parse(frame) {
            let _ = refusal(error.fields());
        }
        prop_assert!(buffer.capacity() <= 2 * READ_BUFFER.max(source.read), "{} of {}", buffer.capacity(), source.read);
    }
    prop_assert!(buffer.capacity() <= 2 * READ_BUFFER.max(source.read), "{} of {}", buffer.capacity(), source.read);
    Ok(())
}

pub fn text_format(table: Table) -> TestCaseResult {
    let names: Vec<String> = (0..table.kinds.len()).map(|i| format!("c {i}\"")).collect();
    let columns: Vec<(&str, Kind)> = names.iter().map(String::as_str).zip(table.kinds.iter().copied()).collect();
    let plan = plan(&columns, table.format.clone());
    let whole = encode(&plan, &table.rows);
    let pieces = encode_in_pieces(&plan, &table.rows, FULL);
    prop_assert_eq!(whole.is_ok(), pieces.is_ok());
    let (Ok(whole), Ok((pieces, most))) = (whole, pieces) else { return Ok(()) };
    prop_assert!(whole == pieces);
    // Between two offers lie a field of a row, the line end and the header.
    let fields = table.rows.iter().flat_map(|row| row.iter().zip(&table.kinds));
    let largest = fields.map(|(field, kind)| text_bound(*kind, field.as_ref().map_or(0, Vec::len))).max();
    prop_assert!(most <= FULL + 3 * AROUND + largest.unwrap_or(0), "{most} bytes are held");
    (table.check)(&whole)
}

pub fn any_text(_: &[u8]) -> TestCaseResult {
    Ok(())
}

pub fn utf8_text(file: &[u8]) -> TestCaseResult {
    prop_assert!(std::str::from_utf8(file).is_ok());
    Ok(())
}

pub fn xml_text(file: &[u8]) -> TestCaseResult {
    let text = std::str::from_utf8(file).map_err(|error| TestCaseError::fail(error.to_string()))?;
    roxmltree::Document::parse(text).map_err(|error| TestCaseError::fail(error.to_string()))?;
    Ok(())
}

pub fn parquet((kind, parquet, rows, as_null): (Kind, ParquetType, Vec<Row>, bool)) -> TestCaseResult {
    let options = ParquetOptions { unrepresentable_as_null: as_null, ..parquet_file::options() };
    let plan = parquet_file::plan(&[("c", kind, parquet)], options);
    if let Ok(written) = parquet_file::write(&plan, &rows, EACH_ROW) {
        prop_assert_eq!(parquet_file::read(&written.bytes()).num_rows(), rows.len());
    }
    Ok(())
}
