//! Decimal digits: eight at a time in a word, without a table or a loop.

use super::inline_text::InlineText;

/// Digits in a word of eight bytes.
const WORD: u64 = 100_000_000;
/// `0` in each byte.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The values of the eight digits of a number below 10^8, the first in the lowest byte (Paul Khuong, "How to print
/// integers really fast": quotients of all pairs, then of all digits, are taken in one multiplication each).
#[inline]
fn digit_values(n: u32) -> u64 {
    half_values(n / 10_000, n % 10_000)
}

/// As `digit_values`, of two numbers below 10,000 that follow each other.
#[inline]
fn half_values(first: u32, second: u32) -> u64 {
    let halves = u64::from(first) | u64::from(second) << 32;
    // 10,486 / 2^20 is a hundredth, for numbers below 10,000.
    let tops = (halves * 10_486) >> 20 & 0x0000_007f_0000_007f;
    let pairs = tops + ((halves - 100 * tops) << 16);
    // 103 / 2^10 is a tenth, for numbers below 100.
    let tens = (pairs * 103) >> 10 & 0x000f_000f_000f_000f;
    tens + ((pairs - 10 * tens) << 8)
}

/// How many of the eight digits are zeros at the end; 8 for zero.
#[inline]
pub fn trailing_zeros(n: u32) -> usize {
    (digit_values(n).leading_zeros() / 8) as usize
}

/// The eight digits of a number below 10^8, with leading zeros.
#[inline]
pub fn eight_digits(n: u32) -> [u8; 8] {
    (digit_values(n) | ZEROS).to_le_bytes()
}

/// The same as a word, the first digit in its lowest byte.
#[inline]
pub fn eight_digits_word(n: u32) -> u64 {
    digit_values(n) | ZEROS
}

/// The four digits each of two numbers below 10,000, as such a word.
#[inline]
pub fn four_and_four_digits_word(first: u16, second: u16) -> u64 {
    half_values(first.into(), second.into()) | ZEROS
}

/// The four digits of a number below 10,000, as a word.
#[inline]
pub fn four_digits_word(n: u16) -> u32 {
    let pairs = u32::from(n / 100) | u32::from(n % 100) << 16;
    let tens = (pairs * 103) >> 10 & 0x000f_000f;
    (tens + ((pairs - 10 * tens) << 8)) | 0x3030_3030
}

/// The four digits of a number below 10,000.
#[inline]
pub fn four_digits(n: u16) -> [u8; 4] {
    four_digits_word(n).to_le_bytes()
}

/// A whole number in decimal, if it has at most sixteen digits.
#[inline(always)] // As a call its result would go through memory.
fn short_unsigned(n: u64) -> Option<InlineText> {
    if n < WORD {
        let values = digit_values(n as u32);
        // The last digit stays, also where it is zero.
        let zeros = (values | 1 << 56).trailing_zeros() / 8;
        return Some(InlineText::new(u128::from((values | ZEROS) >> (8 * zeros)), 8 - zeros as usize));
    }
    if n >= WORD * WORD {
        return None;
    }
    // Both parts are below 10^8, and the first is not zero.
    let (high, low) = (digit_values((n / WORD) as u32), digit_values((n % WORD) as u32));
    let zeros = high.trailing_zeros() / 8;
    let digits = u128::from(high | ZEROS) | u128::from(low | ZEROS) << 64;
    Some(InlineText::new(digits >> (8 * zeros), 16 - zeros as usize))
}

/// The same with its sign, if both are short enough.
#[inline(always)]
pub fn short_signed(n: i64) -> Option<InlineText> {
    short_unsigned(n.unsigned_abs())?.with_sign(n < 0)
}

/// Appends a whole number in decimal.
#[inline]
pub fn unsigned(n: u64, out: &mut Vec<u8>) {
    match short_unsigned(n) {
        Some(digits) => digits.push(out),
        None => more_than_sixteen(n, out),
    }
}

fn more_than_sixteen(n: u64, out: &mut Vec<u8>) {
    unsigned(n / WORD, out);
    out.extend_from_slice(&eight_digits((n % WORD) as u32));
}

/// Appends a whole number in decimal, with its sign.
#[inline]
pub fn signed(n: i64, out: &mut Vec<u8>) {
    match short_signed(n) {
        Some(text) => text.push(out),
        None => {
            if n < 0 {
                out.push(b'-');
            }
            unsigned(n.unsigned_abs(), out);
        }
    }
}

/// How many of the four digits of a number below 10,000 are leading zeros; of zero three, so that a digit is left.
#[inline]
pub fn leading_zeros(n: u16) -> usize {
    usize::from(n < 10) + usize::from(n < 100) + usize::from(n < 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_pairs_have_all_digits() {
        for n in (0..100_000).chain((0..100_000_000).step_by(9_973)).chain([99_999_999, 10_000_000, 9_999_999]) {
            let text = format!("{n:08}");
            assert_eq!(eight_digits(n), *text.as_bytes());
            assert_eq!(trailing_zeros(n), 8 - text.trim_end_matches('0').len());
        }
        for n in 0..10_000 {
            assert_eq!(four_digits(n), *format!("{n:04}").as_bytes());
            assert_eq!(leading_zeros(n), 4 - n.to_string().len());
        }
    }

    #[test]
    fn numbers_have_their_digits_and_no_more() {
        let powers = (0..20).map(|exponent| 10_u64.pow(exponent));
        let edges = powers
            .flat_map(|power| [power - 1, power, power + 1, power / 2 * 3])
            .chain(0..11_000)
            .chain([u64::MAX, 1 << 63]);
        for n in edges {
            let mut out = b"x".to_vec();
            unsigned(n, &mut out);
            assert_eq!(out, format!("x{n}").as_bytes());
            for n in [n as i64, (n as i64).wrapping_neg()] {
                out.truncate(1);
                signed(n, &mut out);
                assert_eq!(out, format!("x{n}").as_bytes());
            }
        }
    }
}
