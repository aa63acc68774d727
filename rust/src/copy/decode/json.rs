//! json and jsonb: text that the server made, passed on as it is.

use crate::error::{Error, Result};

/// The only version of jsonb's binary format (`jsonb_send`).
const JSONB_VERSION: u8 = 1;

/// The text of a jsonb field, without its version byte.
///
/// # Errors
/// `Error::Protocol` where the version is another or missing.
#[inline]
pub fn jsonb_text(bytes: &[u8]) -> Result<&[u8]> {
    match bytes.split_first() {
        Some((&JSONB_VERSION, text)) => Ok(text),
        Some((version, _)) => Err(Error::protocol(format!("jsonb of the unknown version {version}"))),
        None => Err(Error::protocol("an empty jsonb field")),
    }
}
