//! The rows of a Parquet file: what its pages hold, beside what its footer says.
//!
//! `footer` says where the column chunks are, `pages` goes over the pages of one, `codec` unpacks them and `levels`
//! tells the rows of columns with repeated values. arrow-rs would hold the metadata of a large footer as structs, seven
//! times its size, and unpacks pages only where it can seek.

use footer::{ColumnChunk, TAIL_BYTES};
use pages::Pages;

use crate::error::{Error, Result};
use crate::formats::base::RowCounter;

mod codec;
mod footer;
mod levels;
mod pages;

/// Read at first: holds the footer of most files.
const FIRST_LOOK_BYTES: u64 = 64 * 1024;

/// What has to be seen before the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Tail,
    /// The footer begins at this byte and has so many.
    Footer(u64, usize),
    Pages,
}

/// Counts the rows of the row groups; that each column of each has as many is checked page by page.
pub(super) struct ParquetCounter {
    stage: Stage,
    file_bytes: u64,
    /// In the order of their bytes.
    chunks: Vec<ColumnChunk>,
    /// Which of them comes next, or is being read.
    next: usize,
    rows: u64,
    position: u64,
    pages: Pages,
}

impl ParquetCounter {
    pub(super) fn new() -> Self {
        ParquetCounter {
            stage: Stage::Tail,
            file_bytes: 0,
            chunks: Vec::new(),
            next: 0,
            rows: 0,
            position: 0,
            pages: Pages::default(),
        }
    }

    /// The end of the file, with the footer in it if that is short.
    fn see_tail(&mut self, bytes: &[u8]) -> Result<()> {
        let length = footer::length(bytes)?;
        let ends = self.file_bytes.saturating_sub(TAIL_BYTES as u64);
        let start = ends.checked_sub(length as u64).ok_or_else(|| Error::file("its footer is longer than it is"))?;
        self.stage = Stage::Footer(start, length);
        match bytes.len().checked_sub(TAIL_BYTES.saturating_add(length)) {
            Some(at) => self.see_footer(bytes.get(at..at.saturating_add(length)).unwrap_or_default(), start),
            None => Ok(()),
        }
    }

    fn see_footer(&mut self, bytes: &[u8], start: u64) -> Result<()> {
        let found = footer::read(bytes, start)?;
        (self.chunks, self.rows) = (found.chunks, found.rows);
        self.stage = Stage::Pages;
        Ok(())
    }
}

impl RowCounter for ParquetCounter {
    fn wants(&mut self, file_bytes: u64) -> Result<Option<(u64, usize)>> {
        self.file_bytes = file_bytes;
        Ok(match self.stage {
            Stage::Tail => {
                let length = file_bytes.min(FIRST_LOOK_BYTES);
                Some((file_bytes.saturating_sub(length), usize::try_from(length).unwrap_or(0)))
            }
            Stage::Footer(start, length) => Some((start, length)),
            Stage::Pages => None,
        })
    }

    fn look(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stage {
            Stage::Tail => self.see_tail(bytes),
            Stage::Footer(start, length) if bytes.len() == length => self.see_footer(bytes, start),
            _ => Err(Error::file("its footer is cut")),
        }
    }

    fn update(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(chunk) = self.chunks.get(self.next) else { break };
            let is_in_chunk = self.position >= chunk.start;
            let until = if is_in_chunk { chunk.end } else { chunk.start };
            let left = usize::try_from(until.saturating_sub(self.position)).unwrap_or(usize::MAX);
            let (now, after) = rest.split_at_checked(left).unwrap_or((rest, &[]));
            self.position = self.position.saturating_add(now.len() as u64);
            rest = after;
            if is_in_chunk {
                self.pages.update(now, chunk)?;
                if self.position == chunk.end {
                    self.pages.end(chunk)?;
                    self.next = self.next.saturating_add(1);
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64> {
        if self.stage != Stage::Pages || self.next < self.chunks.len() {
            return Err(Error::file("it ends before its pages do"));
        }
        Ok(self.rows)
    }
}
