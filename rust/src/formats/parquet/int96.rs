//! INT96 columns. The column writers of Arrow know no INT96, but its pages are those of a FIXED_LEN_BYTE_ARRAY of
//! twelve bytes, bit by bit (Parquet's Encodings.md, "Plain"). So the values are written as such, and only the chunk's
//! metadata is told what they are.

use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;

use super::failure::internal;
use crate::error::Result;

/// The chunk as one of `column`. An INT96 has no minimum and maximum: its order was never defined (parquet.thrift,
/// `ColumnOrder`).
pub(super) fn relabel(chunk: &mut ArrowColumnChunk, column: ColumnDescPtr, nulls: Option<u64>) -> Result<()> {
    let close = chunk.close_mut();
    let written = &close.metadata;
    let mut metadata = ColumnChunkMetaData::builder(column)
        .set_encodings_mask(*written.encodings_mask())
        .set_num_values(written.num_values())
        .set_compression(written.compression())
        .set_total_compressed_size(written.compressed_size())
        .set_total_uncompressed_size(written.uncompressed_size())
        .set_data_page_offset(written.data_page_offset())
        .set_dictionary_page_offset(written.dictionary_page_offset())
        .set_statistics(Statistics::int96(None, None, None, nulls, false));
    if let Some(stats) = written.page_encoding_stats() {
        metadata = metadata.set_page_encoding_stats(stats.clone());
    }
    close.metadata = metadata.build().map_err(internal)?;
    Ok(())
}
