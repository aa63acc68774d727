//! numeric: base-10000 digits to text, to a scaled integer and to the nearest double.
//!
//! The wire format is that of `numeric_send`: four 16-bit words (digit count, weight, sign, display scale), then the
//! digits. The value is `sum(digit[i] * 10000^(weight - i))`; the text has exactly `scale` digits after the point.
//!
//! `number` knows every value, `small` the ones that most are.

use arrow_array::types::{Float64Type, Int32Type, Int64Type};

use super::parquet_type::{INT32_DIGITS, INT64_DIGITS, MAX_DIGITS, ParquetType, decimal_bytes};
use super::record::{ArrayElement, Formula, Json, JsonType, Meaning, Printing, Text, Type, Xml, XmlText, quoted};
use crate::columns::builders::{Builder, FixedBytes, Numbers};
use crate::error::{Error, Result};

mod number;
mod small;

pub use number::Numeric;
pub use small::{short_decimal, short_text};

pub static NUMERIC: Type = Type {
    kind: "numeric",
    postgres: &["numeric"],
    parquet: "decimal",
    // With NaN and Infinity.
    text: Text { write: text, fast: Some(fast), in_field: None, alphabet: Some(b"-.0123456789NaInfity") },
    json: Json { write: json, fast: Some(|bytes, out| fast(bytes, None, out)), document: None },
    xml: Xml { text: XmlText::Safe, fast: Some(fast), json_type: JsonType::Number },
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: true,
    meaning: Meaning::Decimal,
    column,
};

fn text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    match short_text(bytes) {
        Some(text) => text.push(out),
        None => Numeric::parse(bytes)?.write(out),
    }
    Ok(())
}

fn fast(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    short_text(field).and_then(|text| text.behind_byte(before)).map(|text| text.push(out)).is_some()
}

/// NaN and the infinities are strings.
fn json(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    if printing.big_numbers_as_strings {
        return quoted(bytes, printing, out, text);
    }
    match short_text(bytes) {
        Some(text) => text.push(out),
        None => {
            let number = Numeric::parse(bytes)?;
            if number.is_special() {
                return quoted(bytes, printing, out, text);
            }
            number.write(out);
        }
    }
    Ok(())
}

fn column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Double => Some(Box::new(Numbers::<Float64Type, _>::new(double))),
        ParquetType::Decimal { precision, scale } => decimal_column(*precision, *scale),
        _ => None,
    }
}

/// DECIMAL in the smallest physical type that the precision allows, as the schema says too; none for what is no
/// DECIMAL.
fn decimal_column(precision: u8, scale: u8) -> Option<Box<dyn Builder>> {
    if precision == 0 || precision > MAX_DIGITS || scale > precision {
        return None;
    }
    let limit = 10_i64.checked_pow(precision.into()).unwrap_or(i64::MAX);
    Some(if precision <= INT32_DIGITS {
        Box::new(Numbers::<Int32Type, _>::new(move |bytes: &[u8]| narrow_decimal(bytes, precision, scale, limit)))
    } else if precision <= INT64_DIGITS {
        Box::new(Numbers::<Int64Type, _>::new(move |bytes: &[u8]| narrow_decimal(bytes, precision, scale, limit)))
    } else {
        let size = decimal_bytes(precision);
        let unused = usize::try_from(16 - size).unwrap_or_default();
        Box::new(FixedBytes::new(size, move |bytes: &[u8], out: &mut Vec<u8>| {
            let Some(value) = decimal(bytes, precision, scale)? else { return Ok(false) };
            out.extend(value.to_be_bytes().iter().skip(unused));
            Ok(true)
        }))
    })
}

/// The nearest double: the option `numericFallback: "double"` asks for that, NaN and infinities included; none for a
/// number beyond the largest double, which must not become an infinity.
fn double(bytes: &[u8]) -> Result<Option<f64>> {
    let number = Numeric::parse(bytes)?;
    let nearest = number.to_f64();
    Ok((nearest.is_finite() || !number.is_finite()).then_some(nearest))
}

/// The value times 10^scale; none for NaN, an infinity, or where a digit would be lost.
#[inline]
fn decimal(bytes: &[u8], precision: u8, scale: u8) -> Result<Option<i128>> {
    Numeric::parse(bytes).map(|n| n.to_decimal(precision, scale))
}

/// As `decimal`, as the integer type that the precision was made for; `limit` is ten to its power.
#[inline]
fn narrow_decimal<T: TryFrom<i64> + TryFrom<i128>>(
    bytes: &[u8],
    precision: u8,
    scale: u8,
    limit: i64,
) -> Result<Option<T>> {
    if let Some(value) = short_decimal(bytes, scale).filter(|value| (1 - limit..limit).contains(value)) {
        return T::try_from(value).map(Some).map_err(|_| beyond_precision());
    }
    decimal(bytes, precision, scale)?.map(T::try_from).transpose().map_err(|_| beyond_precision())
}

#[cold]
fn beyond_precision() -> Error {
    Error::Internal("a decimal of more digits than its precision".into())
}
