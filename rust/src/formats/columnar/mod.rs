//! What every columnar format needs of a column: what takes its values ([`value_column`]), as an Arrow array a batch.
//!
//! `choose` picks what takes the values of a column (`values`, `lists`), `arrow_type` says which arrays come of it.

pub mod arrow_type;
mod choose;
mod lists;
mod values;

pub use choose::value_column;
pub use values::{Rules, ValueColumn};
