//! The worker's half: the rows of one segment to strips.

use super::bounds::Bounds;
use super::cell::RowWriter;
use super::strip::{StripEnd, seal};
use crate::bytes::flusher::Flusher;
use crate::compression::{COMPRESSOR_INPUT_BYTES, SegmentDeflate};
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::formats::base::{Piece, PieceSink, SegmentEncoder, SegmentEnd};

/// Deflate's level. Less makes files two fifths larger, more costs a fifth of the time for a tenth of the bytes.
const LEVEL: u32 = 2;

/// Memory: [`COMPRESSOR_INPUT_BYTES`] of XML, the state of deflate, and one chunk of its output. A large row does not
/// change that: it is handed on in pieces.
pub(super) struct SheetSegments {
    rows: RowWriter,
    /// XML that is compressed next.
    xml: Vec<u8>,
    strip: Strip,
    bounds: Bounds,
    /// Rows of the segment so far.
    count: u64,
}

/// The strip that is being deflated.
struct Strip {
    deflate: SegmentDeflate,
    deflated: Vec<u8>,
    chunk_bytes: usize,
    rows: u32,
    /// Bytes of its XML that were compressed.
    xml_bytes: u64,
    /// Rows that ended since the last piece.
    rows_in_piece: u64,
}

impl SheetSegments {
    /// `buffer` is for the XML.
    pub(super) fn new(rows: RowWriter, bounds: Bounds, chunk_bytes: usize, buffer: Vec<u8>) -> Self {
        let strip = Strip {
            deflate: SegmentDeflate::new(LEVEL),
            deflated: Vec::new(),
            chunk_bytes,
            rows: 0,
            xml_bytes: 0,
            rows_in_piece: 0,
        };
        SheetSegments { rows, xml: buffer, strip, bounds, count: 0 }
    }
}

impl SegmentEncoder for SheetSegments {
    fn row(&mut self, tuple: Tuple<'_>, pieces: &mut dyn PieceSink) -> Result<()> {
        self.count += 1;
        let mut sink = |xml: &mut Vec<u8>| self.strip.write(xml, pieces);
        let mut flusher = Flusher::new(COMPRESSOR_INPUT_BYTES, &mut sink);
        self.rows.row(tuple, &mut self.xml, &mut flusher).map_err(|e| e.in_row(self.count))?;
        self.strip.rows += 1;
        self.strip.rows_in_piece += 1;
        if self.strip.rows >= self.bounds.strip_rows || self.strip.xml_bytes >= self.bounds.strip_bytes {
            return self.strip.finish(&mut self.xml, pieces);
        }
        if self.xml.len() >= COMPRESSOR_INPUT_BYTES { self.strip.write(&mut self.xml, pieces) } else { Ok(()) }
    }

    fn rows(&self) -> u64 {
        self.count
    }

    fn finish(&mut self, pieces: &mut dyn PieceSink) -> Result<SegmentEnd> {
        if self.strip.rows > 0 {
            self.strip.finish(&mut self.xml, pieces)?;
        }
        self.count = 0;
        Ok(SegmentEnd { sum: None, losses: self.rows.take_losses() })
    }
}

impl Strip {
    /// Takes all of the XML.
    fn write(&mut self, xml: &mut Vec<u8>, pieces: &mut dyn PieceSink) -> Result<()> {
        self.compress(xml)?;
        if self.deflated.len() >= self.chunk_bytes { self.push(None, pieces) } else { Ok(()) }
    }

    /// Takes the last of the XML; then the next strip begins.
    fn finish(&mut self, xml: &mut Vec<u8>, pieces: &mut dyn PieceSink) -> Result<()> {
        self.compress(xml)?;
        let sum = self.deflate.finish(&mut self.deflated)?;
        self.xml_bytes = 0;
        let end = StripEnd { rows: std::mem::take(&mut self.rows), sum };
        self.push(Some(&end), pieces)
    }

    fn compress(&mut self, xml: &mut Vec<u8>) -> Result<()> {
        self.deflate.write(xml, &mut self.deflated)?;
        self.xml_bytes = self.xml_bytes.saturating_add(xml.len() as u64);
        xml.clear();
        xml.shrink_to(COMPRESSOR_INPUT_BYTES * 2);
        Ok(())
    }

    fn push(&mut self, end: Option<&StripEnd>, pieces: &mut dyn PieceSink) -> Result<()> {
        let mut piece = std::mem::take(&mut self.deflated);
        seal(&mut piece, end);
        pieces.push(Piece::of_bytes(piece, std::mem::take(&mut self.rows_in_piece)))
    }
}
