//! The options of Parquet.

use crate::formats::options::{Options, Refused, one_of};

#[derive(Debug, Clone)]
pub struct ParquetOptions {
    pub compression: ParquetCompression,
    /// A value the column type cannot hold becomes NULL and is counted, instead of an error.
    pub unrepresentable_as_null: bool,
    /// Bound on the encoded bytes of a row group.
    pub row_group_bytes: usize,
    /// Bound on the rows of a row group.
    pub row_group_rows: usize,
    /// Key-value metadata of the footer that is known at the start.
    pub metadata: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParquetCompression {
    None,
    Snappy,
    Gzip,
    Lz4Raw,
    Zstd,
}

impl ParquetOptions {
    pub fn read(options: &dyn Options) -> Result<Self, Refused> {
        const COMPRESSIONS: &[(&str, ParquetCompression)] = &[
            ("none", ParquetCompression::None),
            ("snappy", ParquetCompression::Snappy),
            ("gzip", ParquetCompression::Gzip),
            ("lz4_raw", ParquetCompression::Lz4Raw),
            ("zstd", ParquetCompression::Zstd),
        ];
        Ok(ParquetOptions {
            compression: one_of(options, "parquet_compression", COMPRESSIONS)?,
            unrepresentable_as_null: options.flag("unrepresentable_as_null")?,
            row_group_bytes: options.size("row_group_bytes")?,
            row_group_rows: options.size("row_group_rows")?,
            metadata: options.pairs("metadata")?,
        })
    }
}
