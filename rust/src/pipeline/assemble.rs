//! Pieces to the bytes of the file: header, separators between segments that hold rows, footer, and the frame of the
//! compression.

use std::sync::Arc;

use super::merge::{Body, Piece, SegmentEnd};
use crate::compress::{GzipFrame, ZstdFrame};
use crate::encode::parquet::{FileWriter, ParquetLayout};
use crate::encode::{TextEncoder, text_encoder};
use crate::error::{Error, Result};
use crate::plan::{Compression, Plan};

/// Bytes to hand out: `prefix` then `body`, kept apart so that a megabyte is not moved for two bytes in front of it.
#[derive(Debug, Default)]
pub struct Chunk {
    pub prefix: Vec<u8>,
    pub body: Vec<u8>,
}

impl Chunk {
    pub fn len(&self) -> usize {
        self.prefix.len().saturating_add(self.body.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the footer of a file can say of the whole export.
pub struct Totals {
    pub rows: u64,
    pub losses: Vec<u64>,
}

/// Puts one file together.
pub enum Assembler {
    Text(TextFile),
    Parquet(ParquetFile),
}

impl Assembler {
    pub fn new(plan: &Plan, layout: Option<Arc<ParquetLayout>>) -> Result<Self> {
        match (text_encoder(plan), layout) {
            (Some(encoder), _) => TextFile::new(encoder, plan).map(Assembler::Text),
            (None, Some(layout)) => ParquetFile::new(layout, plan).map(Assembler::Parquet),
            (None, None) => Err(Error::Internal("a Parquet plan without layout".into())),
        }
    }

    /// Takes the next piece in order; then [`Assembler::take_chunk`] gives what is ready.
    pub fn piece(&mut self, piece: Piece) -> Result<()> {
        match (self, piece.body) {
            (Assembler::Text(file), Body::Bytes(bytes)) => file.bytes(bytes),
            (Assembler::Parquet(file), Body::RowGroup(group)) => file.writer.append(group),
            _ => Err(Error::Internal("a piece of another format".into())),
        }
    }

    pub fn segment_end(&mut self, end: &SegmentEnd) {
        if let Assembler::Text(file) = self {
            file.segment_end(end);
        }
    }

    /// All segments are complete: writes what comes after the last row.
    pub fn finish(&mut self, totals: &Totals) -> Result<()> {
        match self {
            Assembler::Text(file) => file.finish(),
            Assembler::Parquet(file) => file.finish(totals),
        }
    }

    /// The next chunk that is ready to be handed out.
    pub fn take_chunk(&mut self) -> Option<Chunk> {
        match self {
            Assembler::Text(file) => file.ready.take(),
            Assembler::Parquet(file) => file.writer.take_chunk().map(|body| Chunk { prefix: Vec::new(), body }),
        }
    }
}

enum Frame {
    None,
    Gzip(GzipFrame),
    Zstd(ZstdFrame),
}

pub struct TextFile {
    encoder: Box<dyn TextEncoder>,
    frame: Frame,
    /// Bytes that go in front of the next piece.
    pending: Vec<u8>,
    ready: Option<Chunk>,
    chunk_bytes: usize,
    any_rows: bool,
    /// The next piece is the first of its segment.
    segment_starts: bool,
}

impl TextFile {
    fn new(encoder: Box<dyn TextEncoder>, plan: &Plan) -> Result<Self> {
        let mut pending = Vec::new();
        let frame = match plan.compression {
            Compression::None => Frame::None,
            Compression::Gzip { .. } => Frame::Gzip(GzipFrame::new(&mut pending)),
            Compression::Zstd { level } => Frame::Zstd(ZstdFrame::new(level, plan.limits.workers)?),
        };
        let mut header = Vec::new();
        encoder.header(&mut header);
        let mut file = TextFile {
            encoder,
            frame,
            pending,
            ready: None,
            chunk_bytes: plan.limits.chunk_bytes,
            any_rows: false,
            segment_starts: true,
        };
        file.between(&header)?;
        Ok(file)
    }

    /// Bytes that are not a segment's: through the frame into `pending`.
    fn between(&mut self, raw: &[u8]) -> Result<()> {
        match &mut self.frame {
            Frame::None => self.pending.extend_from_slice(raw),
            Frame::Gzip(gzip) => gzip.stored(raw, &mut self.pending),
            Frame::Zstd(zstd) => zstd.write(raw, &mut self.pending)?,
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: Vec<u8>) -> Result<()> {
        if std::mem::take(&mut self.segment_starts) {
            if self.any_rows {
                let separator = self.encoder.separator();
                self.between(separator)?;
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
        if let (Frame::Gzip(gzip), Some(sum)) = (&mut self.frame, &end.sum) {
            gzip.segment(sum);
        }
    }

    fn finish(&mut self) -> Result<()> {
        let mut footer = Vec::new();
        self.encoder.footer(self.any_rows, &mut footer);
        self.between(&footer)?;
        match &mut self.frame {
            Frame::None => {}
            Frame::Gzip(gzip) => gzip.finish(&mut self.pending),
            Frame::Zstd(zstd) => zstd.finish(&mut self.pending)?,
        }
        self.hand_out(Vec::new());
        Ok(())
    }

    fn hand_out(&mut self, body: Vec<u8>) {
        let chunk = Chunk { prefix: std::mem::take(&mut self.pending), body };
        self.ready = Some(chunk).filter(|chunk| !chunk.is_empty());
    }
}

pub struct ParquetFile {
    writer: FileWriter,
    columns: Vec<String>,
}

impl ParquetFile {
    fn new(layout: Arc<ParquetLayout>, plan: &Plan) -> Result<Self> {
        let columns = plan.columns.iter().map(|column| column.target.clone()).collect();
        Ok(ParquetFile { writer: FileWriter::new(layout, plan.limits.chunk_bytes)?, columns })
    }

    /// The footer with what is known only now: how many rows there are and what was nulled.
    fn finish(&mut self, totals: &Totals) -> Result<()> {
        let mut metadata = vec![("polyglot.rows".to_owned(), totals.rows.to_string())];
        for (column, count) in self.columns.iter().zip(&totals.losses).filter(|(_, count)| **count > 0) {
            metadata.push((format!("polyglot.nulled.{column}"), count.to_string()));
        }
        self.writer.finish(metadata)
    }
}
