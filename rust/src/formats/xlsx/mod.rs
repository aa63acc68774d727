//! Excel's workbooks (ECMA-376, Office Open XML) as a stream: a zip whose sheets are deflated by the workers.
//!
//! A sheet is a member of the zip, made of strips: runs of rows of one segment that are deflated apart and joined as
//! the segments of a gzip member are. A new sheet begins before a strip that might not fit, so that every sheet stays
//! below Excel's number of rows and below the 4 GiB from which a member of unknown length needs ZIP64, which readers
//! of streamed files do not take. What must know all sheets (`workbook.xml`) comes last; readers go by the directory at
//! the end.
//!
//! Cells have no reference and rows no number, which the standard leaves out at will: so a row is the same wherever it
//! stands, and NULL is an empty cell. `cell` writes a value, over `text`, `number` and `serial`; `segments` and
//! `workbook` are the two halves, `zip` and `parts` what the second one is made of, `count` reads it back.

use std::sync::Arc;

use super::base::{Encoding, Export, FileAssembler, Format, RowCounter, SegmentEncoder};
use super::options::{Options, Refused};
use crate::bytes::chunk_pool::ChunkPool;
use crate::error::Result;
use crate::types::Column;

mod bounds;
mod cell;
mod count;
mod number;
mod options;
mod parts;
mod segments;
mod serial;
mod strip;
mod text;
mod workbook;
mod zip;

use bounds::{BOUNDS, Bounds};
use cell::RowWriter;
use count::SheetCounter;
pub use options::XlsxOptions;
use parts::Layout;
use segments::SheetSegments;
use workbook::Workbook;

/// xlsx with its options.
pub fn open(options: &dyn Options) -> Result<Arc<dyn Format>, Refused> {
    Ok(Arc::new(XlsxOptions::read(options)?))
}

impl Format for XlsxOptions {
    fn encoding(&self, export: &Export<'_>) -> Result<Arc<dyn Encoding>> {
        Ok(Arc::new(XlsxEncoding {
            options: self.clone(),
            columns: export.columns.to_vec(),
            server_version: export.server_version,
            chunk_bytes: export.chunk_bytes,
            layout: Arc::new(Layout::new(&self.sheet, export.columns)),
            bounds: BOUNDS,
        }))
    }

    fn row_counter(&self) -> Box<dyn RowCounter> {
        Box::new(SheetCounter::new())
    }
}

struct XlsxEncoding {
    options: XlsxOptions,
    columns: Vec<Column>,
    server_version: u32,
    chunk_bytes: usize,
    layout: Arc<Layout>,
    bounds: Bounds,
}

impl Encoding for XlsxEncoding {
    fn segment_encoder(&self, pool: &Arc<ChunkPool>) -> Result<Box<dyn SegmentEncoder>> {
        let rows = RowWriter::new(&self.options, &self.columns, self.server_version);
        Ok(Box::new(SheetSegments::new(rows, self.bounds, self.chunk_bytes, pool.take())))
    }

    fn file_assembler(&self) -> Result<Box<dyn FileAssembler>> {
        Ok(Box::new(Workbook::new(Arc::clone(&self.layout), self.bounds)))
    }
}

#[cfg(test)]
mod tests;
