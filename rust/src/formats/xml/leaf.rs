//! One value as the text of an element, as the record of its type says.

use super::escape::Escaper;
use crate::bytes::flusher::Flusher;
use crate::error::Result;
use crate::types::Type;
use crate::types::record::{Binary, FastText, JsonType, Printing, XmlText};
use crate::types::scalar::ScalarDecoder;

/// How the values of a type are written, chosen once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    record: &'static Type,
    decoder: ScalarDecoder,
    fast: Option<FastText>,
    binary: Binary,
}

impl Leaf {
    pub(super) fn new(record: &'static Type, server_version: u32, binary: Binary) -> Self {
        let decoder = ScalarDecoder::new(record, Printing { server_version, big_numbers_as_strings: false });
        Leaf { record, decoder, fast: record.xml.fast, binary }
    }

    pub(super) fn is_document(&self) -> bool {
        self.record.json.document.is_some()
    }

    pub(super) fn json_type(&self) -> JsonType {
        self.record.xml.json_type
    }

    /// The value as a JSON document, where that is what the type holds.
    #[inline]
    pub(super) fn document<'a>(&self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>> {
        if self.is_document() { self.decoder.text_in(bytes) } else { Ok(None) }
    }

    /// Appends the type's text as it is.
    pub(super) fn write_text(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.decoder.write_text(bytes, out)
    }

    /// Appends the value's text, escaped; `raw` is a buffer for the text before the escapes. Nothing is flushed while
    /// none of the text is written.
    #[inline]
    pub(super) fn write(
        &self,
        bytes: &[u8],
        escaper: &mut Escaper,
        raw: &mut Vec<u8>,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        if self.fast.is_some_and(|fast| fast(bytes, None, out)) {
            return Ok(());
        }
        match self.record.xml.text {
            XmlText::Safe => self.decoder.stream_text(bytes, out, flusher),
            XmlText::Own(write) => write(bytes, self.binary, out, flusher),
            XmlText::Escaped => match self.decoder.text_in(bytes)? {
                Some(text) => escaper.text(text, out, flusher),
                None => {
                    raw.clear();
                    self.decoder.write_text(bytes, raw)?;
                    escaper.text(raw, out, flusher)
                }
            },
        }
    }
}
