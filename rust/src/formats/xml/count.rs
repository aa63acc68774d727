//! The rows of an XML file: the elements right below its root.

use memchr::{memchr, memchr3};

use crate::error::{Error, Result};
use crate::formats::base::RowCounter;

/// Where in the file the next byte lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    /// After `<`.
    Open,
    /// In a start tag.
    Start,
    /// In a value of an attribute, up to this quote.
    Value(u8),
    /// In an end tag.
    End,
    /// In the declaration, `<?xml … ?>`.
    Declaration,
}

/// Counts elements by their depth. What no export has (comments, CDATA sections, a document type) is refused.
#[derive(Debug)]
pub(super) struct ElementCounter {
    place: Place,
    depth: u64,
    rows: u64,
    /// The root has ended.
    ended: bool,
    last: u8,
}

impl ElementCounter {
    pub(super) fn new() -> Self {
        ElementCounter { place: Place::Text, depth: 0, rows: 0, ended: false, last: 0 }
    }

    /// What the byte after `<` says.
    fn open(&mut self, byte: u8) -> Result<()> {
        self.place = match byte {
            b'/' => Place::End,
            b'?' if self.depth == 0 && !self.ended => Place::Declaration,
            b'!' | b'?' => return Err(Error::file(format!("after row {} is what no export has", self.rows))),
            _ if self.ended => return Err(Error::file("it has two roots")),
            _ => Place::Start,
        };
        Ok(())
    }

    fn element_ended(&mut self) {
        match self.depth {
            0 => self.ended = true,
            1 => self.rows = self.rows.saturating_add(1),
            _ => {}
        }
    }

    /// A start tag, whose last byte before `>` tells whether it is an end tag too.
    fn started(&mut self, before: u8) {
        if before == b'/' {
            self.element_ended();
        } else {
            self.depth = self.depth.saturating_add(1);
        }
    }

    fn closed(&mut self) -> Result<()> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| Error::file("an element ends that did not begin"))?;
        self.element_ended();
        Ok(())
    }

    /// Goes on to the byte that matters where we are; gives it, the one before it, and what follows.
    fn next<'a>(&self, bytes: &'a [u8]) -> Option<(u8, u8, &'a [u8])> {
        let at = match self.place {
            Place::Text => memchr(b'<', bytes),
            Place::Open => Some(0),
            Place::Start => memchr3(b'>', b'"', b'\'', bytes),
            Place::Value(quote) => memchr(quote, bytes),
            Place::End | Place::Declaration => memchr(b'>', bytes),
        }?;
        let before = at.checked_sub(1).and_then(|before| bytes.get(before).copied()).unwrap_or(self.last);
        Some((bytes.get(at).copied()?, before, bytes.get(at.saturating_add(1)..).unwrap_or_default()))
    }
}

impl RowCounter for ElementCounter {
    fn update(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while let Some((byte, before, after)) = self.next(rest) {
            let place = self.place;
            self.place = Place::Text;
            match place {
                Place::Text => self.place = Place::Open,
                Place::Open => self.open(byte)?,
                Place::Start if byte == b'>' => self.started(before),
                Place::Start => self.place = Place::Value(byte),
                Place::Value(_) => self.place = Place::Start,
                Place::End => self.closed()?,
                Place::Declaration => {}
            }
            self.last = byte;
            rest = after;
            if rest.is_empty() {
                return Ok(());
            }
        }
        self.last = rest.last().copied().unwrap_or(self.last);
        Ok(())
    }

    fn finish(&mut self) -> Result<u64> {
        if self.ended && self.place == Place::Text {
            return Ok(self.rows);
        }
        Err(Error::file(format!("it ends before its root does, after row {}", self.rows)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::counting::testing::counted;

    fn count(text: &str) -> Vec<Result<u64>> {
        counted(ElementCounter::new, text)
    }

    #[test]
    fn each_element_below_the_root_is_a_row() {
        for (text, rows) in [
            ("<a/>", 0),
            ("<?xml version=\"1.0\"?>\n<a>\n</a>\n", 0),
            ("<a><r/><r x='/>'></r><r><r><r/></r></r>/</a>", 3),
            ("<a b=\"<!-- '\"><r>/</r></a>", 1),
        ] {
            assert!(count(text).into_iter().all(|found| found.unwrap() == rows), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_document_is_seen() {
        for text in [
            "",
            "<",
            "<a",
            "<a>",
            "<a><r/>",
            "<a><r></a>",
            "</a>",
            "<a/><b/>",
            "<a/></a>",
            "<a><!-- <r/> --></a>",
            "<a><![CDATA[</a>]]></a>",
            "<!DOCTYPE a><a/>",
            "<a/><",
            "<a b='>",
            "<a><?x?></a>",
        ] {
            assert!(count(text).into_iter().all(|found| found.is_err()), "{text:?}");
        }
    }
}
