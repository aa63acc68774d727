//! Rows in UTF-8: a cell for each value, printed in the cheapest way that its type and the options allow.

use std::sync::Arc;

use super::guard::{GUARD, push_guard, runs_as_formula, starts_with_blank};
use super::made::Made;
use super::options::{BYTE_ORDER_MARK, CsvOptions};
use super::rules::Rules;
use crate::bytes::escape::check_no_nul;
use crate::bytes::flusher::{Flusher, SLICE_BYTES};
use crate::copy::frame::{Field, Tuple};
use crate::error::Result;
use crate::formats::text::TextEncoder;
use crate::types::record::{FastText, Formula, InField};
use crate::types::{Column, Decoder, Kind};

/// Writes the rows of one segment.
pub(super) struct Csv {
    pub(super) columns: Vec<CsvColumn>,
    pub(super) rules: Rules,
    pub(super) line_end: &'static [u8],
    header: Vec<u8>,
    /// A value that has to be looked at after it was printed. It keeps its room from row to row.
    pub(super) scratch: Vec<u8>,
}

pub(super) struct CsvColumn {
    pub(super) source: String,
    decoder: Decoder,
    cell: Cell,
    /// The fast way of a plain cell.
    fast: Option<FastText>,
    /// How `Cell::Made` is.
    made: Option<Box<Made>>,
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
    /// As `GuardedField`, for json: what its layout begins with is guarded, a negative number is none.
    GuardedJson,
    /// As `Field`, for a text that is a part of the field.
    Part,
    /// Printed into the scratch buffer, then looked at.
    Printed,
    /// As `Printed`, with the guard against formulas.
    GuardedPrinted,
    /// Otherwise than the server prints it, or as text for spreadsheets where they would change it.
    Made,
}

impl Csv {
    pub(super) fn new(options: &CsvOptions, columns: &[Column], server_version: u32) -> Self {
        let rules = Rules::new(options, columns.len());
        let force = options.force_quote.iter().copied().chain(std::iter::repeat(false));
        let words = options.keep_text.clone().map(Arc::new);
        let cells = columns.iter().zip(force).map(|(column, force_quote)| {
            let decoder = Decoder::new(column.kind, server_version);
            let made = Made::choose(column.kind, options, words.as_ref()).map(Box::new);
            let cell = match made {
                Some(_) => Cell::Made,
                None => Cell::choose(column.kind, options, &rules, force_quote),
            };
            let fast = if cell == Cell::Plain { decoder.fast_text() } else { None };
            CsvColumn { source: column.source.clone(), decoder, cell, fast, made, force_quote }
        });
        let line_end: &[u8] = if options.crlf { b"\r\n" } else { b"\n" };
        let header = header(options, &rules, columns, line_end);
        Csv { columns: cells.collect(), rules, line_end, header, scratch: Vec::new() }
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
        rules.write_name(&guarded, &mut out);
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

    fn row(&mut self, tuple: Tuple<'_>, out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        let delimiter = Some(self.rules.delimiter);
        // A copy of our own can stay in registers.
        let mut tuple = tuple;
        let mut before = None;
        for column in &self.columns {
            let field = tuple.field_in_row()?;
            if !field.is_some_and(|field| column.push_fast(field, before, &self.rules, out)) {
                out.extend(before);
                match field {
                    Some(field) => {
                        column
                            .write(field.bytes, &self.rules, &mut self.scratch, out, flusher)
                            .map_err(|e| e.in_column(&column.source))?;
                    }
                    None => out.extend_from_slice(&self.rules.null),
                }
            }
            before = delimiter;
            flusher.flush_if_full(out)?;
        }
        out.extend_from_slice(self.line_end);
        tuple.end()
    }

    fn footer(&self, _rows: bool, _out: &mut Vec<u8>) {}
}

impl CsvColumn {
    /// Appends the byte and the cell of a short value that needs neither quotes nor a guard; false for any other.
    #[inline]
    fn push_fast(&self, field: Field<'_>, before: Option<u8>, rules: &Rules, out: &mut Vec<u8>) -> bool {
        match self.fast {
            Some(push) => push(field.bytes, before, out),
            None if self.cell == Cell::Field && !self.force_quote => {
                rules.push_unquoted(field.onward, field.bytes.len(), before.is_some(), out)
            }
            None => false,
        }
    }

