//! CSV as `COPY … TO STDOUT (FORMAT csv)` writes it (`CopyAttributeOutCSV`), and the options that are ours: line ends,
//! byte order mark, and the two for spreadsheets.

use std::sync::Arc;

use super::base::{Encoding, Export, Format, RowCounter};
use super::options::{Options, Refused};
use super::text;
use crate::error::Result;
use count::CsvCounter;
use count_utf16::Utf16Counter;
use recoded::RecodedCsv;
use rows::Csv;

mod charset;
mod count;
mod count_utf16;
mod guard;
mod made;
mod options;
mod pattern;
mod recoded;
mod rows;
mod rules;
mod values;

pub use charset::Charset;
pub use options::{CsvOptions, Truth, Words};
pub use pattern::Pattern;

/// CSV with its options.
pub fn open(options: &dyn Options) -> Result<Arc<dyn Format>, Refused> {
    Ok(Arc::new(CsvOptions::read(options)?))
}

impl Format for CsvOptions {
    fn encoding(&self, export: &Export<'_>) -> Result<Arc<dyn Encoding>> {
        let (options, columns, server_version) = (self.clone(), export.columns.to_vec(), export.server_version);
        let Some(charset) = self.charset else {
            return Ok(text::encoding(export, move || Csv::new(&options, &columns, server_version)));
        };
        let header = recoded::header(&Csv::new(&options, &columns, server_version), &columns, charset)?;
        Ok(text::encoding(export, move || {
            let csv = Csv::new(&options, &columns, server_version);
            RecodedCsv::new(csv, header.clone(), charset, options.replace_unencodable)
        }))
    }

    fn row_counter(&self) -> Box<dyn RowCounter> {
        let counter = CsvCounter::new(self);
        match self.charset {
            Some(Charset::Utf16 { big_endian }) => Box::new(Utf16Counter::new(counter, big_endian)),
            Some(Charset::Legacy(_)) | None => Box::new(counter),
        }
    }
}
