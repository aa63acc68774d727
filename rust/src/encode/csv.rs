//! CSV as `COPY … TO STDOUT (FORMAT csv)` writes it (`CopyAttributeOutCSV`), and the options that are ours: line ends, byte
//! order mark, and the two for spreadsheets.

use super::TextEncoder;
use super::text::any_byte;
use crate::copy::decode::Decoder;
use crate::copy::decode::json::jsonb_text;
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::plan::{Column, CsvOptions, Kind, Plan};

/// What COPY always quotes where it is the only column: its text format ends there.
const END_OF_DATA: &[u8] = b"\\.";
/// Spreadsheets keep this many digits of a number and write zeros for the rest.
const SPREADSHEET_DIGITS: usize = 15;
/// `="` and `"` around a number make it a formula that gives text.
const TEXT_FORMULA_START: &[u8] = b"=\"";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Writes the rows of one segment.
pub struct Csv {
    columns: Vec<CsvColumn>,
    rules: Rules,
    line_end: &'static [u8],
    header: Vec<u8>,
    /// A value that has to be looked at after it was printed. It keeps its room from row to row.
    scratch: Vec<u8>,
}

struct CsvColumn {
    source: String,
    decoder: Decoder,
    cell: Cell,
    force_quote: bool,
}

/// How the values of a column become cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Nothing the type prints can need quotes: printed straight into the output.
    Plain,
    /// The field is the text: looked at where it lies.
    Field,
    /// As `Field`, with the guard against formulas.
    GuardedField,
    /// As `Field`, after the version byte.
    Jsonb,
    /// Printed into the scratch buffer, then looked at.
    Printed,
    /// As `Printed`, with the guard against formulas.
    GuardedPrinted,
    /// As `Printed`, and as text for spreadsheets where it has many digits.
    LongNumber,
}

impl Csv {
    pub fn new(options: &CsvOptions, plan: &Plan) -> Self {
        let rules = Rules::new(options, plan.columns.len());
        let force = options.force_quote.iter().copied().chain(std::iter::repeat(false));
        let columns = plan.columns.iter().zip(force).map(|(column, force_quote)| CsvColumn {
            source: column.source.clone(),
            decoder: Decoder::new(&column.kind, plan.source.server_version),
            cell: Cell::choose(&column.kind, options, &rules, force_quote),
            force_quote,
        });
        let line_end: &[u8] = if options.crlf { b"\r\n" } else { b"\n" };
        let header = header(options, &rules, &plan.columns, line_end);
        Csv { columns: columns.collect(), rules, line_end, header, scratch: Vec::new() }
    }
}

/// What comes before the first row: the byte order mark, and the target names by the same rules as values.
fn header(options: &CsvOptions, rules: &Rules, columns: &[Column], line_end: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if options.bom {
        out.extend_from_slice(BYTE_ORDER_MARK);
    }
    if !options.header {
        return out;
    }
    let mut guarded = Vec::new();
    for (i, column) in columns.iter().enumerate() {
        if i > 0 {
            out.push(rules.delimiter);
        }
        guarded.clear();
        if options.formula_guard {
            push_guard(column.target.as_bytes(), &mut guarded);
        }
        guarded.extend_from_slice(column.target.as_bytes());
        rules.write(&guarded, false, &mut out);
    }
    out.extend_from_slice(line_end);
    out
}

impl TextEncoder for Csv {
    fn header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header);
    }

    /// Rows end with their own line end.
    fn separator(&self) -> &'static [u8] {
        b""
    }

    fn row(&mut self, mut tuple: Tuple<'_>, out: &mut Vec<u8>) -> Result<()> {
        let mut first = true;
        for column in &self.columns {
            if !first {
                out.push(self.rules.delimiter);
            }
            first = false;
            match tuple.field()? {
                Some(field) => column.write(field, &self.rules, &mut self.scratch, out).map_err(|e| e.in_column(&column.source))?,
                None => out.extend_from_slice(&self.rules.null),
            }
        }
        out.extend_from_slice(self.line_end);
        tuple.end()
    }

    fn footer(&self, _rows: bool, _out: &mut Vec<u8>) {}
}

