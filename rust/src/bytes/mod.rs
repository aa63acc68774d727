//! Bytes in and out, whatever they mean: checked reads, digits, escapes, short texts, and buffers that are used again.

pub mod block;
pub mod chunk_pool;
pub mod cursor;
pub mod digits;
pub mod escape;
pub mod flusher;
pub mod inline_text;
pub mod outlet;
