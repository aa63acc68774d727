//! The short ways for what most numbers are: a few groups of digits, held in registers.

use super::number::{BASE, DIGITS_PER_GROUP, SIGN_NEGATIVE};
use crate::bytes::digits::{four_and_four_digits_word, four_digits_word, leading_zeros};
use crate::bytes::inline_text::InlineText;

/// Bytes in front of the digits.
const HEADER_BYTES: usize = 8;

/// Powers of ten: three groups are below the last.
#[allow(clippy::indexing_slicing)] // Evaluated by the compiler, which refuses an index out of range.
const POWERS: [u64; 13] = {
    let mut powers = [1; 13];
    let mut at = 1;
    while at < 13 {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};
const POINT: u128 = b'.' as u128;

/// What most numbers are: at most three groups of digits, and neither NaN nor an infinity.
#[derive(Clone, Copy)]
struct Small {
    negative: bool,
    weight: i16,
    scale: u16,
    /// Those that are missing behind the last are zero.
    groups: [u16; 3],
}

impl Small {
    /// `None` for all others, and where the bytes are not a numeric.
    #[inline(always)] // As a call its result would go through memory, for every field.
    fn read(field: &[u8]) -> Option<Small> {
        let header = u64::from_be_bytes(*field.first_chunk::<HEADER_BYTES>()?);
        let (count, weight, sign, scale) =
            ((header >> 48) as usize, (header >> 32) as i16, (header >> 16) as u16, header as u16);
        if count > 3 || field.len() != HEADER_BYTES + 2 * count || sign & !SIGN_NEGATIVE != 0 {
            return None;
        }
        // The last eight bytes end with the groups.
        let digits = u64::from_be_bytes(*field.last_chunk::<8>()?) << (16 * (3 - count));
        let groups @ [a, b, c] = [(digits >> 32) as u16, (digits >> 16) as u16, digits as u16];
        if (a >= BASE) | (b >= BASE) | (c >= BASE) {
            return None;
        }
        Some(Small { negative: sign == SIGN_NEGATIVE, weight, scale, groups })
    }
}

/// The text of `numeric_out` for a small number with four digits before the point and eight after it, or eight and
/// four. `None` for all others, and where the bytes are not a numeric.
#[inline(always)]
pub fn short_text(field: &[u8]) -> Option<InlineText> {
    let Small { negative, weight, scale, groups: [a, b, c] } = Small::read(field)?;
    let fraction = if scale == 0 { 0 } else { 1 + usize::from(scale) };
    let (first, digits, length) = match (weight, scale) {
        (0, 0..=8) => (a, before_point(a, b, c), 4 + fraction),
        (1, 0..=4) => {
            let whole = u128::from(four_and_four_digits_word(a, b));
            (a, whole | POINT << 64 | u128::from(four_digits_word(c)) << 72, 8 + fraction)
        }
        (-1, 0..=8) => (0, before_point(0, a, b), 4 + fraction),
        _ => return None,
    };
    let zeros = leading_zeros(first);
    InlineText::cut(digits >> (8 * zeros), length - zeros).with_sign(negative)
}

/// The value of a small number times `10^scale`, where that is whole and fits. `None` for all others, and where the
/// bytes are not a numeric: `Numeric::to_decimal` knows.
#[inline]
pub fn short_decimal(field: &[u8], scale: u8) -> Option<i64> {
    let Small { negative, weight, groups: [a, b, c], .. } = Small::read(field)?;
    let base = u64::from(BASE);
    let digits = (u64::from(a) * base + u64::from(b)) * base + u64::from(c);
    // The power of ten that the last of the three groups' last digit has in the result.
    let exponent = (i32::from(weight) - 2) * DIGITS_PER_GROUP + i32::from(scale);
    let power = *POWERS.get(exponent.unsigned_abs() as usize)?;
    let magnitude = if exponent < 0 {
        let whole = digits / power;
        if whole * power != digits {
            return None;
        }
        whole
    } else {
        digits.checked_mul(power)?
    };
    let magnitude = i64::try_from(magnitude).ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

/// Four digits, the point and eight digits, the first in the lowest byte.
#[inline]
fn before_point(whole: u16, first: u16, second: u16) -> u128 {
    u128::from(four_digits_word(whole)) | POINT << 32 | u128::from(four_and_four_digits_word(first, second)) << 40
}
