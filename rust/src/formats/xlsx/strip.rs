//! A strip: rows of one segment that are deflated apart and never divided between two sheets.
//!
//! The pieces of a strip are deflated bytes, and behind them what the other half has to know: whether the strip goes
//! on, or ends here and what was in it. It travels in the bytes, since pieces that are bytes can be told from others
//! when a segment has to be read again.

use crate::compression::RawSum;
use crate::error::{Error, Result};

/// What a strip was, once it is complete.
#[derive(Debug)]
pub(super) struct StripEnd {
    pub(super) rows: u32,
    /// Of its XML.
    pub(super) sum: RawSum,
}

const GOES_ON: u8 = 0;
const ENDS: u8 = 1;

/// Appends what the other half has to know of a piece.
pub(super) fn seal(piece: &mut Vec<u8>, end: Option<&StripEnd>) {
    match end {
        None => piece.push(GOES_ON),
        Some(end) => {
            piece.extend_from_slice(&end.rows.to_le_bytes());
            piece.extend_from_slice(&end.sum.crc().to_le_bytes());
            piece.extend_from_slice(&end.sum.bytes().to_le_bytes());
            piece.push(ENDS);
        }
    }
}

/// Takes it off again.
pub(super) fn unseal(piece: &mut Vec<u8>) -> Result<Option<StripEnd>> {
    let is_end = match piece.pop() {
        Some(GOES_ON) => return Ok(None),
        last => last == Some(ENDS),
    };
    let bytes = take(piece).map(u64::from_le_bytes);
    let crc = take(piece).map(u32::from_le_bytes);
    let rows = take(piece).map(u32::from_le_bytes);
    match (bytes, crc, rows) {
        (Some(bytes), Some(crc), Some(rows)) if is_end => Ok(Some(StripEnd { rows, sum: RawSum::of(crc, bytes) })),
        _ => Err(Error::Internal("a piece of another format".into())),
    }
}

fn take<const N: usize>(piece: &mut Vec<u8>) -> Option<[u8; N]> {
    let taken = *piece.last_chunk::<N>()?;
    piece.truncate(piece.len() - N);
    Some(taken)
}
