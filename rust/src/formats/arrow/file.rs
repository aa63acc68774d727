//! The merger's half: messages to the bytes of a stream or of a file.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_ipc::convert::{IpcSchemaEncoder, metadata_to_fb};
use arrow_ipc::{Block, FooterBuilder, MetadataVersion};
use flatbuffers::FlatBufferBuilder;

use super::layout::{ALIGNMENT, ArrowLayout};
use super::message::{END_OF_STREAM, PREFIX_BYTES, head_bytes, internal, of_schema};
use super::options::Container;
use crate::error::{Error, Result};
use crate::formats::base::{Body, Chunk, FileAssembler, SegmentEnd, Totals};

/// A file begins with this, padded, and ends with it.
pub(super) const MAGIC: &[u8; 6] = b"ARROW1";
const PADDED_MAGIC: &[u8; 8] = b"ARROW1\0\0";

/// Writes the schema, the messages as they come, and what a reader needs behind the last one.
///
/// Memory: 24 bytes for each message of a file (`memory_bytes`).
pub(super) struct IpcFile {
    layout: Arc<ArrowLayout>,
    ready: VecDeque<Vec<u8>>,
    /// Bytes written so far.
    position: usize,
    /// Where the batches of a file are.
    blocks: Vec<Block>,
}

impl IpcFile {
    pub(super) fn new(layout: Arc<ArrowLayout>) -> Result<Self> {
        let schema = of_schema(&layout.schema, &layout.ipc)?;
        let head = match layout.container {
            // What stands before the message must not move the bodies behind it.
            Container::File => [PADDED_MAGIC.as_slice(), &padded(schema, ALIGNMENT - PADDED_MAGIC.len())?].concat(),
            _ => schema,
        };
        Ok(IpcFile { layout, position: head.len(), ready: VecDeque::from([head]), blocks: Vec::new() })
    }

    /// The footer with what is known only now, its length and the magic.
    fn footer(&self, totals: &Totals) -> Result<Vec<u8>> {
        let mut metadata = vec![("polyglot.rows".to_owned(), totals.rows.to_string())];
        for (column, count) in self.layout.columns.iter().zip(&totals.losses).filter(|(_, count)| **count > 0) {
            metadata.push((format!("polyglot.nulled.{}", column.target), count.to_string()));
        }
        let mut builder = FlatBufferBuilder::new();
        let dictionaries = builder.create_vector::<Block>(&[]);
        let batches = builder.create_vector(&self.blocks);
        let schema = IpcSchemaEncoder::new().schema_to_fb_offset(&mut builder, &self.layout.schema);
        let metadata = metadata_to_fb(&mut builder, &metadata.into_iter().collect());
        let mut footer = FooterBuilder::new(&mut builder);
        footer.add_version(MetadataVersion::V5);
        footer.add_schema(schema);
        footer.add_dictionaries(dictionaries);
        footer.add_recordBatches(batches);
        footer.add_custom_metadata(metadata);
        let root = footer.finish();
        builder.finish(root, None);
        let mut bytes = builder.finished_data().to_vec();
        let length = i32::try_from(bytes.len())
            .map_err(|_| Error::Internal("the footer of the Arrow file is larger than 2 GiB".into()))?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        Ok(bytes)
    }
}

/// A message without a body whose metadata is so many bytes longer.
fn padded(mut message: Vec<u8>, by: usize) -> Result<Vec<u8>> {
    let length = u32::try_from(message.len().saturating_sub(PREFIX_BYTES).saturating_add(by)).map_err(internal)?;
    if let Some(field) = message.get_mut(PREFIX_BYTES - 4..PREFIX_BYTES) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    message.resize(message.len().saturating_add(by), 0);
    Ok(message)
}

impl FileAssembler for IpcFile {
    fn piece(&mut self, body: Body) -> Result<()> {
        let Body::Bytes(message) = body else { return Err(Error::Internal("a piece of another format".into())) };
        if self.layout.container == Container::File {
            let head = head_bytes(&message)?;
            self.blocks.push(Block::new(
                i64::try_from(self.position).map_err(internal)?,
                i32::try_from(head).map_err(internal)?,
                i64::try_from(message.len().saturating_sub(head)).map_err(internal)?,
            ));
        }
        self.position = self.position.saturating_add(message.len());
        self.ready.push_back(message);
        Ok(())
    }

    fn segment_end(&mut self, _end: &SegmentEnd) {}

    fn finish(&mut self, totals: &Totals) -> Result<()> {
        let mut end = END_OF_STREAM.to_vec();
        if self.layout.container == Container::File {
            end.extend(self.footer(totals)?);
        }
        self.ready.push_back(end);
        Ok(())
    }

    fn take_chunk(&mut self) -> Option<Chunk> {
        self.ready.pop_front().map(|body| Chunk { body, ..Chunk::default() })
    }

    fn memory_bytes(&self) -> usize {
        self.blocks.capacity().saturating_mul(size_of::<Block>())
    }
}
