//! Rows to bytes: a file or folder a format, and the registry of all of them.
//!
//! `base` says what a format is. The text formats (csv, json, xml) write rows with a separator between them, a header
//! and a footer; `text` makes the two halves of a [`Format`] out of that. Parquet and Arrow make their own, of columns
//! that `columnar` builds, and xlsx too, of sheets in a zip.

use std::sync::Arc;

pub mod arrow;
pub mod base;
pub mod columnar;
pub mod csv;
pub mod json;
pub mod options;
pub mod parquet;
pub mod text;
pub mod xlsx;
pub mod xml;

pub use base::Format;
use options::{Options, Refused};

/// Reads a format's options.
pub type Open = fn(&dyn Options) -> Result<Arc<dyn Format>, Refused>;

/// Every format by its name in a plan; a line each.
pub static FORMATS: &[(&str, Open)] = &[
    ("csv", csv::open),
    ("json", json::open_array),
    ("ndjson", json::open_lines),
    ("xml", xml::open),
    ("parquet", parquet::open),
    ("xlsx", xlsx::open),
    ("arrow", arrow::open),
];

/// The format of that name, with its options.
pub fn open(name: &str, options: &dyn Options) -> Result<Arc<dyn Format>, Refused> {
    match FORMATS.iter().find(|(known, _)| *known == name) {
        Some((_, open)) => open(options),
        None => Err(Refused::unknown("format", name)),
    }
}
