//! One value as the text of an element: the text of its type's output function, and `true` or `false` for bool.

use super::escape::Escaper;
use crate::copy::decode::json::jsonb_text;
use crate::copy::decode::{Decoder, fixed};
use crate::encode::outlet::Outlet;
use crate::error::Result;
use crate::plan::Kind;

/// How the values of a type are written, chosen once.
#[derive(Debug)]
pub(super) enum Leaf {
    Bool,
    /// No character of the type's text needs an escape.
    Safe {
        decoder: Decoder,
        number: bool,
    },
    /// The bytes are the text.
    Text,
    /// Text that the decoder makes and that may need escapes.
    Escaped(Decoder),
    Json,
    Jsonb,
}

impl Leaf {
    pub(super) fn new(kind: &Kind, server_version: u32) -> Self {
        let decoder = || Decoder::new(kind, server_version);
        match kind {
            Kind::Bool => Leaf::Bool,
            Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Float4 | Kind::Float8 | Kind::Numeric => {
                Leaf::Safe { decoder: decoder(), number: true }
            }
            Kind::Oid
            | Kind::Bytea
            | Kind::Date
            | Kind::Time
            | Kind::TimeTz
            | Kind::Timestamp
            | Kind::TimestampTz
            | Kind::Interval
            | Kind::Uuid => Leaf::Safe { decoder: decoder(), number: false },
            Kind::Text | Kind::ByText => Leaf::Text,
            Kind::Char | Kind::Array { .. } => Leaf::Escaped(decoder()),
            Kind::Json | Kind::JsonText => Leaf::Json,
            Kind::Jsonb => Leaf::Jsonb,
        }
    }

    /// The value as a JSON document, where that is what the type holds.
    #[inline]
    pub(super) fn json<'a>(&self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>> {
        match self {
            Leaf::Json => Ok(Some(bytes)),
            Leaf::Jsonb => jsonb_text(bytes).map(Some),
            _ => Ok(None),
        }
    }

    /// Appends the value's text, escaped; `raw` is a buffer for the text before the escapes. The outlet is offered
    /// nothing while none of the text is written.
    #[inline]
    pub(super) fn write(
        &self,
        bytes: &[u8],
        escaper: &mut Escaper,
        raw: &mut Vec<u8>,
        out: &mut Vec<u8>,
        outlet: &mut Outlet<'_>,
    ) -> Result<()> {
        match self {
            Leaf::Safe { decoder, .. } => decoder.text_in_pieces(bytes, out, outlet),
            Leaf::Bool => {
                out.extend_from_slice(if fixed::bool(bytes)? { b"true" } else { b"false" });
                Ok(())
            }
            Leaf::Text | Leaf::Json | Leaf::Jsonb => escaper.text(bytes, out, outlet),
            Leaf::Escaped(decoder) => {
                raw.clear();
                decoder.write_text(bytes, raw)?;
                escaper.text(raw, out, outlet)
            }
        }
    }
}
