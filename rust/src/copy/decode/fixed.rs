//! Types of one fixed size: bool, integers, oid, floats (`boolsend`, `int4send`, `float8send` and the like).

use crate::copy::cursor::exact;
use crate::error::Result;

/// `boolrecv`: any byte but zero is true.
#[inline]
pub fn bool(bytes: &[u8]) -> Result<bool> {
    exact::<1>(bytes).map(|[b]| b != 0)
}

#[inline]
pub fn int2(bytes: &[u8]) -> Result<i16> {
    exact(bytes).map(i16::from_be_bytes)
}

#[inline]
pub fn int4(bytes: &[u8]) -> Result<i32> {
    exact(bytes).map(i32::from_be_bytes)
}

#[inline]
pub fn int8(bytes: &[u8]) -> Result<i64> {
    exact(bytes).map(i64::from_be_bytes)
}

#[inline]
pub fn oid(bytes: &[u8]) -> Result<u32> {
    exact(bytes).map(u32::from_be_bytes)
}

#[inline]
pub fn float4(bytes: &[u8]) -> Result<f32> {
    exact(bytes).map(f32::from_be_bytes)
}

#[inline]
pub fn float8(bytes: &[u8]) -> Result<f64> {
    exact(bytes).map(f64::from_be_bytes)
}
