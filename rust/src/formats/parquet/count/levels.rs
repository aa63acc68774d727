//! How many rows begin in a page of lists: where the repetition level is 0 (Dremel, as Parquet's Encodings.md has it).

/// Groups of bit-packed levels have so many.
const GROUP: u64 = 8;

/// The rows that begin in a data page of version 1, unpacked; none where its levels cannot be read.
///
/// The levels of `values` values come first: their length in four bytes, and runs of equal levels or of packed ones.
pub(super) fn rows(page: &[u8], values: u64, max_level: u8) -> Option<u64> {
    let (length, rest) = page.split_first_chunk::<4>()?;
    let mut levels = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let bits = u8::BITS.saturating_sub(max_level.leading_zeros());
    let (mut left, mut rows) = (values, 0_u64);
    while left > 0 {
        let header = varint(&mut levels)?;
        let run = header >> 1;
        let taken = if header & 1 == 0 {
            let (level, after) = levels.split_first()?;
            levels = after;
            rows = rows.checked_add(if *level == 0 { run.min(left) } else { 0 })?;
            run
        } else {
            let bytes = usize::try_from(run.checked_mul(u64::from(bits))?).ok()?;
            let (packed, after) = levels.split_at_checked(bytes)?;
            levels = after;
            let count = run.checked_mul(GROUP)?;
            rows = rows.checked_add(zeros(packed, bits, count.min(left)))?;
            count
        };
        if taken == 0 {
            return None;
        }
        left = left.saturating_sub(taken);
    }
    Some(rows)
}

/// How many of the first `count` numbers of so many bits, packed from the lowest bit on, are zero.
fn zeros(packed: &[u8], bits: u32, count: u64) -> u64 {
    let (mut found, mut window, mut held, mut left) = (0_u64, 0_u64, 0_u32, count);
    let mask = (1_u64 << bits) - 1;
    for &byte in packed {
        window |= u64::from(byte) << held;
        held = held.saturating_add(u8::BITS);
        while held >= bits && left > 0 {
            found = found.saturating_add(u64::from(window & mask == 0));
            window >>= bits;
            held = held.saturating_sub(bits);
            left = left.saturating_sub(1);
        }
    }
    found
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, after) = bytes.split_first()?;
        *bytes = after;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn page(levels: &[u8]) -> Vec<u8> {
        let mut page = u32::try_from(levels.len()).unwrap().to_le_bytes().to_vec();
        page.extend_from_slice(levels);
        page.extend_from_slice(b"values");
        page
    }

    #[test]
    fn rows_begin_at_level_zero() {
        // A run of five zeros, one of three ones, and eight packed: 0 1 0 1 1 1 1 1.
        let page = page(&[5 << 1, 0, 3 << 1, 1, 3, 0b1111_1010]);
        assert_eq!(rows(&page, 16, 1), Some(7));
        // The last run may say more than there are.
        assert_eq!(rows(&page, 9, 1), Some(6));
        assert_eq!(rows(&page, 4, 1), Some(4));
        assert_eq!(rows(&page, 0, 1), Some(0));
    }

    #[test]
    fn levels_of_two_bits() {
        // 0 1 2 0, 3 0 0 1 in two bytes.
        assert_eq!(rows(&page(&[3, 0b0010_0100, 0b0100_0011]), 8, 3), Some(4));
    }

    #[test]
    fn what_is_cut_or_endless_is_seen() {
        for levels in [&[][..], &[2], &[3], &[0x80], &[0, 0], &[0xff; 12]] {
            assert_eq!(rows(&page(levels), 3, 1), None, "{levels:?}");
        }
        assert_eq!(rows(&[1, 0], 3, 1), None);
        assert_eq!(rows(&[9, 0, 0, 0, 1], 3, 1), None);
    }
}
