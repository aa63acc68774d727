//! The options of xlsx.

use crate::formats::options::{Options, Refused};

#[derive(Debug, Clone)]
pub struct XlsxOptions {
    /// Name of the first sheet, by Excel's rules; the others have a number behind it.
    pub sheet: String,
    /// A text that is longer than a cell can hold is cut and counted, instead of an error.
    pub truncate_long_text: bool,
}

impl XlsxOptions {
    pub fn read(options: &dyn Options) -> Result<Self, Refused> {
        Ok(XlsxOptions { sheet: options.text("sheet")?, truncate_long_text: options.flag("truncate_long_text")? })
    }
}
