//! CSV in an encoding that is not UTF-8: each cell is written in UTF-8 first and encoded from there, so that an error
//! knows its column.

use super::charset::Charset;
use super::rows::Csv;
use crate::bytes::flusher::{Flusher, SLICE_BYTES};
use crate::copy::frame::Tuple;
use crate::error::{Error, Result};
use crate::formats::text::TextEncoder;
use crate::types::Column;

/// Memory: a slice of a cell in UTF-8, beside what [`Csv`] holds.
pub(super) struct RecodedCsv {
    csv: Csv,
    recoder: Recoder,
    header: Vec<u8>,
    /// The running cell, or the slice of it that was not encoded yet.
    cell: Vec<u8>,
    /// Values in which a character was replaced since they were last taken, by column.
    losses: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Recoder {
    charset: Charset,
    replace: bool,
}

impl RecodedCsv {
    pub(super) fn new(csv: Csv, header: Vec<u8>, charset: Charset, replace: bool) -> Self {
        let losses = vec![0; csv.columns.len()];
        RecodedCsv { csv, recoder: Recoder { charset, replace }, header, cell: Vec::new(), losses }
    }
}

/// The header of the file in its encoding.
///
/// # Errors
/// `Error::Value` with the column whose name the encoding lacks a character of: a name is never replaced.
pub(super) fn header(csv: &Csv, columns: &[Column], charset: Charset) -> Result<Vec<u8>> {
    let recoder = Recoder { charset, replace: false };
    for column in columns {
        let name = recoder.take(&mut column.target.clone().into_bytes(), &mut Vec::new());
        name.map_err(|error| error.in_column(&column.source))?;
    }
    // With the byte order mark, which is a character like any other in UTF-16.
    let (mut header, mut out) = (Vec::new(), Vec::new());
    csv.header(&mut header);
    recoder.take(&mut header, &mut out)?;
    Ok(out)
}

impl Recoder {
    /// Encodes all whole characters of a buffer and takes them away; whether one was replaced.
    fn take(self, cell: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<bool> {
        let (text, incomplete) = match std::str::from_utf8(cell) {
            Ok(text) => (text, 0),
            Err(error) if error.error_len().is_none() => {
                let whole = cell.get(..error.valid_up_to()).unwrap_or_default();
                (std::str::from_utf8(whole).map_err(|_| not_utf8())?, cell.len().saturating_sub(whole.len()))
            }
            Err(_) => return Err(not_utf8()),
        };
        let replaced = self.charset.encode(text, self.replace, out)?;
        let taken = cell.len().saturating_sub(incomplete);
        cell.drain(..taken);
        Ok(replaced)
    }
}

#[cold]
fn not_utf8() -> Error {
    Error::value("the text is not valid UTF-8")
}

impl TextEncoder for RecodedCsv {
    fn header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header);
    }

    fn separator(&self) -> &'static [u8] {
        b""
    }

    fn row(&mut self, mut tuple: Tuple<'_>, out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        let RecodedCsv { csv, recoder, cell, losses, .. } = self;
        let Csv { columns, rules, scratch, line_end, .. } = csv;
        let mut before = None;
        for (column, losses) in columns.iter().zip(losses) {
            let field = tuple.field()?;
            cell.clear();
            let mut replaced = false;
            let mut encode = |cell: &mut Vec<u8>| {
                replaced |= recoder.take(cell, out)?;
                flusher.flush_if_full(out)
            };
            let mut slices = Flusher::new(SLICE_BYTES, &mut encode);
            cell.extend(before);
            let written = match field {
                Some(field) => column.write(field, rules, scratch, cell, &mut slices),
                None => {
                    cell.extend_from_slice(&rules.null);
                    Ok(())
                }
            };
            written
                .and_then(|()| slices.flush(cell))
                .and_then(|()| if cell.is_empty() { Ok(()) } else { Err(not_utf8()) })
                .map_err(|error| error.in_column(&column.source))?;
            *losses = losses.saturating_add(u64::from(replaced));
            before = Some(rules.delimiter);
        }
        cell.clear();
        cell.extend_from_slice(line_end);
        recoder.take(cell, out)?;
        tuple.end()
    }

    fn footer(&self, _rows: bool, _out: &mut Vec<u8>) {}

    fn take_losses(&mut self) -> Vec<u64> {
        if !self.recoder.replace {
            return Vec::new();
        }
        self.losses.iter_mut().map(std::mem::take).collect()
    }
}
