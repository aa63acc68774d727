//! The text of `array_out` and the JSON of `array_to_json`.

use super::field::{Array, Dimension, MAX_DIMENSIONS};
use crate::bytes::digits::signed;
use crate::bytes::escape::any_byte;
use crate::bytes::flusher::Flusher;
use crate::error::{Error, Result, ValueError};
use crate::types::record::ArrayElement;
use crate::types::scalar::ScalarDecoder;

/// Tab, line feed, vertical tab, form feed and carriage return follow each other.
const BLANKS: u8 = 5;
/// Bytes of an array's text where it must be held whole, which is for Parquet: its limit for a row. The bytes of the
/// field are no bound, since ten bytes of a numeric can print 131,072 digits.
const MAX_WHOLE_TEXT: usize = 16 << 20;

#[cold]
fn too_large() -> Error {
    Error::TooLarge(Box::new(ValueError {
        message: format!("the text of the array is larger than the limit of {MAX_WHOLE_TEXT} bytes"),
        ..ValueError::default()
    }))
}

/// What closes and opens between two elements: at the end of a row of the last dimension its bracket closes, and so
/// on outwards (the odometer of `array_out`).
#[derive(Debug)]
struct Odometer<'d> {
    dimensions: &'d [Dimension],
    at: [i32; MAX_DIMENSIONS],
}

impl<'d> Odometer<'d> {
    fn new(dimensions: &'d [Dimension]) -> Self {
        Odometer { dimensions, at: [0; MAX_DIMENSIONS] }
    }

    /// Steps to the next element and says how many dimensions ended with the one before it.
    fn step(&mut self) -> usize {
        let mut ended = 0;
        for (dimension, at) in self.dimensions.iter().zip(self.at.iter_mut()).rev() {
            *at += 1;
            if *at < dimension.length {
                break;
            }
            *at = 0;
            ended += 1;
        }
        ended
    }
}

/// Writes arrays of one element type; chosen once a column.
#[derive(Clone)]
pub struct ArrayWriter {
    element: ScalarDecoder,
    delimiter: u8,
    quoting: ArrayElement,
}

impl ArrayWriter {
    pub fn new(element: ScalarDecoder, delimiter: u8) -> Self {
        let quoting = match element.record().array {
            ArrayElement::Plain if delimiter != b',' => ArrayElement::WithoutEscapes,
            other => other,
        };
        ArrayWriter { element, delimiter, quoting }
    }

    /// Appends the text of `array_out`: `{…}`, with `[lower:upper]…=` in front where a lower bound is not 1.
    ///
    /// # Errors
    /// `Error::Protocol` for a malformed field, `Error::TooLarge` beyond [`MAX_WHOLE_TEXT`].
    pub fn write_text(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        whole(out, |out, flusher| self.stream_text(bytes, out, flusher))
    }

    /// Appends the JSON of `array_to_json`: nested arrays; lower bounds are lost.
    ///
    /// # Errors
    /// As `write_text`, and `Error::Value` where text is not UTF-8.
    pub fn write_json(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        whole(out, |out, flusher| self.stream_json(bytes, out, flusher))
    }

