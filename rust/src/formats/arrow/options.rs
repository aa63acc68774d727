//! The options of Arrow.

use arrow_ipc::CompressionType;

use crate::formats::options::{Options, Refused, one_of};

#[derive(Debug, Clone)]
pub(super) struct ArrowOptions {
    pub(super) container: Container,
    pub(super) compression: Option<CompressionType>,
    /// A value the column type cannot hold becomes NULL and is counted, instead of an error.
    pub(super) unrepresentable_as_null: bool,
    /// Metadata of the schema that is known at the start.
    pub(super) metadata: Vec<(String, String)>,
}

/// What record batches are put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// The streaming format of IPC.
    Stream,
    /// The file format of IPC, which is Feather, version 2.
    File,
    /// Nothing: they are handed over in memory.
    Batches,
}

impl ArrowOptions {
    pub(super) fn read(options: &dyn Options) -> Result<Self, Refused> {
        const CONTAINERS: &[(&str, Container)] =
            &[("stream", Container::Stream), ("file", Container::File), ("batches", Container::Batches)];
        const COMPRESSIONS: &[(&str, Option<CompressionType>)] =
            &[("none", None), ("lz4", Some(CompressionType::LZ4_FRAME)), ("zstd", Some(CompressionType::ZSTD))];
        Ok(ArrowOptions {
            container: one_of(options, "arrow_container", CONTAINERS)?,
            compression: one_of(options, "arrow_compression", COMPRESSIONS)?,
            unrepresentable_as_null: options.flag("unrepresentable_as_null")?,
            metadata: options.pairs("metadata")?,
        })
    }
}
