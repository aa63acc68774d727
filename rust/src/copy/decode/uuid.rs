//! uuid: sixteen bytes, printed as RFC 9562 section 4 does, in lower case.

use crate::copy::cursor::exact;
use crate::encode::text::hex;
use crate::error::Result;

/// Length of the text form: 32 digits and four hyphens.
const TEXT: usize = 36;

/// The sixteen bytes.
#[inline]
pub fn uuid(bytes: &[u8]) -> Result<[u8; 16]> {
    exact(bytes)
}

/// Appends `uuid_out`'s text.
#[inline]
pub fn write(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let uuid = uuid(bytes)?;
    out.reserve(TEXT);
    for (i, byte) in uuid.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&hex(*byte));
    }
    Ok(())
}
