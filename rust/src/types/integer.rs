//! int2, int4, int8 and oid (`int4send`, `int4out` and the like).

use arrow_array::types::{Int32Type, Int64Type};

use super::parquet_type::ParquetType;
use super::record::{
    ArrayElement, FastText, Formula, Json, JsonType, Meaning, Printing, Text, Type, Write, Xml, XmlText, quoted,
};
use crate::bytes::cursor::exact;
use crate::bytes::digits::{short_signed, signed, unsigned};
use crate::bytes::inline_text::InlineText;
use crate::columns::builders::{Builder, Numbers};
use crate::error::Result;

pub static INT2: Type = Type {
    kind: "int2",
    postgres: &["int2"],
    parquet: "int16",
    text: text(int2_text, Some(int2_fast)),
    json: Json { write: int2_text, fast: Some(|bytes, out| int2_fast(bytes, None, out)), document: None },
    xml: number(int2_fast),
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Integer,
    column: int2_column,
};

pub static INT4: Type = Type {
    kind: "int4",
    postgres: &["int4"],
    parquet: "int32",
    text: text(int4_text, Some(int4_fast)),
    json: Json { write: int4_text, fast: Some(|bytes, out| int4_fast(bytes, None, out)), document: None },
    xml: number(int4_fast),
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Integer,
    column: int4_column,
};

pub static INT8: Type = Type {
    kind: "int8",
    postgres: &["int8"],
    parquet: "int64",
    text: text(int8_text, Some(int8_fast)),
    json: Json { write: int8_json, fast: Some(|bytes, out| int8_fast(bytes, None, out)), document: None },
    xml: number(int8_fast),
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: true,
    meaning: Meaning::Integer,
    column: int8_column,
};

pub static OID: Type = Type {
    kind: "oid",
    postgres: &["oid"],
    parquet: "int64",
    text: text(oid_text, None),
    // A string, as `to_json` has it.
    json: Json { write: |bytes, printing, out| quoted(bytes, printing, out, oid_text), fast: None, document: None },
    xml: Xml { text: XmlText::Safe, fast: None, json_type: JsonType::String },
    large: None,
    array: ArrayElement::Plain,
    formula: Formula::Never,
    big_number: false,
    meaning: Meaning::Integer,
    column: oid_column,
};

const fn number(fast: FastText) -> Xml {
    Xml { text: XmlText::Safe, fast: Some(fast), json_type: JsonType::Number }
}

const fn text(write: Write, fast: Option<FastText>) -> Text {
    Text { write, fast, in_field: None, alphabet: Some(b"-0123456789") }
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

fn int2_text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    signed(int2(bytes)?.into(), out);
    Ok(())
}

fn int4_text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    signed(int4(bytes)?.into(), out);
    Ok(())
}

fn int8_text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    signed(int8(bytes)?, out);
    Ok(())
}

fn oid_text(bytes: &[u8], _: Printing, out: &mut Vec<u8>) -> Result<()> {
    unsigned(oid(bytes)?.into(), out);
    Ok(())
}

fn int8_json(bytes: &[u8], printing: Printing, out: &mut Vec<u8>) -> Result<()> {
    if printing.big_numbers_as_strings {
        quoted(bytes, printing, out, int8_text)
    } else {
        int8_text(bytes, printing, out)
    }
}

fn int2_fast(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    int2(field).is_ok_and(|n| push(short_signed(n.into()), before, out))
}

fn int4_fast(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    int4(field).is_ok_and(|n| push(short_signed(n.into()), before, out))
}

fn int8_fast(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    int8(field).is_ok_and(|n| push(short_signed(n), before, out))
}

#[inline(always)]
fn push(text: Option<InlineText>, before: Option<u8>, out: &mut Vec<u8>) -> bool {
    text.and_then(|text| text.behind_byte(before)).map(|text| text.push(out)).is_some()
}

fn int2_column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Int16 => {
            Some(Box::new(Numbers::<Int32Type, _>::new(|bytes: &[u8]| int2(bytes).map(|n| Some(i32::from(n))))))
        }
        _ => None,
    }
}

fn int4_column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Int32 => Some(Box::new(Numbers::<Int32Type, _>::new(|bytes: &[u8]| int4(bytes).map(Some)))),
        _ => None,
    }
}

fn int8_column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Int64 => Some(Box::new(Numbers::<Int64Type, _>::new(|bytes: &[u8]| int8(bytes).map(Some)))),
        _ => None,
    }
}

fn oid_column(parquet: &ParquetType) -> Option<Box<dyn Builder>> {
    match parquet {
        ParquetType::Int64 => {
            Some(Box::new(Numbers::<Int64Type, _>::new(|bytes: &[u8]| oid(bytes).map(|n| Some(i64::from(n))))))
        }
        _ => None,
    }
}
