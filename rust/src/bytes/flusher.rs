//! Handing bytes on in the middle of a row, so that a large row is never held as written.
//!
//! A row is held once, as it was read; what an encoder writes of it goes on in pieces. An encoder asks
//! whether its buffer is full after each field, and after each slice of a field that is longer than a slice. How far a
//! buffer grows between two of these questions is bounded by what one slice or one ordinary field can become: six bytes
//! a byte as a JSON string, about thirteen as XML, and 147,456 digits for a numeric.

use super::block::push_small;
use crate::error::Result;

/// Bytes of a field that are written before the buffer is flushed where it is full; a longer field is written slice by
/// slice. It stays within the second-level cache with what it becomes.
pub const SLICE_BYTES: usize = 64 << 10;

/// Where the bytes of the running row can go before it is complete.
pub struct Flusher<'a> {
    full: usize,
    flushes: usize,
    sink: &'a mut dyn FnMut(&mut Vec<u8>) -> Result<()>,
}

impl<'a> Flusher<'a> {
    /// `sink` gets a buffer that has come to hold `full` bytes or more, and takes its bytes away.
    pub fn new(full: usize, sink: &'a mut dyn FnMut(&mut Vec<u8>) -> Result<()>) -> Self {
        Flusher { full, flushes: 0, sink }
    }

    /// To be called wherever nothing will look back at what is in the buffer.
    ///
    /// # Errors
    /// Whatever stopped the export meanwhile.
    #[inline]
    pub fn flush_if_full(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if out.len() < self.full { Ok(()) } else { self.flush(out) }
    }

    /// Takes all bytes, however few they are.
    #[cold]
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.flushes = self.flushes.wrapping_add(1);
        (self.sink)(out)
    }

    /// How often bytes were taken: a length that was remembered is good only while this stays the same.
    #[inline]
    pub fn flushes(&self) -> usize {
        self.flushes
    }

    /// Appends bytes as they are, slice by slice where they are many.
    ///
    /// # Errors
    /// As [`Flusher::flush_if_full`].
    #[inline]
    pub fn copy(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if bytes.len() > SLICE_BYTES {
            return self.in_slices(bytes, out, |slice, out| out.extend_from_slice(slice));
        }
        push_small(bytes, out);
        Ok(())
    }

    /// Writes a field slice by slice.
    ///
    /// # Errors
    /// As [`Flusher::flush_if_full`].
    #[inline]
    pub fn in_slices(&mut self, bytes: &[u8], out: &mut Vec<u8>, write: impl Fn(&[u8], &mut Vec<u8>)) -> Result<()> {
        for slice in bytes.chunks(SLICE_BYTES) {
            write(slice, out);
            self.flush_if_full(out)?;
        }
        Ok(())
    }
}
