//! The options of CSV.

use crate::formats::options::{Options, Refused, one_byte};

#[derive(Debug, Clone)]
pub struct CsvOptions {
    pub delimiter: u8,
    pub quote: u8,
    pub escape: u8,
    pub null: String,
    pub header: bool,
    /// One flag a column.
    pub force_quote: Vec<bool>,
    /// CRLF instead of LF.
    pub crlf: bool,
    /// A UTF-8 byte order mark first.
    pub bom: bool,
    /// Prefix `'` to a text cell that a spreadsheet would run as a formula.
    pub formula_guard: bool,
    /// Write integers and numerics of more than 15 digits as `="…"`, which spreadsheets keep whole.
    pub long_numbers_as_text: bool,
}

impl CsvOptions {
    pub fn read(options: &dyn Options) -> Result<Self, Refused> {
        Ok(CsvOptions {
            delimiter: one_byte(options, "delimiter")?,
            quote: one_byte(options, "quote")?,
            escape: one_byte(options, "escape")?,
            null: options.text("null")?,
            header: options.flag("header")?,
            force_quote: options.flags("force_quote")?,
            crlf: options.flag("crlf")?,
            bom: options.flag("bom")?,
            formula_guard: options.flag("formula_guard")?,
            long_numbers_as_text: options.flag("long_numbers_as_text")?,
        })
    }
}
