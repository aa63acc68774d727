//! What workers and merger of one export share: schema, options and sizes.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use parquet::arrow::ARROW_SCHEMA_META_KEY;
use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::errors::Result as ParquetResult;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

use super::encoding::ColumnEncoding;
use super::failure::internal;
use super::options::{ParquetCompression, ParquetOptions};
use super::schema::{self, SchemaOf};
use crate::error::{Error, Result};
use crate::formats::columnar::arrow_type::arrow_type;
use crate::formats::columnar::{Rules, ValueColumn, value_column};
use crate::types::{Column, ParquetType};

/// `<application> version <version>`: the form that readers parse (parquet.thrift, `created_by`).
pub(super) const CREATED_BY: &str = concat!("polyglot-export version ", env!("CARGO_PKG_VERSION"));
/// The name of the schema's root, which no reader shows.
const ROOT: &str = "schema";

/// Bytes at which a data page is cut. Open pages count in the bound of the row group. Pages of 1 MB took the same time,
/// but their buffers are of the sizes that allocators give back to the system and ask for again.
const PAGE_BYTES: usize = 256 << 10;
/// Rows at which a data page is cut: the grain of the page index.
const PAGE_ROWS: usize = 20_000;
/// Bytes of all dictionaries of a row group together, and of one.
const DICTIONARIES_BYTES: usize = 8 << 20;
const DICTIONARY_BYTES: usize = 1 << 20;
/// Columns that may have a dictionary, the first ones that it pays for. An encoder needs 72 KB for its hash table at
/// the start and 8 bytes for each row of the open page, so 64 columns are bounded by 15 MB.
pub(super) const DICTIONARY_COLUMNS: usize = 64;
/// Beyond so many columns a row group ends before its columns need a second page: a codec keeps its state (snappy 33
/// KB, zstd more) from a column's first page to the end of the row group, so with one page each only one column has it
/// at a time. A page index would then only repeat the statistics, for 0.6 KB a column and row group in memory, and is
/// left out.
const WIDE_COLUMNS: usize = 64;
/// Bytes of a minimum or maximum in the statistics and in the page index.
const STATISTICS_BYTES: usize = 64;
/// The levels that the text formats use too: level 2 of zlib-rs and level 1 of zstd keep up with a worker.
const GZIP_LEVEL: u32 = 2;
const ZSTD_LEVEL: i32 = 1;

/// Schema, options and sizes: everything that workers and merger share. Built once an export.
#[derive(Debug)]
pub struct ParquetLayout {
    pub(super) columns: Vec<Column>,
    server_version: u32,
    pub(super) options: ParquetOptions,
    /// What the column writers are fed with.
    pub(super) arrow: SchemaRef,
    /// What the file says; a leaf for each column.
    pub(super) schema: SchemaDescPtr,
    /// What the column writers are told.
    writing: TypePtr,
    compression: Compression,
}

impl ParquetLayout {
    /// Checks that every column has a writer; `Error::Internal` where the plan contradicts itself.
    pub fn new(options: &ParquetOptions, columns: &[Column], server_version: u32) -> Result<ParquetLayout> {
        if columns.is_empty() {
            return Err(Error::Internal("a Parquet file has at least one column".into()));
        }
        let fields: Vec<_> = columns.iter().map(|c| Field::new(&c.target, arrow_type(&c.parquet), true)).collect();
        let layout = ParquetLayout {
            columns: columns.to_vec(),
            server_version,
            options: options.clone(),
            arrow: Arc::new(Schema::new(fields)),
            schema: Arc::new(SchemaDescriptor::new(root(columns, SchemaOf::File)?)),
            writing: root(columns, SchemaOf::Writers)?,
            compression: codec(options.compression)?,
        };
        layout.value_columns()?;
        Ok(layout)
    }

