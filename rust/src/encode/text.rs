//! Digits, integers and quoted strings as bytes: what the text formats and the decoders' text forms share.

use crate::error::{Error, Result};

/// Bytes looked at together in the scans below: wide enough for vector instructions, narrow enough to stop early.
const BLOCK: usize = 32;

/// Appends a whole number in decimal.
#[inline]
pub fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The two digits of a number below 100.
#[inline]
pub fn two_digits(n: u8) -> [u8; 2] {
    [b'0' + n / 10 % 10, b'0' + n % 10]
}

/// The four digits of a number below 10,000.
#[inline]
pub fn four_digits(n: u16) -> [u8; 4] {
    // Both quotients are below 100.
    let [a, b] = two_digits((n / 100) as u8);
    let [c, d] = two_digits((n % 100) as u8);
    [a, b, c, d]
}

/// The two lower-case hexadecimal digits of a byte.
#[inline]
pub fn hex(byte: u8) -> [u8; 2] {
    [hex_digit(byte >> 4), hex_digit(byte & 15)]
}

#[inline]
fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + (nibble - 10) }
}

/// Whether any byte is one that `special` accepts. The inner loop has no exit, so that it runs on vectors.
#[inline]
pub fn any_byte(bytes: &[u8], special: impl Fn(u8) -> bool) -> bool {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    blocks.iter().any(|block| block.iter().fold(false, |found, &b| found | special(b)))
        || rest.iter().fold(false, |found, &b| found | special(b))
}

/// Checks that text is UTF-8, which a UTF8 database does not guarantee (broken text can be stored by old versions or
/// from an SQL_ASCII database).
///
/// # Errors
/// `Error::Value`, for formats that must be UTF-8.
#[inline]
pub fn check_utf8(bytes: &[u8]) -> Result<()> {
    simdutf8::basic::from_utf8(bytes).map(|_| ()).map_err(|_| not_utf8())
}

#[cold]
fn not_utf8() -> Error {
    Error::value("the text is not valid UTF-8")
}

/// Appends text as a JSON string with quotes, escaped as PostgreSQL's `escape_json` does: `\b \f \n \r \t \" \\`, other
/// control characters as `\u00xx`; DEL, `/` and everything beyond ASCII stay as they are.
///
/// # Errors
/// `Error::Value` where the bytes are not UTF-8.
#[inline]
pub fn json_string(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let text = simdutf8::basic::from_utf8(bytes).map_err(|_| not_utf8())?;
    json_text(text, out);
    Ok(())
}

/// As `json_string`, for text that is known to be UTF-8.
#[inline]
pub fn json_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    if any_byte(bytes, json_special) {
        json_escaped(bytes, out);
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'"');
}

#[inline]
fn json_special(b: u8) -> bool {
    (b < b' ') | (b == b'"') | (b == b'\\')
}

fn json_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&b| json_special(b)) {
        let (clean, tail) = rest.split_at(at);
        out.extend_from_slice(clean);
        let Some((&special, tail)) = tail.split_first() else { return };
        json_escape(special, out);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

#[inline]
fn json_escape(b: u8, out: &mut Vec<u8>) {
    let short = match b {
        b'"' | b'\\' => b,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let [high, low] = hex(b);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
