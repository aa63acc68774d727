//! text, varchar, bpchar, name and enum labels, whose bytes are the text; and the one-byte type `"char"`.

use crate::copy::cursor::exact;
use crate::encode::text::json_string;
use crate::error::Result;

/// From this version on `charout` writes a byte above 127 as a backslash and three octal digits; before, as it is.
const OCTAL_SINCE: u32 = 150_000;

/// The text of a `"char"` value: at most four bytes, held by value.
#[derive(Debug, Clone, Copy)]
pub struct CharText {
    bytes: [u8; 4],
    length: usize,
}

impl CharText {
    /// Reads the field: the zero byte prints as the empty string.
    #[inline]
    pub fn parse(bytes: &[u8], server_version: u32) -> Result<Self> {
        let [byte] = exact::<1>(bytes)?;
        Ok(match byte {
            0 => CharText { bytes: [0; 4], length: 0 },
            128.. if server_version >= OCTAL_SINCE => {
                CharText { bytes: [b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)], length: 4 }
            }
            _ => CharText { bytes: [byte, 0, 0, 0], length: 1 },
        })
    }

    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// Appends the JSON string.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<()> {
        json_string(self.as_bytes(), out)
    }
}
