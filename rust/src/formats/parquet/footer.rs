//! The footer, kept small while the file grows.
//!
//! Parquet puts the metadata of all row groups at the end. arrow-rs holds them as structs until then, 1.1 KB for each
//! column of each row group: 700 MB for a terabyte of five columns. Here a row group's page index is written right
//! behind it (its position is free: PageIndex.md), and its footer entry is encoded at once: about 150 bytes a column.
//! All structures are encoded by arrow-rs; this file only puts the entries of many one-row-group footers into one list.

use std::io::Write;
use std::sync::Arc;

use parquet::file::metadata::page_index::PageIndexBuilder;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::SchemaDescPtr;

use super::failure::internal;
use super::layout::CREATED_BY;
use super::thrift::{self, Fields};

use crate::error::{Error, Result};

/// The format version that goes with data pages of version 1.
const VERSION: i32 = 1;
/// After the metadata: its length and the magic.
const TAIL_BYTES: usize = 8;
pub(super) const MAGIC: &[u8; 4] = b"PAR1";
/// Fields of `FileMetaData` (parquet.thrift).
const NUM_ROWS: i16 = 3;
const ROW_GROUPS: i16 = 4;

/// A closed row group as arrow-rs hands it over: its metadata, and the page index by column.
pub(super) struct ClosedGroup {
    pub(super) metadata: RowGroupMetaData,
    pub(super) column_indexes: Vec<Option<ColumnIndexMetaData>>,
    pub(super) offset_indexes: Vec<Option<OffsetIndexMetaData>>,
}

/// The entries of the row groups so far.
pub(super) struct Footer {
    schema: SchemaDescPtr,
    rows: i64,
    entries: Vec<Box<[u8]>>,
    bytes: usize,
}

impl Footer {
    pub(super) fn new(schema: SchemaDescPtr) -> Self {
        Footer { schema, rows: 0, entries: Vec::new(), bytes: 0 }
    }

    /// How many row groups there are.
    pub(super) fn row_groups(&self) -> usize {
        self.entries.len()
    }

    /// Encoded bytes that wait for the end of the file.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes the page index to `out`, where the row group has just ended, and keeps the row group's entry.
    pub(super) fn add<W: Write>(&mut self, group: ClosedGroup, out: &mut TrackedWrite<W>) -> Result<()> {
        let start = i64::try_from(out.bytes_written()).map_err(internal)?;
        let (index, located) = self.page_index(&group)?;
        out.write_all(&index).map_err(internal)?;
        let metadata = place(group.metadata, &located, start)?;
        self.rows =
            self.rows.checked_add(metadata.num_rows()).ok_or_else(|| Error::Internal("too many rows".into()))?;
        let encoded = encode(&self.file(Vec::new()).add_row_group(metadata).build())?;
        let entry = Box::from(thrift::only_element(split(&encoded)?.row_groups)?);
        self.bytes = self.bytes.saturating_add(<[u8]>::len(&entry));
        self.entries.push(entry);
        Ok(())
    }

    /// The bytes of the page index, and metadata that says where in these bytes each part is.
    fn page_index(&self, group: &ClosedGroup) -> Result<(Vec<u8>, ParquetMetaData)> {
        let mut pages = PageIndexBuilder::new(1, group.metadata.num_columns());
        for (column, index) in group.column_indexes.iter().enumerate() {
            index.iter().for_each(|index| pages.put_column_index(index.clone(), 0, column));
        }
        for (column, index) in group.offset_indexes.iter().enumerate() {
            index.iter().for_each(|index| pages.put_offset_index(index.clone(), 0, column));
        }
        let file =
            self.file(Vec::new()).add_row_group(group.metadata.clone()).set_page_index(Some(Arc::new(pages.build())));
        let mut encoded = encode(&file.build())?;
        let (before, metadata) = footer_of(&encoded)?;
        let located = ParquetMetaDataReader::decode_metadata(metadata).map_err(internal)?;
        encoded.truncate(before);
        Ok((encoded, located))
    }

