//! The merger's half: row groups to the bytes of the file.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;

use super::{ParquetLayout, RowGroup, internal};
use crate::error::Result;

/// Writes magic, row groups in the order they are appended, and the footer. Bytes come out in chunks of one size.
///
/// Memory: the chunks of one row group, whose pages are released as they are copied, and the metadata of all row groups (about
/// 0.5 KB for each column of each row group), which the format puts at the end of the file.
pub struct FileWriter {
    writer: SerializedFileWriter<Chunks>,
}

impl FileWriter {
    /// `chunk_bytes` is the size of all chunks but the last one.
    pub fn new(layout: Arc<ParquetLayout>, chunk_bytes: usize) -> Result<Self> {
        let properties = Arc::new(layout.properties(&[]));
        let chunks = Chunks { size: chunk_bytes.max(1), open: Vec::new(), full: VecDeque::new() };
        let writer = SerializedFileWriter::new(chunks, Arc::clone(&layout.root), properties).map_err(internal)?;
        let mut file = FileWriter { writer };
        file.add_metadata(layout.metadata());
        Ok(file)
    }

    /// Appends a row group; then `take_chunk` gives what is complete.
    pub fn append(&mut self, group: RowGroup) -> Result<()> {
        let mut target = self.writer.next_row_group().map_err(internal)?;
        for chunk in group.chunks {
            chunk.append_to_row_group(&mut target).map_err(internal)?;
        }
        target.close().map_err(internal)?;
        Ok(())
    }

    /// Writes the footer with the entries that are known only now (row count, losses); then `take_chunk` gives all the rest.
    pub fn finish(&mut self, metadata: Vec<(String, String)>) -> Result<()> {
        self.add_metadata(metadata);
        self.writer.finish().map_err(internal)?;
        self.writer.inner_mut().cut();
        Ok(())
    }

    fn add_metadata(&mut self, metadata: Vec<(String, String)>) {
        for (key, value) in metadata {
            self.writer.append_key_value_metadata(KeyValue::new(key, value));
        }
    }

    /// The next complete chunk of the file.
    pub fn take_chunk(&mut self) -> Option<Vec<u8>> {
        self.writer.inner_mut().full.pop_front()
    }
}

/// Cuts what is written into chunks: one copy from the encoded pages, straight into the memory that is handed out.
struct Chunks {
    size: usize,
    open: Vec<u8>,
    full: VecDeque<Vec<u8>>,
}

impl Chunks {
    fn cut(&mut self) {
        if !self.open.is_empty() {
            self.full.push_back(std::mem::take(&mut self.open));
        }
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.capacity() == 0 {
            self.open.reserve_exact(self.size);
        }
        let room = self.size.saturating_sub(self.open.len()).min(bytes.len());
        self.open.extend_from_slice(bytes.get(..room).unwrap_or_default());
        if self.open.len() >= self.size {
            self.cut();
        }
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
