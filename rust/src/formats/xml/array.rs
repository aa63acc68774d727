//! PostgreSQL arrays as `<item>` elements.
//!
//! Dimensions nest: `{{1,2},{3,4}}` is two items of two items each. An element is its type's text, and a json or jsonb
//! element is nested further. Lower bounds other than 1 are not written, as `to_json` does not write them.

use super::json::Element;
use super::leaf::Leaf;
use super::scratch::Scratch;
use super::tags::{ColumnTags, ITEM_END, NIL};
use crate::bytes::flusher::Flusher;
use crate::error::{Error, Result};
use crate::types::array::Array;
use crate::types::record::JsonType;

/// Writes the arrays of one column.
#[derive(Debug)]
pub(super) struct ArrayWriter {
    leaf: Leaf,
    /// For each dimension but the first: how many elements one item of the dimension before it holds.
    strides: Vec<usize>,
}

impl ArrayWriter {
    pub(super) fn new(leaf: Leaf) -> Self {
        ArrayWriter { leaf, strides: Vec::new() }
    }

    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        tags: &ColumnTags,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        let array = Array::parse(bytes)?;
        self.measure(array.dimensions().iter().map(|dimension| dimension.length))?;
        tags.start.push(out);
        scratch.typed.array.rest.push(out);
        let mut count: usize = 0;
        for element in array.elements() {
            for _ in self.strides.iter().filter(|&&stride| count.is_multiple_of(stride)) {
                scratch.typed.array.item.push(out);
            }
            self.item(element?, scratch, out, flusher)?;
            flusher.flush_if_full(out)?;
            count = count.saturating_add(1);
            for _ in self.strides.iter().filter(|&&stride| count.is_multiple_of(stride)) {
                ITEM_END.push(out);
            }
        }
        tags.end.push(out);
        Ok(())
    }

    /// Sets the strides from the dimensions' lengths.
    fn measure(&mut self, lengths: impl DoubleEndedIterator<Item = i32>) -> Result<()> {
        self.strides.clear();
        let mut inner: Option<usize> = None;
        for length in lengths.rev() {
            self.strides.extend(inner);
            let product = usize::try_from(length).ok().and_then(|length| length.checked_mul(inner.unwrap_or(1)));
            inner = Some(product.ok_or_else(|| Error::protocol("impossible array dimensions"))?);
        }
        Ok(())
    }

    fn item(
        &self,
        element: Option<&[u8]>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        let Some(bytes) = element else {
            NIL.item.push(out);
            return Ok(());
        };
        if let Some(json) = self.leaf.document(bytes)? {
            return scratch.json.write(json, Element::Item, &mut scratch.escaper, out, flusher);
        }
        let Scratch { typed, escaper, raw, .. } = scratch;
        let json_type = self.leaf.json_type();
        if json_type == JsonType::Number {
            raw.clear();
            self.leaf.write_text(bytes, raw)?;
            // NaN and the infinities end in a letter, and are strings to `to_json` too.
            let number = raw.last().is_some_and(u8::is_ascii_digit);
            if number { typed.number.item } else { typed.string.item }.push(out);
            out.extend_from_slice(raw);
        } else {
            let start = out.len();
            if json_type == JsonType::Boolean { typed.boolean.item } else { typed.string.item }.push(out);
            let (content, flushes) = (out.len(), flusher.flushes());
            self.leaf.write(bytes, escaper, raw, out, flusher)?;
            if out.len() == content && flusher.flushes() == flushes {
                out.truncate(start);
                typed.empty_string.item.push(out);
            }
        }
        ITEM_END.push(out);
        Ok(())
    }
}
