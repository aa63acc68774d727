//! What workers and merger of one export share: schema, options and sizes.

use std::sync::Arc;

use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::SchemaRef;

use super::message::internal;
use super::options::{ArrowOptions, Container};
use super::schema;
use crate::error::{Error, Result};
use crate::formats::columnar::{Rules, ValueColumn, value_column};
use crate::types::{Column, ParquetType};

/// Where buffers begin, so that readers can map a file into memory and use vector instructions (Arrow Columnar Format,
/// "Buffer Alignment and Padding").
pub(super) const ALIGNMENT: usize = 64;

/// Built once an export.
#[derive(Debug)]
pub(super) struct ArrowLayout {
    pub(super) columns: Vec<Column>,
    server_version: u32,
    unrepresentable_as_null: bool,
    pub(super) container: Container,
    pub(super) schema: SchemaRef,
    pub(super) ipc: IpcWriteOptions,
    /// Bytes that a value of each column takes in an array even where it is NULL.
    pub(super) widths: Vec<usize>,
}

impl ArrowLayout {
    /// Checks that every column has a builder; `Error::Internal` where the plan contradicts itself.
    pub(super) fn new(options: &ArrowOptions, columns: &[Column], server_version: u32) -> Result<Self> {
        if columns.is_empty() {
            return Err(Error::Internal("a record batch has at least one column".into()));
        }
        let ipc = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)
            .and_then(|ipc| ipc.try_with_compression(options.compression))
            .map_err(internal)?;
        let layout = ArrowLayout {
            columns: columns.to_vec(),
            server_version,
            unrepresentable_as_null: options.unrepresentable_as_null,
            container: options.container,
            schema: Arc::new(schema::schema(columns, &options.metadata)),
            ipc,
            widths: columns.iter().map(|column| width(&column.parquet)).collect(),
        };
        layout.value_columns()?;
        Ok(layout)
    }

    /// What takes the values of each column.
    pub(super) fn value_columns(&self) -> Result<Vec<ValueColumn>> {
        let rules =
            Rules { server_version: self.server_version, unrepresentable_as_null: self.unrepresentable_as_null };
        self.columns.iter().map(|c| value_column(c.kind, &c.parquet, rules)).collect()
    }
}

/// Offsets are of four bytes.
fn width(column: &ParquetType) -> usize {
    match column {
        ParquetType::Boolean => 1,
        ParquetType::Decimal { .. } | ParquetType::Uuid => 16,
        ParquetType::Int64
        | ParquetType::Double
        | ParquetType::Time
        | ParquetType::Timestamp
        | ParquetType::TimestampTz => 8,
        _ => 4,
    }
}
