//! The tags of the document, made once.

use super::name;
use crate::plan::{JsonTypes, XmlOptions};

/// Names no namespace but the one of `xsi:nil` (XML Schema part 1, 2.6.2).
const XSI: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

pub(super) const ITEM_END: &[u8] = b"</item>";

/// The tags of a column's element. The first column's begin with the start of the record, the last one's end with its end.
#[derive(Debug)]
pub(super) struct ColumnTags {
    /// `<name>`
    pub(super) open: Vec<u8>,
    /// `<name`, for the start tags that have a type.
    pub(super) start: Vec<u8>,
    /// `</name>`
    pub(super) end: Vec<u8>,
    /// `<name xsi:nil="true"/>`
    pub(super) nil: Vec<u8>,
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
                    open: [before, format!("<{name}>").as_bytes()].concat(),
                    start: [before, format!("<{name}").as_bytes()].concat(),
                    end: [format!("</{name}>").as_bytes(), after].concat(),
                    nil: [before, format!("<{name} xsi:nil=\"true\"/>").as_bytes(), after].concat(),
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
    pub(super) rest: &'static [u8],
    pub(super) item: &'static [u8],
}

macro_rules! start {
    ($rest:literal) => {
        Start { rest: concat!($rest).as_bytes(), item: concat!("<item", $rest).as_bytes() }
    };
}

const BARE: Start = start!(">");
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
        let object = start!(" type=\"object\">");
        let array = start!(" type=\"array\">");
        let string = start!(" type=\"string\">");
        let number = start!(" type=\"number\">");
        let boolean = start!(" type=\"boolean\">");
        match types {
            JsonTypes::None => Typed { object: BARE, array: BARE, empty_string: BARE, string: BARE, number: BARE, boolean: BARE },
            JsonTypes::Containers => Typed { object, array, empty_string: string, string: BARE, number: BARE, boolean: BARE },
            JsonTypes::All => Typed { object, array, empty_string: string, string, number, boolean },
        }
    }
}
