//! JSON documents as nested elements.
//!
//! An object's keys are elements, an array's items `<item>` elements, scalars text, and null is `xsi:nil`. One strict pass
//! over the text (RFC 8259) reads and writes together; what is not JSON is an error. Nesting takes no stack of the thread:
//! the open containers are in a vector of ours, and their number is bounded by the limit for the size of a row.

use super::escape::{Byte, Escaper, check_utf8, class};
use super::name;
use super::scan::Scanner;
use super::tags::{ColumnTags, ITEM_END, NIL, Start, Typed};
use crate::error::Result;

/// The element that a value goes into; its start tag waits for the value's type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Element<'a> {
    Column(&'a ColumnTags),
    Item,
    /// A key that is a name as it stands, with both of its quotes.
    Plain(&'a [u8]),
    /// A key whose name is in `JsonWriter::name`.
    Escaped,
}

/// An open container.
#[derive(Debug, Clone, Copy)]
struct Open {
    object: bool,
    /// Where the output has the name, for the end tag; empty for `<item>` and for the outermost element.
    name_start: usize,
    name_end: usize,
}

/// Writes documents; its buffers are used again for each one.
#[derive(Debug)]
pub(super) struct JsonWriter {
    typed: Typed,
    stack: Vec<Open>,
    name: Vec<u8>,
    points: Vec<u32>,
}

impl JsonWriter {
    pub(super) fn new(typed: Typed) -> Self {
        JsonWriter { typed, stack: Vec::new(), name: Vec::new(), points: Vec::new() }
    }

    /// Appends the document as the content of `outer`, with its tags.
    ///
    /// # Errors
    /// Text that is not UTF-8 or not JSON, a character that the policy refuses, a row that grows past its limit.
    pub(super) fn write(&mut self, json: &[u8], outer: Element<'_>, escaper: &mut Escaper, out: &mut Vec<u8>) -> Result<()> {
        check_utf8(json)?;
        let mut scanner = Scanner::new(json);
        self.stack.clear();
        let mut element = outer;
        loop {
            scanner.skip_blanks();
            match scanner.peek() {
                Some(b'"') => self.string(&mut scanner, element, escaper, out)?,
                Some(b'{') => {
                    self.open(element, true, out);
                    scanner.skip(1);
                    if !scanner.eat_after_blanks(b'}') {
                        element = self.key(&mut scanner)?;
                        continue;
                    }
                    self.close(outer, out);
                }
                Some(b'[') => {
                    self.open(element, false, out);
                    scanner.skip(1);
                    if !scanner.eat_after_blanks(b']') {
                        element = Element::Item;
                        escaper.check_size(out)?;
                        continue;
                    }
                    self.close(outer, out);
                }
                Some(b't') => self.scalar(scanner.literal(b"true")?, self.typed.boolean, element, out),
                Some(b'f') => self.scalar(scanner.literal(b"false")?, self.typed.boolean, element, out),
                Some(b'n') => {
                    scanner.literal(b"null")?;
                    self.nil(element, out);
                }
                _ => self.scalar(scanner.number()?, self.typed.number, element, out),
            }
            escaper.check_size(out)?;
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
                self.close(outer, out);
            }
        }
    }

    /// The next key and its colon.
    fn key<'a>(&mut self, scanner: &mut Scanner<'a>) -> Result<Element<'a>> {
        scanner.skip_blanks();
        let element = match scanner.plain_key() {
            Some(quoted) => Element::Plain(quoted),
            None => {
                self.points.clear();
                scanner.key_points(&mut self.points)?;
                self.name.clear();
                name::write_points(&self.points, &mut self.name);
                Element::Escaped
            }
        };
        if !scanner.eat_after_blanks(b':') {
            return Err(scanner.malformed("a colon expected"));
        }
        Ok(element)
    }

    fn open(&mut self, element: Element<'_>, object: bool, out: &mut Vec<u8>) {
        let name_start = out.len().saturating_add(1);
        let length = match element {
            Element::Column(_) | Element::Item => 0,
            Element::Plain(quoted) => quoted.len().saturating_sub(2),
            Element::Escaped => self.name.len(),
        };
        self.start(element, if object { self.typed.object } else { self.typed.array }, out);
        self.stack.push(Open { object, name_start, name_end: name_start.saturating_add(length) });
    }

    /// Writes the end tag of the innermost open container.
    fn close(&mut self, outer: Element<'_>, out: &mut Vec<u8>) {
        let Some(open) = self.stack.pop() else { return };
        if self.stack.is_empty() {
            self.end(outer, out);
        } else if open.name_start == open.name_end {
            out.extend_from_slice(ITEM_END);
        } else {
            out.extend_from_slice(b"</");
            out.extend_from_within(open.name_start..open.name_end);
            out.push(b'>');
        }
    }

    #[inline]
    fn start(&self, element: Element<'_>, tag: Start, out: &mut Vec<u8>) {
        match element {
            Element::Column(tags) => {
                out.extend_from_slice(&tags.start);
                out.extend_from_slice(tag.rest);
            }
            Element::Item => out.extend_from_slice(tag.item),
            Element::Plain(quoted) => {
                // One copy with both quotes: the first becomes `<`, the last the first byte after the name.
                let at = out.len();
                out.extend_from_slice(quoted);
                if let Some(byte) = out.get_mut(at) {
                    *byte = b'<';
                }
                match tag.rest {
                    [b'>'] => replace_last(out, b'>'),
                    rest => {
                        out.pop();
                        out.extend_from_slice(rest);
                    }
                }
            }
            Element::Escaped => {
                out.push(b'<');
                out.extend_from_slice(&self.name);
                out.extend_from_slice(tag.rest);
            }
        }
    }

    #[inline]
    fn end(&self, element: Element<'_>, out: &mut Vec<u8>) {
        match element {
            Element::Column(tags) => out.extend_from_slice(&tags.end),
            Element::Item => out.extend_from_slice(ITEM_END),
            Element::Plain(quoted) => {
                out.extend_from_slice(b"</");
                out.extend_from_slice(quoted.get(1..).unwrap_or_default());
                replace_last(out, b'>');
            }
            Element::Escaped => {
                out.extend_from_slice(b"</");
                out.extend_from_slice(&self.name);
                out.push(b'>');
            }
        }
    }

    #[inline]
    fn scalar(&self, text: &[u8], tag: Start, element: Element<'_>, out: &mut Vec<u8>) {
        self.start(element, tag, out);
        out.extend_from_slice(text);
        self.end(element, out);
    }

    fn nil(&self, element: Element<'_>, out: &mut Vec<u8>) {
        match element {
            Element::Column(tags) => out.extend_from_slice(&tags.nil),
            _ => self.start(element, NIL, out),
        }
    }

    fn string(&self, scanner: &mut Scanner<'_>, element: Element<'_>, escaper: &mut Escaper, out: &mut Vec<u8>) -> Result<()> {
        scanner.skip(1);
        if scanner.eat(b'"') {
            self.scalar(b"", self.typed.empty_string, element, out);
            return Ok(());
        }
        self.start(element, self.typed.string, out);
        let start = out.len();
        loop {
            out.extend_from_slice(scanner.plain_run()?);
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
        }
        scanner.skip(1);
        if out.len() == start {
            // All of it was dropped: what is left is an empty string, and must look like one.
            out.truncate(start.saturating_sub(start_length(self.typed.string, element)));
            out.extend_from_slice(start_tag(self.typed.empty_string, element));
        }
        self.end(element, out);
        Ok(())
    }
}

/// The part of a start tag that depends on the type.
fn start_tag(tag: Start, element: Element<'_>) -> &'static [u8] {
    if matches!(element, Element::Item) { tag.item } else { tag.rest }
}

fn start_length(tag: Start, element: Element<'_>) -> usize {
    start_tag(tag, element).len()
}

#[inline]
fn replace_last(out: &mut [u8], byte: u8) {
    if let Some(last) = out.last_mut() {
        *last = byte;
    }
}