    /// Writes metadata, length and magic.
    pub(super) fn finish<W: Write>(&mut self, metadata: Vec<KeyValue>, out: &mut TrackedWrite<W>) -> Result<()> {
        let template = encode(&self.file(metadata).build())?;
        let parts = split(&template)?;
        let start = out.bytes_written();
        out.write_all(parts.before_rows).map_err(internal)?;
        out.write_all(&thrift::i64_field(self.rows)).map_err(internal)?;
        out.write_all(&thrift::struct_list_field(self.entries.len())).map_err(internal)?;
        for entry in self.entries.drain(..) {
            out.write_all(&entry).map_err(internal)?;
        }
        out.write_all(parts.after_row_groups).map_err(internal)?;
        let length = out.bytes_written().saturating_sub(start);
        let length =
            u32::try_from(length).map_err(|_| Error::Internal("the Parquet footer is larger than 4 GiB".into()))?;
        out.write_all(&length.to_le_bytes()).map_err(internal)?;
        out.write_all(MAGIC).map_err(internal)
    }

    fn file(&self, metadata: Vec<KeyValue>) -> ParquetMetaDataBuilder {
        let metadata = (!metadata.is_empty()).then_some(metadata);
        let schema = Arc::clone(&self.schema);
        ParquetMetaDataBuilder::new(FileMetaData::new(VERSION, 0, Some(CREATED_BY.to_owned()), metadata, schema, None))
    }
}

/// Page index, metadata, length and magic of a file without data.
fn encode(metadata: &ParquetMetaData) -> Result<Vec<u8>> {
    let mut encoded = Vec::new();
    ParquetMetaDataWriter::new(&mut encoded, metadata).finish().map_err(internal)?;
    Ok(encoded)
}

/// Where the metadata begins, and its bytes.
fn footer_of(encoded: &[u8]) -> Result<(usize, &[u8])> {
    let broken = || Error::Internal("Parquet: metadata without its length".into());
    let (body, tail) = encoded.split_last_chunk::<TAIL_BYTES>().ok_or_else(broken)?;
    let length = tail.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
    let start = body.len().checked_sub(usize::try_from(length).map_err(internal)?).ok_or_else(broken)?;
    Ok((start, body.get(start..).unwrap_or_default()))
}

/// Metadata cut around the two fields that depend on the row groups.
struct Parts<'a> {
    before_rows: &'a [u8],
    /// The list, with its header.
    row_groups: &'a [u8],
    after_row_groups: &'a [u8],
}

fn split(encoded: &[u8]) -> Result<Parts<'_>> {
    let (_, metadata) = footer_of(encoded)?;
    let mut before_rows = None;
    let mut fields = Fields::new(metadata);
    while let Some(field) = fields.next()? {
        if field.id == NUM_ROWS {
            before_rows = metadata.get(..field.start);
        }
        if field.id == ROW_GROUPS {
            let before_rows =
                before_rows.ok_or_else(|| Error::Internal("Parquet: metadata without num_rows".into()))?;
            return Ok(Parts { before_rows, row_groups: field.value, after_row_groups: fields.rest() });
        }
    }
    Err(Error::Internal("Parquet: metadata without row_groups".into()))
}

/// The row group's metadata with the positions of its page index in the file, where that begins at `start`.
fn place(group: RowGroupMetaData, located: &ParquetMetaData, start: i64) -> Result<RowGroupMetaData> {
    let mut placed = RowGroupMetaData::builder(group.schema_descr_ptr())
        .set_num_rows(group.num_rows())
        .set_total_byte_size(group.total_byte_size())
        .set_file_offset(group.file_offset().unwrap_or_default());
    let relative = located.row_groups().first().map(RowGroupMetaData::columns).unwrap_or_default();
    for (column, relative) in group.columns().iter().zip(relative) {
        let moved = |offset: Option<i64>| offset.map(|offset| offset.saturating_add(start));
        let column = column
            .clone()
            .into_builder()
            .set_column_index_offset(moved(relative.column_index_offset()))
            .set_column_index_length(relative.column_index_length())
            .set_offset_index_offset(moved(relative.offset_index_offset()))
            .set_offset_index_length(relative.offset_index_length())
            .build();
        placed = placed.add_column_metadata(column.map_err(internal)?);
    }
    placed.build().map_err(internal)
}
