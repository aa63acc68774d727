//! Values by column, for the formats that store them so: builders of Arrow arrays, one a column.
//!
//! A type says which builder takes its values (`types`), a columnar format what becomes of the arrays.

pub mod builders;
