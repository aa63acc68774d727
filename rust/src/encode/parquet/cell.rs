//! A column of the plan with its builder, and what is done with a value that the column's type cannot hold.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};

use super::builders::{Booleans, Builder, FixedBytes, Lists, Numbers, Strings};
use super::schema::{self, INT32_DIGITS, INT64_DIGITS, MAX_DIGITS, UUID_BYTES};
use super::{internal, values};
use crate::copy::cursor::exact;
use crate::copy::decode::{Decoder, fixed, json};
use crate::error::{Error, Result};
use crate::plan::{Kind, ParquetType};

/// Characters of a value that a message shows; a numeric can have 147,455 digits.
const SHOWN_CHARS: usize = 80;

/// What all columns of a plan share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) server_version: u32,
    /// A value that the type cannot hold becomes NULL and is counted; it is an error otherwise.
    pub(super) unrepresentable_as_null: bool,
}

/// Takes the values of one column, or of the elements of a list.
pub(super) struct Cell {
    builder: Box<dyn Builder>,
    rules: Rules,
    /// The text of a value for messages.
    decoder: Decoder,
    type_name: String,
    losses: u64,
}

impl Cell {
    /// Chooses the builder; `Error::Internal` for a pair that the planner must not make.
    pub(super) fn new(kind: &Kind, parquet: &ParquetType, rules: Rules) -> Result<Self> {
        Ok(Cell {
            builder: builder(kind, parquet, rules)?,
            rules,
            decoder: Decoder::new(kind, rules.server_version),
            type_name: schema::describe(parquet),
            losses: 0,
        })
    }

    #[inline]
    pub(super) fn append(&mut self, field: Option<&[u8]>) -> Result<()> {
        if field.is_some_and(|field| self.builder.append_usual(field)) {
            return Ok(());
        }
        if self.builder.append(field)? { Ok(()) } else { self.unrepresentable(field.unwrap_or_default()) }
    }

    #[cold]
    fn unrepresentable(&mut self, bytes: &[u8]) -> Result<()> {
        if self.rules.unrepresentable_as_null {
            self.losses = self.losses.saturating_add(1);
            return self.builder.append(None).map(|_| ());
        }
        let mut text = Vec::new();
        self.decoder.write_text(bytes, &mut text)?;
        let text = String::from_utf8_lossy(&text);
        let shown: String = text.chars().take(SHOWN_CHARS).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        Err(Error::value(format!("{shown}{more} does not fit in {}", self.type_name)))
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        self.builder.finish()
    }

    pub(super) fn reclaim(&mut self, array: ArrayRef, kept: usize) {
        self.builder.reclaim(array, kept);
    }

    /// Values that became NULL since the last call, elements of lists included.
    pub(super) fn take_losses(&mut self) -> u64 {
        std::mem::take(&mut self.losses).saturating_add(self.builder.take_losses())
    }
}

