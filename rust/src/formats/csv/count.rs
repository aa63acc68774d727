//! The rows of a CSV file: line ends that no value holds.

use memchr::{memchr, memchr_iter, memchr3};

use super::options::{BYTE_ORDER_MARK, CsvOptions};
use crate::error::{Error, Result};
use crate::formats::base::RowCounter;

const LINE_END: u8 = b'\n';
/// What is looked at in one of two ways: as it has quotes or not. One of them slows down so many bytes.
const BLOCK_BYTES: usize = 1024;
/// 1 in each byte of a word. Times it, the last byte is the sum of all.
const ONES: u64 = u64::MAX / 0xff;
/// Where the last byte of a word begins.
const LAST_BYTE: u32 = u64::BITS - u8::BITS;

/// Counts lines. COPY quotes every value that holds a quote or a line end, so outside of quotes a line end is one, and
/// of two quotes that stand for one, the first ends the value and the second goes on with it.
#[derive(Debug)]
pub(super) struct CsvCounter {
    quote: u8,
    /// Stands before a quote or itself within quotes; none where it is the quote itself.
    escape: Option<u8>,
    header: bool,
    /// Bytes in front of the first line, those of a byte order mark; in UTF-16 each unit is one here.
    mark: u64,
    bytes: u64,
    lines: u64,
    quoted: bool,
    /// The byte before was an escape within quotes.
    escaped: bool,
    last: Option<u8>,
}

impl CsvCounter {
    pub(super) fn new(options: &CsvOptions) -> Self {
        CsvCounter {
            quote: options.quote,
            escape: Some(options.escape).filter(|&escape| escape != options.quote),
            header: options.header,
            mark: match options.charset {
                _ if !options.bom => 0,
                Some(_) => 1,
                None => BYTE_ORDER_MARK.len() as u64,
            },
            bytes: 0,
            lines: 0,
            quoted: false,
            escaped: false,
            last: None,
        }
    }

    fn update_doubled(&mut self, bytes: &[u8]) {
        for block in bytes.chunks(BLOCK_BYTES) {
            let lines = if memchr(self.quote, block).is_some() {
                self.lines_between_quotes(block)
            } else if self.quoted {
                0
            } else {
                memchr_iter(LINE_END, block).count() as u64
            };
            self.lines = self.lines.saturating_add(lines);
        }
    }

    /// Where there are quotes they come every few bytes: jumping from one to the next would cost more than looking at
    /// all of them.
    fn lines_between_quotes(&mut self, block: &[u8]) -> u64 {
        let (words, rest) = block.as_chunks::<8>();
        let mut lines = 0;
        for word in words {
            let word = u64::from_le_bytes(*word);
            // In each byte, how many quotes there are up to it.
            let quotes = equal(word, self.quote).wrapping_mul(ONES);
            let outside = if self.quoted { quotes } else { !quotes };
            lines += (equal(word, LINE_END) & outside).wrapping_mul(ONES) >> LAST_BYTE;
            self.quoted ^= (quotes >> LAST_BYTE) & 1 == 1;
        }
        for &byte in rest {
            self.quoted ^= byte == self.quote;
            lines += u64::from(byte == LINE_END && !self.quoted);
        }
        lines
    }

    fn update_escaped(&mut self, bytes: &[u8], escape: u8) {
        let mut rest = bytes;
        if self.escaped {
            self.escaped = false;
            rest = self.without_escaped(rest, escape);
        }
        while let Some(at) = memchr3(self.quote, escape, LINE_END, rest) {
            let (found, after) = (rest.get(at).copied(), rest.get(at.saturating_add(1)..).unwrap_or_default());
            rest = after;
            if found == Some(self.quote) {
                self.quoted = !self.quoted;
            } else if !self.quoted {
                self.lines = self.lines.saturating_add(u64::from(found == Some(LINE_END)));
            } else if found == Some(escape) {
                self.escaped = rest.is_empty();
                rest = self.without_escaped(rest, escape);
            }
        }
    }

