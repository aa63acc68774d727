//! Text in a cell: inline, escaped as XML and as the standard's `ST_Xstring`.
//!
//! What XML 1.0 cannot hold (controls except tab, LF and CR, U+FFFE, U+FFFF) is written `_xHHHH_` (ECMA-376 part 1,
//! 22.9.2.19), and so is the underscore of a text that would read as such an escape. A carriage return is `&#13;`,
//! since a parser turns a bare one into a line feed.

use crate::bytes::block::{Fixed, push_small};
use crate::bytes::escape::{SHORT, any_byte, check_no_nul, check_utf8};
use crate::error::{Error, Result};

/// UTF-16 units that a cell can hold ("Excel specifications and limits").
const MOST_UNITS: usize = 32_767;
/// Bytes of UTF-8 of which as many units or more are made: a unit is at most three bytes.
pub(super) const MOST_BYTES: usize = 3 * MOST_UNITS;

const OPEN: Fixed = Fixed::new("<c t=\"inlineStr\"><is><t>");
const CLOSE: Fixed = Fixed::new("</t></is></c>");
/// The style of a text that would be a formula if somebody typed it: it stays text when the cell is edited.
const OPEN_GUARDED: &[u8] = b"<c s=\"7\" t=\"inlineStr\"><is><t xml:space=\"preserve\">";
/// Without this attribute, blanks at both ends may be dropped.
const OPEN_BLANKS: &[u8] = b"<c t=\"inlineStr\"><is><t xml:space=\"preserve\">";
/// A header's.
const OPEN_BOLD: &[u8] = b"<c s=\"1\" t=\"inlineStr\"><is><t xml:space=\"preserve\">";

/// Writes texts; remembers whether one was cut.
#[derive(Debug)]
pub(super) struct TextWriter {
    truncate: bool,
    truncated: bool,
}

impl TextWriter {
    pub(super) fn new(truncate: bool) -> Self {
        TextWriter { truncate, truncated: false }
    }

    /// Whether a text was cut since the last call.
    #[inline]
    pub(super) fn take_truncated(&mut self) -> bool {
        std::mem::take(&mut self.truncated)
    }

    /// Appends a cell.
    #[inline]
    pub(super) fn cell(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let text = if text.len() <= MOST_UNITS { text } else { self.fitting(text)? };
        if runs_as_formula(text) {
            out.extend_from_slice(OPEN_GUARDED);
        } else if is_blank(text.first()) || is_blank(text.last()) {
            out.extend_from_slice(OPEN_BLANKS);
        } else {
            OPEN.push(out);
        }
        escape(text, out)?;
        CLOSE.push(out);
        Ok(())
    }

    /// As much of a text as a cell can hold.
    #[cold]
    fn fitting<'a>(&mut self, text: &'a [u8]) -> Result<&'a [u8]> {
        check_no_nul(text)?;
        let fits = fitting_bytes(text);
        if fits == text.len() {
            return Ok(text);
        }
        if !self.truncate {
            return Err(Error::value(format!(
                "a cell cannot hold a text of more than {MOST_UNITS} characters; the option longText can cut it"
            )));
        }
        self.truncated = true;
        Ok(text.get(..fits).unwrap_or(text))
    }
}

/// Appends the cell of a column's name.
pub(super) fn header_cell(name: &str, out: &mut Vec<u8>) {
    let name = name.as_bytes();
    out.extend_from_slice(OPEN_BOLD);
    escape_checked(name.get(..fitting_bytes(name)).unwrap_or(name), out);
    CLOSE.push(out);
}

/// Where a text ends that has no more units than a cell can hold, and no half of a character.
fn fitting_bytes(text: &[u8]) -> usize {
    let mut units = 0;
    for (at, byte) in text.iter().enumerate() {
        units += match byte {
            0x80..=0xBF => 0,
            0xF0.. => 2,
            _ => 1,
        };
        if units > MOST_UNITS {
            return at;
        }
    }
    text.len()
}

/// What a spreadsheet would take for a formula from the keyboard (OWASP, "CSV Injection").
#[inline]
fn runs_as_formula(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'=' | b'+' | b'-' | b'@'))
}

#[inline]
fn is_blank(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| *byte <= b' ')
}

/// A byte that may not stand for itself.
#[inline]
fn needs_look(b: u8) -> bool {
    (b < b' ') & (b != b'\t') & (b != b'\n') | (b == b'&') | (b == b'<') | (b == b'>') | (b == b'_') | (b == 0xEF)
}

