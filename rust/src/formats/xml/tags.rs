//! The tags of the document, made once.

use super::name;
use super::options::{JsonTypes, XmlOptions};
use crate::bytes::block::{Fixed, Snippet};

/// Names no namespace but the one of `xsi:nil` (XML Schema part 1, 2.6.2).
const XSI: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

pub(super) const ITEM_END: &Fixed = &Fixed::new("</item>");

/// The tags of a column's element. The first column's begin with the start of the record, the last one's end with its
/// end.
#[derive(Debug)]
pub(super) struct ColumnTags {
    /// `<name>`
    pub(super) open: Snippet,
    /// `<name`, for the start tags that have a type.
    pub(super) start: Snippet,
    /// `</name>`
    pub(super) end: Snippet,
    /// `<name xsi:nil="true"/>`
    pub(super) nil: Snippet,
}

/// What stands around records.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) header: Vec<u8>,
    pub(super) root_end: Vec<u8>,
    record_open: Vec<u8>,
    record_end: Vec<u8>,
}

impl Frame {
    pub(super) fn new(options: &XmlOptions) -> Self {
        let root = element_name(&options.root);
        let record = element_name(&options.record);
        Frame {
            header: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} {XSI}>\n").into_bytes(),
            root_end: format!("</{root}>\n").into_bytes(),
            record_open: format!("<{record}>").into_bytes(),
            record_end: format!("</{record}>").into_bytes(),
        }
    }

    /// A record without columns.
    pub(super) fn empty_record(&self) -> Vec<u8> {
        [self.record_open.as_slice(), &self.record_end].concat()
    }

    /// The tags of the columns with these names, in order.
    pub(super) fn columns<'a>(&self, targets: impl ExactSizeIterator<Item = &'a str>) -> Vec<ColumnTags> {
        let last = targets.len().saturating_sub(1);
        targets
            .enumerate()
            .map(|(at, target)| {
                let before: &[u8] = if at == 0 { &self.record_open } else { b"" };
                let after: &[u8] = if at == last { &self.record_end } else { b"" };
                let name = element_name(target);
                ColumnTags {
                    open: Snippet::new(&[before, format!("<{name}>").as_bytes()].concat()),
                    start: Snippet::new(&[before, format!("<{name}").as_bytes()].concat()),
                    end: Snippet::new(&[format!("</{name}>").as_bytes(), after].concat()),
                    nil: Snippet::new(&[before, format!("<{name} xsi:nil=\"true\"/>").as_bytes(), after].concat()),
                }
            })
            .collect()
    }
}

fn element_name(text: &str) -> String {
    let mut out = Vec::new();
    name::write(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// A start tag from where the name of the element ends, and whole for an `<item>`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) rest: &'static Fixed,
    pub(super) item: &'static Fixed,
}

macro_rules! start {
    ($rest:literal) => {
        Start { rest: &Fixed::new($rest), item: &Fixed::new(concat!("<item", $rest)) }
    };
}

const BARE: Start = start!(">");
const OBJECT: Start = start!(" type=\"object\">");
const ARRAY: Start = start!(" type=\"array\">");
const STRING: Start = start!(" type=\"string\">");
const NUMBER: Start = start!(" type=\"number\">");
const BOOLEAN: Start = start!(" type=\"boolean\">");
/// NULL, whole: there is no end tag.
pub(super) const NIL: Start = start!(" xsi:nil=\"true\"/>");

/// The start tags of elements that come from json, jsonb and arrays, by what is in them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typed {
    pub(super) object: Start,
    pub(super) array: Start,
    pub(super) empty_string: Start,
    pub(super) string: Start,
    pub(super) number: Start,
    pub(super) boolean: Start,
}

impl Typed {
    pub(super) fn new(types: JsonTypes) -> Self {
        match types {
            JsonTypes::None => {
                Typed { object: BARE, array: BARE, empty_string: BARE, string: BARE, number: BARE, boolean: BARE }
            }
            JsonTypes::Containers => {
                Typed { object: OBJECT, array: ARRAY, empty_string: STRING, string: BARE, number: BARE, boolean: BARE }
            }
            JsonTypes::All => Typed {
                object: OBJECT,
                array: ARRAY,
                empty_string: STRING,
                string: STRING,
                number: NUMBER,
                boolean: BOOLEAN,
            },
        }
    }
}
