//! Text as the content of an element.
//!
//! `&`, `<` and `>` become entities (`>` too, so that `]]>` cannot arise), a carriage return `&#13;`, since a parser
//! turns a bare one into a line feed (XML 1.0, 2.11). Characters outside the production Char (XML 1.0, 2.2: controls
//! except tab, LF and CR, surrogates, U+FFFE and U+FFFF) cannot be written at all, not even as a reference: a policy
//! decides.

use super::options::InvalidXmlChars;
use crate::bytes::escape::{self, SHORT, any_byte};
use crate::bytes::flusher::{Flusher, SLICE_BYTES};
use crate::error::{Error, Result};

/// What a byte asks for, in text and in JSON strings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Byte {
    Plain,
    Ampersand,
    Less,
    Greater,
    CarriageReturn,
    /// Below the blank, except tab, LF and CR.
    Control,
    /// The first byte of U+F000 to U+FFFF, where the two noncharacters are.
    NearNoncharacter,
    /// Only of interest in JSON strings, where they end the string or start an escape.
    Quote,
    Backslash,
    /// Tab and LF: plain in text, not allowed bare in a JSON string.
    Blank,
}

const BYTES: [Byte; 256] = bytes();

#[allow(clippy::indexing_slicing)] // Evaluated by the compiler, which refuses an index out of range.
const fn bytes() -> [Byte; 256] {
    let mut table = [Byte::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'&' => Byte::Ampersand,
            b'<' => Byte::Less,
            b'>' => Byte::Greater,
            b'\r' => Byte::CarriageReturn,
            b'\t' | b'\n' => Byte::Blank,
            b'"' => Byte::Quote,
            b'\\' => Byte::Backslash,
            0xEF => Byte::NearNoncharacter,
            0..0x20 => Byte::Control,
            _ => Byte::Plain,
        };
        byte += 1;
    }
    table
}

#[inline]
pub(super) fn class(byte: u8) -> Byte {
    BYTES.get(usize::from(byte)).copied().unwrap_or(Byte::Plain)
}

/// Whether the UTF-8 text begins with U+FFFE or U+FFFF.
#[inline]
pub(super) fn noncharacter(text: &[u8]) -> Option<u32> {
    match text {
        [0xEF, 0xBF, 0xBE, ..] => Some(0xFFFE),
        [0xEF, 0xBF, 0xBF, ..] => Some(0xFFFF),
        _ => None,
    }
}

/// Writes characters under the policy for those that XML cannot hold, and remembers whether one was met.
#[derive(Debug)]
pub(super) struct Escaper {
    policy: InvalidXmlChars,
    lossy: bool,
}

impl Escaper {
    pub(super) fn new(policy: InvalidXmlChars) -> Self {
        Escaper { policy, lossy: false }
    }

    /// Whether a character was replaced or dropped since the last call.
    #[inline]
    pub(super) fn take_lossy(&mut self) -> bool {
        std::mem::take(&mut self.lossy)
    }

    /// Appends text that came from the server. Nothing is flushed while none of the text is written.
    #[inline]
    pub(super) fn text(&mut self, text: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        // Most text is short, ASCII, and has nothing to escape.
        if text.len() <= SHORT && !any_byte(text, needs_look_or_is_not_ascii) {
            out.extend_from_slice(text);
            return Ok(());
        }
        check_utf8(text)?;
        if text.len() > SLICE_BYTES { self.long_text(text, out, flusher) } else { self.checked_text(text, out) }
    }

    #[cold]
    fn long_text(&mut self, text: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        let mut rest = text;
        while !rest.is_empty() {
            let (slice, after) = split_between_characters(rest);
            let before = out.len();
            self.checked_text(slice, out)?;
            if out.len() > before {
                flusher.flush_if_full(out)?;
            }
            rest = after;
        }
        Ok(())
    }

