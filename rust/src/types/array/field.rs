//! The binary form of an array (`array_send`): its header, and its elements still packed.

use crate::bytes::cursor::Cursor;
use crate::error::{Error, Result};

/// PostgreSQL's limit (`MAXDIM`).
pub(super) const MAX_DIMENSIONS: usize = 6;
/// Each element has at least its length word.
const MIN_ELEMENT_BYTES: usize = 4;
const NULL: i32 = -1;

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
