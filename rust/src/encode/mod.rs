//! Rows to bytes: one file a format, and the registry of the text formats.
//!
//! A text encoder writes a header, rows with a separator between them, and a footer. Segments are encoded apart from
//! each other: a worker's encoder writes only rows, and the merger writes header, separators between segments that hold
//! rows, and footer. Parquet has row groups instead of bytes and its own two halves in `parquet/`.

use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::plan::{Format, Plan};
use outlet::Outlet;

pub mod block;
pub mod csv;
pub mod digits;
pub mod json;
pub mod outlet;
pub mod parquet;
pub mod short;
pub mod text;
pub mod xml;

/// Writes the rows of one segment. One value a worker; `rows` may be called for many segments.
pub trait TextEncoder: Send {
    /// What comes before the first row of the file.
    fn header(&self, out: &mut Vec<u8>);
    /// What stands between two rows, also where they are of different segments.
    fn separator(&self) -> &'static [u8];
    /// Appends one row without separator, and offers `out` to the outlet between its fields and within large ones. On
    /// an error part of the row is in `out` or gone; the export has failed then. The error names the column.
    fn row(&mut self, tuple: Tuple<'_>, out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()>;
    /// What comes after the last row; `rows` tells whether there was one.
    fn footer(&self, rows: bool, out: &mut Vec<u8>);
    /// Declared losses by column since the last call, for the counters; empty where the format has none.
    fn take_losses(&mut self) -> Vec<u64> {
        Vec::new()
    }
}

/// The encoder of a text format; `None` for Parquet. Adding a text format is one file and one line here.
pub fn text_encoder(plan: &Plan) -> Option<Box<dyn TextEncoder>> {
    match &plan.format {
        Format::Csv(options) => Some(Box::new(csv::Csv::new(options, plan))),
        Format::Json(options) => Some(Box::new(json::Json::new(options, plan))),
        Format::Xml(options) => Some(Box::new(xml::Xml::new(options, plan))),
        Format::Parquet(_) => None,
    }
}
