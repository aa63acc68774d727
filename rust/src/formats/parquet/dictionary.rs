//! Which columns are dictionary-encoded.
//!
//! The column writer of arrow-rs hashes every value into the dictionary until the dictionary page is full, also where
//! no value ever comes twice: an ascending bigint then costs three times the CPU and more bytes than plain. So a sample
//! is looked at first. The choice depends on the rows alone, so the bytes of the file do too.

use std::collections::HashSet;
use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// Values looked at in each column: enough to see a few thousand distinct values apart from a column without repeats.
const SAMPLE: usize = 2048;
/// A dictionary pays where at most this part of the sample is distinct (in eighths): a column that draws evenly from
/// 4,000 values shows 6/8 in 2,048.
const DISTINCT_EIGHTHS: usize = 6;

/// Whether values of the array repeat often enough for a dictionary. A column of NULLs needs none.
pub(super) fn pays(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Int32 => repeats(array, array.as_primitive::<Int32Type>().values().iter()),
        DataType::Int64 => repeats(array, array.as_primitive::<Int64Type>().values().iter()),
        DataType::Float32 => repeats(array, array.as_primitive::<Float32Type>().values().iter().map(|v| v.to_bits())),
        DataType::Float64 => repeats(array, array.as_primitive::<Float64Type>().values().iter().map(|v| v.to_bits())),
        DataType::FixedSizeBinary(_) => repeats(array, array.as_fixed_size_binary().iter()),
        DataType::Binary => repeats(array, array.as_binary::<i32>().iter()),
        DataType::List(_) => pays(array.as_list::<i32>().values()),
        _ => false,
    }
}

fn repeats<T: Hash + Eq>(array: &ArrayRef, values: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::with_capacity(SAMPLE);
    let mut sampled: usize = 0;
    for (_, value) in values.enumerate().filter(|(i, _)| array.is_valid(*i)).take(SAMPLE) {
        sampled = sampled.saturating_add(1);
        seen.insert(value);
        if seen.len() > SAMPLE * DISTINCT_EIGHTHS / 8 {
            return false;
        }
    }
    sampled > 0 && seen.len() <= sampled.saturating_mul(DISTINCT_EIGHTHS) / 8
}