    /// Appends text that is known to be UTF-8.
    #[inline]
    fn checked_text(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut rest = text;
        while let Some(at) = rest.iter().position(|&byte| needs_look(byte)) {
            let (run, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            out.extend_from_slice(run);
            let taken = self.special(special, out)?;
            rest = special.get(taken..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        Ok(())
    }

    /// Appends the character at the start of UTF-8 text that begins with a byte that is not plain; gives its length.
    pub(super) fn special(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<usize> {
        let Some(&byte) = text.first() else { return Ok(0) };
        let entity: &[u8] = match class(byte) {
            Byte::Ampersand => b"&amp;",
            Byte::Less => b"&lt;",
            Byte::Greater => b"&gt;",
            Byte::CarriageReturn => b"&#13;",
            Byte::Control if byte == 0 => {
                escape::check_no_nul(text)?;
                return Ok(1);
            }
            Byte::Control => {
                self.unrepresentable(u32::from(byte), out)?;
                return Ok(1);
            }
            Byte::NearNoncharacter => {
                match noncharacter(text) {
                    Some(point) => self.unrepresentable(point, out)?,
                    None => out.extend_from_slice(text.get(..3).unwrap_or(text)),
                }
                return Ok(3);
            }
            Byte::Plain | Byte::Quote | Byte::Backslash | Byte::Blank => {
                out.push(byte);
                return Ok(1);
            }
        };
        out.extend_from_slice(entity);
        Ok(1)
    }

    /// Appends one code point, which may be no character at all (a lone surrogate of a JSON escape).
    pub(super) fn point(&mut self, point: u32, out: &mut Vec<u8>) -> Result<()> {
        let Some(c) = char::from_u32(point).filter(|c| *c != '\0') else { return self.unrepresentable(point, out) };
        let mut buffer = [0; 4];
        let encoded = c.encode_utf8(&mut buffer).as_bytes();
        match encoded {
            [byte, ..] if needs_look(*byte) => self.special(encoded, out).map(|_| ()),
            _ => {
                out.extend_from_slice(encoded);
                Ok(())
            }
        }
    }

    #[cold]
    fn unrepresentable(&mut self, point: u32, out: &mut Vec<u8>) -> Result<()> {
        match self.policy {
            InvalidXmlChars::Error => {
                return Err(Error::value(format!(
                    "XML 1.0 cannot hold the character U+{point:04X}; the option invalidXmlChars can replace or drop it"
                )));
            }
            InvalidXmlChars::Replace => out.extend_from_slice("\u{FFFD}".as_bytes()),
            InvalidXmlChars::Drop => {}
        }
        self.lossy = true;
        Ok(())
    }
}

#[inline]
fn needs_look(byte: u8) -> bool {
    !matches!(class(byte), Byte::Plain | Byte::Quote | Byte::Backslash | Byte::Blank)
}

/// A sum of comparisons, so that it runs on vectors.
#[inline]
fn needs_look_or_is_not_ascii(byte: u8) -> bool {
    (byte < b' ') & (byte != b'\t') & (byte != b'\n')
        | (byte == b'&')
        | (byte == b'<')
        | (byte == b'>')
        | !byte.is_ascii()
}

/// The first slice of a text that is UTF-8 and longer than a slice, and what follows it.
fn split_between_characters(text: &[u8]) -> (&[u8], &[u8]) {
    /// First bytes of characters are not of this form (RFC 3629, 3).
    const CONTINUATION: u8 = 0b1000_0000;
    let (head, _) = text.split_at_checked(SLICE_BYTES).unwrap_or((text, &[]));
    let cut = text.get(head.len()..).and_then(<[u8]>::first).is_some_and(|byte| byte & 0b1100_0000 == CONTINUATION);
    let back =
        if cut { head.iter().rev().take_while(|&&byte| byte & 0b1100_0000 == CONTINUATION).count() + 1 } else { 0 };
    text.split_at_checked(head.len().saturating_sub(back)).unwrap_or((text, &[]))
}

/// A UTF8 database can hold bytes that are not UTF-8 and sends them; XML must not.
#[inline]
pub(super) fn check_utf8(text: &[u8]) -> Result<()> {
    escape::check_utf8(text).map_err(|_| not_utf8(text))
}

#[cold]
fn not_utf8(text: &[u8]) -> Error {
    let at = std::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), str::len);
    let byte = text.get(at).copied().unwrap_or_default();
    Error::value(format!("not UTF-8: byte 0x{byte:02x} at offset {at}"))
}
