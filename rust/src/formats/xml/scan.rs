//! A strict reader of JSON tokens (RFC 8259) over text that is known to be UTF-8.
//!
//! PostgreSQL checks what it stores as json and jsonb by the same grammar, so an error here means that the bytes are
//! not what their type says; nothing relies on it.

use super::escape::{Byte, class};
use super::name;
use crate::error::{Error, Result};

/// A position in a document.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    /// Length of the document, to tell where an error is.
    length: usize,
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    pub(super) fn new(json: &'a [u8]) -> Self {
        Scanner { length: json.len(), rest: json }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Bytes read so far.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    #[inline]
    pub(super) fn skip(&mut self, n: usize) {
        self.rest = self.rest.get(n..).unwrap_or_default();
    }

    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    pub(super) fn skip_blanks(&mut self) {
        while let [b' ' | b'\n' | b'\t' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    #[inline]
    pub(super) fn eat_after_blanks(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        self.eat(byte)
    }

    /// Takes `n` bytes that were seen to be there.
    #[inline]
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(n).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    pub(super) fn literal(&mut self, text: &'static [u8]) -> Result<&'a [u8]> {
        if self.rest.starts_with(text) { Ok(self.take(text.len())) } else { Err(self.malformed("a value expected")) }
    }

    /// A number, with the digits as they stand.
    pub(super) fn number(&mut self) -> Result<&'a [u8]> {
        match number_length(self.rest) {
            Some(length) => Ok(self.take(length)),
            None => Err(self.malformed("a value expected")),
        }
    }

    /// A key that is an XML name as it stands, where that can be told at a glance. Its quotes are taken too.
    #[inline]
    pub(super) fn plain_key(&mut self) -> Option<&'a [u8]> {
        let [b'"', body @ ..] = self.rest else { return None };
        let (name, after) = body.split_at_checked(name::plain_key(body)?)?;
        self.rest = after.get(1..)?;
        Some(name)
    }

    /// Any key as code points; lone surrogates stay what they are. Reads on only while the key has not more than
    /// `limit` bytes.
    pub(super) fn key_points(&mut self, limit: usize, points: &mut Vec<u32>) -> Result<()> {
        if !self.eat(b'"') {
            return Err(self.malformed("a key expected"));
        }
        let start = self.position();
        loop {
            let run = self.plain_run()?;
            if self.position() - start > limit {
                return Ok(());
            }
            let run = std::str::from_utf8(run).map_err(|_| self.malformed("not UTF-8"))?;
            points.extend(run.chars().map(u32::from));
            match self.peek().map(class) {
                Some(Byte::Quote) => break,
                Some(Byte::Backslash) => points.push(self.escape()?),
                Some(Byte::Control | Byte::Blank | Byte::CarriageReturn) => {
                    return Err(self.malformed("a bare control character in a key"));
                }
                // One character that means something to XML text, but not here.
                _ => {
                    let length = if self.peek() == Some(0xEF) { 3 } else { 1 };
                    let c = std::str::from_utf8(self.take(length)).map_err(|_| self.malformed("not UTF-8"))?;
                    points.extend(c.chars().map(u32::from));
                }
            }
        }
        self.skip(1);
        Ok(())
    }

    /// The bytes of a string up to the next that is not plain; there is one, since a string has an end.
    #[inline]
    pub(super) fn plain_run(&mut self) -> Result<&'a [u8]> {
        match self.rest.iter().position(|&byte| class(byte) != Byte::Plain) {
            Some(length) => Ok(self.take(length)),
            None => Err(self.malformed("a string without an end")),
        }
    }

    /// An escape as the code point it stands for; a surrogate that is not half of a pair stays one.
    pub(super) fn escape(&mut self) -> Result<u32> {
        let [b'\\', kind, rest @ ..] = self.rest else { return Err(self.malformed("an escape expected")) };
        let plain = match kind {
            b'"' | b'\\' | b'/' => *kind,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode_escape(rest),
            _ => return Err(self.malformed("an unknown escape")),
        };
        self.rest = rest;
        Ok(u32::from(plain))
    }

    /// What follows `\u`.
    fn unicode_escape(&mut self, digits: &'a [u8]) -> Result<u32> {
        let Some((unit, rest)) = hex4(digits) else { return Err(self.malformed("four hexadecimal digits expected")) };
        self.rest = rest;
        if let (0xD800..=0xDBFF, Some((low @ 0xDC00..=0xDFFF, rest))) = (unit, rest.strip_prefix(b"\\u").and_then(hex4))
        {
            self.rest = rest;
            return Ok(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
        }
        Ok(unit)
    }

    /// The end of the document.
    pub(super) fn end(mut self) -> Result<()> {
        self.skip_blanks();
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed("the end expected")) }
    }

    #[cold]
    pub(super) fn malformed(&self, what: &str) -> Error {
        Error::value(format!("not JSON: {what} at offset {}", self.position()))
    }
}

fn hex4(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<4>()?;
    let mut value = 0;
    for digit in digits {
        value = value << 4 | char::from(*digit).to_digit(16)?;
    }
    Some((value, rest))
}

/// The length of the number that `bytes` begins with (RFC 8259, 6).
#[inline]
fn number_length(bytes: &[u8]) -> Option<usize> {
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let mut rest = match unsigned {
        [b'0', rest @ ..] => rest,
        _ => digits(unsigned)?,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = match exponent {
            [b'+' | b'-', unsigned @ ..] => digits(unsigned)?,
            _ => digits(exponent)?,
        };
    }
    bytes.len().checked_sub(rest.len())
}

/// What follows one digit or more.
#[inline]
fn digits(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    while let [b'0'..=b'9', after @ ..] = rest {
        rest = after;
    }
    if rest.len() < bytes.len() { Some(rest) } else { None }
}
