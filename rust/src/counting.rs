//! Files that are read anew: how many rows they have, by their format.

use crate::compression::{Compression, Unpack};
use crate::error::Result;
use crate::formats::Format;
use crate::formats::base::RowCounter;

/// Counts the rows of one file, compressed or not.
///
/// Memory: a page of Parquet, packed and unpacked; otherwise what the compression needs, some hundred KiB.
pub struct FileCounter {
    unpack: Unpack,
    rows: Box<dyn RowCounter>,
}

impl FileCounter {
    pub fn new(format: &dyn Format, compression: Compression) -> Result<Self> {
        Ok(FileCounter { unpack: Unpack::new(compression)?, rows: format.row_counter() })
    }

    /// As [`RowCounter::wants`].
    pub fn wants(&mut self, file_bytes: u64) -> Result<Option<(u64, usize)>> {
        self.rows.wants(file_bytes)
    }

    /// As [`RowCounter::look`].
    pub fn look(&mut self, bytes: &[u8]) -> Result<()> {
        self.rows.look(bytes)
    }

    /// The next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) -> Result<()> {
        let rows = &mut self.rows;
        self.unpack.update(bytes, |unpacked| rows.update(unpacked))
    }

    /// The rows of the file, all of which was given.
    pub fn finish(&mut self) -> Result<u64> {
        let rows = &mut self.rows;
        self.unpack.finish(|unpacked| rows.update(unpacked))?;
        self.rows.finish()
    }
}

#[cfg(test)]
pub mod testing {
    use crate::error::Result;
    use crate::formats::base::RowCounter;

    /// What a counter says of a text that comes in pieces, for each size that a piece can have.
    pub fn counted<C: RowCounter>(new: impl Fn() -> C, text: &str) -> Vec<Result<u64>> {
        counted_bytes(new, text.as_bytes())
    }

    /// As `counted`, for what is not UTF-8.
    pub fn counted_bytes<C: RowCounter>(new: impl Fn() -> C, bytes: &[u8]) -> Vec<Result<u64>> {
        (1..=bytes.len().max(1))
            .map(|size| {
                let mut counter = new();
                bytes.chunks(size).try_for_each(|piece| counter.update(piece))?;
                counter.finish()
            })
            .collect()
    }
}
