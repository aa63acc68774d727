//! float4 and float8 as `float4out` and `float8out` print them with `extra_float_digits` 1.
//!
//! The digits are the shortest that lie *strictly* inside the interval of reals that round to the value. The usual
//! algorithms also accept a decimal on its edge, where reading it back relies on ties going to even; PostgreSQL's copy of
//! Ryu does not (`src/common/d2s.c`, "acceptBounds"). An edge is a midpoint of two neighbours, and a decimal this short can
//! equal one only where the midpoints are whole numbers with room for factors of ten: from 2^54, for float4 from 2^25.

use std::io::Write;

use crate::encode::text::integer;

/// Below this many digits before the point, `float8out` writes no exponent.
const WHOLE_DIGITS_F64: i32 = 15;
/// The same of `float4out`.
const WHOLE_DIGITS_F32: i32 = 6;
/// Decimal exponents below this are written with an exponent.
const SMALLEST_PLAIN_EXPONENT: i32 = -4;
/// More digits than this are never needed to tell a float8 from its neighbours.
const MAX_DIGITS: usize = 17;
/// 5^23 is the largest power of five below 2^55, and so the largest that can divide an edge.
const MAX_POWER_OF_FIVE: u32 = 23;

/// Appends a float8.
#[inline]
pub fn write_f64(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        return write_special(value, out);
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    let magnitude = value.abs();
    if (1e-4..1e15).contains(&magnitude) && is_plain(shortest) || magnitude == 0.0 {
        return out.extend_from_slice(shortest.strip_suffix(".0").unwrap_or(shortest).as_bytes());
    }
    let decimal = match Binary::of_f64(value) {
        Some(binary) => {
            binary.strictly_inside(Decimal::parse(shortest.as_bytes()), value, |digits| digits.as_f64() == Some(magnitude), out)
        }
        None => Decimal::parse(shortest.as_bytes()),
    };
    decimal.write(value.is_sign_negative(), WHOLE_DIGITS_F64, out);
}

/// Appends a float4.
#[inline]
pub fn write_f32(value: f32, out: &mut Vec<u8>) {
    if !value.is_finite() {
        return write_special(f64::from(value), out);
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    let magnitude = value.abs();
    if (1e-4..1e6).contains(&magnitude) && is_plain(shortest) || magnitude == 0.0 {
        return out.extend_from_slice(shortest.strip_suffix(".0").unwrap_or(shortest).as_bytes());
    }
    let decimal = match Binary::of_f32(value) {
        Some(binary) => {
            binary.strictly_inside(Decimal::parse(shortest.as_bytes()), value, |digits| digits.as_f32() == Some(magnitude), out)
        }
        None => Decimal::parse(shortest.as_bytes()),
    };
    decimal.write(value.is_sign_negative(), WHOLE_DIGITS_F32, out);
}

#[inline]
fn is_plain(text: &str) -> bool {
    !text.as_bytes().contains(&b'e')
}

fn write_special(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"Infinity"
    } else {
        b"-Infinity"
    });
}

/// `digits * 10^exponent`, without trailing zeros in `digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    digits: u64,
    exponent: i32,
}

impl Decimal {
    /// Reads what a formatter of floats wrote: digits with at most one point, and an exponent. The sign is skipped.
    fn parse(text: &[u8]) -> Self {
        let (mut digits, mut exponent) = (0u64, 0i32);
        let mut after_point = false;
        let mut bytes = text.iter();
        for &b in bytes.by_ref() {
            match b {
                b'0'..=b'9' => {
                    digits = digits.wrapping_mul(10).wrapping_add(u64::from(b - b'0'));
                    exponent -= i32::from(after_point);
                }
                b'.' => after_point = true,
                b'e' => break,
                _ => (),
            }
        }
        exponent += std::str::from_utf8(bytes.as_slice()).ok().and_then(|e| e.parse::<i32>().ok()).unwrap_or(0);
        while digits != 0 && digits % 10 == 0 {
            digits /= 10;
            exponent += 1;
        }
        Decimal { digits, exponent }
    }

    fn as_f64(self) -> Option<f64> {
        self.text().parse().ok()
    }

    fn as_f32(self) -> Option<f32> {
        self.text().parse().ok()
    }

    fn text(self) -> String {
        format!("{}e{}", self.digits, self.exponent)
    }

