//! JSON documents as nested elements.
//!
//! An object's keys are elements, an array's items `<item>` elements, scalars text, and null is `xsi:nil`. One strict
//! pass over the text (RFC 8259) reads and writes together; what is not JSON is an error. Nesting takes no stack of the
//! thread: the open containers are in a vector of ours. It says where in the document their keys are, so that what was
//! written can be handed on at any time.

use super::escape::{Byte, Escaper, check_utf8, class};
use super::name;
use super::scan::Scanner;
use super::tags::{ColumnTags, ITEM_END, NIL, Start, Typed};
use crate::bytes::block::{Fixed, push_small};
use crate::bytes::flusher::Flusher;
use crate::error::{Error, Result};

/// Containers within one another. PostgreSQL's own parser stops at some ten thousand (`max_stack_depth`); memory for
/// this many is 16 MB.
pub(super) const MAX_DEPTH: usize = 1_000_000;
/// Bytes of a key that can become the name of an element; its code points are held at four bytes each.
const MAX_KEY_BYTES: usize = 1 << 20;

/// The element that a value goes into; its start tag waits for the value's type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Element<'a> {
    Column(&'a ColumnTags),
    Item,
    /// A key that is a name as it stands, without its quotes.
    Plain(&'a [u8]),
    /// Any other key, whose name is in `JsonWriter::name` until the next one is read.
    Escaped,
}

/// An open container, with what its end tag is made of.
#[derive(Debug, Clone, Copy)]
struct Open {
    object: bool,
    tag: Tag,
    key: Key,
}

#[derive(Debug, Clone, Copy)]
enum Tag {
    /// `<item>`, or the outermost element.
    Fixed,
    Plain,
    Escaped,
}

/// Where the document has a key, quotes included. A document is shorter than 2 GB, since a message is.
#[derive(Debug, Clone, Copy, Default)]
struct Key {
    start: u32,
    length: u32,
}

impl Key {
    fn new(start: usize, end: usize) -> Self {
        let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Key { start: short(start), length: short(end.saturating_sub(start)) }
    }

    fn of(self, json: &[u8]) -> &[u8] {
        let start = self.start as usize;
        json.get(start..start.saturating_add(self.length as usize)).unwrap_or_default()
    }

    /// What is between the quotes.
    #[inline]
    fn name(self, json: &[u8]) -> &[u8] {
        self.of(json).get(1..).and_then(|rest| rest.split_last()).map_or(&[], |(_, name)| name)
    }
}

/// Writes documents; its buffers are used again for each one.
#[derive(Debug)]
pub(super) struct JsonWriter {
    typed: Typed,
    stack: Vec<Open>,
    /// The last key that was read.
    key: Key,
    name: Vec<u8>,
    points: Vec<u32>,
}

impl JsonWriter {
    pub(super) fn new(typed: Typed) -> Self {
        JsonWriter { typed, stack: Vec::new(), key: Key::default(), name: Vec::new(), points: Vec::new() }
    }

    /// Appends the document as the content of `outer`, with its tags.
    ///
    /// # Errors
    /// Text that is not UTF-8 or not JSON, a character that the policy refuses, more than [`MAX_DEPTH`] levels, a key
    /// of more than [`MAX_KEY_BYTES`], and those of the flusher.
    pub(super) fn write(
        &mut self,
        json: &[u8],
        outer: Element<'_>,
        escaper: &mut Escaper,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        check_utf8(json)?;
        let mut scanner = Scanner::new(json);
        self.stack.clear();
        let mut element = outer;
        loop {
            scanner.skip_blanks();
            match scanner.peek() {
                Some(b'"') => self.string(&mut scanner, element, escaper, out, flusher)?,
                Some(b'{') => {
                    self.open(element, true, out)?;
                    scanner.skip(1);
                    if !scanner.eat_after_blanks(b'}') {
                        element = self.key(&mut scanner)?;
                        flusher.flush_if_full(out)?;
                        continue;
                    }
                    self.close(json, outer, out)?;
                }
                Some(b'[') => {
                    self.open(element, false, out)?;
                    scanner.skip(1);
                    if !scanner.eat_after_blanks(b']') {
                        element = Element::Item;
                        flusher.flush_if_full(out)?;
                        continue;
                    }
                    self.close(json, outer, out)?;
                }
                Some(b't') => self.scalar(scanner.literal(b"true")?, self.typed.boolean, element, out, flusher)?,
                Some(b'f') => self.scalar(scanner.literal(b"false")?, self.typed.boolean, element, out, flusher)?,
                Some(b'n') => {
                    scanner.literal(b"null")?;
                    self.nil(element, out);
                }
                _ => self.scalar(scanner.number()?, self.typed.number, element, out, flusher)?,
            }
            flusher.flush_if_full(out)?;
            // The value is complete, and with it every container that ends here.
            loop {
                let Some(open) = self.stack.last() else { return scanner.end() };
                let object = open.object;
                scanner.skip_blanks();
                match scanner.peek() {
                    Some(b',') => {
                        scanner.skip(1);
                        element = if object { self.key(&mut scanner)? } else { Element::Item };
                        break;
                    }
                    Some(b'}') if object => {}
                    Some(b']') if !object => {}
                    _ => return Err(scanner.malformed("a comma or the end of the container expected")),
                }
                scanner.skip(1);
                self.close(json, outer, out)?;
                flusher.flush_if_full(out)?;
            }
        }
    }

    /// The next key and its colon.
    fn key<'a>(&mut self, scanner: &mut Scanner<'a>) -> Result<Element<'a>> {
        scanner.skip_blanks();
        let start = scanner.position();
        let element = match scanner.plain_key() {
            Some(name) => Element::Plain(name),
            None => {
                self.escaped_name(scanner)?;
                Element::Escaped
            }
        };
        self.key = Key::new(start, scanner.position());
        if self.key.length as usize > MAX_KEY_BYTES {
            return Err(key_too_long());
        }
        if !scanner.eat_after_blanks(b':') {
            return Err(scanner.malformed("a colon expected"));
        }
        Ok(element)
    }

    /// Reads a key and makes its name.
    fn escaped_name(&mut self, scanner: &mut Scanner<'_>) -> Result<()> {
        self.points.clear();
        scanner.key_points(MAX_KEY_BYTES, &mut self.points)?;
        self.name.clear();
        name::write_points(&self.points, &mut self.name);
        Ok(())
    }

    fn open(&mut self, element: Element<'_>, object: bool, out: &mut Vec<u8>) -> Result<()> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Error::value(format!("the document has more than {MAX_DEPTH} containers within one another")));
        }
        let tag = match element {
            Element::Column(_) | Element::Item => Tag::Fixed,
            Element::Plain(_) => Tag::Plain,
            Element::Escaped => Tag::Escaped,
        };
        self.start(element, if object { self.typed.object } else { self.typed.array }, out);
        self.stack.push(Open { object, tag, key: self.key });
        Ok(())
    }

    /// Writes the end tag of the innermost open container.
    fn close(&mut self, json: &[u8], outer: Element<'_>, out: &mut Vec<u8>) -> Result<()> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        if self.stack.is_empty() {
            self.end(outer, out);
            return Ok(());
        }
        match open.tag {
            Tag::Fixed => ITEM_END.push(out),
            Tag::Plain => self.end(Element::Plain(open.key.name(json)), out),
            Tag::Escaped => {
                self.escaped_name(&mut Scanner::new(open.key.of(json)))?;
                self.end(Element::Escaped, out);
            }
        }
        Ok(())
    }

    #[inline(always)] // As the end tag: calls for a few bytes cost an eighth of the time.
    fn start(&self, element: Element<'_>, tag: Start, out: &mut Vec<u8>) {
        match element {
            Element::Column(tags) => {
                tags.start.push(out);
                tag.rest.push(out);
            }
            Element::Item => tag.item.push(out),
            Element::Plain(name) => {
                out.push(b'<');
                push_small(name, out);
                tag.rest.push(out);
            }
            Element::Escaped => {
                out.push(b'<');
                out.extend_from_slice(&self.name);
                tag.rest.push(out);
            }
        }
    }

    #[inline(always)]
    fn end(&self, element: Element<'_>, out: &mut Vec<u8>) {
        match element {
            Element::Column(tags) => tags.end.push(out),
            Element::Item => ITEM_END.push(out),
            Element::Plain(name) => {
                out.extend_from_slice(b"</");
                push_small(name, out);
                out.push(b'>');
            }
            Element::Escaped => {
                out.extend_from_slice(b"</");
                out.extend_from_slice(&self.name);
                out.push(b'>');
            }
        }
    }

    #[inline]
    fn scalar(
        &self,
        text: &[u8],
        tag: Start,
        element: Element<'_>,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        self.start(element, tag, out);
        flusher.copy(text, out)?;
        self.end(element, out);
        Ok(())
    }

    fn nil(&self, element: Element<'_>, out: &mut Vec<u8>) {
        match element {
            Element::Column(tags) => tags.nil.push(out),
            _ => self.start(element, NIL, out),
        }
    }

    fn string(
        &self,
        scanner: &mut Scanner<'_>,
        element: Element<'_>,
        escaper: &mut Escaper,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        scanner.skip(1);
        if scanner.eat(b'"') {
            return self.scalar(b"", self.typed.empty_string, element, out, flusher);
        }
        self.start(element, self.typed.string, out);
        let (start, flushes) = (out.len(), flusher.flushes());
        loop {
            flusher.copy(scanner.plain_run()?, out)?;
            match scanner.peek().map(class) {
                Some(Byte::Quote) => break,
                Some(Byte::Backslash) => escaper.point(scanner.escape()?, out)?,
                Some(Byte::Control | Byte::Blank | Byte::CarriageReturn) => {
                    return Err(scanner.malformed("a bare control character in a string"));
                }
                _ => {
                    let taken = escaper.special(scanner.rest(), out)?;
                    scanner.skip(taken);
                }
            }
            // The start tag is looked at again while nothing follows it.
            if out.len() > start {
                flusher.flush_if_full(out)?;
            }
        }
        scanner.skip(1);
        if out.len() == start && flusher.flushes() == flushes {
            // All of it was dropped: what is left is an empty string, and must look like one.
            out.truncate(start.saturating_sub(start_tag(self.typed.string, element).len()));
            start_tag(self.typed.empty_string, element).push(out);
        }
        self.end(element, out);
        Ok(())
    }
}

#[cold]
fn key_too_long() -> Error {
    Error::value(format!("a key of more than {MAX_KEY_BYTES} bytes cannot be the name of an element"))
}

/// The part of a start tag that depends on the type.
fn start_tag(tag: Start, element: Element<'_>) -> &'static Fixed {
    if matches!(element, Element::Item) { tag.item } else { tag.rest }
}
