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

use crate::copy::frame::Tuple;
use crate::encode::TextEncoder;
use crate::encode::outlet::Outlet;
use crate::error::Result;
use crate::plan::{InvalidXmlChars, Kind, Plan, XmlOptions};

use array::ArrayWriter;
use escape::Escaper;
use json::{Element, JsonWriter};
use leaf::Leaf;
use tags::{ColumnTags, Frame, Typed};

mod array;
mod escape;
mod json;
mod leaf;
mod name;
mod name_chars;
mod scan;
mod tags;

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

/// What writers share: buffers that are used again for each value, and the policy for characters.
#[derive(Debug)]
struct Scratch {
    typed: Typed,
    escaper: Escaper,
    json: JsonWriter,
    /// A value's text before it is escaped, or before its tag is chosen; never a long text's.
    raw: Vec<u8>,
}

impl Xml {
    pub fn new(options: &XmlOptions, plan: &Plan) -> Self {
        let frame = Frame::new(options);
        let typed = Typed::new(options.json_types);
        let tags = frame.columns(plan.columns.iter().map(|column| column.target.as_str()));
        let columns = plan.columns.iter().zip(tags).map(|(column, tags)| XmlColumn {
            source: column.source.clone(),
            tags,
            value: Value::new(&column.kind, plan.source.server_version),
            losses: 0,
        });
        Xml {
            empty_record: frame.empty_record(),
            columns: columns.collect(),
            scratch: Scratch {
                typed,
                escaper: Escaper::new(options.invalid_chars),
                json: JsonWriter::new(typed),
                raw: Vec::new(),
            },
            frame,
            may_lose: options.invalid_chars != InvalidXmlChars::Error,
        }
    }
}

impl Value {
    fn new(kind: &Kind, server_version: u32) -> Self {
        match kind {
            Kind::Array { element, .. } => Value::Array(ArrayWriter::new(element, server_version)),
            Kind::Json | Kind::Jsonb | Kind::JsonText => Value::Json(Leaf::new(kind, server_version)),
            _ => Value::Leaf(Leaf::new(kind, server_version)),
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
        outlet: &mut Outlet<'_>,
    ) -> Result<()> {
        let Some(bytes) = field else {
            self.tags.nil.push(out);
            return Ok(());
        };
        match &mut self.value {
            Value::Leaf(leaf) => {
                self.tags.open.push(out);
                leaf.write(bytes, &mut scratch.escaper, &mut scratch.raw, out, outlet)?;
                self.tags.end.push(out);
            }
            Value::Json(leaf) => {
                let json = leaf.json(bytes)?.unwrap_or(bytes);
                scratch.json.write(json, Element::Column(&self.tags), &mut scratch.escaper, out, outlet)?;
            }
            Value::Array(array) => array.write(bytes, &self.tags, scratch, out, outlet)?,
        }
        if scratch.escaper.take_lossy() {
            self.losses = self.losses.saturating_add(1);
        }
        outlet.offer(out)
    }
}

impl TextEncoder for Xml {
    fn header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.frame.header);
    }

    fn separator(&self) -> &'static [u8] {
        b"\n"
    }

    fn row(&mut self, mut tuple: Tuple<'_>, out: &mut Vec<u8>, outlet: &mut Outlet<'_>) -> Result<()> {
        if self.columns.is_empty() {
            out.extend_from_slice(&self.empty_record);
        }
        for column in &mut self.columns {
            let field = tuple.field()?;
            column.write(field, &mut self.scratch, out, outlet).map_err(|error| error.in_column(&column.source))?;
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
