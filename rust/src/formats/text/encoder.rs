//! What a text format knows: how a row is written, and what stands around rows.

use crate::bytes::flusher::Flusher;
use crate::copy::frame::Tuple;
use crate::error::Result;

/// Writes rows as text. A worker's encoder writes only rows, the merger's what is around them: header, separators
/// between segments that hold rows, footer.
pub trait TextEncoder: Send {
    /// What comes before the first row of the file.
    fn header(&self, out: &mut Vec<u8>);
    /// What stands between two rows, also where they are of different segments.
    fn separator(&self) -> &'static [u8];
    /// Appends one row without separator, and asks the flusher between its fields and within large ones. On an error
    /// part of the row is in `out` or gone; the export has failed then. The error names the column.
    fn row(&mut self, tuple: Tuple<'_>, out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()>;
    /// What comes after the last row; `rows` tells whether there was one.
    fn footer(&self, rows: bool, out: &mut Vec<u8>);
    /// Declared losses by column since the last call, for the counters; empty where the format has none.
    fn take_losses(&mut self) -> Vec<u64> {
        Vec::new()
    }
}
