//! What the core knows, for Python to read instead of repeating it.

use pyo3::prelude::*;

use crate::formats::FORMATS;
use crate::types::{TYPES, Type};

/// A type that is read natively, from its record.
#[pyclass(name = "TypeRecord", module = "polyglot_export._core", frozen, get_all)]
pub struct PyType {
    kind: &'static str,
    postgres: Vec<&'static str>,
    parquet: &'static str,
    big_number: bool,
    document: bool,
}

impl PyType {
    fn of(record: &Type) -> Self {
        PyType {
            kind: record.kind,
            postgres: record.postgres.to_vec(),
            parquet: record.parquet,
            big_number: record.big_number,
            document: record.json.document.is_some(),
        }
    }
}

/// Every type, in the order of the registry.
#[pyfunction]
pub fn types() -> Vec<PyType> {
    TYPES.iter().map(|record| PyType::of(record)).collect()
}

/// The names of the formats in a plan.
#[pyfunction]
pub fn formats() -> Vec<&'static str> {
    FORMATS.iter().map(|(name, _)| *name).collect()
}
