//! The frame of binary COPY: header, tuples, trailer.
//!
//! The server sends one CopyData message a row (PostgreSQL manual, "COPY Operations"); the header comes in front of the
//! first row or alone, the trailer alone. [`Frames`] takes the payloads in order and gives back tuples.

use crate::bytes::cursor::Cursor;
use crate::error::{Error, Result};

/// The signature, a flags word and the length of the header extension.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Bits 16 to 31 of the flags are critical: a reader that does not know one must stop. None is defined.
const CRITICAL_FLAGS: u32 = 0xffff_0000;
const TRAILER: i16 = -1;
const NULL: i32 = -1;

/// The state of one COPY: where in header, rows and trailer we are.
#[derive(Debug)]
pub struct Frames {
    columns: usize,
    header_seen: bool,
    trailer_seen: bool,
}

impl Frames {
    pub fn new(columns: usize) -> Self {
        Frames { columns, header_seen: false, trailer_seen: false }
    }

    /// The row in one CopyData payload, or `None` where it held only header or trailer.
    #[inline]
    pub fn message<'a>(&mut self, payload: &'a [u8]) -> Result<Option<Tuple<'a>>> {
        let mut cursor = Cursor::new(payload);
        if !self.header_seen {
            header(&mut cursor)?;
            self.header_seen = true;
            if cursor.is_empty() {
                return Ok(None);
            }
        }
        if self.trailer_seen {
            return Err(Error::protocol("data after the COPY trailer"));
        }
        let count = cursor.i16()?;
        if usize::try_from(count) == Ok(self.columns) {
            return Ok(Some(Tuple { cursor }));
        }
        if count == TRAILER && cursor.is_empty() {
            self.trailer_seen = true;
            return Ok(None);
        }
        Err(Error::protocol(format!("a row of {count} fields where {} were expected", self.columns)))
    }

    /// To be called when the server says that the COPY is over: without its trailer it is not.
    pub fn finish(&self) -> Result<()> {
        if self.trailer_seen { Ok(()) } else { Err(Error::protocol("COPY ended without its trailer")) }
    }
}

fn header(cursor: &mut Cursor<'_>) -> Result<()> {
    if cursor.take(SIGNATURE.len())? != SIGNATURE {
        return Err(Error::protocol("not the signature of binary COPY"));
    }
    let flags = cursor.u32()?;
    if flags & CRITICAL_FLAGS != 0 {
        return Err(Error::protocol(format!("unknown critical COPY flags {flags:#x}")));
    }
    let extension = cursor.u32()?;
    let extension = usize::try_from(extension).map_err(|_| Error::protocol("COPY header extension too long"))?;
    cursor.take(extension).map(|_| ())
}

/// One row: its fields are taken in the order of the columns, exactly as many as there are. One too many or too few
/// leaves bytes wanting or over, so they are not counted here.
#[derive(Debug, Clone, Copy)]
pub struct Tuple<'a> {
    cursor: Cursor<'a>,
}

/// A field where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    pub bytes: &'a [u8],
    /// From its first byte to the end of the row: a short field can be read from here as a block, with what follows it.
    pub onward: &'a [u8],
}

impl<'a> Tuple<'a> {
    /// The fields of a row that [`Tuple::rest`] gave.
    pub fn of_fields(fields: &'a [u8]) -> Self {
        Tuple { cursor: Cursor::new(fields) }
    }

    /// The fields that were not taken yet, as they lie.
    pub fn rest(&self) -> &'a [u8] {
        self.cursor.rest()
    }

    /// The next field; `None` is NULL.
    #[inline(always)] // As a call its result would go through memory, for every field.
    pub fn field(&mut self) -> Result<Option<&'a [u8]>> {
        Ok(self.field_in_row()?.map(|field| field.bytes))
    }

    /// The next field with what follows it; `None` is NULL.
    #[inline(always)] // As `field`.
    pub fn field_in_row(&mut self) -> Result<Option<Field<'a>>> {
        let length = self.cursor.i32()?;
        let onward = self.cursor.rest();
        match usize::try_from(length) {
            Ok(length) => Ok(Some(Field { bytes: self.cursor.take(length)?, onward })),
            Err(_) if length == NULL => Ok(None),
            Err(_) => Err(impossible_length(length)),
        }
    }

    /// The end of the row, after its last field.
    #[inline]
    pub fn end(self) -> Result<()> {
        self.cursor.end()
    }
}

#[cold]
fn impossible_length(length: i32) -> Error {
    Error::protocol(format!("a field of length {length}"))
}
