//! The named fallback: a type without a decoder arrives as text that the server made.
//!
//! The planner selects `CASE WHEN c IS DISTINCT FROM NULL THEN pg_catalog.format('%s', c) END`, which is what COPY
//! would write, or for JSON `to_json(c)::text`, which is what `row_to_json` would write. Neither is looked into here.

use crate::encode::text::check_utf8;
use crate::error::Result;

/// Appends JSON made by the server; only its encoding is checked.
///
/// # Errors
/// `Error::Value` where the bytes are not UTF-8.
#[inline]
pub fn splice_json(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    check_utf8(bytes)?;
    out.extend_from_slice(bytes);
    Ok(())
}
