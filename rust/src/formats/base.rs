//! What a format is to the rest of the core.
//!
//! A [`Format`] is its options. For one export it becomes an [`Encoding`], which makes the two halves: workers encode
//! the rows of a segment to pieces ([`SegmentEncoder`]), and the merger puts pieces together to the bytes of the file
//! ([`FileAssembler`]). Segments are encoded apart from each other, so what is put between them is the second half's
//! work.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::bytes::chunk_pool::ChunkPool;
use crate::compression::{Compression, RawSum};
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::types::Column;

/// A format with its options.
pub trait Format: fmt::Debug + Send + Sync {
    /// What workers and merger of one export share.
    ///
    /// # Errors
    /// `Error::Internal` where the plan contradicts itself.
    fn encoding(&self, export: &Export<'_>) -> Result<Arc<dyn Encoding>>;
    /// Counts the rows of a file that was written with these options.
    fn row_counter(&self) -> Box<dyn RowCounter>;
}

/// Counts the rows of a file that is read anew, wherever its bytes are cut. It looks at what tells rows apart and
/// nothing else. The file is outside data: whatever it holds, memory is bounded.
///
/// # Errors
/// Each of its methods: `Error::File` where the bytes are not of the format.
pub trait RowCounter: Send {
    /// Where bytes lie (start, length) that it has to see before the first ones, as long as there are any.
    fn wants(&mut self, _file_bytes: u64) -> Result<Option<(u64, usize)>> {
        Ok(None)
    }
    /// Sees what it wanted.
    fn look(&mut self, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }
    /// The next bytes of the file.
    fn update(&mut self, bytes: &[u8]) -> Result<()>;
    /// The rows of the file, all of which was given.
    fn finish(&mut self) -> Result<u64>;
}

/// What a format is told of an export.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    pub columns: &'a [Column],
    /// `server_version_num`.
    pub server_version: u32,
    pub compression: Compression,
    /// The size of the chunks that are handed out.
    pub chunk_bytes: usize,
    pub workers: usize,
}

/// Makes the two halves.
pub trait Encoding: Send + Sync {
    /// One a worker.
    fn segment_encoder(&self, pool: &Arc<ChunkPool>) -> Result<Box<dyn SegmentEncoder>>;
    /// One an export.
    fn file_assembler(&self) -> Result<Box<dyn FileAssembler>>;
}

/// The rows of one segment to pieces; used for segment after segment.
pub trait SegmentEncoder: Send {
    /// Encodes the next row of the segment. On an error the export has failed; it names row and column.
    fn row(&mut self, tuple: Tuple<'_>, pieces: &mut dyn PieceSink) -> Result<()>;
    /// Rows of the segment so far.
    fn rows(&self) -> u64;
    /// The last row of the segment was given: hands on what is left of it.
    fn finish(&mut self, pieces: &mut dyn PieceSink) -> Result<SegmentEnd>;
}

/// Pieces in the order of the rows to the bytes of the file.
pub trait FileAssembler: Send {
    /// Takes the next piece; then [`FileAssembler::take_chunk`] gives what is ready.
    fn piece(&mut self, body: Body) -> Result<()>;
    /// All pieces of a segment were given.
    fn segment_end(&mut self, end: &SegmentEnd);
    /// All segments are complete: writes what comes after the last row.
    fn finish(&mut self, totals: &Totals) -> Result<()>;
    /// The next chunk that is ready to be handed out.
    fn take_chunk(&mut self) -> Option<Chunk>;
    /// Bytes that it holds until the end of the file, beside a chunk.
    fn memory_bytes(&self) -> usize {
        0
    }
}

/// Where a segment's pieces go.
pub trait PieceSink {
    /// # Errors
    /// Whatever stopped the export meanwhile.
    fn push(&mut self, piece: Piece) -> Result<()>;
}

/// A finished part of a segment.
pub struct Piece {
    pub body: Body,
    /// Rows that end in it.
    pub rows: u64,
    /// Bytes that it holds in memory.
    pub bytes: usize,
}

impl Piece {
    /// A part of the file as it is.
    pub fn of_bytes(bytes: Vec<u8>, rows: u64) -> Self {
        Piece { bytes: bytes.len(), body: Body::Bytes(bytes), rows }
    }
}

pub enum Body {
    /// A part of the file as it is.
    Bytes(Vec<u8>),
    /// What only the format's own second half understands: a row group.
    Own(Box<dyn Any + Send>),
}

/// What is known of a segment once its last row was encoded.
#[derive(Debug, Default)]
pub struct SegmentEnd {
    /// gzip only.
    pub sum: Option<RawSum>,
    /// Declared losses by column; empty where there are none.
    pub losses: Vec<u64>,
}

/// What the footer of a file can say of the whole export.
#[derive(Debug)]
pub struct Totals {
    pub rows: u64,
    pub losses: Vec<u64>,
}

/// Bytes to hand out: `prefix` then `body`, kept apart so that a megabyte is not moved for two bytes in front of it.
#[derive(Debug, Default)]
pub struct Chunk {
    pub prefix: Vec<u8>,
    pub body: Vec<u8>,
    /// What is handed out in place of bytes, by a format that makes no file.
    pub own: Option<Own>,
    /// Which file it is of, where an export makes several.
    pub mark: Option<FileMark>,
}

/// What only those know who asked for such a format: a batch of rows in memory.
#[derive(Debug)]
pub struct Own {
    pub bytes: usize,
    pub what: Box<dyn Any + Send>,
}

/// What a chunk is to one of several files, which are numbered from 0 as they are begun.
#[derive(Debug, PartialEq, Eq)]
pub enum FileMark {
    /// No bytes: a file for the rows of a value is begun.
    Begin {
        number: u32,
        value: Option<String>,
    },
    Body {
        number: u32,
    },
    /// No bytes: the file is complete.
    End {
        number: u32,
        end: FileEnd,
    },
}

/// What is known of one of several files once it is complete.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FileEnd {
    pub rows: u64,
    /// Declared losses by column; empty where there are none.
    pub losses: Vec<u64>,
    /// Rows that have a value which no folder can tell from having none.
    pub replaced: u64,
}

impl Chunk {
    pub fn len(&self) -> usize {
        let own = self.own.as_ref().map_or(0, |own| own.bytes);
        self.prefix.len().saturating_add(self.body.len()).saturating_add(own)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
