//! One pass over the rows of an export into many files: one for each value of a partition column, or several.
//!
//! [`Routed`] is put around the encoding of a format. Its [`Router`] takes the place of the worker's encoder: it keeps
//! rows apart by their value, and encodes and finishes the files itself, with the same two halves that make every other
//! file. What it hands on are bytes and the [`FileMark`] of the file that they are of, which the merger passes through.

use std::collections::VecDeque;
use std::sync::Arc;

mod lanes;
mod open_file;
mod router;
#[cfg(test)]
mod tests;

use crate::bytes::chunk_pool::ChunkPool;
use crate::error::{Error, Result};
use crate::formats::base::{Body, Chunk, Encoding, FileAssembler, FileMark, Piece, SegmentEncoder, SegmentEnd, Totals};
use crate::plan::Route;
use router::Router;

/// Chunks of a routed export, at most. Each open file may hold one that is not full.
pub const CHUNK_BYTES: usize = 64 << 10;

/// The encoding of a format, into many files.
pub struct Routed {
    inner: Arc<dyn Encoding>,
    route: Route,
    segments: u64,
    columns: usize,
}

impl Routed {
    /// `inner` writes the files, whose rows have `columns` columns; all of them end with the last of the `segments`.
    pub fn new(inner: Arc<dyn Encoding>, route: Route, segments: u64, columns: usize) -> Self {
        Routed { inner, route, segments, columns }
    }
}

impl Encoding for Routed {
    fn segment_encoder(&self, pool: &Arc<ChunkPool>) -> Result<Box<dyn SegmentEncoder>> {
        let encoder = self.inner.segment_encoder(pool)?;
        let files = Files { encoding: Arc::clone(&self.inner), pool: Arc::clone(pool) };
        Ok(Box::new(Router::new(encoder, files, self.route.clone(), self.segments, self.columns)))
    }

    fn file_assembler(&self) -> Result<Box<dyn FileAssembler>> {
        Ok(Box::new(PassOn::default()))
    }
}

/// Chunks that are of a file already.
#[derive(Default)]
struct PassOn {
    ready: VecDeque<Chunk>,
}

impl FileAssembler for PassOn {
    fn piece(&mut self, body: Body) -> Result<()> {
        let chunk = match body {
            Body::Own(own) => own.downcast::<Chunk>().ok(),
            Body::Bytes(_) => None,
        };
        self.ready.push_back(*chunk.ok_or_else(|| Error::Internal("a piece of another encoding".into()))?);
        Ok(())
    }

    fn segment_end(&mut self, _end: &SegmentEnd) {}

    fn finish(&mut self, _totals: &Totals) -> Result<()> {
        Ok(())
    }

    fn take_chunk(&mut self) -> Option<Chunk> {
        self.ready.pop_front()
    }
}

/// What a piece takes beside its bytes, so that no number of empty ones can wait.
const PIECE_BYTES: usize = 256;

/// What files are made with.
struct Files {
    encoding: Arc<dyn Encoding>,
    pool: Arc<ChunkPool>,
}

impl Files {
    /// A chunk of a file on its way through the merger; `rows` end in it.
    fn piece(&self, mut chunk: Chunk, mark: FileMark, rows: u64) -> Piece {
        chunk.mark = Some(mark);
        let length = chunk.body.len();
        if length < chunk.body.capacity() / 2 {
            // A file may get a few hundred bytes at a time, and many such pieces wait.
            let body = chunk.body.as_slice().to_vec();
            self.pool.give_back(std::mem::replace(&mut chunk.body, body));
        }
        Piece { rows, bytes: chunk.len().saturating_add(PIECE_BYTES), body: Body::Own(Box::new(chunk)) }
    }

    /// One without bytes.
    fn mark(&self, mark: FileMark, rows: u64) -> Piece {
        self.piece(Chunk::default(), mark, rows)
    }
}
