//! The two halves of every text format, made of its [`TextEncoder`]: chunks, compression, and what stands between
//! segments.

use std::sync::Arc;

mod encoder;
mod file;
mod segments;

pub use encoder::TextEncoder;

use super::base::{Encoding, Export, FileAssembler, SegmentEncoder};
use crate::bytes::chunk_pool::ChunkPool;
use crate::compression::Compression;
use crate::error::Result;
use file::TextFile;
use segments::TextSegments;

/// The encoding of a format whose encoders `make` makes.
pub fn encoding<E: TextEncoder + 'static>(
    export: &Export<'_>,
    make: impl Fn() -> E + Send + Sync + 'static,
) -> Arc<dyn Encoding> {
    let Export { compression, chunk_bytes, workers, .. } = *export;
    Arc::new(TextEncoding { make, compression, chunk_bytes, workers })
}

struct TextEncoding<M> {
    make: M,
    compression: Compression,
    chunk_bytes: usize,
    workers: usize,
}

impl<E: TextEncoder + 'static, M: Fn() -> E + Send + Sync> Encoding for TextEncoding<M> {
    fn segment_encoder(&self, pool: &Arc<ChunkPool>) -> Result<Box<dyn SegmentEncoder>> {
        Ok(Box::new(TextSegments::new((self.make)(), self.compression, self.chunk_bytes, Arc::clone(pool))))
    }

    fn file_assembler(&self) -> Result<Box<dyn FileAssembler>> {
        Ok(Box::new(TextFile::new((self.make)(), self.compression, self.workers, self.chunk_bytes)?))
    }
}
