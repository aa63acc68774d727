//! Any text as the name of an element.
//!
//! The mapping is that of SQL/XML (ISO/IEC 9075-14, 9.1, "Mapping SQL identifiers to XML Names"): a character that may
//! not stand where it does becomes `_xHHHH_`, beyond the BMP `_xHHHHHH_`. Three rules are ours:
//! - an underscore is escaped only where it would read as the start of an escape (`_x0020_`), so that a name that is an
//!   NCName already (`max_x`, `xml_id`) stays as it is; PostgreSQL escapes every `_x` and every leading `xml`;
//! - the empty name is `_`, and so the name `_` is `_x005F_`;
//! - `:` is always escaped: no name has a namespace prefix.
//!
//! The mapping loses nothing: two names are never written alike.

use std::io::Write;

use super::name_chars::{NAME, NAME_START};

const COLON: u32 = 0x3A;
const UNDERSCORE: u32 = 0x5F;
const X: u32 = 0x78;

/// What a byte is in the key of a JSON object, for [`plain_key`]: a flag each, so that one word tells what was met.
const LETTER: u8 = 0;
/// May stand in a name, but not first.
const LATER: u8 = 1;
const LOW_LINE: u8 = 2;
/// A quote, or what needs a closer look.
const STOP: u8 = 4;

const KEY_BYTES: [u8; 256] = key_bytes();

#[allow(clippy::indexing_slicing)] // Evaluated by the compiler, which refuses an index out of range.
const fn key_bytes() -> [u8; 256] {
    let mut table = [STOP; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' | b'-' | b'.' => LATER,
            b'_' => LOW_LINE,
            _ => STOP,
        };
        byte += 1;
    }
    table
}

/// The length of a JSON key whose first byte is the first of `bytes` and whose closing quote follows, if the key is an
/// ASCII name as it stands. `None` means nothing more than that the key needs a closer look.
#[inline]
pub(super) fn plain_key(bytes: &[u8]) -> Option<usize> {
    let class = |byte: u8| KEY_BYTES.get(usize::from(byte)).copied().unwrap_or(STOP);
    let first = class(*bytes.first()?);
    let mut met = 0;
    let length = bytes.iter().position(|&byte| {
        met |= class(byte);
        met >= STOP
    })?;
    // An empty key stops at its first byte.
    let is_name = bytes.get(length) == Some(&b'"') && (first == LETTER || first == LOW_LINE);
    if !is_name || met & LOW_LINE != 0 && may_be_escape(bytes.get(..length)?) { None } else { Some(length) }
}

/// Whether a name with low lines could be taken for one that was escaped; a lone one is the escape of the empty key.
fn may_be_escape(name: &[u8]) -> bool {
    name == b"_" || name.windows(2).any(|pair| pair == b"_x")
}

/// Appends the name as the XML name it is mapped to.
pub(super) fn write(name: &str, out: &mut Vec<u8>) {
    let points: Vec<u32> = name.chars().map(u32::from).collect();
    write_points(&points, out);
}

/// The same for code points, since a key of type json may hold what is not a character (`\ud800`).
pub(super) fn write_points(points: &[u32], out: &mut Vec<u8>) {
    match points {
        [] => return out.push(b'_'),
        [UNDERSCORE] => return write_escape(UNDERSCORE, out),
        _ => {}
    }
    let mut rest = points;
    while let [point, after @ ..] = rest {
        let allowed = if rest.len() == points.len() { may_start(*point) } else { may_stand(*point) };
        match char::from_u32(*point) {
            Some(c) if allowed && !(*point == UNDERSCORE && reads_as_escape(after)) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => write_escape(*point, out),
        }
        rest = after;
    }
}

fn write_escape(point: u32, out: &mut Vec<u8>) {
    // Writing to a Vec does not fail.
    let _ = if point <= 0xFFFF { write!(out, "_x{point:04X}_") } else { write!(out, "_x{point:06X}_") };
}

/// Whether an underscore before `after`, left as it is, could be taken for an escape: `x`, four or six hexadecimal
/// digits, and an underscore, which is also what the escape of a next character would begin with.
fn reads_as_escape(after: &[u32]) -> bool {
    let Some((&X, after)) = after.split_first() else { return false };
    [4, 6].into_iter().any(|digits| {
        after.split_at_checked(digits).is_some_and(|(hex, rest)| {
            hex.iter().all(|&point| char::from_u32(point).is_some_and(|c| c.is_ascii_hexdigit()))
                && rest.first().is_some_and(|&next| next == UNDERSCORE || !may_stand(next))
        })
    })
}

fn may_start(point: u32) -> bool {
    match u8::try_from(point) {
        Ok(byte) if byte.is_ascii() => byte.is_ascii_alphabetic() || byte == b'_',
        _ => belongs(NAME_START, point),
    }
}

fn may_stand(point: u32) -> bool {
    match u8::try_from(point) {
        Ok(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
        _ => point != COLON && belongs(NAME, point),
    }
}

/// Whether an odd number of boundaries lies at or below the code point.
fn belongs(boundaries: &[u16], point: u32) -> bool {
    boundaries.partition_point(|&boundary| u32::from(boundary) <= point) % 2 == 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written(name: &str) -> String {
        let mut out = Vec::new();
        write(name, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_that_are_names_stay() {
        for name in
            ["id", "created_at", "max_x", "a_xface", "xml_id", "Größe", "имя", "名前", "a-b.c", "_a", "__", "_x12_"]
        {
            assert_eq!(written(name), name);
        }
    }

    #[test]
    fn others_are_escaped() {
        for (name, expected) in [
            ("", "_"),
            ("_", "_x005F_"),
            ("a b", "a_x0020_b"),
            ("1st", "_x0031_st"),
            ("-a", "_x002D_a"),
            ("xsi:nil", "xsi_x003A_nil"),
            ("\u{0}\u{1}", "_x0000__x0001_"),
            ("\u{fffe}", "_xFFFE_"),
            ("😀", "_x01F600_"),
            ("_x0020_", "_x005F_x0020_"),
            ("_x01F600_", "_x005F_x01F600_"),
            // The escape of the blank would complete the first one.
            ("_x0020 ", "_x005F_x0020_x0020_"),
        ] {
            assert_eq!(written(name), expected);
        }
    }

    #[test]
    fn a_surrogate_in_a_key_is_kept() {
        let mut out = Vec::new();
        write_points(&[0x61, 0xD800], &mut out);
        assert_eq!(out, b"a_xD800_");
    }

    #[test]
    fn plain_keys_are_those_that_stay() {
        for key in ["id", "created_at", "_a", "a-b.c9", "__"] {
            assert_eq!(plain_key(format!("{key}\": 1").as_bytes()), Some(key.len()));
        }
        for key in ["", "_", "1a", "-a", "a b", "a_x0020_", "ä", "a\\n", "a:b"] {
            assert_eq!(plain_key(format!("{key}\": 1").as_bytes()), None, "{key}");
        }
        assert_eq!(plain_key(b"never_closed"), None);
    }
}
