//! Encodings beside UTF-8 (WHATWG, "Encoding Standard"). UTF-16 is our own: the standard only reads it.

use encoding_rs::{EUC_JP, EncoderResult, Encoding, GB18030, GBK, SHIFT_JIS, X_USER_DEFINED};

use super::super::options::Refused;
use crate::error::{Error, Result};

/// What stands for a character that an encoding lacks.
const REPLACEMENT: u8 = b'?';
/// Bytes that are encoded at once; a character takes four at most.
const BUFFER_BYTES: usize = 1024;

/// An encoding that is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Charset {
    Utf16 {
        big_endian: bool,
    },
    /// One that has ASCII as it is.
    Legacy(&'static Encoding),
}

impl Charset {
    /// By its name in the standard; none is UTF-8.
    ///
    /// # Errors
    /// It has no encoder, or is one whose bytes below 0x80 are not always ASCII.
    pub fn read(name: &str) -> Result<Option<Self>, Refused> {
        match name {
            "utf-8" => return Ok(None),
            "utf-16le" => return Ok(Some(Charset::Utf16 { big_endian: false })),
            "utf-16be" => return Ok(Some(Charset::Utf16 { big_endian: true })),
            _ => (),
        }
        let found = Encoding::for_label(name.as_bytes()).filter(|found| {
            // Each of the others is read only, or UTF-8 in disguise.
            found.output_encoding() == *found && found.is_ascii_compatible() && *found != X_USER_DEFINED
        });
        found.map(|found| Some(Charset::Legacy(found))).ok_or_else(|| Refused::unknown("encoding", name))
    }

    fn name(self) -> &'static str {
        match self {
            Charset::Utf16 { big_endian: false } => "UTF-16LE",
            Charset::Utf16 { big_endian: true } => "UTF-16BE",
            Charset::Legacy(encoding) => encoding.name(),
        }
    }

    /// Appends text; whether a character was replaced.
    ///
    /// # Errors
    /// `Error::Value` for a character that the encoding lacks, unless it is to be replaced.
    #[inline]
    pub fn encode(self, text: &str, replace: bool, out: &mut Vec<u8>) -> Result<bool> {
        match self {
            Charset::Utf16 { big_endian } => {
                out.reserve(text.len().saturating_mul(2));
                text.encode_utf16().for_each(|unit| push_unit(unit, big_endian, out));
                Ok(false)
            }
            Charset::Legacy(_) if text.is_ascii() => {
                out.extend_from_slice(text.as_bytes());
                Ok(false)
            }
            Charset::Legacy(encoding) => self.encode_legacy(encoding, text, replace, out),
        }
    }

    fn encode_legacy(self, encoding: &'static Encoding, text: &str, replace: bool, out: &mut Vec<u8>) -> Result<bool> {
        let (mut rest, mut replaced) = (text, false);
        while let Some(at) = rest.find(|char| changes(encoding, char)) {
            let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
            replaced |= self.encode_mapped(encoding, before, replace, out)?;
            let mut chars = after.chars();
            if let Some(lacking) = chars.next() {
                self.replace(lacking, replace, out)?;
                replaced = true;
            }
            rest = chars.as_str();
        }
        Ok(self.encode_mapped(encoding, rest, replace, out)? || replaced)
    }

    fn encode_mapped(self, encoding: &'static Encoding, text: &str, replace: bool, out: &mut Vec<u8>) -> Result<bool> {
        let mut encoder = encoding.new_encoder();
        let mut buffer = [0; BUFFER_BYTES];
        let (mut rest, mut replaced) = (text, false);
        loop {
            let (result, read, written) = encoder.encode_from_utf8_without_replacement(rest, &mut buffer, true);
            out.extend_from_slice(buffer.get(..written).unwrap_or_default());
            rest = rest.get(read..).unwrap_or_default();
            match result {
                EncoderResult::InputEmpty => return Ok(replaced),
                EncoderResult::OutputFull => (),
                EncoderResult::Unmappable(lacking) => {
                    self.replace(lacking, replace, out)?;
                    replaced = true;
                }
            }
        }
    }

    fn replace(self, lacking: char, replace: bool, out: &mut Vec<u8>) -> Result<()> {
        if !replace {
            return Err(self.lacks(lacking));
        }
        out.push(REPLACEMENT);
        Ok(())
    }

    #[cold]
    fn lacks(self, lacking: char) -> Error {
        let (name, code) = (self.name(), u32::from(lacking));
        Error::value(format!("{name} has no character {lacking:?} (U+{code:04X}); UTF-8 has all of them"))
    }
}

/// Whether the standard's encoder writes another character for one: it makes a backslash of the yen sign.
fn changes(encoding: &'static Encoding, char: char) -> bool {
    if encoding == SHIFT_JIS || encoding == EUC_JP {
        matches!(char, '¥' | '\u{203e}' | '−')
    } else if encoding == GBK || encoding == GB18030 {
        // Characters for private use, in the place of which others came.
        matches!(
            char,
            '\u{e78d}'
                ..='\u{e796}'
                    | '\u{e81e}'
                    | '\u{e826}'
                    | '\u{e82b}'
                    | '\u{e82c}'
                    | '\u{e832}'
                    | '\u{e843}'
                    | '\u{e854}'
                    | '\u{e864}'
        )
    } else {
        false
    }
}

#[inline]
fn push_unit(unit: u16, big_endian: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LEGACY: &[&str] = &[
        "windows-874",
        "windows-1250",
        "windows-1251",
        "windows-1252",
        "windows-1253",
        "windows-1254",
        "windows-1255",
        "windows-1256",
        "windows-1257",
        "windows-1258",
        "iso-8859-2",
        "iso-8859-3",
        "iso-8859-4",
        "iso-8859-5",
        "iso-8859-6",
        "iso-8859-7",
        "iso-8859-8",
        "iso-8859-10",
        "iso-8859-13",
        "iso-8859-14",
        "iso-8859-15",
        "iso-8859-16",
        "ibm866",
        "koi8-r",
        "koi8-u",
        "macintosh",
        "x-mac-cyrillic",
        "big5",
        "euc-jp",
        "euc-kr",
        "gb18030",
        "gbk",
        "shift_jis",
    ];

    #[test]
    fn a_character_is_read_back_as_it_was_or_refused() {
        for name in LEGACY {
            let encoding = Encoding::for_label(name.as_bytes()).unwrap();
            assert_eq!(Charset::read(name).unwrap(), Some(Charset::Legacy(encoding)));
            for char in (0..0x1_0000).chain(0x2_0000..0x2_1000).filter_map(char::from_u32) {
                let (text, mut bytes) = (char.to_string(), Vec::new());
                if Charset::Legacy(encoding).encode(&text, false, &mut bytes).is_ok() {
                    assert_eq!(encoding.decode_without_bom_handling(&bytes).0, text, "{name} {char:?}");
                } else {
                    assert!(Charset::Legacy(encoding).encode(&text, true, &mut bytes).unwrap());
                    assert!(bytes.ends_with(b"?"));
                }
            }
        }
    }

    #[test]
    fn what_has_no_encoder_is_none() {
        for name in ["utf-7", "replacement", "x-user-defined", "iso-2022-jp", "utf-16", ""] {
            assert!(Charset::read(name).is_err(), "{name}");
        }
    }
}
