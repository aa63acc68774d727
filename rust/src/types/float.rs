//! float4 and float8 as `float4out` and `float8out` print them with `extra_float_digits` 1.
//!
//! The digits are the shortest that lie *strictly* inside the interval of reals that round to the value. The usual
//! algorithms also accept a decimal on its edge, where reading it back relies on ties going to even; PostgreSQL's copy
//! of Ryu does not (`src/common/d2s.c`, "acceptBounds"). An edge is a midpoint of two neighbours, and a decimal this
//! short can equal one only where the midpoints are whole numbers with room for factors of ten: from 2^54, for float4
//! from 2^25.

use std::fmt::LowerExp;
use std::io::Write as _;
use std::str::FromStr;

use arrow_array::types::{Float32Type, Float64Type};

use super::parquet_type::ParquetType;
use super::record::{
    ArrayElement, FastText, Formula, Json, JsonType, Meaning, Printing, Text, Type, Write, Xml, XmlText, quoted,
};
use crate::bytes::block::push_small;
use crate::bytes::cursor::exact;
use crate::bytes::digits::unsigned;
use crate::columns::builders::{Builder, Numbers};
use crate::error::Result;

pub static FLOAT4: Type = Type {
    kind: "float4",
    postgres: &["float4"],
    parquet: "float",
    text: text(float4_text, None),
    json: Json { write: float4_json, fast: None, document: None },
    xml: number(None),
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Float(|bytes| float4(bytes).map(f64::from)),
    column: float4_column,
};

pub static FLOAT8: Type = Type {
    kind: "float8",
    postgres: &["float8"],
    parquet: "double",
    text: text(float8_text, Some(float8_fast)),
    json: Json { write: float8_json, fast: Some(|bytes, out| float8_fast(bytes, None, out)), document: None },
    xml: number(Some(float8_fast)),
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Float(float8),
    column: float8_column,
};

const fn number(fast: Option<FastText>) -> Xml {
    Xml { text: XmlText::Safe, fast, json_type: JsonType::Number }
}

const fn text(write: Write, fast: Option<FastText>) -> Text {
    // With NaN, Infinity and the exponent.
    Text { write, fast, in_field: None, alphabet: Some(b"-+.0123456789eNaInfity") }
}

/// Decimal exponents below this are written with an exponent.
const SMALLEST_PLAIN_EXPONENT: i32 = -4;
/// The number of that exponent.
const SMALLEST_PLAIN: f64 = 1e-4;
/// More digits than this are never needed to tell a float8 from its neighbours.
const MAX_DIGITS: usize = 17;
/// 5^23 is the largest power of five below 2^55, and so the largest that can divide an edge.
const MAX_POWER_OF_FIVE: u32 = 23;

/// What differs between the two widths.
trait Width: zmij::Float + LowerExp + FromStr + PartialEq + Copy {
    /// With more digits than this before the point, an exponent is written (`DBL_DIG`, `FLT_DIG`).
    const WHOLE_DIGITS: i32;
    /// The first number with that many digits.
    const SMALLEST_LONG: f64;
    /// Stored bits of the mantissa.
    const FRACTION_BITS: u32;
    /// All bits of the exponent.
    const EXPONENT_MASK: u64;

    fn widened(self) -> f64;
    fn bits(self) -> u64;
}

impl Width for f64 {
    const WHOLE_DIGITS: i32 = 15;
    const SMALLEST_LONG: f64 = 1e15;
    const FRACTION_BITS: u32 = 52;
    const EXPONENT_MASK: u64 = 0x7ff;

    #[inline]
    fn widened(self) -> f64 {
        self
    }

    #[inline]
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

impl Width for f32 {
    const WHOLE_DIGITS: i32 = 6;
    const SMALLEST_LONG: f64 = 1e6;
    const FRACTION_BITS: u32 = 23;
    const EXPONENT_MASK: u64 = 0xff;

    #[inline]
    fn widened(self) -> f64 {
        f64::from(self)
    }

    #[inline]
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
}

#[inline]
fn float4(bytes: &[u8]) -> Result<f32> {
    exact(bytes).map(f32::from_be_bytes)
}

#[inline]
fn float8(bytes: &[u8]) -> Result<f64> {
    exact(bytes).map(f64::from_be_bytes)
}

fn float4_text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    write(float4(bytes)?, out);
    Ok(())
}

fn float8_text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    write(float8(bytes)?, out);
    Ok(())
}

/// NaN and the infinities are strings.
fn float4_json(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    if float4(bytes)?.is_finite() {
        float4_text(bytes, printing, out)
    } else {
        quoted(bytes, printing, out, float4_text)
    }
}

