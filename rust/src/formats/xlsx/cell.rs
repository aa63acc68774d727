//! One row: a cell for each of its values.

use super::options::XlsxOptions;
use super::text::{MOST_BYTES, TextWriter};
use super::{number, serial};
use crate::bytes::block::{Fixed, push_small};
use crate::bytes::digits::signed;
use crate::bytes::flusher::{Flusher, SLICE_BYTES};
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::types::record::{FastText, Meaning};
use crate::types::{Column, Decoder, Kind};

const NULL: Fixed = Fixed::new("<c/>");
const OPEN: Fixed = Fixed::new("<c><v>");
const CLOSE: Fixed = Fixed::new("</v></c>");
const FALSE: Fixed = Fixed::new("<c t=\"b\"><v>0</v></c>");
const TRUE: Fixed = Fixed::new("<c t=\"b\"><v>1</v></c>");
// The numbers are those of `parts::STYLES`.
const OPEN_DATE: Fixed = Fixed::new("<c s=\"2\"><v>");
const OPEN_TIMESTAMP: Moments = Moments { whole: Fixed::new("<c s=\"3\"><v>"), fraction: Fixed::new("<c s=\"4\"><v>") };
const OPEN_TIME: Moments = Moments { whole: Fixed::new("<c s=\"5\"><v>"), fraction: Fixed::new("<c s=\"6\"><v>") };

/// The styles of a time, with and without a fraction of its seconds.
struct Moments {
    whole: Fixed,
    fraction: Fixed,
}

/// Writes rows.
///
/// Memory: the text of one value that is not in its field as it is, as much of it as a cell can hold.
pub(super) struct RowWriter {
    columns: Vec<CellColumn>,
    texts: TextWriter,
    printed: Vec<u8>,
    /// Whether a text can be cut.
    may_lose: bool,
}

/// One column of the plan.
struct CellColumn {
    source: String,
    decoder: Decoder,
    fast: Option<FastText>,
    meaning: Meaning,
    /// Whether a number of it can have more digits than a cell.
    exact: bool,
    /// Texts that were cut, since they were last taken.
    losses: u64,
}

impl RowWriter {
    pub(super) fn new(options: &XlsxOptions, columns: &[Column], server_version: u32) -> Self {
        let columns = columns.iter().map(|column| CellColumn::new(column, server_version));
        RowWriter {
            columns: columns.collect(),
            texts: TextWriter::new(options.truncate_long_text),
            printed: Vec::new(),
            may_lose: options.truncate_long_text,
        }
    }

    /// Appends one row, and asks the flusher between its cells. On an error part of the row is in `out` or gone; the
    /// error names the column.
    pub(super) fn row(&mut self, mut tuple: Tuple<'_>, out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        out.extend_from_slice(b"<row>");
        for column in &mut self.columns {
            match tuple.field()? {
                None => NULL.push(out),
                Some(field) => {
                    let written = column.write(field, &mut self.texts, &mut self.printed, out);
                    written.map_err(|error| error.in_column(&column.source))?;
                    if self.texts.take_truncated() {
                        column.losses = column.losses.saturating_add(1);
                    }
                    flusher.flush_if_full(out)?;
                }
            }
        }
        out.extend_from_slice(b"</row>");
        tuple.end()
    }

    /// Texts that were cut, by column, since the last call; empty where none can be.
    pub(super) fn take_losses(&mut self) -> Vec<u64> {
        if !self.may_lose {
            return Vec::new();
        }
        self.columns.iter_mut().map(|column| std::mem::take(&mut column.losses)).collect()
    }
}

impl CellColumn {
    fn new(column: &Column, server_version: u32) -> Self {
        let decoder = Decoder::new(column.kind, server_version);
        CellColumn {
            source: column.source.clone(),
            fast: decoder.fast_text(),
            decoder,
            meaning: meaning(column.kind),
            exact: column.kind.record().big_number,
            losses: 0,
        }
    }

    #[inline]
    fn write(&self, field: &[u8], texts: &mut TextWriter, printed: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
        match self.meaning {
            Meaning::Text | Meaning::Printed | Meaning::Instant(_) | Meaning::Other => {}
            Meaning::Integer | Meaning::Float(_) | Meaning::Decimal => {
                if self.push_number(field, out)? {
                    return Ok(());
                }
            }
            Meaning::Truth(read) => {
                (if read(field)? { TRUE } else { FALSE }).push(out);
                return Ok(());
            }
            Meaning::Day(read) => {
                if let Some(days) = serial::date(read(field)?) {
                    OPEN_DATE.push(out);
                    signed(days, out);
                    CLOSE.push(out);
                    return Ok(());
                }
            }
            Meaning::Clock(read) => {
                if let Some(moment) = serial::time(read(field)?) {
                    push_moment(moment, &OPEN_TIME, out);
                    return Ok(());
                }
            }
            Meaning::Moment(read) => {
                if let Some(moment) = serial::timestamp(read(field)?) {
                    push_moment(moment, &OPEN_TIMESTAMP, out);
                    return Ok(());
                }
            }
        }
        self.write_text(field, texts, printed, out)
    }

    /// Appends a number that a cell can hold; false for any other, with nothing appended.
    #[inline]
    fn push_number(&self, field: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let start = out.len();
        OPEN.push(out);
        let digits = out.len();
        if !self.fast.is_some_and(|fast| fast(field, None, out)) {
            self.decoder.write_text(field, out)?;
        }
        let fits = number::fits(out.get(digits..).unwrap_or_default(), self.exact);
        if fits {
            CLOSE.push(out);
        } else {
            out.truncate(start);
        }
        Ok(fits)
    }

    fn write_text(&self, field: &[u8], texts: &mut TextWriter, printed: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
        if let Some(text) = self.decoder.text_in(field)? {
            return texts.cell(text, out);
        }
        printed.clear();
        let mut kept = Vec::new();
        let mut keep = |piece: &mut Vec<u8>| {
            // One byte more than a cell can ever hold tells that it is too much.
            let room = (MOST_BYTES + 1).saturating_sub(kept.len()).min(piece.len());
            kept.extend_from_slice(piece.get(..room).unwrap_or_default());
            piece.clear();
            Ok(())
        };
        let mut keeps = Flusher::new(SLICE_BYTES, &mut keep);
        self.decoder.stream_text(field, printed, &mut keeps)?;
        if keeps.flushes() == 0 {
            return texts.cell(printed, out);
        }
        keeps.flush(printed)?;
        texts.cell(&kept, out)
    }
}

/// What the values of a kind are; an array is its text.
fn meaning(kind: Kind) -> Meaning {
    match kind {
        Kind::Scalar(record) => record.meaning,
        Kind::Array { .. } => Meaning::Other,
    }
}

/// Characters that the values of a kind take as a rule.
pub(super) fn width(kind: Kind) -> usize {
    match meaning(kind) {
        Meaning::Truth(_) => 8,
        Meaning::Integer | Meaning::Float(_) | Meaning::Decimal => 12,
        Meaning::Day(_) | Meaning::Clock(_) => 13,
        Meaning::Text | Meaning::Printed | Meaning::Moment(_) | Meaning::Instant(_) | Meaning::Other => 24,
    }
}

#[inline]
fn push_moment(moment: serial::Serial, open: &Moments, out: &mut Vec<u8>) {
    (if moment.fraction { &open.fraction } else { &open.whole }).push(out);
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(moment.days);
    push_small(shortest.strip_suffix(".0").unwrap_or(shortest).as_bytes(), out);
    CLOSE.push(out);
}
