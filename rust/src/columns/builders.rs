//! Column builders: the values of one batch, appended one by one into the buffers of an Arrow array.
//!
//! A builder is chosen once a column. Its buffers are made once too: after a batch was encoded they come back through
//! [`Builder::reclaim`] and keep their capacity.

use std::sync::Arc;

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, cast::AsArray};
use arrow_buffer::{ArrowNativeType, BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};

use crate::bytes::escape::check_text;
use crate::error::{Error, Result};

/// One column, or the elements of a list, within one batch.
pub trait Builder: Send {
    /// Appends a value if it is one of most: it returns in a register, where the result of `append` goes through
    /// memory. False says nothing about the value, and nothing was appended.
    fn append_fast(&mut self, _field: &[u8]) -> bool {
        false
    }
    /// Appends a value; `None` is NULL. Returns false, with nothing appended, for a value that the column's type cannot
    /// hold.
    fn append(&mut self, field: Option<&[u8]>) -> Result<bool>;
    /// The array of what was appended since the last call.
    fn finish(&mut self) -> Result<ArrayRef>;
    /// Takes the buffers of an array that nobody reads any more, each if it has at most `kept` bytes.
    fn reclaim(&mut self, array: ArrayRef, kept: usize);
    /// Values that became NULL inside of this builder since the last call.
    fn take_losses(&mut self) -> u64 {
        0
    }
}

/// The buffer's memory for the next batch, empty; a new one if it is larger than `kept` bytes or somebody still holds
/// it.
pub fn reuse<T: ArrowNativeType>(buffer: Buffer, kept: usize) -> Vec<T> {
    if buffer.capacity() > kept {
        return Vec::new();
    }
    let mut values = buffer.into_vec::<T>().unwrap_or_default();
    values.clear();
    values
}