fn float8_json(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    if float8(bytes)?.is_finite() {
        float8_text(bytes, printing, out)
    } else {
        quoted(bytes, printing, out, float8_text)
    }
}

fn float4_column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Float => Some(Box::new(Numbers::<Float32Type, _>::new(|bytes: &[u8]| float4(bytes).map(Some)))),
        _ => None,
    }
}

fn float8_column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Double => Some(Box::new(Numbers::<Float64Type, _>::new(|bytes: &[u8]| float8(bytes).map(Some)))),
        _ => None,
    }
}

#[inline]
fn write<F: Width>(value: F, out: &mut Vec<u8>) {
    if is_plain(value) {
        return write_plain(value, out);
    }
    let wide = value.widened();
    if !wide.is_finite() {
        return write_special(wide, out);
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    let decimal = Decimal::parse(shortest.as_bytes());
    let binary = Binary::of(value);
    let decimal = if binary.on_edge(decimal) { binary.inside(decimal, value, out) } else { decimal };
    decimal.write(wide.is_sign_negative(), F::WHOLE_DIGITS, out);
}

/// As `write` with a byte in front, for a number that is printed without exponent; false for any other, with
/// nothing appended.
#[inline]
fn float8_fast(bytes: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    let Ok(value) = float8(bytes) else { return false };
    if !is_plain(value) {
        return false;
    }
    out.extend(before);
    write_plain(value, out);
    true
}

/// Whether the number is finite and printed without exponent.
#[inline]
fn is_plain<F: Width>(value: F) -> bool {
    let wide = value.widened();
    (SMALLEST_PLAIN..F::SMALLEST_LONG).contains(&wide.abs()) || wide == 0.0
}

#[inline]
fn write_plain<F: Width>(value: F, out: &mut Vec<u8>) {
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    push_small(shortest.strip_suffix(".0").unwrap_or(shortest).as_bytes(), out);
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
    unsigned(magnitude.into(), out);
}

/// `mantissa * 2^exponent`, of a normal value.
#[derive(Debug, Clone, Copy)]
struct Binary {
    mantissa: u64,
    exponent: i32,
    /// The value is a power of two, whose lower neighbour is nearer than the upper one.
    power_of_two: bool,
    /// The edges are whole numbers and can have a factor of ten.
    short_edges: bool,
}

impl Binary {
    fn of<F: Width>(value: F) -> Self {
        let implicit_bit = 1u64 << F::FRACTION_BITS;
        let fraction = value.bits() & (implicit_bit - 1);
        // At most eleven bits each.
        let biased = (value.bits() >> F::FRACTION_BITS & F::EXPONENT_MASK) as i32;
        let bias = (F::EXPONENT_MASK >> 1) as i32;
        let exponent = biased - bias - F::FRACTION_BITS as i32;
        Binary { mantissa: fraction | implicit_bit, exponent, power_of_two: fraction == 0, short_edges: exponent >= 2 }
    }

    /// Whether the decimal equals the midpoint between the value and one of its neighbours.
    fn on_edge(self, decimal: Decimal) -> bool {
        let Ok(power) = u32::try_from(decimal.exponent) else { return false };
        if !self.short_edges || power > MAX_POWER_OF_FIVE {
            return false;
        }
        // Below 2^64 * 2^54.
        let product = u128::from(decimal.digits) * 5u128.pow(power);
        let twos = product.trailing_zeros();
        let normal = (product >> twos, i64::from(twos) + i64::from(decimal.exponent));
        let exponent = i64::from(self.exponent);
        let upper = (u128::from(2 * self.mantissa + 1), exponent - 1);
        let lower = if self.power_of_two {
            (u128::from(4 * self.mantissa - 1), exponent - 2)
        } else {
            (u128::from(2 * self.mantissa - 1), exponent - 1)
        };
        normal == upper || normal == lower
    }

    /// The nearest decimal of as many more digits than `edge` has as it takes to get off the edge.
    /// `out` serves as scratch space and is left as it was.
    fn inside<F: Width>(self, edge: Decimal, value: F, out: &mut Vec<u8>) -> Decimal {
        let start = out.len();
        let known = itoa::Buffer::new().format(edge.digits).len();
        for digits_after_first in known..MAX_DIGITS {
            // Writing to a Vec does not fail.
            let _ = write!(out, "{value:.digits_after_first$e}");
            let text = out.get(start..).unwrap_or_default();
            let reads_back = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) == Some(value);
            let candidate = Decimal::parse(text);
            out.truncate(start);
            if reads_back && !self.on_edge(candidate) {
                return candidate;
            }
        }
        edge
    }
}