    /// What takes the values of each column.
    pub(super) fn value_columns(&self) -> Result<Vec<ValueColumn>> {
        let rules = Rules {
            server_version: self.server_version,
            unrepresentable_as_null: self.options.unrepresentable_as_null,
        };
        self.columns.iter().map(|c| value_column(c.kind, &c.parquet, rules)).collect()
    }

    fn is_wide(&self) -> bool {
        self.columns.len() > WIDE_COLUMNS
    }

    /// Rows at which a row group ends.
    pub(super) fn row_group_rows(&self) -> usize {
        let rows = self.options.row_group_rows.max(1);
        if self.is_wide() { rows.min(PAGE_ROWS - 1) } else { rows }
    }

    /// The writer's properties; there is a choice for each column.
    pub(super) fn properties(&self, choices: &[ColumnEncoding]) -> WriterProperties {
        let dictionaries = choices.iter().filter(|choice| choice.dictionary).count().max(1);
        let mut builder = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            // Data pages of version 1 with PLAIN and RLE_DICTIONARY: what every reader has.
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(self.compression)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_dictionary_enabled(false)
            .set_dictionary_page_size_limit((DICTIONARIES_BYTES / dictionaries).min(DICTIONARY_BYTES))
            .set_statistics_enabled(if self.is_wide() { EnabledStatistics::Chunk } else { EnabledStatistics::Page })
            .set_offset_index_disabled(self.is_wide())
            .set_statistics_truncate_length(Some(STATISTICS_BYTES))
            .set_column_index_truncate_length(Some(STATISTICS_BYTES));
        for (column, choice) in self.columns.iter().zip(choices) {
            if choice.dictionary {
                builder = builder.set_column_dictionary_enabled(leaf(column), true);
            }
            if !choice.compressed {
                builder = builder.set_column_compression(leaf(column), Compression::UNCOMPRESSED);
            }
            if schema::is_json(&column.parquet) || schema::is_int96(&column.parquet) {
                // Neither has an order that a reader could use.
                builder = builder.set_column_statistics_enabled(leaf(column), EnabledStatistics::None);
            }
        }
        builder.build()
    }

    /// The footer's key-value entries that are known at the start.
    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        let schema = schema::reader_schema(&self.columns).map(|s| (ARROW_SCHEMA_META_KEY.to_owned(), s));
        self.options.metadata.iter().cloned().chain(schema).collect()
    }

    /// Makes the column writers of row groups.
    pub(super) fn writers(&self, choices: &[ColumnEncoding]) -> Result<ArrowRowGroupWriterFactory> {
        let properties = Arc::new(self.properties(choices));
        let nowhere =
            SerializedFileWriter::new(std::io::sink(), Arc::clone(&self.writing), properties).map_err(internal)?;
        Ok(ArrowRowGroupWriterFactory::new(&nowhere, Arc::clone(&self.arrow)))
    }
}

fn root(columns: &[Column], of: SchemaOf) -> Result<TypePtr> {
    let types: ParquetResult<Vec<_>> =
        columns.iter().map(|c| schema::parquet_type(&c.target, &c.parquet, of)).collect();
    let fields = types.map_err(internal)?;
    Ok(Arc::new(Type::group_type_builder(ROOT).with_fields(fields).build().map_err(internal)?))
}

/// The path of a column's only leaf.
fn leaf(column: &Column) -> ColumnPath {
    let mut parts = vec![column.target.clone()];
    if matches!(column.parquet, ParquetType::List(_)) {
        parts.extend(schema::LIST_LEAF.map(str::to_owned));
    }
    ColumnPath::new(parts)
}

fn codec(compression: ParquetCompression) -> Result<Compression> {
    Ok(match compression {
        ParquetCompression::None => Compression::UNCOMPRESSED,
        ParquetCompression::Snappy => Compression::SNAPPY,
        ParquetCompression::Gzip => Compression::GZIP(GzipLevel::try_new(GZIP_LEVEL).map_err(internal)?),
        ParquetCompression::Lz4Raw => Compression::LZ4_RAW,
        ParquetCompression::Zstd => Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(internal)?),
    })
}