    /// As `write_text`, without its limit: the flusher is asked after each element and within large ones.
    pub fn stream_text(&self, bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        let array = Array::parse(bytes)?;
        let dimensions = array.dimensions();
        if array.is_empty() {
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        if dimensions.iter().any(|dimension| dimension.lower != 1) {
            write_bounds(dimensions, out);
        }
        nest(
            &array,
            Brackets { open: b'{', close: b'}', separator: self.delimiter },
            out,
            flusher,
            |element, out, flusher| match element {
                Some(element) => self.write_element(element, out, flusher),
                None => {
                    out.extend_from_slice(b"NULL");
                    Ok(())
                }
            },
        )
    }

    /// As `write_json`, without its limit.
    pub fn stream_json(&self, bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        let array = Array::parse(bytes)?;
        if array.is_empty() {
            out.extend_from_slice(b"[]");
            return Ok(());
        }
        nest(&array, Brackets { open: b'[', close: b']', separator: b',' }, out, flusher, |element, out, flusher| {
            match element {
                Some(element) => self.element.stream_json(element, out, flusher),
                None => {
                    out.extend_from_slice(b"null");
                    Ok(())
                }
            }
        })
    }

    fn write_element(&self, bytes: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        match self.quoting {
            ArrayElement::Plain => self.element.write_text(bytes, out),
            ArrayElement::WithoutEscapes => self.write_maybe_quoted(bytes, out),
            ArrayElement::Own(write) => write(bytes, out, flusher),
            ArrayElement::Any => match self.element.text_in(bytes)? {
                Some(text) => self.write_quoted_text(text, out, flusher),
                None => {
                    let mut text = Vec::new();
                    self.element.write_text(bytes, &mut text)?;
                    self.write_quoted_text(&text, out, flusher)
                }
            },
        }
    }

    /// Writes the element between quotes and takes the first one away again where none was needed.
    fn write_maybe_quoted(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.push(b'"');
        self.element.write_text(bytes, out)?;
        let text = out.get(start + 1..).unwrap_or_default();
        if text.iter().any(|&b| self.is_special(b)) {
            out.push(b'"');
        } else {
            out.remove(start);
        }
        Ok(())
    }

    fn write_quoted_text(&self, text: &[u8], out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        if !text.is_empty() && !text.eq_ignore_ascii_case(b"NULL") && !any_byte(text, |b| self.is_special(b)) {
            return flusher.copy(text, out);
        }
        out.push(b'"');
        flusher.in_slices(text, out, with_backslashes)?;
        out.push(b'"');
        Ok(())
    }

    /// What makes `array_out` quote an element: syntax, and the blanks of `array_isspace`.
    #[inline]
    fn is_special(&self, b: u8) -> bool {
        (b == b'"')
            | (b == b'\\')
            | (b == b'{')
            | (b == b'}')
            | (b == self.delimiter)
            | (b == b' ')
            | (b.wrapping_sub(b'\t') < BLANKS)
    }
}

/// Appends all brackets, with the elements where they belong.
fn nest(
    array: &Array<'_>,
    brackets: Brackets,
    out: &mut Vec<u8>,
    flusher: &mut Flusher<'_>,
    mut write: impl FnMut(Option<&[u8]>, &mut Vec<u8>, &mut Flusher<'_>) -> Result<()>,
) -> Result<()> {
    let depth = array.dimensions().len();
    let mut odometer = Odometer::new(array.dimensions());
    let mut opening = depth;
    for element in array.elements() {
        if opening < depth {
            out.push(brackets.separator);
        }
        (0..opening).for_each(|_| out.push(brackets.open));
        write(element?, out, flusher)?;
        opening = odometer.step();
        (0..opening).for_each(|_| out.push(brackets.close));
        flusher.flush_if_full(out)?;
    }
    Ok(())
}

/// Runs a writer whose output stays in `out`, up to the limit.
fn whole(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>, &mut Flusher<'_>) -> Result<()>) -> Result<()> {
    let full = out.len().saturating_add(MAX_WHOLE_TEXT);
    write(out, &mut Flusher::new(full, &mut |_| Err(too_large())))
}

/// Appends text with a backslash in front of quotes and backslashes.
fn with_backslashes(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let (clean, tail) = rest.split_at(at);
        let (escaped, tail) = tail.split_at_checked(1).unwrap_or((tail, &[]));
        out.extend_from_slice(clean);
        out.push(b'\\');
        out.extend_from_slice(escaped);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

#[derive(Debug, Clone, Copy)]
struct Brackets {
    open: u8,
    close: u8,
    separator: u8,
}

/// `[lower:upper]` of each dimension and the equals sign.
fn write_bounds(dimensions: &[Dimension], out: &mut Vec<u8>) {
    for dimension in dimensions {
        out.push(b'[');
        signed(dimension.lower.into(), out);
        out.push(b':');
        signed(i64::from(dimension.lower) + i64::from(dimension.length) - 1, out);
        out.push(b']');
    }
    out.push(b'=');
}
