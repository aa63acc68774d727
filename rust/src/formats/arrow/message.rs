//! The messages of IPC (Arrow Columnar Format, "Encapsulated message format").

use arrow_array::RecordBatch;
use arrow_ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message,
};
use arrow_schema::Schema;

use crate::error::{Error, Result};

/// In front of each message: a mark, and the length of the metadata.
pub(super) const PREFIX_BYTES: usize = 8;
/// The mark.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];
/// Metadata of no bytes is the end of a stream.
pub(super) const END_OF_STREAM: [u8; PREFIX_BYTES] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Encodes batches, each to a message that depends on nothing but itself.
#[derive(Default)]
pub(super) struct MessageEncoder {
    generator: IpcDataGenerator,
    context: IpcWriteContext,
}

impl MessageEncoder {
    pub(super) fn batch(&mut self, batch: &RecordBatch, options: &IpcWriteOptions) -> Result<Vec<u8>> {
        let mut none = DictionaryTracker::new(true);
        let (_, encoded) = self.generator.encode(batch, &mut none, options, &mut self.context).map_err(internal)?;
        whole(encoded, options)
    }
}

/// The message that a stream begins with.
pub(super) fn of_schema(schema: &Schema, options: &IpcWriteOptions) -> Result<Vec<u8>> {
    let mut none = DictionaryTracker::new(true);
    whole(IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut none, options), options)
}

fn whole(encoded: EncodedData, options: &IpcWriteOptions) -> Result<Vec<u8>> {
    // Prefix, metadata and body, and what they are padded with.
    const PADDING: usize = 2 * 64 + PREFIX_BYTES;
    let bytes = encoded.ipc_message.len().saturating_add(encoded.arrow_data.len()).saturating_add(PADDING);
    let mut message = Vec::with_capacity(bytes);
    write_message(&mut message, encoded, options).map_err(internal)?;
    Ok(message)
}

/// Bytes of a message in front of its body.
pub(super) fn head_bytes(message: &[u8]) -> Result<usize> {
    let length = message.get(..PREFIX_BYTES).and_then(|prefix| prefix.last_chunk::<4>());
    let length = length.and_then(|bytes| usize::try_from(u32::from_le_bytes(*bytes)).ok());
    let head = length.and_then(|length| length.checked_add(PREFIX_BYTES)).filter(|head| *head <= message.len());
    head.ok_or_else(|| Error::Internal("Arrow: a message that is cut".into()))
}

/// An error of the Arrow library: all input was checked before, so it is a defect of ours.
pub(super) fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("Arrow: {error}"))
}
