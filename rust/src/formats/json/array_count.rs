//! The rows of a JSON file: the objects of the one array that it is.

use memchr::memchr2;

use crate::error::{Error, Result};
use crate::formats::base::RowCounter;

/// What a byte is outside of strings, within a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Quote,
    Open,
    Close,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    // The index is a constant below 256.
    #[allow(clippy::indexing_slicing)]
    {
        classes[b'"' as usize] = Class::Quote;
        classes[b'{' as usize] = Class::Open;
        classes[b'[' as usize] = Class::Open;
        classes[b'}' as usize] = Class::Close;
        classes[b']' as usize] = Class::Close;
    }
    classes
};

/// Where in the file the next byte lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the array.
    Start,
    /// Before the first row, or the end of an array without rows.
    First,
    /// After the comma behind a row.
    Next,
    /// In a row, below so many open objects and arrays.
    Row,
    /// In a string of a row.
    Text,
    /// In a string, after a backslash.
    Escape,
    /// After a row.
    After,
    /// After the array.
    End,
}

/// Counts the elements of the outermost array. Within a row only brackets and strings are looked at.
#[derive(Debug)]
pub(super) struct ArrayCounter {
    place: Place,
    depth: u64,
    rows: u64,
}

impl ArrayCounter {
    pub(super) fn new() -> Self {
        ArrayCounter { place: Place::Start, depth: 0, rows: 0 }
    }

    /// A byte between rows.
    fn between(&mut self, byte: u8) -> Result<()> {
        self.place = match (self.place, byte) {
            (place, b' ' | b'\n' | b'\r' | b'\t') => place,
            (Place::Start, b'[') => Place::First,
            (Place::First | Place::Next, b'{') => {
                self.depth = 1;
                Place::Row
            }
            (Place::First | Place::After, b']') => Place::End,
            (Place::After, b',') => Place::Next,
            _ => {
                let after = self.rows;
                return Err(Error::file(format!("it is no array of objects: a wrong byte after row {after}")));
            }
        };
        Ok(())
    }

    /// Goes on in a row; gives what comes after the bytes that were looked at.
    fn within<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let found = bytes.iter().position(|&byte| class(byte) != Class::Other);
        let Some(at) = found else { return &[] };
        match bytes.get(at).map(|&byte| class(byte)) {
            Some(Class::Quote) => self.place = Place::Text,
            Some(Class::Open) => self.depth = self.depth.saturating_add(1),
            _ => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.rows = self.rows.saturating_add(1);
                    self.place = Place::After;
                }
            }
        }
        bytes.get(at.saturating_add(1)..).unwrap_or_default()
    }

    /// Goes on in a string; gives what comes after the bytes that were looked at.
    fn in_text<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(at) = memchr2(b'"', b'\\', bytes) else { return &[] };
        self.place = if bytes.get(at) == Some(&b'"') { Place::Row } else { Place::Escape };
        bytes.get(at.saturating_add(1)..).unwrap_or_default()
    }
}

fn class(byte: u8) -> Class {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(Class::Other)
}

impl RowCounter for ArrayCounter {
    fn update(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            rest = match self.place {
                Place::Row => self.within(rest),
                Place::Text => self.in_text(rest),
                Place::Escape => {
                    self.place = Place::Text;
                    after
                }
                _ => {
                    self.between(first)?;
                    after
                }
            };
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64> {
        if self.place == Place::End {
            return Ok(self.rows);
        }
        Err(Error::file(format!("it ends before its array does, after row {}", self.rows)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::counting::testing::counted;

    fn count(text: &str) -> Vec<Result<u64>> {
        counted(ArrayCounter::new, text)
    }

    #[test]
    fn each_object_of_the_array_is_a_row() {
        for (text, rows) in [
            ("[]\n", 0),
            (" [ ] ", 0),
            ("[\n{}\n]\n", 1),
            ("[{\"a\":[{},{}]},{\"b\":\"}],[{\"}]", 2),
            ("[{\"a\":\"\\\"}\"},{\"\\\\\":1}]", 2),
        ] {
            assert!(count(text).into_iter().all(|found| found.unwrap() == rows), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_array_of_rows_is_seen() {
        for text in ["", "[", "[{}", "[{}\n,", "[{},]", "[,{}]", "[{}{}]", "[{}]]", "[1]", "{}", "[{\"]}", "[{}] x"] {
            assert!(count(text).into_iter().all(|found| found.is_err()), "{text:?}");
        }
    }
}
