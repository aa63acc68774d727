//! JSON and NDJSON: each row is what `row_to_json` gives; the array around the rows, or the line ends, are ours.

use std::sync::Arc;

use super::base::{Encoding, Export, Format, RowCounter};
use super::options::{Options, Refused};
use super::text::{self, TextEncoder};
use crate::bytes::block::Snippet;
use crate::bytes::escape::json_text;
use crate::bytes::flusher::{Flusher, SLICE_BYTES};
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::types::record::{Document, FastJson};
use crate::types::{Column, Decoder, Printing};
use array_count::ArrayCounter;
use line_count::LineCounter;

mod array_count;
mod line_count;

#[derive(Debug, Clone)]
pub struct JsonOptions {
    /// NDJSON: one object a line and no array around them.
    pub lines: bool,
    /// Quote int8 and numeric.
    pub big_numbers_as_strings: bool,
}

/// JSON with its options.
pub fn open_array(options: &dyn Options) -> Result<Arc<dyn Format>, Refused> {
    open(options, false)
}

/// NDJSON with its options.
pub fn open_lines(options: &dyn Options) -> Result<Arc<dyn Format>, Refused> {
    open(options, true)
}

fn open(options: &dyn Options, lines: bool) -> Result<Arc<dyn Format>, Refused> {
    Ok(Arc::new(JsonOptions { lines, big_numbers_as_strings: options.flag("big_numbers_as_strings")? }))
}

impl Format for JsonOptions {
    fn encoding(&self, export: &Export<'_>) -> Result<Arc<dyn Encoding>> {
        let (options, columns, server_version) = (self.clone(), export.columns.to_vec(), export.server_version);
        Ok(text::encoding(export, move || Json::new(&options, &columns, server_version)))
    }

    fn row_counter(&self) -> Box<dyn RowCounter> {
        if self.lines { Box::new(LineCounter::new()) } else { Box::new(ArrayCounter::new()) }
    }
}

/// Writes the rows of one segment.
pub struct Json {
    columns: Vec<JsonColumn>,
    layout: Layout,
}

/// What stands around the rows. A row brings the line break before it (`array`) or after it (`lines`), so that an array
/// without rows is `[]`.
#[derive(Debug)]
struct Layout {
    header: &'static [u8],
    separator: &'static [u8],
    row_start: &'static [u8],
    row_end: &'static [u8],
    footer: &'static [u8],
    footer_without_rows: &'static [u8],
}

const ARRAY: Layout = Layout {
    header: b"[",
    separator: b",",
    row_start: b"\n{",
    row_end: b"}",
    footer: b"\n]\n",
    footer_without_rows: b"]\n",
};
const LINES: Layout =
    Layout { header: b"", separator: b"", row_start: b"{", row_end: b"}\n", footer: b"", footer_without_rows: b"" };

struct JsonColumn {
    source: String,
    decoder: Decoder,
    fast: Option<FastJson>,
    /// `"name":`, after a comma in all columns but the first.
    key: Snippet,
    /// The value may hold line breaks and is to be on one line.
    flatten: bool,
}

impl Json {
    pub fn new(options: &JsonOptions, columns: &[Column], server_version: u32) -> Self {
        let printing = Printing { server_version, big_numbers_as_strings: options.big_numbers_as_strings };
        let columns = columns.iter().enumerate().map(|(i, column)| {
            let mut key = if i > 0 { b",".to_vec() } else { Vec::new() };
            json_text(&column.target, &mut key);
            key.push(b':');
            let decoder = Decoder::with(column.kind, printing);
            JsonColumn {
                source: column.source.clone(),
                fast: decoder.fast_json(),
                decoder,
                key: Snippet::new(&key),
                // In all other types a line break is escaped.
                flatten: options.lines && column.kind.record().json.document == Some(Document::AsTyped),
            }
        });
        Json { columns: columns.collect(), layout: if options.lines { LINES } else { ARRAY } }
    }
}

impl TextEncoder for Json {
    fn header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.layout.header);
    }

    fn separator(&self) -> &'static [u8] {
        self.layout.separator
    }

    fn row(&mut self, tuple: Tuple<'_>, out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        // A copy of our own can stay in registers.
        let mut tuple = tuple;
        out.extend_from_slice(self.layout.row_start);
        for column in &self.columns {
            column.key.push(out);
            match tuple.field()? {
                Some(field) if column.fast.is_some_and(|fast| fast(field, out)) => {}
                Some(field) => column.write(field, out, flusher).map_err(|e| e.in_column(&column.source))?,
                None => out.extend_from_slice(b"null"),
            }
            flusher.flush_if_full(out)?;
        }
        out.extend_from_slice(self.layout.row_end);
        tuple.end()
    }

    fn footer(&self, rows: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(if rows { self.layout.footer } else { self.layout.footer_without_rows });
    }
}

impl JsonColumn {
    #[inline(never)]
    fn write(&self, field: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        if self.flatten { self.write_flat(field, out, flusher) } else { self.decoder.stream_json(field, out, flusher) }
    }

    /// Line breaks stand only between the tokens of JSON, where a blank is as good.
    fn write_flat(&self, field: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        let mut from = out.len();
        let full = from.saturating_add(SLICE_BYTES);
        let mut flatten_and_flush = |out: &mut Vec<u8>| {
            flatten(out.get_mut(from..).unwrap_or_default());
            flusher.flush_if_full(out)?;
            from = out.len();
            Ok(())
        };
        self.decoder.stream_json(field, out, &mut Flusher::new(full, &mut flatten_and_flush))?;
        flatten(out.get_mut(from..).unwrap_or_default());
        Ok(())
    }
}

#[inline]
fn flatten(json: &mut [u8]) {
    json.iter_mut().filter(|b| matches!(b, b'\n' | b'\r')).for_each(|b| *b = b' ');
}
