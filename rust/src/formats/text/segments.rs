//! The rows of one segment to pieces: encode, compress, cut into chunks.

use std::sync::Arc;

use super::encoder::TextEncoder;
use crate::bytes::chunk_pool::ChunkPool;
use crate::bytes::flusher::Flusher;
use crate::compression::{COMPRESSOR_INPUT_BYTES, Compression, RawSum, SegmentDeflate};
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::formats::base::{Piece, PieceSink, SegmentEncoder, SegmentEnd};

/// Memory: one chunk of encoded rows and, with gzip, [`COMPRESSOR_INPUT_BYTES`] of raw rows before it. A large row does
/// not change that: its encoder hands it on in pieces.
pub struct TextSegments<E> {
    encoder: E,
    /// Encoded rows: the chunk itself, or with gzip the compressor's next input.
    rows_out: Vec<u8>,
    /// Bytes in `rows_out` that are handed on together.
    full: usize,
    rows: u64,
    chunks: Chunks,
}

/// Where encoded bytes go.
struct Chunks {
    deflate: Option<SegmentDeflate>,
    /// gzip only: deflated bytes on their way to a chunk.
    deflated: Vec<u8>,
    pool: Arc<ChunkPool>,
    chunk_bytes: usize,
    /// Rows that ended since the last piece.
    rows_in_piece: u64,
}

impl<E: TextEncoder> TextSegments<E> {
    pub fn new(encoder: E, compression: Compression, chunk_bytes: usize, pool: Arc<ChunkPool>) -> Self {
        let (deflate, full) = match compression {
            Compression::Gzip { level } => (Some(SegmentDeflate::new(level)), COMPRESSOR_INPUT_BYTES),
            Compression::None | Compression::Zstd { .. } => (None, chunk_bytes),
        };
        let rows_out = pool.take();
        let chunks = Chunks { deflate, deflated: Vec::new(), pool, chunk_bytes, rows_in_piece: 0 };
        TextSegments { encoder, rows_out, full, rows: 0, chunks }
    }
}

impl<E: TextEncoder> SegmentEncoder for TextSegments<E> {
    fn row(&mut self, tuple: Tuple<'_>, pieces: &mut dyn PieceSink) -> Result<()> {
        if self.rows > 0 {
            self.rows_out.extend_from_slice(self.encoder.separator());
        }
        self.rows += 1;
        let mut sink = |out: &mut Vec<u8>| self.chunks.take(out, pieces);
        let mut flusher = Flusher::new(self.full, &mut sink);
        self.encoder.row(tuple, &mut self.rows_out, &mut flusher).map_err(|e| e.in_row(self.rows))?;
        self.chunks.rows_in_piece += 1;
        if self.rows_out.len() >= self.full { self.chunks.take(&mut self.rows_out, pieces) } else { Ok(()) }
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn finish(&mut self, pieces: &mut dyn PieceSink) -> Result<SegmentEnd> {
        let sum = if self.rows > 0 { self.chunks.finish(&mut self.rows_out, pieces)? } else { None };
        self.rows = 0;
        Ok(SegmentEnd { sum, losses: self.encoder.take_losses() })
    }
}

impl Chunks {
    /// Takes all of `out`, which is then empty.
    fn take(&mut self, out: &mut Vec<u8>, pieces: &mut dyn PieceSink) -> Result<()> {
        let Some(deflate) = &mut self.deflate else {
            let chunk = std::mem::replace(out, self.pool.take());
            return self.push(chunk, pieces);
        };
        deflate.write(out, &mut self.deflated)?;
        out.clear();
        out.shrink_to(COMPRESSOR_INPUT_BYTES * 2);
        if self.deflated.len() >= self.chunk_bytes {
            let chunk = std::mem::take(&mut self.deflated);
            self.push(chunk, pieces)?;
        }
        Ok(())
    }

    /// Takes what the last rows of a segment have left in `out`.
    fn finish(&mut self, out: &mut Vec<u8>, pieces: &mut dyn PieceSink) -> Result<Option<RawSum>> {
        let Some(deflate) = &mut self.deflate else {
            if !out.is_empty() || self.rows_in_piece > 0 {
                self.take(out, pieces)?;
            }
            return Ok(None);
        };
        deflate.write(out, &mut self.deflated)?;
        out.clear();
        let sum = deflate.finish(&mut self.deflated)?;
        let chunk = std::mem::take(&mut self.deflated);
        self.push(chunk, pieces)?;
        Ok(Some(sum))
    }

    fn push(&mut self, chunk: Vec<u8>, pieces: &mut dyn PieceSink) -> Result<()> {
        let rows = std::mem::take(&mut self.rows_in_piece);
        pieces.push(Piece::of_bytes(chunk, rows))
    }
}
