//! Field bytes to the number that Parquet stores. `Ok(None)` is a valid value that the type cannot hold.

use crate::copy::decode::numeric::{self, Numeric};
use crate::copy::decode::{datetime, fixed};
use crate::error::{Error, Result};

/// Days from 1970-01-01 (Parquet) to 2000-01-01 (PostgreSQL's epoch).
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Microseconds of a day: `24:00:00`, which PostgreSQL has and TIME does not.
const DAY_MICROS: i64 = 86_400_000_000;

#[inline]
pub(super) fn int16(bytes: &[u8]) -> Result<Option<i32>> {
    fixed::int2(bytes).map(|v| Some(i32::from(v)))
}

#[inline]
pub(super) fn int32(bytes: &[u8]) -> Result<Option<i32>> {
    fixed::int4(bytes).map(Some)
}

#[inline]
pub(super) fn int64(bytes: &[u8]) -> Result<Option<i64>> {
    fixed::int8(bytes).map(Some)
}

#[inline]
pub(super) fn oid(bytes: &[u8]) -> Result<Option<i64>> {
    fixed::oid(bytes).map(|v| Some(i64::from(v)))
}

#[inline]
pub(super) fn float(bytes: &[u8]) -> Result<Option<f32>> {
    fixed::float4(bytes).map(Some)
}

#[inline]
pub(super) fn double(bytes: &[u8]) -> Result<Option<f64>> {
    fixed::float8(bytes).map(Some)
}

/// The nearest double: the option `numericFallback: "double"` asks for that, NaN and infinities included; none for a
/// number beyond the largest double, which must not become an infinity.
pub(super) fn numeric_double(bytes: &[u8]) -> Result<Option<f64>> {
    let number = Numeric::parse(bytes)?;
    let nearest = number.to_f64();
    Ok((nearest.is_finite() || !number.is_finite()).then_some(nearest))
}

/// The value times 10^scale; none for NaN, an infinity, or where a digit would be lost.
#[inline]
pub(super) fn decimal(bytes: &[u8], precision: u8, scale: u8) -> Result<Option<i128>> {
    Numeric::parse(bytes).map(|n| n.to_decimal(precision, scale))
}

/// As `decimal`, as the integer type that the precision was made for; `limit` is ten to its power.
#[inline]
pub(super) fn narrow_decimal<T: TryFrom<i64> + TryFrom<i128>>(
    bytes: &[u8],
    precision: u8,
    scale: u8,
    limit: i64,
) -> Result<Option<T>> {
    if let Some(value) = numeric::short_decimal(bytes, scale).filter(|value| (1 - limit..limit).contains(value)) {
        return T::try_from(value).map(Some).map_err(|_| beyond_precision());
    }
    decimal(bytes, precision, scale)?.map(T::try_from).transpose().map_err(|_| beyond_precision())
}

#[cold]
fn beyond_precision() -> Error {
    Error::Internal("a decimal of more digits than its precision".into())
}

/// Days since 1970-01-01; none for an infinity.
#[inline]
pub(super) fn date(bytes: &[u8]) -> Result<Option<i32>> {
    let days = datetime::date(bytes)?;
    Ok(if days == i32::MIN || days == i32::MAX { None } else { days.checked_add(EPOCH_DAYS) })
}

/// Microseconds since 1970-01-01; none for an infinity and past 294247-01-10, where 64 bits end.
#[inline]
pub(super) fn timestamp(bytes: &[u8]) -> Result<Option<i64>> {
    let micros = datetime::timestamp(bytes)?;
    Ok(if micros == i64::MIN || micros == i64::MAX { None } else { micros.checked_add(EPOCH_MICROS) })
}

/// Microseconds since midnight; none for `24:00:00`, which readers take for 00:00 or for no value.
#[inline]
pub(super) fn time(bytes: &[u8]) -> Result<Option<i64>> {
    let micros = datetime::time(bytes)?;
    Ok((0..DAY_MICROS).contains(&micros).then_some(micros))
}
