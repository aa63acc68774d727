//! How a column is written in a row group, decided anew for each from its first batch. The choice depends on the rows
//! alone, so the bytes of the file do too.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_schema::DataType;

use super::dictionary;
use super::options::ParquetCompression;

/// Bytes of a column that are compressed to see what it saves.
const SAMPLE_BYTES: usize = 16 << 10;
/// What compression must save, as a part of the whole: PostgreSQL asks the same of its own before it stores a value
/// compressed (`pg_lzcompress.c`, `min_comp_rate`).
const LEAST_SAVED: usize = 4;

/// What one column does in one row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnEncoding {
    pub(super) dictionary: bool,
    pub(super) compressed: bool,
}

impl ColumnEncoding {
    /// For a column before anything is known of it.
    pub(super) const UNKNOWN: ColumnEncoding = ColumnEncoding { dictionary: false, compressed: true };

    /// From the first batch of a row group; `dictionary_allowed` while there are not too many.
    pub(super) fn of(array: &ArrayRef, compression: ParquetCompression, dictionary_allowed: bool) -> Self {
        let dictionary = dictionary_allowed && dictionary::pays(array);
        let fast = matches!(compression, ParquetCompression::Snappy | ParquetCompression::Lz4Raw);
        ColumnEncoding { dictionary, compressed: !fast || dictionary || compression_pays(array) }
    }
}

/// Whether a fast codec makes the values of a column enough smaller to be worth its time, which is longest where it
/// finds little. Only numbers are asked: text nearly always shrinks, and a codec sees at once where nothing does.
fn compression_pays(array: &ArrayRef) -> bool {
    let values: &[u8] = match array.data_type() {
        DataType::Int32 => array.as_primitive::<Int32Type>().values().inner(),
        DataType::Int64 => array.as_primitive::<Int64Type>().values().inner(),
        DataType::Float32 => array.as_primitive::<Float32Type>().values().inner(),
        DataType::Float64 => array.as_primitive::<Float64Type>().values().inner(),
        _ => return true,
    };
    let sample = values.get(..SAMPLE_BYTES).unwrap_or(values);
    let mut compressed = vec![0; snap::raw::max_compress_len(sample.len())];
    let saved = snap::raw::Encoder::new()
        .compress(sample, &mut compressed)
        .map_or(0, |length| sample.len().saturating_sub(length));
    saved >= sample.len() / LEAST_SAVED
}