impl CsvColumn {
    #[inline]
    fn write(&self, field: &[u8], rules: &Rules, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
        match self.cell {
            Cell::Plain => return self.decoder.write_text(field, out),
            Cell::Field => rules.write(field, self.force_quote, out),
            Cell::Jsonb => rules.write(jsonb_text(field)?, self.force_quote, out),
            Cell::Printed => {
                scratch.clear();
                self.decoder.write_text(field, scratch)?;
                rules.write(scratch, self.force_quote, out);
            }
            Cell::GuardedField if !runs_as_formula(field) => rules.write(field, self.force_quote, out),
            Cell::GuardedField | Cell::GuardedPrinted => {
                scratch.clear();
                scratch.push(b'\'');
                self.decoder.write_text(field, scratch)?;
                let guarded = scratch.as_slice();
                let text = guarded.get(1..).unwrap_or_default();
                rules.write(if runs_as_formula(text) { guarded } else { text }, self.force_quote, out);
            }
            Cell::LongNumber => {
                scratch.clear();
                scratch.extend_from_slice(TEXT_FORMULA_START);
                self.decoder.write_text(field, scratch)?;
                let number = scratch.get(TEXT_FORMULA_START.len()..).unwrap_or_default();
                if significant_digits(number) > SPREADSHEET_DIGITS {
                    scratch.push(b'"');
                    rules.write(scratch, self.force_quote, out);
                } else {
                    rules.write(number, self.force_quote, out);
                }
            }
        }
        Ok(())
    }
}

impl Cell {
    fn choose(kind: &Kind, options: &CsvOptions, rules: &Rules, force_quote: bool) -> Self {
        if options.long_numbers_as_text && matches!(kind, Kind::Int8 | Kind::Numeric) {
            return Cell::LongNumber;
        }
        match kind {
            Kind::Text | Kind::ByText if options.formula_guard => Cell::GuardedField,
            Kind::Char if options.formula_guard => Cell::GuardedPrinted,
            Kind::Text | Kind::ByText | Kind::Json | Kind::JsonText => Cell::Field,
            Kind::Jsonb => Cell::Jsonb,
            _ if !force_quote && alphabet(kind).is_some_and(|alphabet| rules.never_apply_to(alphabet)) => Cell::Plain,
            _ => Cell::Printed,
        }
    }
}

/// All bytes that the output of a kind can hold, where that is a small set and the output is never empty.
fn alphabet(kind: &Kind) -> Option<&'static [u8]> {
    Some(match kind {
        Kind::Bool => b"tf",
        Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Oid => b"-0123456789",
        // With NaN, Infinity and the exponent.
        Kind::Float4 | Kind::Float8 | Kind::Numeric => b"-+.0123456789eNaInfity",
        Kind::Bytea => b"\\x0123456789abcdef",
        // With infinity and BC.
        Kind::Date => b"-0123456789infity BC",
        Kind::Time | Kind::TimeTz => b"0123456789:.+-",
        Kind::Timestamp | Kind::TimestampTz => b"-0123456789:.+infity BC",
        // With year, mon, day and infinity.
        Kind::Interval => b"-+0123456789:. yearsmondinfity",
        Kind::Uuid => b"-0123456789abcdef",
        Kind::Text | Kind::Char | Kind::Json | Kind::Jsonb | Kind::Array { .. } | Kind::ByText | Kind::JsonText => return None,
    })
}

/// COPY's rules for quotes.
struct Rules {
    delimiter: u8,
    quote: u8,
    escape: u8,
    null: Vec<u8>,
    /// There is one column only.
    alone: bool,
}