fn builder(kind: &Kind, parquet: &ParquetType, rules: Rules) -> Result<Box<dyn Builder>> {
    Ok(match (kind, parquet) {
        (Kind::Bool, ParquetType::Boolean) => Box::new(Booleans::new(fixed::bool)),
        (Kind::Int2, ParquetType::Int16) => Box::new(Numbers::<Int32Type, _>::new(values::int16)),
        (Kind::Int4, ParquetType::Int32) => Box::new(Numbers::<Int32Type, _>::new(values::int32)),
        (Kind::Int8, ParquetType::Int64) => Box::new(Numbers::<Int64Type, _>::new(values::int64)),
        (Kind::Oid, ParquetType::Int64) => Box::new(Numbers::<Int64Type, _>::new(values::oid)),
        (Kind::Float4, ParquetType::Float) => Box::new(Numbers::<Float32Type, _>::new(values::float)),
        (Kind::Float8, ParquetType::Double) => Box::new(Numbers::<Float64Type, _>::new(values::double)),
        (Kind::Numeric, ParquetType::Double) => Box::new(Numbers::<Float64Type, _>::new(values::numeric_double)),
        (Kind::Numeric, ParquetType::Decimal { precision, scale }) => return decimal(*precision, *scale),
        (Kind::Date, ParquetType::Date) => Box::new(Numbers::<Int32Type, _>::new(values::date)),
        (Kind::Time, ParquetType::Time) => Box::new(Numbers::<Int64Type, _>::new(values::time)),
        (Kind::Timestamp, ParquetType::Timestamp) | (Kind::TimestampTz, ParquetType::TimestampTz) => {
            Box::new(Numbers::<Int64Type, _>::new(values::timestamp))
        }
        (Kind::Bytea, ParquetType::Bytes) => Box::new(Strings::<_, false>::new(copied)),
        (Kind::Uuid, ParquetType::Uuid) => Box::new(FixedBytes::new(UUID_BYTES, |bytes: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(&exact::<16>(bytes)?);
            Ok(true)
        })),
        (_, ParquetType::String) => text(kind, rules),
        (Kind::Json | Kind::Jsonb | Kind::JsonText, ParquetType::Json) => text(kind, rules),
        (Kind::Array { .. }, ParquetType::Json) => {
            let decoder = Decoder::new(kind, rules.server_version);
            Box::new(Strings::<_, true>::new(move |bytes: &[u8], out: &mut Vec<u8>| decoder.write_json(bytes, out)))
        }
        (Kind::Array { element, .. }, ParquetType::List(inner)) if !matches!(**inner, ParquetType::List(_)) => {
            let field = Arc::new(schema::element_field(inner));
            Box::new(Lists::new(field, Cell::new(element, inner, rules)?))
        }
        _ => return Err(Error::Internal(format!("no Parquet writer for {kind:?} as {parquet:?}"))),
    })
}

/// The text of the type's output function; kinds whose bytes are that text are copied without a decoder.
fn text(kind: &Kind, rules: Rules) -> Box<dyn Builder> {
    match kind {
        Kind::Text | Kind::ByText | Kind::Json | Kind::JsonText => Box::new(Strings::<_, true>::new(copied)),
        Kind::Jsonb => {
            Box::new(Strings::<_, true>::new(|bytes: &[u8], out: &mut Vec<u8>| copied(json::jsonb_text(bytes)?, out)))
        }
        _ => {
            let decoder = Decoder::new(kind, rules.server_version);
            Box::new(Strings::<_, true>::new(move |bytes: &[u8], out: &mut Vec<u8>| decoder.write_text(bytes, out)))
        }
    }
}

#[inline]
fn copied(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(bytes);
    Ok(())
}

/// DECIMAL in the smallest physical type that the precision allows, as the schema says too.
fn decimal(precision: u8, scale: u8) -> Result<Box<dyn Builder>> {
    if precision == 0 || precision > MAX_DIGITS || scale > precision {
        return Err(Error::Internal(format!("DECIMAL({precision},{scale}) is not a Parquet type")));
    }
    let limit = 10_i64.checked_pow(precision.into()).unwrap_or(i64::MAX);
    Ok(if precision <= INT32_DIGITS {
        Box::new(Numbers::<Int32Type, _>::new(move |bytes: &[u8]| {
            values::narrow_decimal(bytes, precision, scale, limit)
        }))
    } else if precision <= INT64_DIGITS {
        Box::new(Numbers::<Int64Type, _>::new(move |bytes: &[u8]| {
            values::narrow_decimal(bytes, precision, scale, limit)
        }))
    } else {
        let size = schema::decimal_bytes(precision);
        let unused = usize::try_from(16 - size).map_err(internal)?;
        Box::new(FixedBytes::new(size, move |bytes: &[u8], out: &mut Vec<u8>| {
            let Some(value) = values::decimal(bytes, precision, scale)? else { return Ok(false) };
            out.extend(value.to_be_bytes().iter().skip(unused));
            Ok(true)
        }))
    })
}