    /// The text where the field holds it as it is.
    #[inline]
    fn text_in<'a>(&self, field: &'a [u8]) -> Result<&'a [u8]> {
        self.decoder.text_in(field).map(|text| text.unwrap_or(field))
    }

    #[inline(never)]
    pub(super) fn write(
        &self,
        field: &[u8],
        rules: &Rules,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        if field.len() > SLICE_BYTES {
            return self.write_large(field, rules, scratch, out, flusher);
        }
        match self.cell {
            Cell::Plain => return self.decoder.write_text(field, out),
            Cell::Field => rules.write(field, self.force_quote, out)?,
            Cell::Part => rules.write(self.text_in(field)?, self.force_quote, out)?,
            Cell::Printed => self.write_printed(field, rules, scratch, out, flusher)?,
            Cell::GuardedField if !runs_as_formula(field) => rules.write(field, self.force_quote, out)?,
            Cell::GuardedJson if !starts_with_blank(field) => rules.write(field, self.force_quote, out)?,
            Cell::GuardedField | Cell::GuardedJson | Cell::GuardedPrinted => {
                scratch.clear();
                scratch.push(GUARD);
                self.decoder.write_text(field, scratch)?;
                let guarded = scratch.as_slice();
                let text = guarded.get(1..).unwrap_or_default();
                rules.write(if runs_as_formula(text) { guarded } else { text }, self.force_quote, out)?;
            }
            Cell::Made => self.write_made(field, rules, scratch, out)?,
        }
        Ok(())
    }

    /// A field that is longer than a slice: nothing of it is held whole but the field.
    #[cold]
    fn write_large(
        &self,
        field: &[u8],
        rules: &Rules,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        match self.cell {
            Cell::Field => rules.write_large(b"", field, self.force_quote, out, flusher),
            Cell::Part => rules.write_large(b"", self.text_in(field)?, self.force_quote, out, flusher),
            Cell::Made if self.made.as_ref().is_none_or(|made| !made.is_text()) => {
                self.write_made(field, rules, scratch, out)
            }
            Cell::GuardedField | Cell::GuardedJson | Cell::Made => {
                let guarded = match self.cell {
                    Cell::GuardedJson => starts_with_blank(field),
                    Cell::Made => self.made.as_ref().is_some_and(|made| made.guards(field)),
                    _ => runs_as_formula(field),
                };
                rules.write_large(if guarded { &[GUARD] } else { b"" }, field, self.force_quote, out, flusher)
            }
            Cell::Plain => self.decoder.stream_text(field, out, flusher),
            Cell::Printed | Cell::GuardedPrinted => self.write_printed(field, rules, scratch, out, flusher),
        }
    }

    /// Prints into the scratch buffer. A text that outgrows a slice (an array) is printed twice: once to see whether it
    /// needs quotes, once to be written.
    fn write_printed(
        &self,
        field: &[u8],
        rules: &Rules,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        scratch.clear();
        let (mut special, mut null) = (false, Some(rules.null.as_slice()));
        let mut look = |piece: &mut Vec<u8>| {
            if rules.has_special(piece) {
                check_no_nul(piece)?;
                special = true;
            }
            null = null.and_then(|null| null.strip_prefix(piece.as_slice()));
            piece.clear();
            Ok(())
        };
        let mut looks = Flusher::new(SLICE_BYTES, &mut look);
        self.decoder.stream_text(field, scratch, &mut looks)?;
        if looks.flushes() == 0 {
            return rules.write(scratch, self.force_quote, out);
        }
        looks.flush(scratch)?;
        let quoted = self.force_quote || special || null == Some(b"");
        if quoted {
            out.push(rules.quote);
        }
        let mut write = |piece: &mut Vec<u8>| {
            rules.write_part(piece, quoted, out);
            piece.clear();
            flusher.flush_if_full(out)
        };
        let mut pieces = Flusher::new(SLICE_BYTES, &mut write);
        self.decoder.stream_text(field, scratch, &mut pieces)?;
        pieces.flush(scratch)?;
        if quoted {
            out.push(rules.quote);
        }
        Ok(())
    }

    fn write_made(&self, field: &[u8], rules: &Rules, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
        match &self.made {
            Some(made) => rules.write(made.cell(&self.decoder, field, scratch)?, self.force_quote, out),
            None => rules.write(field, self.force_quote, out),
        }
    }
}

impl Cell {
    fn choose(kind: Kind, options: &CsvOptions, rules: &Rules, force_quote: bool) -> Self {
        let Kind::Scalar(record) = kind else { return Cell::Printed };
        let plain = || !force_quote && record.text.alphabet.is_some_and(|alphabet| rules.never_apply_to(alphabet));
        match (record.text.in_field, record.formula) {
            (Some(InField::Whole), Formula::Possible) if options.formula_guard => Cell::GuardedField,
            (Some(InField::Whole), Formula::BehindBlank) if options.formula_guard => Cell::GuardedJson,
            (None, Formula::Possible) if options.formula_guard => Cell::GuardedPrinted,
            (Some(InField::Whole), _) => Cell::Field,
            (Some(InField::Part(_)), _) => Cell::Part,
            (None, _) if plain() => Cell::Plain,
            (None, _) => Cell::Printed,
        }
    }
}
