//! Arrays of native elements: the binary form of `array_send`, the text of `array_out`, the JSON of `array_to_json`.

use super::Decoder;
use super::text::CharText;
use crate::copy::cursor::Cursor;
use crate::encode::digits::signed;
use crate::encode::outlet::Outlet;
use crate::encode::text::any_byte;
use crate::error::{Error, Result, ValueError};
use crate::plan::Kind;

/// PostgreSQL's limit (`MAXDIM`).
const MAX_DIMENSIONS: usize = 6;
/// Each element has at least its length word.
const MIN_ELEMENT_BYTES: usize = 4;
const NULL: i32 = -1;
/// Tab, line feed, vertical tab, form feed and carriage return follow each other.
const BLANKS: u8 = 5;
/// Bytes of an array's text where it must be held whole, which is for Parquet: its limit for a row. The bytes of the
/// field are no bound, since ten bytes of a numeric can print 131,072 digits.
const MAX_WHOLE_TEXT: usize = 16 << 20;

/// One dimension: how many elements, and the subscript of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dimension {
    pub length: i32,
    pub lower: i32,
}

/// An array field, with its header checked and its elements still packed.
#[derive(Debug, Clone, Copy)]
pub struct Array<'a> {
    dimensions: [Dimension; MAX_DIMENSIONS],
    used: usize,
    count: usize,
    elements: Cursor<'a>,
}

impl<'a> Array<'a> {
    /// Reads the header: dimension count, NULL flag, element type, then length and lower bound of each dimension.
    ///
    /// # Errors
    /// `Error::Protocol` where the header is malformed or promises more elements than the field can hold.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        let used = usize::try_from(cursor.i32()?).unwrap_or(usize::MAX);
        if used > MAX_DIMENSIONS {
            return Err(malformed());
        }
        let _has_nulls = cursor.i32()?;
        let _element_type = cursor.u32()?;
        let mut dimensions = [Dimension::default(); MAX_DIMENSIONS];
        let mut count = usize::from(used > 0);
        for dimension in dimensions.iter_mut().take(used) {
            *dimension = Dimension { length: cursor.i32()?, lower: cursor.i32()? };
            let length = usize::try_from(dimension.length).map_err(|_| malformed())?;
            count = count.checked_mul(length).ok_or_else(malformed)?;
        }
        if count > cursor.rest().len() / MIN_ELEMENT_BYTES {
            return Err(malformed());
        }
        Ok(Array { dimensions, used, count, elements: cursor })
    }

    /// The dimensions from the outermost; none for an empty array.
    #[inline]
    pub fn dimensions(&self) -> &[Dimension] {
        self.dimensions.get(..self.used).unwrap_or_default()
    }

    /// How many elements there are in all dimensions together.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements in storage order (the last subscript runs fastest); NULL is `None`.
    #[inline]
    pub fn elements(&self) -> Elements<'a> {
        Elements { cursor: self.elements, left: self.count }
    }
}

/// Iterates over the elements; an error ends it.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> Elements<'a> {
    #[inline]
    fn element(&mut self) -> Result<Option<&'a [u8]>> {
        let length = self.cursor.i32()?;
        let element = match usize::try_from(length) {
            Ok(length) => Some(self.cursor.take(length)?),
            Err(_) if length == NULL => None,
            Err(_) => return Err(malformed()),
        };
        if self.left == 0 {
            self.cursor.end()?;
        }
        Ok(element)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Option<&'a [u8]>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let element = self.element();
        if element.is_err() {
            self.left = 0;
        }
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

#[cold]
fn malformed() -> Error {
    Error::protocol("a malformed array")
}

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
#[derive(Debug, Clone)]
pub struct ArrayWriter {
    element: Decoder,
    delimiter: u8,
    quoting: Quoting,
}

/// How an element's text gets the quotes that `array_out` puts around blanks, braces, delimiters and the like.
#[derive(Debug, Clone, Copy)]
enum Quoting {
    /// The text never needs them.
    Never,
    /// The text may need them, but holds neither quote nor backslash.
    WithoutEscapes,
    /// The text always starts with a backslash (bytea).
    Bytea,
    /// The text is arbitrary and lies in the field as it is.
    Text,
}

