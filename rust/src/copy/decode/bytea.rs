//! bytea in the hex format (PostgreSQL manual, "Binary Data Types", `bytea_output = hex`).

use crate::encode::text::hex;

/// Bytes converted at a time: the digits of a block are built on the stack and appended at once.
const BLOCK: usize = 64;

/// Appends `\x` and two digits a byte.
pub fn write(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x");
    write_digits(bytes, out);
}

/// Appends two hexadecimal digits a byte, without a prefix.
pub fn write_digits(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().saturating_mul(2));
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        out.extend_from_slice(block.map(hex).as_flattened());
    }
    for byte in rest {
        out.extend_from_slice(&hex(*byte));
    }
}
