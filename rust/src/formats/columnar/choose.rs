//! A column of the plan to what takes its values.

use std::sync::Arc;

use super::arrow_type;
use super::lists::Lists;
use super::values::{Rules, ValueColumn};
use crate::columns::builders::{Builder, Strings};
use crate::error::{Error, Result};
use crate::types::record::InField;
use crate::types::{Decoder, Kind, ParquetType};

/// # Errors
/// `Error::Internal` for a pair of types that the planner must not make.
pub fn value_column(kind: Kind, parquet: &ParquetType, rules: Rules) -> Result<ValueColumn> {
    let builder = match (kind, parquet) {
        (Kind::Array { element, .. }, ParquetType::List(inner)) => {
            let field = Arc::new(arrow_type::element_field(inner));
            let element = Kind::Scalar(element);
            let values = ValueColumn::new(scalar(element, inner, rules)?, element, inner, rules);
            Box::new(Lists::new(field, values))
        }
        _ => scalar(kind, parquet, rules)?,
    };
    Ok(ValueColumn::new(builder, kind, parquet, rules))
}

/// What is no list: text and JSON as they are printed, and the columns that a type has of its own.
fn scalar(kind: Kind, parquet: &ParquetType, rules: Rules) -> Result<Box<dyn Builder>> {
    let decoder = || Decoder::new(kind, rules.server_version);
    let builder = match (kind, parquet) {
        (_, ParquetType::String) => Some(text(kind, decoder())),
        (Kind::Scalar(record), ParquetType::Json) if record.json.document.is_some() => Some(text(kind, decoder())),
        (Kind::Array { .. }, ParquetType::Json) => Some(json(decoder())),
        (Kind::Scalar(record), _) => (record.column)(parquet),
        (Kind::Array { .. }, _) => None,
    };
    builder.ok_or_else(|| Error::Internal(format!("no Parquet writer for {kind:?} as {parquet:?}")))
}

/// The text of the type's output function; where the field holds that text it is copied without a decoder.
fn text(kind: Kind, decoder: Decoder) -> Box<dyn Builder> {
    match kind {
        Kind::Scalar(record) if matches!(record.text.in_field, Some(InField::Whole)) => {
            Box::new(Strings::<_, true>::new(|bytes: &[u8], out: &mut Vec<u8>| {
                out.extend_from_slice(bytes);
                Ok(())
            }))
        }
        _ => Box::new(Strings::<_, true>::new(move |bytes: &[u8], out: &mut Vec<u8>| decoder.write_text(bytes, out))),
    }
}

fn json(decoder: Decoder) -> Box<dyn Builder> {
    Box::new(Strings::<_, true>::new(move |bytes: &[u8], out: &mut Vec<u8>| decoder.write_json(bytes, out)))
}
