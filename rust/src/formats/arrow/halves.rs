//! The two halves of a stream or a file, as the pipeline drives them.

use std::sync::Arc;

use super::batch::BatchBuilder;
use super::file::IpcFile;
use super::layout::ArrowLayout;
use super::message::MessageEncoder;
use crate::bytes::chunk_pool::ChunkPool;
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::formats::base::{Encoding, FileAssembler, Piece, PieceSink, SegmentEncoder, SegmentEnd};

pub(super) struct IpcEncoding {
    layout: Arc<ArrowLayout>,
}

impl IpcEncoding {
    pub(super) fn new(layout: Arc<ArrowLayout>) -> Self {
        IpcEncoding { layout }
    }
}

impl Encoding for IpcEncoding {
    fn segment_encoder(&self, _pool: &Arc<ChunkPool>) -> Result<Box<dyn SegmentEncoder>> {
        let layout = Arc::clone(&self.layout);
        Ok(Box::new(IpcSegments {
            batch: BatchBuilder::new(Arc::clone(&layout))?,
            encoder: MessageEncoder::default(),
            layout,
        }))
    }

    fn file_assembler(&self) -> Result<Box<dyn FileAssembler>> {
        Ok(Box::new(IpcFile::new(Arc::clone(&self.layout))?))
    }
}

/// Memory: that of [`BatchBuilder`], and the message of one batch twice.
struct IpcSegments {
    layout: Arc<ArrowLayout>,
    batch: BatchBuilder,
    encoder: MessageEncoder,
}

impl IpcSegments {
    fn flush(&mut self, pieces: &mut dyn PieceSink) -> Result<()> {
        let Some(batch) = self.batch.finish()? else { return Ok(()) };
        let message = self.encoder.batch(&batch.record, &self.layout.ipc)?;
        let rows = batch.rows();
        self.batch.reclaim(batch);
        pieces.push(Piece::of_bytes(message, rows))
    }
}

impl SegmentEncoder for IpcSegments {
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