    /// What follows after the byte that an escape stands before; an escape before any other byte is one of the value.
    fn without_escaped<'a>(&self, rest: &'a [u8], escape: u8) -> &'a [u8] {
        match rest.split_first() {
            Some((&byte, after)) if byte == self.quote || byte == escape => after,
            _ => rest,
        }
    }
}

/// The bytes of a word that are this one: 1 in their place, 0 in that of others.
fn equal(word: u64, byte: u8) -> u64 {
    const LOW_BITS: u64 = 0x7f * ONES;
    let differing = word ^ (u64::from(byte) * ONES);
    // The high bit of a byte that is not zero: it is there, or the others carry into it.
    let high_bits = ((differing & LOW_BITS) + LOW_BITS) | differing;
    (!high_bits >> 7) & ONES
}

impl RowCounter for CsvCounter {
    fn update(&mut self, bytes: &[u8]) -> Result<()> {
        match self.escape {
            None => self.update_doubled(bytes),
            Some(escape) => self.update_escaped(bytes, escape),
        }
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.last = bytes.last().copied().or(self.last);
        Ok(())
    }

    fn finish(&mut self) -> Result<u64> {
        if self.quoted {
            return Err(Error::file("it ends within a quoted value"));
        }
        let has_lines = self.bytes > self.mark;
        if has_lines && self.last.is_some_and(|last| last != LINE_END) {
            return Err(Error::file("it ends within a row"));
        }
        let header = u64::from(self.header);
        self.lines.checked_sub(header).ok_or_else(|| Error::file("it has no header"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::counting::testing::counted;

    fn counter(quote: u8, escape: u8, header: bool) -> CsvCounter {
        CsvCounter {
            quote,
            escape: Some(escape).filter(|&escape| escape != quote),
            header,
            mark: 0,
            bytes: 0,
            lines: 0,
            quoted: false,
            escaped: false,
            last: None,
        }
    }

    fn count(text: &str, quote: u8, escape: u8, header: bool) -> Vec<Result<u64>> {
        counted(|| counter(quote, escape, header), text)
    }

    #[test]
    fn a_line_end_within_quotes_ends_no_row() {
        for (text, rows) in [
            ("a\n", 0),
            ("a\n1\n", 1),
            ("a\n\n\n", 2),
            ("a\r\n1\r\n", 1),
            ("\"a\nb\"\n\"\"\"\n\"\"\"\n\"\"\n", 2),
            ("a,b\n\"x\"\"\",\"\n\n\"\n", 1),
        ] {
            assert!(count(text, b'"', b'"', true).into_iter().all(|found| found.unwrap() == rows), "{text:?}");
        }
    }

    #[test]
    fn words_of_eight_bytes_say_the_same_as_each_byte() {
        let mut seed = 1_u32;
        for _ in 0..2000 {
            let text: Vec<u8> = (0..67)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *b"\"\n,a\x8a\xa2\n\"".get(seed as usize >> 29).unwrap()
                })
                .collect();
            let (mut quoted, mut lines) = (false, 0);
            for &byte in &text {
                quoted ^= byte == b'"';
                lines += u64::from(byte == b'\n' && !quoted);
            }
            let mut counter = counter(b'"', b'"', false);
            counter.update(&text).unwrap();
            assert_eq!((counter.lines, counter.quoted), (lines, quoted), "{text:?}");
        }
    }

    #[test]
    fn an_escape_keeps_the_quote_open() {
        for (text, rows) in
            [("'\\'\n'\n", 1), ("'\\\\'\n'x'\n", 2), ("'\\x\n'\n", 1), ("\\'\n'\n", 1), ("'\\\\\\'\n\\''\n\\\n", 2)]
        {
            assert!(count(text, b'\'', b'\\', false).into_iter().all(|found| found.unwrap() == rows), "{text:?}");
        }
    }

    #[test]
    fn what_is_cut_is_seen() {
        for text in ["a\n1", "a\n\"1\n", "a\n\"1\"\"\n", ""] {
            assert!(count(text, b'"', b'"', true).into_iter().all(|found| found.is_err()), "{text:?}");
        }
        assert!(count("", b'"', b'"', false).into_iter().all(|found| found.unwrap() == 0));
    }
}
