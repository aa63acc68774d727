//! The arrays as readers shall see them, of the physical ones that are built: buffers are shared where the bytes are
//! the same, and made anew for small integers and decimals.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, ListArray, PrimitiveArray, StringArray};
use arrow_buffer::ScalarBuffer;

use super::message::internal;
use super::schema::{element_field, logical_type};
use crate::error::{Error, Result};
use crate::types::ParquetType;

/// # Errors
/// `Error::Internal` where the array is not what is built of such a column.
pub(super) fn logical(array: &ArrayRef, column: &ParquetType) -> Result<ArrayRef> {
    Ok(match column {
        ParquetType::Int16 => {
            // The server sent 16 bits, so that nothing is cut off.
            Arc::new(of::<Int32Type>(array)?.unary::<_, Int16Type>(|value| value as i16))
        }
        ParquetType::Date => Arc::new(of::<Int32Type>(array)?.reinterpret_cast::<Date32Type>()),
        ParquetType::Time => Arc::new(of::<Int64Type>(array)?.reinterpret_cast::<Time64MicrosecondType>()),
        ParquetType::Timestamp | ParquetType::TimestampTz => {
            let instants = of::<Int64Type>(array)?.reinterpret_cast::<TimestampMicrosecondType>();
            Arc::new(instants.with_data_type(logical_type(column)))
        }
        ParquetType::Decimal { .. } => decimals(array, column)?,
        ParquetType::String | ParquetType::Json => {
            let text = array.as_binary_opt::<i32>().ok_or_else(other_array)?;
            Arc::new(StringArray::try_from_binary(text.clone()).map_err(internal)?)
        }
        ParquetType::List(element) => {
            let list = array.as_list_opt::<i32>().ok_or_else(other_array)?.clone();
            let (_, offsets, values, nulls) = list.into_parts();
            let values = logical(&values, element)?;
            let field = Arc::new(element_field(element));
            Arc::new(ListArray::try_new(field, offsets, values, nulls).map_err(internal)?)
        }
        _ => Arc::clone(array),
    })
}

fn of<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<&PrimitiveArray<T>> {
    array.as_primitive_opt::<T>().ok_or_else(other_array)
}

/// All decimals are of 128 bits: narrower ones came late to Arrow, and pandas and polars do not read them.
fn decimals(array: &ArrayRef, column: &ParquetType) -> Result<ArrayRef> {
    let decimals: PrimitiveArray<Decimal128Type> = if let Some(small) = array.as_primitive_opt::<Int32Type>() {
        small.unary(i128::from)
    } else if let Some(long) = array.as_primitive_opt::<Int64Type>() {
        long.unary(i128::from)
    } else {
        let fixed = array.as_fixed_size_binary_opt().ok_or_else(other_array)?;
        let size = usize::try_from(fixed.value_length()).unwrap_or(1).max(1);
        let values: Vec<i128> = fixed.value_data().chunks_exact(size).map(signed).collect();
        PrimitiveArray::try_new(ScalarBuffer::from(values), fixed.nulls().cloned()).map_err(internal)?
    };
    Ok(Arc::new(decimals.with_data_type(logical_type(column))))
}

/// A number of up to 16 bytes, the highest first.
fn signed(bytes: &[u8]) -> i128 {
    let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
    bytes.iter().fold(sign, |value, byte| (value << 8) | i128::from(*byte))
}

#[cold]
fn other_array() -> Error {
    Error::Internal("Arrow: an array of another type than its column".into())
}
