//! The merger's half: row groups to the bytes of the file.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::SchemaDescPtr;

use super::failure::internal;
use super::footer::{ClosedGroup, Footer, MAGIC};
use super::layout::ParquetLayout;
use super::row_group::RowGroup;
use crate::error::{Error, Result};

/// Writes magic, row groups in the order they are appended, and the footer. Bytes come out in chunks of one size.
///
/// Memory: the chunks of one row group, whose pages are released as they are copied, and the footer so far
/// (`memory_bytes`).
pub struct FileWriter {
    out: TrackedWrite<Chunks>,
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    footer: Footer,
    metadata: Vec<(String, String)>,
}

impl FileWriter {
    /// `chunk_bytes` is the size of all chunks but the last one.
    pub fn new(layout: Arc<ParquetLayout>, chunk_bytes: usize) -> Result<Self> {
        let chunks = Chunks { size: chunk_bytes.max(1), open: Vec::new(), full: VecDeque::new() };
        let mut out = TrackedWrite::new(chunks);
        out.write_all(MAGIC).map_err(internal)?;
        let schema = Arc::clone(&layout.schema);
        Ok(FileWriter {
            out,
            footer: Footer::new(Arc::clone(&schema)),
            schema,
            properties: Arc::new(layout.properties(&[])),
            metadata: layout.metadata(),
        })
    }

    /// Appends a row group and its page index; then `take_chunk` gives what is complete.
    pub fn append(&mut self, group: RowGroup) -> Result<()> {
        let ordinal = i32::try_from(self.footer.row_groups()).map_err(internal)?;
        let (schema, properties) = (Arc::clone(&self.schema), Arc::clone(&self.properties));
        let mut closed = None;
        let on_close = |_: &mut TrackedWrite<Chunks>, metadata, _bloom_filters, column_indexes, offset_indexes| {
            closed = Some(ClosedGroup { metadata, column_indexes, offset_indexes });
            Ok(())
        };
        let mut writer =
            SerializedRowGroupWriter::new(schema, properties, &mut self.out, ordinal, Some(Box::new(on_close)));
        for chunk in group.chunks {
            chunk.append_to_row_group(&mut writer).map_err(internal)?;
        }
        writer.close().map_err(internal)?;
        let closed = closed.ok_or_else(|| Error::Internal("Parquet: a row group closed without metadata".into()))?;
        self.footer.add(closed, &mut self.out)
    }

    /// Writes the footer with the entries that are known only now (row count, losses); then `take_chunk` gives all the
    /// rest.
    pub fn finish(&mut self, metadata: Vec<(String, String)>) -> Result<()> {
        let entries = std::mem::take(&mut self.metadata).into_iter().chain(metadata);
        let entries = entries.map(|(key, value)| KeyValue::new(key, value)).collect();
        self.footer.finish(entries, &mut self.out)?;
        self.out.flush().map_err(internal)?;
        self.out.inner_mut().cut();
        Ok(())
    }

    /// The next complete chunk of the file.
    pub fn take_chunk(&mut self) -> Option<Vec<u8>> {
        self.out.inner_mut().full.pop_front()
    }

    /// Bytes that wait for the end of the file: about 150 for each column of each row group.
    pub fn memory_bytes(&self) -> usize {
        self.footer.bytes()
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
