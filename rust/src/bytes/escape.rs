//! Quoted strings and hexadecimal digits as bytes: what the text formats and the decoders' text forms share.

use crate::error::{Error, Result};

/// Bytes looked at together in the scans below: wide enough for vector instructions, narrow enough to stop early.
const BLOCK: usize = 32;
/// The bits of eight bytes that ASCII does not set.
const NOT_ASCII: u64 = 0x8080_8080_8080_8080;
/// Eight bytes of one.
const ONES: u64 = 0x0101_0101_0101_0101;
/// Up to here text is first taken for ASCII; longer text is worth the instructions that the processor has for it.
pub const SHORT: usize = 256;

/// The two lower-case hexadecimal digits of a byte.
#[inline]
pub fn hex(byte: u8) -> [u8; 2] {
    [hex_digit(byte >> 4), hex_digit(byte & 15)]
}

#[inline]
fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + (nibble - 10) }
}

/// Whether any byte is one that `special` accepts. The loop over a block has no exit, so that it runs on vectors; what
/// is left of a text is looked at in blocks that overlap.
#[inline]
pub fn any_byte(bytes: &[u8], special: impl Fn(u8) -> bool) -> bool {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    if blocks.iter().any(|block| any_of(block, &special)) {
        return true;
    }
    if let (false, Some(last)) = (blocks.is_empty() || rest.is_empty(), bytes.last_chunk::<BLOCK>()) {
        return any_of(last, &special);
    }
    match (rest.first_chunk::<16>(), rest.last_chunk::<16>(), rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
        (Some(first), Some(last), ..) => any_of(first, &special) | any_of(last, &special),
        (.., Some(first), Some(last)) => any_of(first, &special) | any_of(last, &special),
        _ => rest.iter().any(|&b| special(b)),
    }
}

#[inline]
fn any_of<const N: usize>(block: &[u8; N], special: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(false, |found, &b| found | special(b))
}

/// Checks that text is UTF-8, which a UTF8 database does not guarantee (broken text can be stored by old versions or
/// from an SQL_ASCII database).
///
/// # Errors
/// `Error::Value`, for formats that must be UTF-8.
#[inline]
pub fn check_utf8(bytes: &[u8]) -> Result<()> {
    // Most text is short and ASCII, which these see faster.
    if let (8..=16, Some(first), Some(last)) = (bytes.len(), bytes.first_chunk::<8>(), bytes.last_chunk::<8>())
        && (u64::from_le_bytes(*first) | u64::from_le_bytes(*last)) & NOT_ASCII == 0
    {
        return Ok(());
    }
    if bytes.len() <= SHORT && !any_byte(bytes, |b| !b.is_ascii()) {
        return Ok(());
    }
    simdutf8::basic::from_utf8(bytes).map(|_| ()).map_err(|_| not_utf8())
}

/// Checks that text is UTF-8 and holds no NUL byte. PostgreSQL's own functions store none, but a function in C or a
/// damaged page can: what comes out of it no reader takes, or takes for the end of the text.
///
/// # Errors
/// `Error::Value`.
#[inline]
pub fn check_text(bytes: &[u8]) -> Result<()> {
    // A byte of ASCII less one stays below 0x80, NUL does not.
    if let (8..=16, Some(first), Some(last)) = (bytes.len(), bytes.first_chunk::<8>(), bytes.last_chunk::<8>())
        && (beside_ascii(u64::from_le_bytes(*first)) | beside_ascii(u64::from_le_bytes(*last))) & NOT_ASCII == 0
    {
        return Ok(());
    }
    if bytes.len() <= SHORT && !any_byte(bytes, |b| b.wrapping_sub(1) >= 0x7f) {
        return Ok(());
    }
    check_utf8(bytes)?;
    check_no_nul(bytes)
}

/// The top bit of a byte is set where it is zero or not ASCII; behind a zero also of others, which is asked no more
/// then.
#[inline]
fn beside_ascii(word: u64) -> u64 {
    word.wrapping_sub(ONES) | word
}

/// # Errors
/// `Error::Value` where text holds a NUL byte.
#[inline]
pub fn check_no_nul(bytes: &[u8]) -> Result<()> {
    match memchr::memchr(0, bytes) {
        None => Ok(()),
        Some(at) => Err(nul_byte(at)),
    }
}

#[cold]
fn nul_byte(at: usize) -> Error {
    Error::value(format!("the text holds a NUL byte, at offset {at}"))
}

#[cold]
fn not_utf8() -> Error {
    Error::value("the text is not valid UTF-8")
}

/// Appends text as a JSON string with quotes, escaped as PostgreSQL's `escape_json` does: `\b \f \n \r \t \" \\`, other
/// control characters as `\u00xx`; DEL, `/` and everything beyond ASCII stay as they are.
///
/// # Errors
/// `Error::Value` where the bytes are not UTF-8 or hold a NUL byte.
#[inline]
pub fn json_string(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    check_utf8(bytes)?;
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    if any_byte(bytes, json_special) {
        check_no_nul(bytes)?;
        json_escaped(bytes, out);
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'"');
    Ok(())
}

/// As `json_string`, for text that is known to be UTF-8.
#[inline]
pub fn json_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    json_content(text.as_bytes(), out);
    out.push(b'"');
}

/// Appends what stands between the quotes. Bytes escape one by one, so text may come in slices that are cut anywhere;
/// that all of it is text is checked elsewhere.
#[inline]
pub fn json_content(bytes: &[u8], out: &mut Vec<u8>) {
    if any_byte(bytes, json_special) {
        json_escaped(bytes, out);
    } else {
        out.extend_from_slice(bytes);
    }
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

/// Appends text with each quote twice. Eight bytes at a time: json has a quote every few bytes, where a search
/// for the next one costs more than it spares.
#[inline]
pub fn double(text: &[u8], quote: u8, out: &mut Vec<u8>) {
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