impl Rules {
    fn new(options: &CsvOptions, columns: usize) -> Self {
        Rules {
            delimiter: options.delimiter,
            quote: options.quote,
            escape: options.escape,
            null: options.null.as_bytes().to_vec(),
            alone: columns == 1,
        }
    }

    /// Whether no text of these bytes, unless it is empty, ever needs quotes.
    fn never_apply_to(&self, alphabet: &[u8]) -> bool {
        let could_be_null = !self.null.is_empty() && self.null.iter().all(|b| alphabet.contains(b));
        !could_be_null && !alphabet.contains(&self.delimiter) && !alphabet.contains(&self.quote)
    }

    /// Appends a value that is not NULL, between quotes where COPY would put them.
    #[inline]
    fn write(&self, text: &[u8], force_quote: bool, out: &mut Vec<u8>) {
        let (delimiter, quote) = (self.delimiter, self.quote);
        let special = |b| (b == delimiter) | (b == quote) | (b == b'\n') | (b == b'\r');
        if force_quote || text == self.null || any_byte(text, special) || self.alone && text == END_OF_DATA {
            self.write_quoted(text, out);
        } else {
            out.extend_from_slice(text);
        }
    }

    /// Appends the value between quotes, with the escape in front of quotes and escapes inside.
    fn write_quoted(&self, text: &[u8], out: &mut Vec<u8>) {
        out.push(self.quote);
        if self.quote == self.escape {
            double(text, self.quote, out);
        } else {
            let mut rest = text;
            while let Some(at) = memchr::memchr2(self.quote, self.escape, rest) {
                let (clean, tail) = rest.split_at(at);
                let (escaped, tail) = tail.split_at_checked(1).unwrap_or((tail, &[]));
                out.extend_from_slice(clean);
                out.push(self.escape);
                out.extend_from_slice(escaped);
                rest = tail;
            }
            out.extend_from_slice(rest);
        }
        out.push(self.quote);
    }
}

/// Appends text with each quote twice. Eight bytes at a time: json has a quote every few bytes, where a search
/// for the next one costs more than it spares.
#[inline]
fn double(text: &[u8], quote: u8, out: &mut Vec<u8>) {
    out.reserve(text.len().saturating_add(text.len() / 4));
    let pattern = u64::from_le_bytes([quote; 8]);
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        let mut bytes = u64::from_le_bytes(*word);
        let mut hits = zero_bytes(bytes ^ pattern);
        let mut left = 8;
        while hits != 0 {
            // The quote is the last of `run` bytes; all are appended, and what is behind it is taken back.
            let run = hits.trailing_zeros() as usize / 8 + 1;
            let start = out.len();
            out.extend_from_slice(&bytes.to_le_bytes());
            out.truncate(start + run);
            out.push(quote);
            // Twice, since a shift by all 64 bits is not defined.
            let shift = (run * 8 - 1) as u32;
            bytes = bytes >> shift >> 1;
            hits = hits >> shift >> 1;
            left -= run;
        }
        let start = out.len();
        out.extend_from_slice(&bytes.to_le_bytes());
        out.truncate(start + left);
    }
    for &b in rest {
        if b == quote {
            out.push(quote);
        }
        out.push(b);
    }
}

/// The top bit of each byte that is zero, and nothing else.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    !(((word & LOW) + LOW) | word | LOW)
}

/// Whether a spreadsheet would take the cell for a formula (OWASP, "CSV Injection").
#[inline]
fn runs_as_formula(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r'))
}

/// The character that makes a spreadsheet take the cell for text, where it is needed.
fn push_guard(text: &[u8], out: &mut Vec<u8>) {
    if runs_as_formula(text) {
        out.push(b'\'');
    }
}

/// The digits of a number from the first one that is not zero.
fn significant_digits(number: &[u8]) -> usize {
    number.iter().filter(|b| b.is_ascii_digit()).skip_while(|b| **b == b'0').count()
}
