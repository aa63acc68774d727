//! The two halves of an export that stays in memory: batches are handed over as they were built, without a copy.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::batch::BatchBuilder;
use super::layout::ArrowLayout;
use crate::bytes::chunk_pool::ChunkPool;
use crate::copy::frame::Tuple;
use crate::error::{Error, Result};
use crate::formats::base::{
    Body, Chunk, Encoding, FileAssembler, Own, Piece, PieceSink, SegmentEncoder, SegmentEnd, Totals,
};

pub(super) struct BatchEncoding {
    layout: Arc<ArrowLayout>,
}

impl BatchEncoding {
    pub(super) fn new(layout: Arc<ArrowLayout>) -> Self {
        BatchEncoding { layout }
    }
}

impl Encoding for BatchEncoding {
    fn segment_encoder(&self, _pool: &Arc<ChunkPool>) -> Result<Box<dyn SegmentEncoder>> {
        Ok(Box::new(BatchSegments { batch: BatchBuilder::new(Arc::clone(&self.layout))? }))
    }

    fn file_assembler(&self) -> Result<Box<dyn FileAssembler>> {
        Ok(Box::new(Handed::default()))
    }
}

/// Memory: that of [`BatchBuilder`].
struct BatchSegments {
    batch: BatchBuilder,
}

impl BatchSegments {
    fn flush(&mut self, pieces: &mut dyn PieceSink) -> Result<()> {
        let Some(batch) = self.batch.finish()? else { return Ok(()) };
        let rows = batch.rows();
        let kept = batch.into_kept()?;
        pieces.push(Piece { rows, bytes: kept.get_array_memory_size(), body: Body::Own(Box::new(kept)) })
    }
}

impl SegmentEncoder for BatchSegments {
    fn row(&mut self, tuple: Tuple<'_>, pieces: &mut dyn PieceSink) -> Result<()> {
        if self.batch.row(tuple)? { self.flush(pieces) } else { Ok(()) }
    }

    fn rows(&self) -> u64 {
        self.batch.segment_rows
    }

    fn finish(&mut self, pieces: &mut dyn PieceSink) -> Result<SegmentEnd> {
        self.flush(pieces)?;
        Ok(SegmentEnd { sum: None, losses: self.batch.end_segment() })
    }
}

/// Hands on what comes.
#[derive(Default)]
struct Handed {
    ready: VecDeque<Box<RecordBatch>>,
}

impl FileAssembler for Handed {
    fn piece(&mut self, body: Body) -> Result<()> {
        let batch = match body {
            Body::Own(own) => own.downcast::<RecordBatch>().ok(),
            Body::Bytes(_) => None,
        };
        self.ready.push_back(batch.ok_or_else(|| Error::Internal("a piece of another format".into()))?);
        Ok(())
    }

    fn segment_end(&mut self, _end: &SegmentEnd) {}

    fn finish(&mut self, _totals: &Totals) -> Result<()> {
        Ok(())
    }

    fn take_chunk(&mut self) -> Option<Chunk> {
        let batch = self.ready.pop_front()?;
        Some(Chunk { own: Some(Own { bytes: batch.get_array_memory_size(), what: batch }), ..Chunk::default() })
    }
}
