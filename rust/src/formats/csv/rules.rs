//! COPY's rules for quotes around values (`CopyAttributeOutCSV`), and the short way for values that need none.

use super::options::CsvOptions;
use crate::bytes::block::push_block;
use crate::bytes::escape::{any_byte, check_no_nul, double};
use crate::bytes::flusher::Flusher;
use crate::error::Result;

/// What COPY always quotes where it is the only column: its text format ends there.
const END_OF_DATA: &[u8] = b"\\.";
/// Bytes of a field that is looked at and appended as one block.
const BLOCK: usize = 32;
/// As many ones as a block has bytes, then as many zeros: from `BLOCK - n` on it is the mask of a block's first `n`
/// bytes.
#[allow(clippy::indexing_slicing)] // Evaluated by the compiler, which refuses an index out of range.
const MASKS: [u8; 2 * BLOCK] = {
    let mut masks = [0; 2 * BLOCK];
    let mut at = 0;
    while at < BLOCK {
        masks[at] = 1;
        at += 1;
    }
    masks
};

/// COPY's rules for quotes.
pub(super) struct Rules {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    escape: u8,
    pub(super) null: Vec<u8>,
    /// There is one column only.
    alone: bool,
}

impl Rules {
    pub(super) fn new(options: &CsvOptions, columns: usize) -> Self {
        Rules {
            delimiter: options.delimiter,
            quote: options.quote,
            escape: options.escape,
            null: options.null.as_bytes().to_vec(),
            alone: columns == 1,
        }
    }

    /// Whether no text of these bytes, unless it is empty, ever needs quotes.
    pub(super) fn never_apply_to(&self, alphabet: &[u8]) -> bool {
        let could_be_null = !self.null.is_empty() && self.null.iter().all(|b| alphabet.contains(b));
        !could_be_null && !alphabet.contains(&self.delimiter) && !alphabet.contains(&self.quote)
    }

    /// Whether any byte makes COPY put quotes around a value, or is NUL, which text must not hold.
    #[inline]
    pub(super) fn has_special(&self, text: &[u8]) -> bool {
        let (delimiter, quote) = (self.delimiter, self.quote);
        any_byte(text, |b| (b == delimiter) | (b == quote) | (b == b'\n') | (b == b'\r') | (b == 0))
    }

    /// Appends a short value that needs no quotes, after a delimiter where it is not the first; false for any other.
    /// The value is the first `length` bytes of what lies there.
    #[inline(never)] // It returns in a register; within the loop over a row's columns there would be too few of them.
    pub(super) fn push_unquoted(&self, onward: &[u8], length: usize, delimited: bool, out: &mut Vec<u8>) -> bool {
        if self.alone || length == self.null.len() && onward.starts_with(&self.null) {
            return false;
        }
        let Some(masks) = BLOCK.checked_sub(length).and_then(|from| MASKS.get(from..)) else { return false };
        match (onward.first_chunk::<BLOCK>(), masks.first_chunk::<BLOCK>()) {
            (Some(block), Some(mask)) => self.push_unquoted_block(block, mask, length, delimited, out),
            // Near the end of the row.
            _ => match (onward.first_chunk::<16>(), masks.first_chunk::<16>()) {
                (Some(block), Some(mask)) if length <= 16 => {
                    self.push_unquoted_block(block, mask, length, delimited, out)
                }
                _ => false,
            },
        }
    }

    /// The first `length` bytes of a block, looked at and appended as a whole.
    #[inline(always)] // The block is to stay in vector registers.
    fn push_unquoted_block<const N: usize>(
        &self,
        block: &[u8; N],
        mask: &[u8; N],
        length: usize,
        delimited: bool,
        out: &mut Vec<u8>,
    ) -> bool {
        let (delimiter, quote) = (self.delimiter, self.quote);
        let special = |b: u8| (b == delimiter) | (b == quote) | (b == b'\n') | (b == b'\r') | (b == 0);
        if block.iter().zip(mask).fold(false, |found, (b, mask)| found | ((*mask != 0) & special(*b))) {
            return false;
        }
        if delimited {
            out.push(delimiter);
        }
        push_block(block, length, out);
        true
    }

    /// Appends a value that is not NULL, between quotes where COPY would put them.
    ///
    /// # Errors
    /// `Error::Value` where it holds a NUL byte.
    #[inline]
    pub(super) fn write(&self, text: &[u8], force_quote: bool, out: &mut Vec<u8>) -> Result<()> {
        if self.quotes(text, force_quote) {
            check_no_nul(text)?;
            self.write_quoted(text, out);
        } else {
            out.extend_from_slice(text);
        }
        Ok(())
    }

    /// Appends the name of a column, by the rules for values.
    pub(super) fn write_name(&self, name: &[u8], out: &mut Vec<u8>) {
        if self.quotes(name, false) { self.write_quoted(name, out) } else { out.extend_from_slice(name) }
    }

    #[inline]
    fn quotes(&self, text: &[u8], forced: bool) -> bool {
        forced || text == self.null || self.has_special(text) || self.alone && text == END_OF_DATA
    }

    fn write_quoted(&self, text: &[u8], out: &mut Vec<u8>) {
        out.push(self.quote);
        self.escape_quotes(text, out);
        out.push(self.quote);
    }

    /// As `write`, slice by slice, for a long value with what the guard puts in front.
    pub(super) fn write_large(
        &self,
        guard: &[u8],
        text: &[u8],
        force_quote: bool,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        let null = self.null.strip_prefix(guard) == Some(text);
        let quoted = force_quote || null || self.has_special(guard) || self.has_special(text);
        if quoted {
            check_no_nul(text)?;
            out.push(self.quote);
        }
        self.write_part(guard, quoted, out);
        flusher.in_slices(text, out, |slice, out| self.write_part(slice, quoted, out))?;
        if quoted {
            out.push(self.quote);
        }
        Ok(())
    }

    /// Appends a part of a value; its quotes, if any, are written elsewhere.
    pub(super) fn write_part(&self, part: &[u8], quoted: bool, out: &mut Vec<u8>) {
        if quoted { self.escape_quotes(part, out) } else { out.extend_from_slice(part) }
    }

    /// Appends text with the escape in front of quotes and escapes.
    fn escape_quotes(&self, text: &[u8], out: &mut Vec<u8>) {
        if self.quote == self.escape {
            return double(text, self.quote, out);
        }
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
}
