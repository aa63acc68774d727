//! Pieces of text to the bytes of the file: header, separators between segments that hold rows, footer, and the frame
//! of the compression.

use super::encoder::TextEncoder;
use crate::compression::{Compression, Frame};
use crate::error::{Error, Result};
use crate::formats::base::{Body, Chunk, FileAssembler, SegmentEnd, Totals};

pub struct TextFile<E> {
    encoder: E,
    frame: Frame,
    /// Bytes that go in front of the next piece.
    pending: Vec<u8>,
    ready: Option<Chunk>,
    chunk_bytes: usize,
    any_rows: bool,
    /// The next piece is the first of its segment.
    segment_starts: bool,
}

impl<E: TextEncoder> TextFile<E> {
    pub fn new(encoder: E, compression: Compression, workers: usize, chunk_bytes: usize) -> Result<Self> {
        let mut pending = Vec::new();
        let mut frame = Frame::start(compression, workers, &mut pending)?;
        let mut header = Vec::new();
        encoder.header(&mut header);
        frame.between(&header, &mut pending)?;
        Ok(TextFile { encoder, frame, pending, ready: None, chunk_bytes, any_rows: false, segment_starts: true })
    }

    fn hand_out(&mut self, body: Vec<u8>) {
        let chunk = Chunk { prefix: std::mem::take(&mut self.pending), body, ..Chunk::default() };
        self.ready = Some(chunk).filter(|chunk| !chunk.is_empty());
    }
}

impl<E: TextEncoder> FileAssembler for TextFile<E> {
    fn piece(&mut self, body: Body) -> Result<()> {
        let Body::Bytes(bytes) = body else { return Err(Error::Internal("a piece of another format".into())) };
        if std::mem::take(&mut self.segment_starts) {
            if self.any_rows {
                self.frame.between(self.encoder.separator(), &mut self.pending)?;
            }
            self.any_rows = true;
        }
        if let Frame::Zstd(zstd) = &mut self.frame {
            zstd.write(&bytes, &mut self.pending)?;
            if self.pending.len() >= self.chunk_bytes {
                self.hand_out(Vec::new());
            }
        } else {
            self.hand_out(bytes);
        }
        Ok(())
    }

    fn segment_end(&mut self, end: &SegmentEnd) {
        self.segment_starts = true;
        self.frame.segment(end.sum.as_ref());
    }

    fn finish(&mut self, _totals: &Totals) -> Result<()> {
        let mut footer = Vec::new();
        self.encoder.footer(self.any_rows, &mut footer);
        self.frame.between(&footer, &mut self.pending)?;
        self.frame.finish(&mut self.pending)?;
        self.hand_out(Vec::new());
        Ok(())
    }

    fn take_chunk(&mut self) -> Option<Chunk> {
        self.ready.take()
    }
}
