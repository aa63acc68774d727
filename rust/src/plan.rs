//! What the planner decided, as plain data. Nothing here is interpreted: Python decides, Rust does.

use std::sync::Arc;

use crate::compression::Compression;
use crate::formats::Format;
use crate::types::Column;
use crate::wire::params::ConnectParams;

/// One whole export.
#[derive(Debug, Clone)]
pub struct Plan {
    pub source: Source,
    pub scans: Vec<Scan>,
    pub columns: Vec<Column>,
    pub format: Arc<dyn Format>,
    pub compression: Compression,
    pub limits: Limits,
    /// Where the rows go into several files.
    pub route: Option<Route>,
}

/// How rows are laid into files by a value, which each scan gives as text in front of the columns. One worker does it.
#[derive(Debug, Clone)]
pub struct Route {
    /// Whose value it is, or is made of.
    pub column: String,
    /// Files that may be open at a time.
    pub open_files: usize,
    /// Bytes of rows that may wait for their file.
    pub waiting_bytes: usize,
    /// Bytes of rows, as they are read, after which a file ends.
    pub file_bytes: Option<usize>,
}

impl Plan {
    /// How many fields each scan gives.
    pub fn fields(&self) -> usize {
        self.columns.len() + usize::from(self.route.is_some())
    }
}

/// Where the rows come from, and the moment they are seen at.
#[derive(Debug, Clone)]
pub struct Source {
    pub connection: ConnectParams,
    /// `SET LOCAL …` statements, run after BEGIN and before the snapshot is imported.
    pub session: Vec<String>,
    /// The leader's exported snapshot.
    pub snapshot: String,
    /// `server_version_num`, for example 180001.
    pub server_version: u32,
}

/// A statement that yields rows, and how it is cut. The statement of a segment is
/// `before` + the TID range + `after`; a scan without `ranges` is one segment and has only `before` + `after`.
#[derive(Debug, Clone)]
pub struct Scan {
    pub before: String,
    pub after: String,
    pub ranges: Option<TidRanges>,
}

/// Heap pages cut into equal runs. Where the end is open, the last run has no upper bound, so that rows on pages
/// appended later are read too.
#[derive(Debug, Clone, Copy)]
pub struct TidRanges {
    pub first_page: u32,
    pub pages: u32,
    pub pages_per_segment: u32,
    pub open_end: bool,
}

/// The sizes that Python's memory budget has granted. Output bytes do not depend on any of them.
#[derive(Debug, Clone)]
pub struct Limits {
    pub workers: usize,
    /// Size of the chunks that are handed out.
    pub chunk_bytes: usize,
    /// Bytes of later segments that may wait for the head segment.
    pub window_bytes: usize,
    /// Largest row that is accepted.
    pub row_bytes: usize,
}
