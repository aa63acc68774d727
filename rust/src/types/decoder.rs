//! The decoder of a column, chosen once from its kind.

use super::array::ArrayWriter;
use super::kind::Kind;
use super::record::{FastJson, FastText, Printing};
use super::scalar::ScalarDecoder;
use crate::bytes::flusher::Flusher;
use crate::error::Result;

/// What a field is and how it is written.
#[derive(Clone)]
pub enum Decoder {
    Scalar(ScalarDecoder),
    Array(Box<ArrayWriter>),
}

impl Decoder {
    /// The decoder of a kind, as a server of that version (`server_version_num`) prints it.
    pub fn new(kind: Kind, server_version: u32) -> Decoder {
        Self::with(kind, Printing { server_version, big_numbers_as_strings: false })
    }

    /// The decoder of a kind.
    pub fn with(kind: Kind, printing: Printing) -> Decoder {
        match kind {
            Kind::Scalar(record) => Decoder::Scalar(ScalarDecoder::new(record, printing)),
            Kind::Array { element, delimiter } => {
                Decoder::Array(Box::new(ArrayWriter::new(ScalarDecoder::new(element, printing), delimiter)))
            }
        }
    }

    /// The fast way to the text, for the types that have one.
    pub fn fast_text(&self) -> Option<FastText> {
        match self {
            Decoder::Scalar(scalar) => scalar.fast_text(),
            Decoder::Array(_) => None,
        }
    }

    /// The fast way to the JSON.
    pub fn fast_json(&self) -> Option<FastJson> {
        match self {
            Decoder::Scalar(scalar) => scalar.fast_json(),
            Decoder::Array(_) => None,
        }
    }

    /// The text where the field holds it as it is.
    #[inline]
    pub fn text_in<'a>(&self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>> {
        match self {
            Decoder::Scalar(scalar) => scalar.text_in(bytes),
            Decoder::Array(_) => Ok(None),
        }
    }

    /// Appends exactly what the type's output function prints, which is what COPY has for the value.
    ///
    /// # Errors
    /// `Error::Protocol` where the bytes are not of this type, `Error::TooLarge` for the text of an array beyond 16 MB.
    /// `out` may then hold part of the text.
    #[inline]
    pub fn write_text(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Decoder::Scalar(scalar) => scalar.write_text(bytes, out),
            Decoder::Array(writer) => writer.write_text(bytes, out),
        }
    }

    /// Appends exactly what `row_to_json` has for the value, with its quotes and escapes; json and jsonb as they are.
    ///
    /// # Errors
    /// As `write_text`, and `Error::Value` where text is not UTF-8.
    #[inline]
    pub fn write_json(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Decoder::Scalar(scalar) => scalar.write_json(bytes, out),
            Decoder::Array(writer) => writer.write_json(bytes, out),
        }
    }

    /// As `write_text`, without its limit; the flusher is asked between the slices of a long field and between the
    /// elements of any array.
    ///
    /// # Errors
    /// Those of `write_text`, and those of the flusher.
    #[inline]
    pub fn stream_text(&self, bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        match self {
            Decoder::Scalar(scalar) => scalar.stream_text(bytes, out, flusher),
            Decoder::Array(writer) => writer.stream_text(bytes, out, flusher),
        }
    }

    /// As `write_json`, without its limit, in pieces.
    ///
    /// # Errors
    /// Those of `write_json`, and those of the flusher. Text that is not UTF-8 is found before any of it is written.
    #[inline]
    pub fn stream_json(&self, bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        match self {
            Decoder::Scalar(scalar) => scalar.stream_json(bytes, out, flusher),
            Decoder::Array(writer) => writer.stream_json(bytes, out, flusher),
        }
    }
}
