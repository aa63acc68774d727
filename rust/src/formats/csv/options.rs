//! The options of CSV.

use super::charset::Charset;
use super::pattern::Pattern;
use crate::formats::options::{Options, Refused, one_byte, one_of};

/// Of UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
    /// A byte order mark first, in UTF-8 or UTF-16.
    pub bom: bool,
    /// What the file is written in; none is UTF-8, or what the database has.
    pub charset: Option<Charset>,
    /// `?` for a character that the encoding lacks, counted as a loss.
    pub replace_unencodable: bool,
    /// Prefix `'` to a text cell that a spreadsheet would run as a formula.
    pub formula_guard: bool,
    /// Write integers and numerics of more than 15 digits as `="…"`, which spreadsheets keep whole.
    pub long_numbers_as_text: bool,
    /// Write text that a spreadsheet would read as a number, a date or a truth value as `="…"`.
    pub keep_text: Option<Words>,
    /// Write the decimal point of numbers as a comma.
    pub decimal_comma: bool,
    /// None where they are as the server prints them.
    pub booleans: Option<Truth>,
    /// Digits behind the point of a float.
    pub float_digits: Option<usize>,
    pub date_format: Option<Pattern>,
    pub timestamp_format: Option<Pattern>,
}

/// The words for true and false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth {
    pub yes: &'static [u8],
    pub no: &'static [u8],
}

/// What a spreadsheet of some language does not take for text, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Alone in a cell.
    pub truth: Vec<String>,
    /// In a date.
    pub months: Vec<String>,
}

/// Those of COPY, with a header.
impl Default for CsvOptions {
    fn default() -> Self {
        CsvOptions {
            delimiter: b',',
            quote: b'"',
            escape: b'"',
            null: String::new(),
            header: true,
            force_quote: Vec::new(),
            crlf: false,
            bom: false,
            charset: None,
            replace_unencodable: false,
            formula_guard: false,
            long_numbers_as_text: false,
            keep_text: None,
            decimal_comma: false,
            booleans: None,
            float_digits: None,
            date_format: None,
            timestamp_format: None,
        }
    }
}

impl CsvOptions {
    pub fn read(options: &dyn Options) -> Result<Self, Refused> {
        const BOOLEANS: &[(&str, Option<Truth>)] = &[
            ("t/f", None),
            ("true/false", Some(Truth { yes: b"true", no: b"false" })),
            ("1/0", Some(Truth { yes: b"1", no: b"0" })),
        ];
        let words = if options.flag("keep_text")? {
            Some(Words { truth: words(options, "truth_words")?, months: words(options, "month_words")? })
        } else {
            None
        };
        Ok(CsvOptions {
            delimiter: one_byte(options, "delimiter")?,
            quote: one_byte(options, "quote")?,
            escape: one_byte(options, "escape")?,
            null: options.text("null")?,
            header: options.flag("header")?,
            force_quote: options.flags("force_quote")?,
            crlf: options.flag("crlf")?,
            bom: options.flag("bom")?,
            charset: Charset::read(&options.text("encoding")?)?,
            replace_unencodable: options.flag("replace_unencodable")?,
            formula_guard: options.flag("formula_guard")?,
            long_numbers_as_text: options.flag("long_numbers_as_text")?,
            keep_text: words,
            decimal_comma: options.flag("decimal_comma")?,
            booleans: one_of(options, "booleans", BOOLEANS)?,
            float_digits: options.size_if_any("float_digits")?,
            date_format: pattern(options, "date_format", true)?,
            timestamp_format: pattern(options, "timestamp_format", false)?,
        })
    }
}

/// Words with blanks between them.
fn words(options: &dyn Options, name: &'static str) -> Result<Vec<String>, Refused> {
    Ok(options.text(name)?.split_ascii_whitespace().map(str::to_lowercase).collect())
}

/// No pattern is the empty one.
fn pattern(options: &dyn Options, name: &'static str, of_day: bool) -> Result<Option<Pattern>, Refused> {
    let text = options.text(name)?;
    if text.is_empty() { Ok(None) } else { Pattern::read(&text, of_day).map(Some) }
}
