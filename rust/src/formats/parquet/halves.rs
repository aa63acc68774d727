//! The two halves as the pipeline drives them.

use std::sync::Arc;

use super::file::FileWriter;
use super::layout::ParquetLayout;
use super::row_group::{RowGroup, RowGroupEncoder};
use crate::bytes::chunk_pool::ChunkPool;
use crate::copy::frame::Tuple;
use crate::error::{Error, Result};
use crate::formats::base::{
    Body, Chunk, Encoding, FileAssembler, Piece, PieceSink, SegmentEncoder, SegmentEnd, Totals,
};

pub(super) struct ParquetEncoding {
    layout: Arc<ParquetLayout>,
    chunk_bytes: usize,
}

impl ParquetEncoding {
    pub(super) fn new(layout: ParquetLayout, chunk_bytes: usize) -> Self {
        ParquetEncoding { layout: Arc::new(layout), chunk_bytes }
    }
}

impl Encoding for ParquetEncoding {
    fn segment_encoder(&self, _pool: &Arc<ChunkPool>) -> Result<Box<dyn SegmentEncoder>> {
        Ok(Box::new(ParquetSegments { encoder: RowGroupEncoder::new(Arc::clone(&self.layout))?, rows: 0 }))
    }

    fn file_assembler(&self) -> Result<Box<dyn FileAssembler>> {
        let columns = self.layout.columns.iter().map(|column| column.target.clone()).collect();
        Ok(Box::new(ParquetFile { writer: FileWriter::new(Arc::clone(&self.layout), self.chunk_bytes)?, columns }))
    }
}

/// Memory: that of [`RowGroupEncoder`].
struct ParquetSegments {
    encoder: RowGroupEncoder,
    rows: u64,
}

impl SegmentEncoder for ParquetSegments {
    fn row(&mut self, tuple: Tuple<'_>, pieces: &mut dyn PieceSink) -> Result<()> {
        self.rows += 1;
        self.encoder.row(tuple).map_err(|e| e.in_row(self.rows))?;
        match self.encoder.take_full()? {
            Some(group) => pieces.push(piece(group)),
            None => Ok(()),
        }
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn finish(&mut self, pieces: &mut dyn PieceSink) -> Result<SegmentEnd> {
        if let Some(group) = self.encoder.finish_segment()? {
            pieces.push(piece(group))?;
        }
        self.rows = 0;
        Ok(SegmentEnd { sum: None, losses: self.encoder.take_losses() })
    }
}

fn piece(group: RowGroup) -> Piece {
    Piece { rows: group.rows(), bytes: group.bytes(), body: Body::Own(Box::new(group)) }
}

struct ParquetFile {
    writer: FileWriter,
    /// The target names of the columns, for what is counted by column.
    columns: Vec<String>,
}

impl FileAssembler for ParquetFile {
    fn piece(&mut self, body: Body) -> Result<()> {
        let group = match body {
            Body::Own(own) => own.downcast::<RowGroup>().ok(),
            Body::Bytes(_) => None,
        };
        match group {
            Some(group) => self.writer.append(*group),
            None => Err(Error::Internal("a piece of another format".into())),
        }
    }

    fn segment_end(&mut self, _end: &SegmentEnd) {}

    /// The footer with what is known only now: how many rows there are and what was nulled.
    fn finish(&mut self, totals: &Totals) -> Result<()> {
        let mut metadata = vec![("polyglot.rows".to_owned(), totals.rows.to_string())];
        for (column, count) in self.columns.iter().zip(&totals.losses).filter(|(_, count)| **count > 0) {
            metadata.push((format!("polyglot.nulled.{column}"), count.to_string()));
        }
        self.writer.finish(metadata)
    }

    fn take_chunk(&mut self) -> Option<Chunk> {
        self.writer.take_chunk().map(|body| Chunk { body, ..Chunk::default() })
    }

    fn memory_bytes(&self) -> usize {
        self.writer.memory_bytes()
    }
}
