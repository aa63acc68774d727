//! JSON values as the tests see them: written out as documents, and read back from elements.

use std::fmt::Write;

use roxmltree::Node;

use crate::support::{is_nil, unescape};

#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Json>),
    /// In order, with keys that may occur twice, as type json keeps them.
    Object(Vec<(String, Json)>),
}

pub fn write_json(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => write!(out, "{value}").unwrap(),
        Json::Number(digits) => out.push_str(digits),
        Json::String(text) => write_json_string(text, out),
        Json::Array(items) => {
            out.push_str("[ ");
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { " ,\n" } else { "" });
                write_json(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (at, (key, item)) in members.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_json_string(key, out);
                out.push_str(if at % 2 == 0 { ": " } else { "\t:" });
                write_json(item, out);
            }
            out.push('}');
        }
    }
}

/// Every third character beyond ASCII as an escape, in UTF-16 units.
pub fn write_json_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c < ' ' || (c > '~' && u32::from(c) % 3 == 0) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").unwrap();
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The value that an element with `type` attributes on everything stands for.
pub fn read_json(node: Node<'_, '_>) -> Json {
    if is_nil(node) {
        return Json::Null;
    }
    let text = || node.text().unwrap_or_default().to_owned();
    match node.attribute("type").expect("a type") {
        "object" => {
            Json::Object(node.children().map(|child| (unescape(child.tag_name().name()), read_json(child))).collect())
        }
        "array" => Json::Array(
            node.children().inspect(|child| assert_eq!(child.tag_name().name(), "item")).map(read_json).collect(),
        ),
        "string" => Json::String(text()),
        "number" => Json::Number(text()),
        "boolean" => Json::Bool(text() == "true"),
        other => panic!("type {other}"),
    }
}

/// Without the types of scalars: what `containers` promises to keep.
pub fn without_scalar_types(value: Json) -> Json {
    match value {
        Json::Null | Json::String(_) => value,
        Json::Bool(value) => Json::String(value.to_string()),
        Json::Number(digits) => Json::String(digits),
        Json::Array(items) => Json::Array(items.into_iter().map(without_scalar_types).collect()),
        Json::Object(members) => {
            Json::Object(members.into_iter().map(|(key, item)| (key, without_scalar_types(item))).collect())
        }
    }
}

pub fn read_containers(node: Node<'_, '_>) -> Json {
    let text = node.text().unwrap_or_default().to_owned();
    match node.attribute("type") {
        _ if is_nil(node) => Json::Null,
        Some("object") => Json::Object(
            node.children().map(|child| (unescape(child.tag_name().name()), read_containers(child))).collect(),
        ),
        Some("array") => Json::Array(node.children().map(read_containers).collect()),
        Some("string") => {
            assert_eq!(text, "", "only empty strings are marked");
            Json::String(text)
        }
        None => {
            assert!(!text.is_empty(), "an empty value is not marked");
            Json::String(text)
        }
        Some(other) => panic!("type {other}"),
    }
}

/// The elements of an array, dimension in dimension.
pub fn nest(lengths: &[i32], elements: &[Option<String>]) -> Json {
    let Some((_, inner)) = lengths.split_first() else { return Json::Array(Vec::new()) };
    if inner.is_empty() {
        return Json::Array(elements.iter().map(|element| element.clone().map_or(Json::Null, Json::String)).collect());
    }
    let size = usize::try_from(inner.iter().product::<i32>()).unwrap();
    Json::Array(elements.chunks(size).map(|part| nest(inner, part)).collect())
}
