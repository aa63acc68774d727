//! Large fields piece by piece: what is printed of them is never held whole.

use super::{Decoder, bytea, json};
use crate::encode::outlet::{Outlet, SLICE_BYTES};
use crate::encode::text::{check_utf8, json_content};
use crate::error::Result;

impl Decoder {
    /// As [`Decoder::write_text`]; `out` is offered to the outlet between the slices of a field of more than
    /// [`SLICE_BYTES`] and between the elements of any array.
    ///
    /// # Errors
    /// Those of `write_text`, and those of the outlet.
    #[inline]
    pub fn text_in_pieces(&self, bytes: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        match self {
            Decoder::Array(writer) => writer.text_in_pieces(bytes, out, outlet),
            _ if bytes.len() > SLICE_BYTES => self.long_text(bytes, out, outlet),
            _ => self.write_text(bytes, out),
        }
    }

    /// As [`Decoder::write_json`], in pieces.
    ///
    /// # Errors
    /// Those of `write_json`, and those of the outlet. Text that is not UTF-8 is found before any of it is written.
    #[inline]
    pub fn json_in_pieces(&self, bytes: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        match self {
            Decoder::Array(writer) => writer.json_in_pieces(bytes, out, outlet),
            _ if bytes.len() > SLICE_BYTES => self.long_json(bytes, out, outlet),
            _ => self.write_json(bytes, out),
        }
    }

    #[cold]
    fn long_text(&self, bytes: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        match self {
            Decoder::Text | Decoder::Json | Decoder::JsonText => outlet.copy(bytes, out),
            Decoder::Jsonb => outlet.copy(json::jsonb_text(bytes)?, out),
            Decoder::Bytea => {
                out.extend_from_slice(b"\\x");
                outlet.in_slices(bytes, out, bytea::write_digits)
            }
            // Numbers and times: none prints more than 150,000 bytes.
            _ => self.write_text(bytes, out),
        }
    }

    #[cold]
    fn long_json(&self, bytes: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        match self {
            Decoder::Text => {
                check_utf8(bytes)?;
                out.push(b'"');
                outlet.in_slices(bytes, out, json_content)?;
                out.push(b'"');
                Ok(())
            }
            Decoder::Bytea => {
                out.extend_from_slice(b"\"\\\\x");
                outlet.in_slices(bytes, out, bytea::write_digits)?;
                out.push(b'"');
                Ok(())
            }
            Decoder::Json | Decoder::JsonText => spliced(bytes, out, outlet),
            Decoder::Jsonb => spliced(json::jsonb_text(bytes)?, out, outlet),
            _ => self.write_json(bytes, out),
        }
    }
}

/// As `by_text::splice_json`.
fn spliced(json: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
    check_utf8(json)?;
    outlet.copy(json, out)
}
