//! The seam to Python. All PyO3 is in this folder; the rest is plain Rust that `cargo test` runs without an
//! interpreter.

pub mod arrow;
pub mod counting;
pub mod errors;
mod options;
mod plan;
pub mod registry;
pub mod routed;
pub mod sessions;
pub mod sha256;
pub mod stream;
mod words;
pub mod writer;
