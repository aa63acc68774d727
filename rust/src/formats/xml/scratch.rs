//! What the writers of all columns share.

use super::escape::Escaper;
use super::json::JsonWriter;
use super::options::XmlOptions;
use super::tags::Typed;

/// What writers share: buffers that are used again for each value, and the policy for characters.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) typed: Typed,
    pub(super) escaper: Escaper,
    pub(super) json: JsonWriter,
    /// A value's text before it is escaped, or before its tag is chosen; never a long text's.
    pub(super) raw: Vec<u8>,
}

impl Scratch {
    pub(super) fn new(options: &XmlOptions) -> Self {
        let typed = Typed::new(options.json_types);
        Scratch { typed, escaper: Escaper::new(options.invalid_chars), json: JsonWriter::new(typed), raw: Vec::new() }
    }
}
