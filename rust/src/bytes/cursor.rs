//! Checked reads. Raw bytes are taken apart here, or in chunks of a fixed size that are checked as well (a small
//! numeric, a short text), so nothing can read past an end.

use crate::error::{Error, Result};

/// A read position in a slice that came from outside.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been read yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(n) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(short(n, self.rest.len())),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(*head)
            }
            None => Err(short(N, self.rest.len())),
        }
    }

    #[inline]
    pub fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[b]| b)
    }

    #[inline]
    pub fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    #[inline]
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    #[inline]
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// The end of the field: anything left means that the field is not of the type we took it for.
    #[inline]
    pub fn end(self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(too_long(self.rest.len())) }
    }
}

#[cold]
fn too_long(by: usize) -> Error {
    Error::protocol(format!("{by} bytes too many in a field"))
}

#[cold]
fn short(wanted: usize, had: usize) -> Error {
    Error::protocol(format!("a field ends early: {wanted} bytes wanted, {had} left"))
}

/// All of `bytes` as a fixed number of bytes, which is how every fixed-size type is read.
#[inline]
pub fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    <[u8; N]>::try_from(bytes).map_err(|_| wrong_size(bytes.len(), N))
}

#[cold]
fn wrong_size(had: usize, expected: usize) -> Error {
    Error::protocol(format!("a field of {had} bytes where {expected} were expected"))
}