impl ArrayWriter {
    pub fn new(element: &Kind, delimiter: u8, decoder: Decoder) -> Self {
        let quoting = match element {
            Kind::Bytea => Quoting::Bytea,
            Kind::Date | Kind::Timestamp | Kind::TimestampTz | Kind::Interval => Quoting::WithoutEscapes,
            // An array is not an element type; should a plan say so, its text is looked at as a whole.
            Kind::Text | Kind::Char | Kind::Json | Kind::Jsonb | Kind::ByText | Kind::JsonText | Kind::Array { .. } => {
                Quoting::Text
            }
            _ if delimiter == b',' => Quoting::Never,
            _ => Quoting::WithoutEscapes,
        };
        ArrayWriter { element: decoder, delimiter, quoting }
    }

    /// Appends the text of `array_out`: `{…}`, with `[lower:upper]…=` in front where a lower bound is not 1.
    ///
    /// # Errors
    /// `Error::Protocol` for a malformed field, `Error::TooLarge` beyond [`MAX_WHOLE_TEXT`].
    pub fn write_text(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        whole(out, |out, outlet| self.text_in_pieces(bytes, out, outlet))
    }

    /// Appends the JSON of `array_to_json`: nested arrays; lower bounds are lost.
    ///
    /// # Errors
    /// As `write_text`, and `Error::Value` where text is not UTF-8.
    pub fn write_json(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        whole(out, |out, outlet| self.json_in_pieces(bytes, out, outlet))
    }

    /// As `write_text`, without its limit: the buffer is offered after each element and within large ones.
    pub fn text_in_pieces(&self, bytes: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
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
            outlet,
            |element, out, outlet| match element {
                Some(element) => self.write_element(element, out, outlet),
                None => {
                    out.extend_from_slice(b"NULL");
                    Ok(())
                }
            },
        )
    }

    /// As `write_json`, without its limit.
    pub fn json_in_pieces(&self, bytes: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        let array = Array::parse(bytes)?;
        if array.is_empty() {
            out.extend_from_slice(b"[]");
            return Ok(());
        }
        nest(&array, Brackets { open: b'[', close: b']', separator: b',' }, out, outlet, |element, out, outlet| {
            match element {
                Some(element) => self.element.json_in_pieces(element, out, outlet),
                None => {
                    out.extend_from_slice(b"null");
                    Ok(())
                }
            }
        })
    }

    fn write_element(&self, bytes: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        match self.quoting {
            Quoting::Never => self.element.write_text(bytes, out),
            Quoting::WithoutEscapes => self.write_maybe_quoted(bytes, out),
            Quoting::Bytea => {
                out.extend_from_slice(b"\"\\\\x");
                outlet.in_slices(bytes, out, super::bytea::write_digits)?;
                out.push(b'"');
                Ok(())
            }
            Quoting::Text => match &self.element {
                Decoder::Char { server_version } => {
                    self.write_quoted_text(CharText::parse(bytes, *server_version)?.as_bytes(), out, outlet)
                }
                Decoder::Jsonb => self.write_quoted_text(super::json::jsonb_text(bytes)?, out, outlet),
                Decoder::Array(_) => Err(Error::Internal("an array of arrays in the plan".into())),
                _ => self.write_quoted_text(bytes, out, outlet),
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

    fn write_quoted_text(&self, text: &[u8], out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        if !text.is_empty() && !text.eq_ignore_ascii_case(b"NULL") && !any_byte(text, |b| self.is_special(b)) {
            return outlet.copy(text, out);
        }
        out.push(b'"');
        outlet.in_slices(text, out, with_backslashes)?;
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
    outlet: &mut Outlet<'_>,
    mut write: impl FnMut(Option<&[u8]>, &mut Vec<u8>, &mut Outlet<'_>) -> Result<()>,
) -> Result<()> {
    let depth = array.dimensions().len();
    let mut odometer = Odometer::new(array.dimensions());
    let mut opening = depth;
    for element in array.elements() {
        if opening < depth {
            out.push(brackets.separator);
        }
        (0..opening).for_each(|_| out.push(brackets.open));
        write(element?, out, outlet)?;
        opening = odometer.step();
        (0..opening).for_each(|_| out.push(brackets.close));
        outlet.offer(out)?;
    }
    Ok(())
}

/// Runs a writer whose output stays in `out`, up to the limit.
fn whole(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>, &mut Outlet<'_>) -> Result<()>) -> Result<()> {
    let full = out.len().saturating_add(MAX_WHOLE_TEXT);
    write(out, &mut Outlet::new(full, &mut |_| Err(too_large())))
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
