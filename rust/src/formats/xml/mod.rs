//! XML 1.0: one element a row, in it one a column.
//!
//! ```xml
//! <?xml version="1.0" encoding="UTF-8"?>
//! <records xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
//! <record><id>1</id><note xsi:nil="true"/><tags type="array"><item>a</item></tags></record>
//! </records>
//! ```
//!
//! NULL is an element with `xsi:nil`, the empty string one without content, written `<note></note>`.
//! `docs/formats/xml.md` has every rule with an example. The parts: `name` (names of elements), `escape` (text), `tags`
//! (made once), `leaf` (one value as text), `json` over `scan` (documents), `array`.

use std::sync::Arc;

use super::base::{Encoding, Export, Format, RowCounter};
use super::options::{Options, Refused};
use super::text::{self, TextEncoder};
use crate::bytes::flusher::Flusher;
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::types::record::Binary;
use crate::types::{Column, Kind};

use array::ArrayWriter;
use count::ElementCounter;
use json::Element;
use leaf::Leaf;
use scratch::Scratch;
use tags::{ColumnTags, Frame};

mod array;
mod count;
mod escape;
mod json;
mod leaf;
mod name;
mod name_chars;
mod options;
mod scan;
mod scratch;
mod tags;

pub use options::{InvalidXmlChars, JsonTypes, XmlOptions};

/// XML with its options.
pub fn open(options: &dyn Options) -> Result<Arc<dyn Format>, Refused> {
    Ok(Arc::new(XmlOptions::read(options)?))
}

impl Format for XmlOptions {
    fn encoding(&self, export: &Export<'_>) -> Result<Arc<dyn Encoding>> {
        let (options, columns, server_version) = (self.clone(), export.columns.to_vec(), export.server_version);
        Ok(text::encoding(export, move || Xml::new(&options, &columns, server_version)))
    }

    fn row_counter(&self) -> Box<dyn RowCounter> {
        Box::new(ElementCounter::new())
    }
}

/// Encoder of XML.
///
/// Memory: a buffer for the open containers of one document ([`json::MAX_DEPTH`] at most) and one for a key.
#[derive(Debug)]
pub struct Xml {
    frame: Frame,
    /// What a row without columns is.
    empty_record: Vec<u8>,
    columns: Vec<XmlColumn>,
    scratch: Scratch,
    /// Whether the policy for characters can lose anything.
    may_lose: bool,
}

/// One column of the plan.
#[derive(Debug)]
struct XmlColumn {
    source: String,
    tags: ColumnTags,
    value: Value,
    /// Values in which a character was replaced or dropped, since they were last taken.
    losses: u64,
}

#[derive(Debug)]
enum Value {
    Leaf(Leaf),
    Json(Leaf),
    Array(ArrayWriter),
}

impl Xml {
    pub fn new(options: &XmlOptions, columns: &[Column], server_version: u32) -> Self {
        let frame = Frame::new(options);
        let tags = frame.columns(columns.iter().map(|column| column.target.as_str()));
        let columns = columns.iter().zip(tags).map(|(column, tags)| XmlColumn {
            source: column.source.clone(),
            tags,
            value: Value::new(column.kind, server_version, options.binary),
            losses: 0,
        });
        Xml {
            empty_record: frame.empty_record(),
            columns: columns.collect(),
            scratch: Scratch::new(options),
            frame,
            may_lose: options.invalid_chars != InvalidXmlChars::Error,
        }
    }
}

impl Value {
    fn new(kind: Kind, server_version: u32, binary: Binary) -> Self {
        let leaf = Leaf::new(kind.record(), server_version, binary);
        match kind {
            Kind::Array { .. } => Value::Array(ArrayWriter::new(leaf)),
            Kind::Scalar(_) if leaf.is_document() => Value::Json(leaf),
            Kind::Scalar(_) => Value::Leaf(leaf),
        }
    }
}

impl XmlColumn {
    #[inline]
    fn write(
        &mut self,
        field: Option<&[u8]>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
        flusher: &mut Flusher<'_>,
    ) -> Result<()> {
        let Some(bytes) = field else {
            self.tags.nil.push(out);
            return Ok(());
        };
        match &mut self.value {
            Value::Leaf(leaf) => {
                self.tags.open.push(out);
                leaf.write(bytes, &mut scratch.escaper, &mut scratch.raw, out, flusher)?;
                self.tags.end.push(out);
            }
            Value::Json(leaf) => {
                let json = leaf.document(bytes)?.unwrap_or(bytes);
                scratch.json.write(json, Element::Column(&self.tags), &mut scratch.escaper, out, flusher)?;
            }
            Value::Array(array) => array.write(bytes, &self.tags, scratch, out, flusher)?,
        }
        if scratch.escaper.take_lossy() {
            self.losses = self.losses.saturating_add(1);
        }
        flusher.flush_if_full(out)
    }
}

impl TextEncoder for Xml {
    fn header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.frame.header);
    }

    fn separator(&self) -> &'static [u8] {
        b"\n"
    }

    fn row(&mut self, mut tuple: Tuple<'_>, out: &mut Vec<u8>, flusher: &mut Flusher<'_>) -> Result<()> {
        if self.columns.is_empty() {
            out.extend_from_slice(&self.empty_record);
        }
        for column in &mut self.columns {
            let field = tuple.field()?;
            column.write(field, &mut self.scratch, out, flusher).map_err(|error| error.in_column(&column.source))?;
        }
        tuple.end()
    }

    fn footer(&self, rows: bool, out: &mut Vec<u8>) {
        if rows {
            out.push(b'\n');
        }
        out.extend_from_slice(&self.frame.root_end);
    }

    /// Values, not characters: a value is counted once however many of its characters were replaced or dropped.
    fn take_losses(&mut self) -> Vec<u64> {
        if !self.may_lose {
            return Vec::new();
        }
        self.columns.iter_mut().map(|column| std::mem::take(&mut column.losses)).collect()
    }
}