    /// Appends the number as PostgreSQL lays it out: with an exponent (sign, at least two digits) outside
    /// `1e-4 <= |v| < 10^whole_digits`, plain inside.
    fn write(self, negative: bool, whole_digits: i32, out: &mut Vec<u8>) {
        if negative {
            out.push(b'-');
        }
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(self.digits).as_bytes();
        // At most twenty digits.
        let count = digits.len() as i32;
        let scientific = self.exponent + count - 1;
        if scientific < SMALLEST_PLAIN_EXPONENT || scientific >= whole_digits {
            write_scientific(digits, scientific, out);
        } else if self.exponent >= 0 {
            out.extend_from_slice(digits);
            out.extend((0..self.exponent).map(|_| b'0'));
        } else if scientific < 0 {
            out.extend_from_slice(b"0.");
            out.extend((scientific..-1).map(|_| b'0'));
            out.extend_from_slice(digits);
        } else {
            let whole = usize::try_from(scientific + 1).unwrap_or(0);
            let (whole, fraction) = digits.split_at_checked(whole).unwrap_or((digits, &[]));
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    }
}

fn write_scientific(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, &[]));
    out.extend_from_slice(first);
    if !rest.is_empty() {
        out.push(b'.');
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let magnitude = exponent.unsigned_abs();
    if magnitude < 10 {
        out.push(b'0');
    }
    integer(magnitude, out);
}

/// `mantissa * 2^exponent`, of a value whose edges are whole numbers.
#[derive(Debug, Clone, Copy)]
struct Binary {
    mantissa: u64,
    exponent: i32,
    /// The value is a power of two, whose lower neighbour is nearer than the upper one.
    power_of_two: bool,
}

impl Binary {
    /// The parts of a value of 2^54 or more; smaller ones have no short decimal on an edge.
    fn of_f64(value: f64) -> Option<Self> {
        let fraction = value.to_bits() & ((1 << 52) - 1);
        // Eleven bits.
        let exponent = (value.to_bits() >> 52 & 0x7ff) as i32 - 1075;
        let mantissa = fraction | 1 << 52;
        (value.abs() >= 18_014_398_509_481_984.0).then_some(Binary { mantissa, exponent, power_of_two: fraction == 0 })
    }

    /// The parts of a value of 2^25 or more.
    fn of_f32(value: f32) -> Option<Self> {
        let fraction = value.to_bits() & ((1 << 23) - 1);
        // Eight bits.
        let exponent = (value.to_bits() >> 23 & 0xff) as i32 - 150;
        let mantissa = u64::from(fraction | 1 << 23);
        (value.abs() >= 33_554_432.0).then_some(Binary { mantissa, exponent, power_of_two: fraction == 0 })
    }

    /// Whether the decimal equals the midpoint between the value and one of its neighbours.
    fn on_edge(self, decimal: Decimal) -> bool {
        let Ok(power) = u32::try_from(decimal.exponent) else { return false };
        if power > MAX_POWER_OF_FIVE {
            return false;
        }
        // Below 2^64 * 2^54.
        let product = u128::from(decimal.digits) * 5u128.pow(power);
        let twos = product.trailing_zeros();
        let odd = product >> twos;
        let exponent = i64::from(twos) + i64::from(decimal.exponent);
        let upper = (u128::from(2 * self.mantissa + 1), i64::from(self.exponent) - 1);
        let lower = if self.power_of_two {
            (u128::from(4 * self.mantissa - 1), i64::from(self.exponent) - 2)
        } else {
            (u128::from(2 * self.mantissa - 1), i64::from(self.exponent) - 1)
        };
        (odd, exponent) == upper || (odd, exponent) == lower
    }

    /// `shortest`, or where that is on an edge the nearest decimal of as many more digits as it takes to get off it.
    /// `out` serves as scratch space and is left as it was.
    fn strictly_inside(
        self,
        shortest: Decimal,
        value: impl std::fmt::LowerExp + Copy,
        reads_back: impl Fn(Decimal) -> bool,
        out: &mut Vec<u8>,
    ) -> Decimal {
        if !self.on_edge(shortest) {
            return shortest;
        }
        let start = out.len();
        let known = itoa::Buffer::new().format(shortest.digits).len();
        for digits_after_first in known..MAX_DIGITS {
            // Writing to a Vec does not fail.
            let _ = write!(out, "{value:.digits_after_first$e}");
            let candidate = Decimal::parse(out.get(start..).unwrap_or_default());
            out.truncate(start);
            if reads_back(candidate) && !self.on_edge(candidate) {
                return candidate;
            }
        }
        shortest
    }
}
