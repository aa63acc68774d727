//! JSON and NDJSON: each row is what `row_to_json` gives; the array around the rows, or the line ends, are ours.

use super::TextEncoder;
use super::block::Snippet;
use super::outlet::{Outlet, SLICE_BYTES};
use super::text::json_text;
use crate::copy::decode::Decoder;
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::plan::{JsonOptions, Kind, Plan};

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
    /// `"name":`, after a comma in all columns but the first.
    key: Snippet,
    /// The value may hold line breaks and is to be on one line.
    flatten: bool,
}

impl Json {
    pub fn new(options: &JsonOptions, plan: &Plan) -> Self {
        let columns = plan.columns.iter().enumerate().map(|(i, column)| {
            let mut key = if i > 0 { b",".to_vec() } else { Vec::new() };
            json_text(&column.target, &mut key);
            key.push(b':');
            JsonColumn {
                source: column.source.clone(),
                decoder: Decoder::with_big_numbers(
                    &column.kind,
                    plan.source.server_version,
                    options.big_numbers_as_strings,
                ),
                key: Snippet::new(&key),
                flatten: options.lines && keeps_layout(&column.kind),
            }
        });
        Json { columns: columns.collect(), layout: if options.lines { LINES } else { ARRAY } }
    }
}

/// Whether values hold JSON as somebody typed it. In all other kinds a line break is escaped.
fn keeps_layout(kind: &Kind) -> bool {
    match kind {
        Kind::Json | Kind::JsonText => true,
        Kind::Array { element, .. } => keeps_layout(element),
        _ => false,
    }
}

impl TextEncoder for Json {
    fn header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.layout.header);
    }

    fn separator(&self) -> &'static [u8] {
        self.layout.separator
    }

    fn row(&mut self, tuple: Tuple<'_>, out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        // A copy of our own can stay in registers.
        let mut tuple = tuple;
        out.extend_from_slice(self.layout.row_start);
        for column in &self.columns {
            column.key.push(out);
            match tuple.field()? {
                Some(field) => column.write(field, out, outlet).map_err(|e| e.in_column(&column.source))?,
                None => out.extend_from_slice(b"null"),
            }
            outlet.offer(out)?;
        }
        out.extend_from_slice(self.layout.row_end);
        tuple.end()
    }

    fn footer(&self, rows: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(if rows { self.layout.footer } else { self.layout.footer_without_rows });
    }
}

impl JsonColumn {
    #[inline]
    fn write(&self, field: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        if self.flatten { self.write_flat(field, out, outlet) } else { self.decoder.json_in_pieces(field, out, outlet) }
    }

    /// Line breaks stand only between the tokens of JSON, where a blank is as good.
    fn write_flat(&self, field: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        let mut from = out.len();
        let full = from.saturating_add(SLICE_BYTES);
        let mut flatten_and_offer = |out: &mut Vec<u8>| {
            flatten(out.get_mut(from..).unwrap_or_default());
            outlet.offer(out)?;
            from = out.len();
            Ok(())
        };
        self.decoder.json_in_pieces(field, out, &mut Outlet::new(full, &mut flatten_and_offer))?;
        flatten(out.get_mut(from..).unwrap_or_default());
        Ok(())
    }
}

#[inline]
fn flatten(json: &mut [u8]) {
    json.iter_mut().filter(|b| matches!(b, b'\n' | b'\r')).for_each(|b| *b = b' ');
}
