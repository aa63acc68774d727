//! Any numeric, checked: its digits as text, as a scaled integer, and as the nearest double.

use crate::bytes::cursor::Cursor;
use crate::bytes::digits::{four_digits, unsigned};
use crate::error::{Error, Result};

/// Decimal digits in one base-10000 digit.
pub(super) const DIGITS_PER_GROUP: i32 = 4;
/// The base of the digits on the wire (`NBASE`).
pub(super) const BASE: u16 = 10_000;
/// Largest display scale (`NUMERIC_DSCALE_MASK`); `numeric_recv` refuses more.
const MAX_SCALE: u16 = 0x3fff;
/// Groups whose digits surely fit in a u64 together: 10^16 is below 2^64.
const GROUPS_IN_U64: usize = 4;
/// Up to here every whole number is a double.
const MAX_EXACT_WHOLE: u64 = 1 << 53;
/// Powers of 10,000 that are doubles: 5^20 is below 2^53.
const EXACT_POWERS: [f64; 6] = [1e0, 1e4, 1e8, 1e12, 1e16, 1e20];

const SIGN_POSITIVE: u16 = 0x0000;
pub(super) const SIGN_NEGATIVE: u16 = 0x4000;
const SIGN_NAN: u16 = 0xc000;
const SIGN_INFINITY: u16 = 0xd000;
const SIGN_NEGATIVE_INFINITY: u16 = 0xf000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Positive,
    Negative,
    NaN,
    Infinity,
    NegativeInfinity,
}

/// A numeric field, checked but not converted.
#[derive(Debug, Clone, Copy)]
pub struct Numeric<'a> {
    class: Class,
    weight: i32,
    scale: u16,
    groups: &'a [[u8; 2]],
}

