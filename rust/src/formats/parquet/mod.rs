//! Parquet as a stream, in two halves: workers encode whole row groups ([`RowGroupEncoder`]), the merger appends them
//! in order and writes the footer ([`FileWriter`]). There is no temporary file and nothing seeks.
//!
//! `columnar` beside this folder takes the values. `schema` says what a column is in the file, `encoding` and
//! `dictionary` choose how it is encoded, `row_group` and `file` are the halves, and `halves` fits them into the
//! pipeline. What they share is [`ParquetLayout`].

use std::sync::Arc;

use super::base::{Encoding, Export, Format, RowCounter};
use super::options::{Options, Refused};
use crate::error::Result;

mod count;
mod dictionary;
mod encoding;
mod failure;
mod file;
mod footer;
mod halves;
mod int96;
mod layout;
mod options;
mod row_group;
mod schema;
mod thrift;

use count::ParquetCounter;

pub use file::FileWriter;
pub use layout::ParquetLayout;
pub use options::{ParquetCompression, ParquetOptions};
pub use row_group::{RowGroup, RowGroupEncoder};

/// Parquet with its options.
pub fn open(options: &dyn Options) -> Result<Arc<dyn Format>, Refused> {
    Ok(Arc::new(ParquetOptions::read(options)?))
}

impl Format for ParquetOptions {
    fn encoding(&self, export: &Export<'_>) -> Result<Arc<dyn Encoding>> {
        let layout = ParquetLayout::new(self, export.columns, export.server_version)?;
        Ok(Arc::new(halves::ParquetEncoding::new(layout, export.chunk_bytes)))
    }

    fn row_counter(&self) -> Box<dyn RowCounter> {
        Box::new(ParquetCounter::new())
    }
}