#[inline]
fn escape(text: &[u8], out: &mut Vec<u8>) -> Result<()> {
    // Most text is short, ASCII, and has nothing to escape.
    if text.len() <= SHORT && !any_byte(text, |b| needs_look(b) | !b.is_ascii()) {
        push_small(text, out);
        return Ok(());
    }
    check_utf8(text)?;
    check_no_nul(text)?;
    escape_checked(text, out);
    Ok(())
}

/// Appends text that is known to be UTF-8.
fn escape_checked(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| needs_look(byte)) {
        let (run, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(run);
        let taken = push_special(special, out);
        rest = special.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Appends the character at the start of a text; gives how many of its bytes were taken.
fn push_special(text: &[u8], out: &mut Vec<u8>) -> usize {
    match text {
        [b'&', ..] => out.extend_from_slice(b"&amp;"),
        [b'<', ..] => out.extend_from_slice(b"&lt;"),
        [b'>', ..] => out.extend_from_slice(b"&gt;"),
        [b'\r', ..] => out.extend_from_slice(b"&#13;"),
        [b'_', b'x', a, b, c, d, b'_', ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
            push_escape(u16::from(b'_'), out);
        }
        [0xEF, 0xBF, last @ (0xBE | 0xBF), ..] => {
            push_escape(0xFF40 + u16::from(*last), out);
            return 3;
        }
        [control @ ..0x20, ..] => push_escape(u16::from(*control), out),
        [plain, ..] => out.push(*plain),
        [] => {}
    }
    1
}

fn push_escape(unit: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("_x{unit:04X}_").as_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::string_slice)]
    use proptest::prelude::*;

    use super::*;

    fn content(text: &str) -> String {
        let mut out = Vec::new();
        escape(text.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_xml_cannot_hold_is_escaped_as_the_standard_has_it() {
        for (text, escaped) in [
            ("a & b < c > d", "a &amp; b &lt; c &gt; d"),
            ("tab\tline\nreturn\r", "tab\tline\nreturn&#13;"),
            ("\u{1}\u{1f}\u{7f}", "_x0001__x001F_\u{7f}"),
            ("_x0041_ _x00e4_ _x004_ _X0041_ snake_case_", "_x005F_x0041_ _x005F_x00e4_ _x004_ _X0041_ snake_case_"),
            ("\u{fffe}\u{ffff}\u{fffd}\u{f000}", "_xFFFE__xFFFF_\u{fffd}\u{f000}"),
            ("ünï 😀", "ünï 😀"),
        ] {
            assert_eq!(content(text), escaped);
        }
        assert!(escape(b"a\0b", &mut Vec::new()).is_err());
        assert!(escape(b"a\xff", &mut Vec::new()).is_err());
    }

    /// What a reader makes of a text that XML has given it: each escape of four digits is a character.
    fn without_escapes(text: &str) -> String {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("_x") {
            let (before, tail) = rest.split_at(at);
            out.push_str(before);
            let unit = tail.get(2..6).filter(|_| tail.get(6..7) == Some("_"));
            match unit.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32) {
                Some(c) => {
                    out.push(c);
                    rest = &tail[7..];
                }
                None => {
                    out.push('_');
                    rest = &tail[1..];
                }
            }
        }
        out + rest
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(text in "([_x0-9A-F\\x01-\\x1f&<>\r ]|\\PC|[\u{fffd}-\u{ffff}]){0,40}") {
            let xml = format!("<t xml:space=\"preserve\">{}</t>", content(&text));
            let document = roxmltree::Document::parse(&xml).unwrap();
            prop_assert_eq!(without_escapes(document.root_element().text().unwrap_or_default()), text);
        }
    }

    #[test]
    fn a_long_text_is_an_error_or_cut_between_characters() {
        let fits = "😀".repeat(16_383) + "x";
        let too_long = "😀".repeat(16_384);
        let mut out = Vec::new();
        TextWriter::new(false).cell(fits.as_bytes(), &mut out).unwrap();
        assert!(TextWriter::new(false).cell(too_long.as_bytes(), &mut out).is_err());
        let mut texts = TextWriter::new(true);
        out.clear();
        texts.cell(too_long.as_bytes(), &mut out).unwrap();
        assert!(texts.take_truncated() && !texts.take_truncated());
        let cell = String::from_utf8(out).unwrap();
        assert_eq!(cell, format!("<c t=\"inlineStr\"><is><t>{}</t></is></c>", "😀".repeat(16_383)));
    }
}
