//! The pages of a column chunk, wherever their bytes are cut.

use super::codec::Codec;
use super::footer::ColumnChunk;
use super::levels;
use crate::error::{Error, Result};
use crate::formats::parquet::thrift::{Fields, integer};

/// The longest header of a page: it has a least and a greatest value, which are cut to 64 bytes.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// The first try of a header that does not lie whole in what was given.
const HEADER_STEP_BYTES: usize = 64;
/// The longest page, packed or not. A page of ours has 256 KiB and at most one value more, which is not larger than a
/// row (16 MiB).
const MAX_PAGE_BYTES: usize = 64 << 20;
/// Buffers that a large page made are given back down to this.
const KEPT_BYTES: usize = 1 << 20;

/// `PageType` (parquet.thrift).
const DATA_PAGE: i64 = 0;
const DICTIONARY_PAGE: i64 = 2;

#[derive(Debug, Clone, Copy)]
struct Header {
    kind: i64,
    packed: usize,
    unpacked: usize,
    values: u64,
}

/// Goes over the pages of one column chunk after the other.
#[derive(Default)]
pub(super) struct Pages {
    /// Of the page whose body comes next.
    header: Option<Header>,
    /// The beginning of a header or body.
    begun: Vec<u8>,
    codec: Codec,
    values: u64,
    rows: u64,
}

impl Pages {
    /// The next bytes of the column chunk.
    pub(super) fn update(&mut self, bytes: &[u8], chunk: &ColumnChunk) -> Result<()> {
        let mut rest = bytes;
        loop {
            rest = match self.header.take() {
                None if rest.is_empty() => return Ok(()),
                None => self.read_header(rest, chunk)?,
                Some(header) => {
                    let after = self.read_body(header, rest, chunk)?;
                    if self.header.is_some() {
                        return Ok(());
                    }
                    after
                }
            };
        }
    }

    /// All bytes of the column chunk were given; begins the next one.
    pub(super) fn end(&mut self, chunk: &ColumnChunk) -> Result<()> {
        if self.header.is_some() || !self.begun.is_empty() {
            return Err(at(chunk, "ends within a page"));
        }
        let (values, rows) = (std::mem::take(&mut self.values), std::mem::take(&mut self.rows));
        if values != chunk.values {
            return Err(at(chunk, &format!("has {values} values, and the footer says {}", chunk.values)));
        }
        if rows != chunk.rows {
            return Err(at(chunk, &format!("has {rows} rows, and the footer says {}", chunk.rows)));
        }
        Ok(())
    }

    /// Reads a header from what was kept of it and `bytes`; gives what comes after it.
    fn read_header<'a>(&mut self, bytes: &'a [u8], chunk: &ColumnChunk) -> Result<&'a [u8]> {
        let kept = self.begun.len();
        let step = if kept == 0 { bytes.len() } else { kept.max(HEADER_STEP_BYTES).min(bytes.len()) };
        let looked_at = bytes.get(..step.min(MAX_HEADER_BYTES)).unwrap_or_default();
        if kept > 0 {
            self.begun.extend_from_slice(looked_at);
        }
        // Thrift has no length: whether there is more to come is known only by trying.
        match parse(if kept > 0 { &self.begun } else { looked_at }) {
            Ok((header, used)) => {
                let largest = header.packed.max(header.unpacked);
                if largest > MAX_PAGE_BYTES {
                    return Err(at(chunk, &format!("has a page of {largest} bytes; {MAX_PAGE_BYTES} are read")));
                }
                self.header = Some(header);
                self.begun.clear();
                Ok(bytes.get(used.saturating_sub(kept)..).unwrap_or_default())
            }
            Err(_) if kept.max(self.begun.len()).max(looked_at.len()) >= MAX_HEADER_BYTES => {
                Err(at(chunk, "has what is no page"))
            }
            Err(_) => {
                if kept == 0 {
                    self.begun.extend_from_slice(looked_at);
                }
                Ok(bytes.get(looked_at.len()..).unwrap_or_default())
            }
        }
    }

    /// Reads a body from what was kept of it and `bytes`; gives what comes after it. If more of it has to come, the
    /// header is kept.
    fn read_body<'a>(&mut self, header: Header, bytes: &'a [u8], chunk: &ColumnChunk) -> Result<&'a [u8]> {
        let missing = header.packed.saturating_sub(self.begun.len());
        let Some((body, after)) = bytes.split_at_checked(missing) else {
            self.begun.extend_from_slice(bytes);
            self.header = Some(header);
            return Ok(&[]);
        };
        if self.begun.is_empty() {
            self.page(header, body, chunk)?;
            return Ok(after);
        }
        let mut whole = std::mem::take(&mut self.begun);
        whole.extend_from_slice(body);
        self.page(header, &whole, chunk)?;
        whole.clear();
        whole.shrink_to(KEPT_BYTES);
        self.begun = whole;
        Ok(after)
    }

    fn page(&mut self, header: Header, packed: &[u8], chunk: &ColumnChunk) -> Result<()> {
        let unpacked = self
            .codec
            .unpack(chunk.codec, packed, header.unpacked)
            .map_err(|error| at(chunk, &format!("has a page that cannot be unpacked: {error}")))?;
        let rows = match header.kind {
            DICTIONARY_PAGE => return Ok(()),
            DATA_PAGE if chunk.max_repetition == 0 => header.values,
            DATA_PAGE => levels::rows(unpacked, header.values, chunk.max_repetition)
                .ok_or_else(|| at(chunk, "has a page whose lists cannot be read"))?,
            other => return Err(at(chunk, &format!("has a page of a kind that no export has ({other})"))),
        };
        self.values = self.values.saturating_add(header.values);
        self.rows = self.rows.saturating_add(rows);
        self.codec.shrink(KEPT_BYTES);
        Ok(())
    }
}

/// Reads a `PageHeader`; gives the bytes it has too.
fn parse(bytes: &[u8]) -> Result<(Header, usize)> {
    let mut header = Header { kind: -1, packed: 0, unpacked: 0, values: 0 };
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next()? {
        match field.id {
            1 => header.kind = integer(field.value)?,
            2 => header.unpacked = size(field.value)?,
            3 => header.packed = size(field.value)?,
            // DataPageHeader, whose first field is the number of values.
            5 => {
                let mut page = Fields::new(field.value);
                while let Some(field) = page.next()? {
                    if field.id == 1 {
                        header.values = size(field.value)? as u64;
                    }
                }
            }
            _ => {}
        }
    }
    Ok((header, bytes.len().saturating_sub(fields.rest().len())))
}

fn size(value: &[u8]) -> Result<usize> {
    usize::try_from(integer(value)?).map_err(|_| Error::file("a size below zero"))
}

/// An error that names the column chunk, counted from 1.
#[cold]
fn at(chunk: &ColumnChunk, what: &str) -> Error {
    let (row_group, column) = (chunk.row_group.saturating_add(1), chunk.column.saturating_add(1));
    Error::file(format!("column {column} of row group {row_group} {what}"))
}
