//! As much of Thrift's compact protocol as it takes to cut a struct at its fields (Thrift, thrift-compact-protocol.md).

use crate::bytes::cursor::Cursor;
use crate::error::{Error, Result};

/// Type codes of fields and elements. Booleans carry their value in the code.
const BOOL_TRUE: u8 = 1;
const BOOL_FALSE: u8 = 2;
const I8: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

/// Ends a struct.
const STOP: u8 = 0;
/// A field whose id is one more than the one before has its step in the high half of the header.
const NEXT_FIELD: u8 = 1 << 4;
/// Lists of up to 14 elements have their size in the high half of the header; this mark says that it follows.
const LONG_LIST: u8 = 15;
/// Bytes of the longest variable-length integer.
const VARINT_BYTES: u32 = 10;
/// Metadata nests less deep.
const MAX_DEPTH: u8 = 32;

/// One field of a struct.
pub(super) struct Field<'a> {
    pub(super) id: i16,
    /// Where its header begins.
    pub(super) start: usize,
    pub(super) value: &'a [u8],
}

/// Goes over the fields of a struct.
pub(super) struct Fields<'a> {
    length: usize,
    cursor: Cursor<'a>,
    id: i16,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Fields { length: bytes.len(), cursor: Cursor::new(bytes), id: 0 }
    }

    /// What comes after the last field that `next` gave.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.cursor.rest()
    }

    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>> {
        let start = self.length.saturating_sub(self.cursor.rest().len());
        let Some(kind) = field_header(&mut self.cursor, &mut self.id)? else { return Ok(None) };
        let value = self.cursor.rest();
        skip(&mut self.cursor, kind, MAX_DEPTH)?;
        let used = value.len().saturating_sub(self.cursor.rest().len());
        Ok(Some(Field { id: self.id, start, value: value.get(..used).unwrap_or_default() }))
    }
}

/// The value of a field that is an integer.
pub(super) fn integer(value: &[u8]) -> Result<i64> {
    let zigzag = varint(&mut Cursor::new(value))?;
    Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
}

/// Gives each struct of a list to `take`, which goes over its fields to the end.
pub(super) fn each_struct<'a>(list: &'a [u8], mut take: impl FnMut(&mut Fields<'a>) -> Result<()>) -> Result<()> {
    let mut cursor = Cursor::new(list);
    let header = cursor.u8()?;
    let size = if header >> 4 == LONG_LIST { varint(&mut cursor)? } else { u64::from(header >> 4) };
    if size > 0 && header & 0x0f != STRUCT {
        return Err(malformed());
    }
    let mut rest = cursor.rest();
    for _ in 0..size {
        let mut fields = Fields::new(rest);
        take(&mut fields)?;
        rest = fields.rest();
    }
    Ok(())
}

/// The element of a list of one struct.
pub(super) fn only_element(list: &[u8]) -> Result<&[u8]> {
    match list.split_first() {
        Some((&header, element)) if header == NEXT_FIELD | STRUCT => Ok(element),
        _ => Err(Error::Internal("Parquet: not a list of one struct".into())),
    }
}

/// An integer field with the id after the one before.
pub(super) fn i64_field(value: i64) -> Vec<u8> {
    let zigzag = (value << 1) ^ (value >> 63);
    let mut out = vec![NEXT_FIELD | I64];
    write_varint(u64::from_ne_bytes(zigzag.to_ne_bytes()), &mut out);
    out
}

/// The header of a field, with the id after the one before, that is a list of so many structs.
pub(super) fn struct_list_field(size: usize) -> Vec<u8> {
    let mut out = vec![NEXT_FIELD | LIST];
    match u8::try_from(size) {
        Ok(size) if size < LONG_LIST => out.push((size << 4) | STRUCT),
        _ => {
            out.push((LONG_LIST << 4) | STRUCT);
            write_varint(size as u64, &mut out);
        }
    }
    out
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint(cursor: &mut Cursor<'_>) -> Result<u64> {
    let mut value = 0;
    for i in 0..VARINT_BYTES {
        let byte = cursor.u8()?;
        value |= u64::from(byte & 0x7f).checked_shl(7 * i).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(malformed())
}

/// Type of the next field, whose id goes to `id`; none at the end of the struct.
fn field_header(cursor: &mut Cursor<'_>, id: &mut i16) -> Result<Option<u8>> {
    let header = cursor.u8()?;
    if header == STOP {
        return Ok(None);
    }
    let step = header >> 4;
    *id = if step == 0 {
        let zigzag = varint(cursor)?;
        i16::try_from((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)).map_err(|_| malformed())?
    } else {
        id.checked_add(i16::from(step)).ok_or_else(malformed)?
    };
    Ok(Some(header & 0x0f))
}

fn skip(cursor: &mut Cursor<'_>, kind: u8, depth: u8) -> Result<()> {
    let depth = depth.checked_sub(1).ok_or_else(malformed)?;
    match kind {
        BOOL_TRUE | BOOL_FALSE => Ok(()),
        I8 => cursor.take(1).map(|_| ()),
        I16 | I32 | I64 => varint(cursor).map(|_| ()),
        DOUBLE => cursor.take(8).map(|_| ()),
        BINARY => {
            let length = usize::try_from(varint(cursor)?).map_err(|_| malformed())?;
            cursor.take(length).map(|_| ())
        }
        LIST | SET => skip_list(cursor, depth),
        STRUCT => {
            let mut id = 0;
            while let Some(kind) = field_header(cursor, &mut id)? {
                skip(cursor, kind, depth)?;
            }
            Ok(())
        }
        _ => Err(malformed()),
    }
}

fn skip_list(cursor: &mut Cursor<'_>, depth: u8) -> Result<()> {
    let header = cursor.u8()?;
    let size = if header >> 4 == LONG_LIST { varint(cursor)? } else { u64::from(header >> 4) };
    let kind = match header & 0x0f {
        // In a list a boolean has a byte of its own.
        BOOL_TRUE | BOOL_FALSE => I8,
        other => other,
    };
    for _ in 0..size {
        skip(cursor, kind, depth)?;
    }
    Ok(())
}

fn malformed() -> Error {
    Error::Internal("Parquet: metadata that is not Thrift".into())
}
