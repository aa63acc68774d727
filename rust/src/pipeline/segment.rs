//! The rows of one segment to pieces: encode, compress, cut into chunks.

use std::sync::Arc;

use super::merge::{Body, Merge, Piece, SegmentEnd};
use super::pool::ChunkPool;
use crate::compress::{COMPRESSOR_INPUT_BYTES, RawSum, SegmentDeflate};
use crate::copy::frame::Tuple;
use crate::encode::outlet::Outlet;
use crate::encode::parquet::{ParquetLayout, RowGroupEncoder};
use crate::encode::{TextEncoder, text_encoder};
use crate::error::{Error, Result};
use crate::plan::{Compression, Plan};

/// What a worker does with rows; one value a worker, used for segment after segment.
pub enum SegmentWriter {
    Text(Box<TextSegments>),
    Parquet(Box<ParquetSegments>),
}

impl SegmentWriter {
    pub fn new(plan: &Plan, layout: Option<Arc<ParquetLayout>>, pool: Arc<ChunkPool>) -> Result<Self> {
        match (text_encoder(plan), layout) {
            (Some(encoder), _) => Ok(SegmentWriter::Text(Box::new(TextSegments::new(encoder, plan, pool)))),
            (None, Some(layout)) => Ok(SegmentWriter::Parquet(Box::new(ParquetSegments {
                encoder: RowGroupEncoder::new(layout)?,
                rows: 0,
            }))),
            (None, None) => Err(Error::Internal("a Parquet plan without layout".into())),
        }
    }

    #[inline]
    pub fn row(&mut self, segment: u64, tuple: Tuple<'_>, merge: &Merge) -> Result<()> {
        match self {
            SegmentWriter::Text(text) => text.row(segment, tuple, merge),
            SegmentWriter::Parquet(parquet) => parquet.row(segment, tuple, merge),
        }
    }

    /// Rows of the segment so far.
    pub fn rows(&self) -> u64 {
        match self {
            SegmentWriter::Text(text) => text.rows,
            SegmentWriter::Parquet(parquet) => parquet.rows,
        }
    }

    /// The last row of the segment was given.
    pub fn finish(&mut self, segment: u64, merge: &Merge) -> Result<SegmentEnd> {
        match self {
            SegmentWriter::Text(text) => text.finish(segment, merge),
            SegmentWriter::Parquet(parquet) => parquet.finish(segment, merge),
        }
    }
}

/// Memory: one chunk of encoded rows and, with gzip, [`COMPRESSOR_INPUT_BYTES`] of raw rows before it. A large row does
/// not change that: its encoder hands it on in pieces.
pub struct TextSegments {
    encoder: Box<dyn TextEncoder>,
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

impl TextSegments {
    fn new(encoder: Box<dyn TextEncoder>, plan: &Plan, pool: Arc<ChunkPool>) -> Self {
        let chunk_bytes = plan.limits.chunk_bytes;
        let (deflate, full) = match plan.compression {
            Compression::Gzip { level } => (Some(SegmentDeflate::new(level)), COMPRESSOR_INPUT_BYTES),
            Compression::None | Compression::Zstd { .. } => (None, chunk_bytes),
        };
        let rows_out = pool.take();
        TextSegments {
            encoder,
            rows_out,
            full,
            rows: 0,
            chunks: Chunks { deflate, deflated: Vec::new(), pool, chunk_bytes, rows_in_piece: 0 },
        }
    }

    #[inline]
    fn row(&mut self, segment: u64, tuple: Tuple<'_>, merge: &Merge) -> Result<()> {
        if self.rows > 0 {
            self.rows_out.extend_from_slice(self.encoder.separator());
        }
        self.rows += 1;
        let mut pass_on = |out: &mut Vec<u8>| self.chunks.take(out, segment, merge);
        let mut outlet = Outlet::new(self.full, &mut pass_on);
        self.encoder.row(tuple, &mut self.rows_out, &mut outlet).map_err(|e| e.in_row(self.rows))?;
        self.chunks.rows_in_piece += 1;
        if self.rows_out.len() >= self.full { self.chunks.take(&mut self.rows_out, segment, merge) } else { Ok(()) }
    }

    fn finish(&mut self, segment: u64, merge: &Merge) -> Result<SegmentEnd> {
        let sum = if self.rows > 0 { self.chunks.finish(&mut self.rows_out, segment, merge)? } else { None };
        self.rows = 0;
        Ok(SegmentEnd { sum, losses: self.encoder.take_losses() })
    }
}

impl Chunks {
    /// Takes all of `out`, which is then empty.
    fn take(&mut self, out: &mut Vec<u8>, segment: u64, merge: &Merge) -> Result<()> {
        let Some(deflate) = &mut self.deflate else {
            let chunk = std::mem::replace(out, self.pool.take());
            return self.push(segment, chunk, merge);
        };
        deflate.write(out, &mut self.deflated)?;
        out.clear();
        out.shrink_to(COMPRESSOR_INPUT_BYTES * 2);
        if self.deflated.len() >= self.chunk_bytes {
            let chunk = std::mem::take(&mut self.deflated);
            self.push(segment, chunk, merge)?;
        }
        Ok(())
    }

    /// Takes what the last rows of a segment have left in `out`.
    fn finish(&mut self, out: &mut Vec<u8>, segment: u64, merge: &Merge) -> Result<Option<RawSum>> {
        let Some(deflate) = &mut self.deflate else {
            if !out.is_empty() || self.rows_in_piece > 0 {
                self.take(out, segment, merge)?;
            }
            return Ok(None);
        };
        deflate.write(out, &mut self.deflated)?;
        out.clear();
        let sum = deflate.finish(&mut self.deflated)?;
        let chunk = std::mem::take(&mut self.deflated);
        self.push(segment, chunk, merge)?;
        Ok(Some(sum))
    }

    fn push(&mut self, segment: u64, chunk: Vec<u8>, merge: &Merge) -> Result<()> {
        let rows = std::mem::take(&mut self.rows_in_piece);
        merge.push(segment, Piece { body: Body::Bytes(chunk), rows })
    }
}

/// Memory: that of [`RowGroupEncoder`].
pub struct ParquetSegments {
    encoder: RowGroupEncoder,
    rows: u64,
}

impl ParquetSegments {
    #[inline]
    fn row(&mut self, segment: u64, tuple: Tuple<'_>, merge: &Merge) -> Result<()> {
        self.rows += 1;
        self.encoder.row(tuple).map_err(|e| e.in_row(self.rows))?;
        match self.encoder.take_full()? {
            Some(group) => merge.push(segment, Piece { rows: group.rows(), body: Body::RowGroup(group) }),
            None => Ok(()),
        }
    }

    fn finish(&mut self, segment: u64, merge: &Merge) -> Result<SegmentEnd> {
        if let Some(group) = self.encoder.finish_segment()? {
            merge.push(segment, Piece { rows: group.rows(), body: Body::RowGroup(group) })?;
        }
        self.rows = 0;
        Ok(SegmentEnd { sum: None, losses: self.encoder.take_losses() })
    }
}
