//! What takes the values of a column: its builder, and what is done with a value that the column's type cannot hold.

use arrow_array::ArrayRef;

use super::arrow_type;
use crate::columns::builders::Builder;
use crate::error::{Error, Result};
use crate::types::{Decoder, Kind, ParquetType};

/// Characters of a value that a message shows; a numeric can have 147,455 digits.
const SHOWN_CHARS: usize = 80;

/// What all columns of a plan share.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub server_version: u32,
    /// A value that the type cannot hold becomes NULL and is counted; it is an error otherwise.
    pub unrepresentable_as_null: bool,
}

/// Takes the values of one column, or of the elements of a list.
pub struct ValueColumn {
    builder: Box<dyn Builder>,
    rules: Rules,
    /// The text of a value for messages.
    decoder: Decoder,
    type_name: String,
    losses: u64,
}

impl ValueColumn {
    pub fn new(builder: Box<dyn Builder>, kind: Kind, parquet: &ParquetType, rules: Rules) -> Self {
        let decoder = Decoder::new(kind, rules.server_version);
        ValueColumn { builder, rules, decoder, type_name: arrow_type::describe(parquet), losses: 0 }
    }

    #[inline]
    pub fn append(&mut self, field: Option<&[u8]>) -> Result<()> {
        if field.is_some_and(|field| self.builder.append_fast(field)) {
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

    pub fn finish(&mut self) -> Result<ArrayRef> {
        self.builder.finish()
    }

    pub fn reclaim(&mut self, array: ArrayRef, kept: usize) {
        self.builder.reclaim(array, kept);
    }

    /// Values that became NULL since the last call, elements of lists included.
    pub fn take_losses(&mut self) -> u64 {
        std::mem::take(&mut self.losses).saturating_add(self.builder.take_losses())
    }
}