impl<'a> Numeric<'a> {
    /// Reads the field.
    ///
    /// # Errors
    /// `Error::Protocol` where the bytes are not a numeric: an unknown sign, a digit of 10,000 or more, a wrong length.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        let count = cursor.u16()?;
        let weight = cursor.i16()?;
        let class = match cursor.u16()? {
            SIGN_POSITIVE => Class::Positive,
            SIGN_NEGATIVE => Class::Negative,
            SIGN_NAN => Class::NaN,
            SIGN_INFINITY => Class::Infinity,
            SIGN_NEGATIVE_INFINITY => Class::NegativeInfinity,
            sign => return Err(Error::protocol(format!("a numeric with the sign {sign:#06x}"))),
        };
        let scale = cursor.u16()?;
        let (groups, odd) = cursor.rest().as_chunks::<2>();
        let valid = scale <= MAX_SCALE && odd.is_empty() && groups.len() == usize::from(count);
        if !valid || groups.iter().any(|group| u16::from_be_bytes(*group) >= BASE) {
            return Err(Error::protocol("a malformed numeric"));
        }
        Ok(Numeric { class, weight: i32::from(weight), scale, groups })
    }

    /// Whether the value is NaN, Infinity or -Infinity.
    #[inline]
    pub fn is_special(&self) -> bool {
        !matches!(self.class, Class::Positive | Class::Negative)
    }

    /// Appends the text of `numeric_out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self.class {
            Class::Positive => (),
            Class::Negative => out.push(b'-'),
            Class::NaN => return out.extend_from_slice(b"NaN"),
            Class::Infinity => return out.extend_from_slice(b"Infinity"),
            Class::NegativeInfinity => return out.extend_from_slice(b"-Infinity"),
        }
        let mut groups = self.groups.iter().map(|group| u16::from_be_bytes(*group));
        self.write_whole_part(&mut groups, out);
        if self.scale > 0 {
            self.write_fraction(groups, out);
        }
    }

    /// The digits before the point: at least one, without leading zeros in the first group.
    #[inline]
    fn write_whole_part(&self, groups: &mut impl Iterator<Item = u16>, out: &mut Vec<u8>) {
        if self.weight < 0 {
            return out.push(b'0');
        }
        unsigned(groups.next().unwrap_or(0).into(), out);
        for _ in 0..self.weight {
            out.extend_from_slice(&four_digits(groups.next().unwrap_or(0)));
        }
    }

    /// The point and exactly `scale` digits; groups that are not stored are zero.
    #[inline]
    fn write_fraction(&self, mut groups: impl Iterator<Item = u16>, out: &mut Vec<u8>) {
        out.push(b'.');
        let scale = usize::from(self.scale);
        let end = out.len() + scale;
        // A weight of -1 starts right after the point; each step below that is one group of zeros in front.
        let mut leading = (-1 - self.weight).max(0);
        while out.len() < end {
            let group = if leading > 0 {
                leading -= 1;
                0
            } else {
                groups.next().unwrap_or(0)
            };
            out.extend_from_slice(&four_digits(group));
        }
        out.truncate(end);
    }

    /// The value times `10^scale` as a whole number, for DECIMAL(precision, scale).
    ///
    /// `None` for NaN and infinities, where digits would be lost, and where the result has more than `precision`
    /// digits.
    #[inline]
    pub fn to_decimal(&self, precision: u8, scale: u8) -> Option<i128> {
        let negative = match self.class {
            Class::Positive => false,
            Class::Negative => true,
            _ => return None,
        };
        let magnitude = self.scaled(i32::from(scale))?;
        if magnitude >= 10u128.checked_pow(u32::from(precision))? {
            return None;
        }
        let magnitude = i128::try_from(magnitude).ok()?;
        Some(if negative { -magnitude } else { magnitude })
    }

    /// The absolute value times `10^scale`, if it is whole and fits.
    #[inline]
    fn scaled(&self, scale: i32) -> Option<u128> {
        // The power of ten that the next group's last digit has in the result.
        let mut exponent = self.weight * DIGITS_PER_GROUP + scale;
        let (head, tail) = self.groups.split_at_checked(GROUPS_IN_U64).unwrap_or((self.groups, &[]));
        let mut small = 0u64;
        for group in head {
            let (factor, digit) = group_step(*group, exponent)?;
            small = small * u64::from(factor) + u64::from(digit);
            exponent -= DIGITS_PER_GROUP;
        }
        let mut value = u128::from(small);
        for group in tail {
            let (factor, digit) = group_step(*group, exponent)?;
            value = value.checked_mul(u128::from(factor))?.checked_add(u128::from(digit))?;
            exponent -= DIGITS_PER_GROUP;
        }
        if value == 0 {
            return Some(0);
        }
        match u32::try_from(exponent + DIGITS_PER_GROUP) {
            Ok(zeros) if zeros > 0 => value.checked_mul(10u128.checked_pow(zeros)?),
            _ => Some(value),
        }
    }

    /// Whether it is a number: neither NaN nor an infinity.
    #[inline]
    pub fn is_finite(&self) -> bool {
        matches!(self.class, Class::Positive | Class::Negative)
    }

    /// The nearest double; NaN and infinities are kept, and what is too large becomes an infinity.
    pub fn to_f64(&self) -> f64 {
        match self.class {
            Class::NaN => return f64::NAN,
            Class::Infinity => return f64::INFINITY,
            Class::NegativeInfinity => return f64::NEG_INFINITY,
            Class::Positive | Class::Negative => (),
        }
        self.exact_f64().unwrap_or_else(|| {
            let mut text = Vec::new();
            self.write(&mut text);
            std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
        })
    }

    /// The double where the digits and the power of ten are doubles themselves: one division or multiplication then
    /// rounds once, and so correctly.
    fn exact_f64(&self) -> Option<f64> {
        if self.groups.len() > GROUPS_IN_U64 {
            return None;
        }
        let digits =
            self.groups.iter().fold(0u64, |sum, group| sum * u64::from(BASE) + u64::from(u16::from_be_bytes(*group)));
        // At most four groups.
        let exponent = (self.weight + 1 - self.groups.len() as i32) * DIGITS_PER_GROUP;
        let power = EXACT_POWERS.get(exponent.unsigned_abs() as usize / DIGITS_PER_GROUP as usize)?;
        if digits > MAX_EXACT_WHOLE {
            return None;
        }
        // Below 2^53.
        let magnitude = if exponent < 0 { digits as f64 / power } else { digits as f64 * power };
        Some(if self.class == Class::Negative { -magnitude } else { magnitude })
    }
}

/// By what to multiply the digits so far and what to add for the next group, whose last digit stands for
/// `10^exponent`. Digits below the unit must be zero, else the value is not whole (`None`).
#[inline]
fn group_step(group: [u8; 2], exponent: i32) -> Option<(u16, u16)> {
    let digit = u16::from_be_bytes(group);
    let unit = match exponent {
        0.. => 1,
        -1 => 10,
        -2 => 100,
        -3 => 1_000,
        _ => return if digit == 0 { Some((1, 0)) } else { None },
    };
    if digit.is_multiple_of(unit) { Some((BASE / unit, digit / unit)) } else { None }
}
