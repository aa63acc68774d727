//! Arrays of native elements: `field` reads them, `writer` prints them.

mod field;
mod writer;

pub use field::{Array, Dimension, Elements};
pub use writer::ArrayWriter;
