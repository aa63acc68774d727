//! The decoder of a scalar: field bytes to the type's text, or to its JSON, as its record says.

use super::record::{FastJson, FastText, InField, Printing, Type};
use crate::bytes::flusher::{Flusher, SLICE_BYTES};
use crate::error::Result;

/// A type and how it is printed in one export.
#[derive(Debug, Clone, Copy)]
pub struct ScalarDecoder {
    record: &'static Type,
    printing: Printing,
}

impl ScalarDecoder {
    pub fn new(record: &'static Type, printing: Printing) -> Self {
        ScalarDecoder { record, printing }
    }

    pub fn record(&self) -> &'static Type {
        self.record
    }

    /// The fast way to the text, for the types that have one.
    pub fn fast_text(&self) -> Option<FastText> {
        self.record.text.fast
    }

    /// The fast way to the JSON.
    pub fn fast_json(&self) -> Option<FastJson> {
        self.record.json.fast.filter(|_| !(self.record.big_number && self.printing.big_numbers_as_strings))
    }

    /// The text where the field holds it as it is.
    #[inline]
    pub fn text_in<'a>(&self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>> {
        match self.record.text.in_field {
            Some(InField::Whole) => Ok(Some(bytes)),
            Some(InField::Part(part)) => part(bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Appends exactly what the type's output function prints, which is what COPY has for the value.
    ///
    /// # Errors
    /// `Error::Protocol` where the bytes are not of this type. `out` may then hold part of the text.
    #[inline]
    pub fn write_text(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        (self.record.text.write)(bytes, self.printing, out)
    }

    /// Appends exactly what `row_to_json` has for the value, with its quotes and escapes; json and jsonb as they are.
    ///
    /// # Errors
    /// `Error::Protocol` where the bytes are not of this type, `Error::Value` where text is not UTF-8.
    #[inline]
    pub fn write_json(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        (self.record.json.write)(bytes, self.printing, out)
    }

    /// As `write_text`; the flusher is asked between the slices of a field of more than [`SLICE_BYTES`].
    ///
    /// # Errors
    /// Those of `write_text`, and those of the flusher.
    #[inline]
    pub fn stream_text(&self, bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        match &self.record.large {
            Some(large) if bytes.len() > SLICE_BYTES => (large.text)(bytes, out, flusher),
            _ => self.write_text(bytes, out),
        }
    }

    /// As `write_json`, in slices.
    ///
    /// # Errors
    /// Those of `write_json`, and those of the flusher. Text that is not UTF-8 is found before any of it is written.
    #[inline]
    pub fn stream_json(&self, bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        match &self.record.large {
            Some(large) if bytes.len() > SLICE_BYTES => (large.json)(bytes, out, flusher),
            _ => self.write_json(bytes, out),
        }
    }
}
