//! The short ways of numbers, days and times: most of their values are one or two stores.
//!
//! A function a type, chosen once a column, since a choice for every field costs as much as some of them.

use super::Decoder;
use super::datetime::{self, Style};
use super::{fixed, float, numeric};
use crate::encode::digits::short_signed;
use crate::encode::short::Short;

/// Appends a byte and what [`Decoder::write_text`] prints for a field, if that is one of the type's usual values. False
/// says nothing about the field, and nothing was appended.
pub type Usual = fn(&[u8], Option<u8>, &mut Vec<u8>) -> bool;

impl Decoder {
    /// The short way, for the types that have one.
    pub fn usual(&self) -> Option<Usual> {
        Some(match self {
            Decoder::Int2 => int2,
            Decoder::Int4 => int4,
            Decoder::Int8 { .. } => int8,
            Decoder::Numeric { .. } => number,
            Decoder::Date => date,
            Decoder::Timestamp => timestamp,
            Decoder::TimestampTz => timestamptz,
            Decoder::Float8 => float::push_usual,
            _ => return None,
        })
    }
}

fn int2(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    fixed::int2(field).is_ok_and(|n| push(short_signed(n.into()), before, out))
}

fn int4(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    fixed::int4(field).is_ok_and(|n| push(short_signed(n.into()), before, out))
}

fn int8(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    fixed::int8(field).is_ok_and(|n| push(short_signed(n), before, out))
}

fn number(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    push(numeric::short_text(field), before, out)
}

fn date(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    datetime::date(field).is_ok_and(|days| push(datetime::short_date(days), before, out))
}

fn timestamp(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    datetime::push_usual(field, Style::Text, before, out)
}

fn timestamptz(field: &[u8], before: Option<u8>, out: &mut Vec<u8>) -> bool {
    datetime::push_usual(field, Style::TextUtc, before, out)
}

#[inline(always)]
fn push(text: Option<Short>, before: Option<u8>, out: &mut Vec<u8>) -> bool {
    text.and_then(|text| text.behind_byte(before)).map(|text| text.push(out)).is_some()
}