/// Numbers of a fixed size. `read` takes the bytes apart.
pub struct Numbers<T: ArrowPrimitiveType, R> {
    read: R,
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType, R> Numbers<T, R> {
    pub fn new(read: R) -> Self {
        Numbers { read, values: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }
}

impl<T, R> Builder for Numbers<T, R>
where
    T: ArrowPrimitiveType,
    R: Fn(&[u8]) -> Result<Option<T::Native>> + Send,
{
    fn append_fast(&mut self, field: &[u8]) -> bool {
        let Ok(Some(value)) = (self.read)(field) else { return false };
        self.values.push(value);
        self.nulls.append_non_null();
        true
    }

    fn append(&mut self, field: Option<&[u8]>) -> Result<bool> {
        let Some(bytes) = field else {
            self.values.push(T::Native::default());
            self.nulls.append_null();
            return Ok(true);
        };
        let Some(value) = (self.read)(bytes)? else { return Ok(false) };
        self.values.push(value);
        self.nulls.append_non_null();
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let values = ScalarBuffer::from(std::mem::take(&mut self.values));
        Ok(Arc::new(PrimitiveArray::<T>::try_new(values, self.nulls.finish()).map_err(internal)?))
    }

    fn reclaim(&mut self, array: ArrayRef, kept: usize) {
        if let Some(numbers) = array.as_primitive_opt::<T>().cloned() {
            drop(array);
            let (_, values, _) = numbers.into_parts();
            self.values = reuse(values.into_inner(), kept);
        }
    }
}

/// BOOLEAN, a bit a value.
pub struct Booleans<R> {
    read: R,
    values: BooleanBufferBuilder,
    nulls: NullBufferBuilder,
}

impl<R> Booleans<R> {
    pub fn new(read: R) -> Self {
        Booleans { read, values: BooleanBufferBuilder::new(0), nulls: NullBufferBuilder::new(0) }
    }
}

impl<R: Fn(&[u8]) -> Result<bool> + Send> Builder for Booleans<R> {
    #[inline]
    fn append(&mut self, field: Option<&[u8]>) -> Result<bool> {
        match field {
            None => {
                self.values.append(false);
                self.nulls.append_null();
            }
            Some(bytes) => {
                self.values.append((self.read)(bytes)?);
                self.nulls.append_non_null();
            }
        }
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        // The bits of a batch are half a kilobyte: not worth keeping.
        Ok(Arc::new(BooleanArray::new(self.values.finish(), self.nulls.finish())))
    }

    fn reclaim(&mut self, _array: ArrayRef, _kept: usize) {}
}

/// BYTE_ARRAY: `write` appends what a value becomes. With `UTF8` it must be valid UTF-8 without a NUL byte.
pub struct Strings<W, const UTF8: bool> {
    write: W,
    bytes: Vec<u8>,
    /// Where values end; a 0 first.
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl<W, const UTF8: bool> Strings<W, UTF8> {
    pub fn new(write: W) -> Self {
        Strings { write, bytes: Vec::new(), offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }

    #[inline]
    fn end_value(&mut self) -> Result<()> {
        let end = i32::try_from(self.bytes.len()).map_err(|_| too_long())?;
        self.offsets.push(end);
        Ok(())
    }
}

impl<W, const UTF8: bool> Strings<W, UTF8>
where
    W: Fn(&[u8], &mut Vec<u8>) -> Result<()>,
{
    /// After an error a part of the value may be in `bytes`.
    #[inline]
    fn append_value(&mut self, field: &[u8]) -> Result<()> {
        let start = self.bytes.len();
        (self.write)(field, &mut self.bytes)?;
        if UTF8 {
            check_text(self.bytes.get(start..).unwrap_or_default())?;
        }
        self.end_value()?;
        self.nulls.append_non_null();
        Ok(())
    }
}

impl<W, const UTF8: bool> Builder for Strings<W, UTF8>
where
    W: Fn(&[u8], &mut Vec<u8>) -> Result<()> + Send,
{
    fn append_fast(&mut self, field: &[u8]) -> bool {
        let start = self.bytes.len();
        let appended = self.append_value(field).is_ok();
        if !appended {
            self.bytes.truncate(start);
        }
        appended
    }

    fn append(&mut self, field: Option<&[u8]>) -> Result<bool> {
        match field {
            Some(field) => self.append_value(field)?,
            None => {
                self.end_value()?;
                self.nulls.append_null();
            }
        }
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        let bytes = Buffer::from_vec(std::mem::take(&mut self.bytes));
        Ok(Arc::new(BinaryArray::try_new(offsets, bytes, self.nulls.finish()).map_err(internal)?))
    }

    fn reclaim(&mut self, array: ArrayRef, kept: usize) {
        if let Some(strings) = array.as_binary_opt::<i32>().cloned() {
            drop(array);
            let (offsets, bytes, _) = strings.into_parts();
            self.offsets = reuse(offsets.into_inner().into_inner(), kept);
            self.offsets.push(0);
            self.bytes = reuse(bytes, kept);
        }
    }
}

#[cold]
fn too_long() -> Error {
    Error::value("the text of the value is longer than 2 GiB")
}

/// FIXED_LEN_BYTE_ARRAY of `size` bytes: `write` appends exactly that many, or nothing and false.
pub struct FixedBytes<W> {
    write: W,
    size: i32,
    bytes: Vec<u8>,
    nulls: NullBufferBuilder,
    zeros: Vec<u8>,
}

impl<W> FixedBytes<W> {
    pub fn new(size: i32, write: W) -> Self {
        let zeros = vec![0; usize::try_from(size).unwrap_or_default()];
        FixedBytes { write, size, bytes: Vec::new(), nulls: NullBufferBuilder::new(0), zeros }
    }
}

impl<W: Fn(&[u8], &mut Vec<u8>) -> Result<bool> + Send> Builder for FixedBytes<W> {
    #[inline]
    fn append(&mut self, field: Option<&[u8]>) -> Result<bool> {
        match field {
            None => {
                self.bytes.extend_from_slice(&self.zeros);
                self.nulls.append_null();
            }
            Some(bytes) => {
                if !(self.write)(bytes, &mut self.bytes)? {
                    return Ok(false);
                }
                self.nulls.append_non_null();
            }
        }
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let bytes = Buffer::from_vec(std::mem::take(&mut self.bytes));
        Ok(Arc::new(FixedSizeBinaryArray::try_new(self.size, bytes, self.nulls.finish()).map_err(internal)?))
    }

    fn reclaim(&mut self, array: ArrayRef, kept: usize) {
        if let Some(fixed) = array.as_fixed_size_binary_opt().cloned() {
            drop(array);
            let (_, bytes, _) = fixed.into_parts();
            self.bytes = reuse(bytes, kept);
        }
    }
}

/// An error of the Arrow library: all input was checked before, so it is a defect of ours.
pub fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("Arrow: {error}"))
}
