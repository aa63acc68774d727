//! The words of a plan.

use pyo3::PyErr;
use pyo3::PyResult;
use pyo3::exceptions::PyValueError;

use crate::formats::options::Refused;

/// What a word stands for.
pub(super) fn meaning<T: Copy>(name: &str, value: &str, words: &[(&str, T)]) -> PyResult<T> {
    let found = words.iter().find(|(word, _)| *word == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| unknown(name, value))
}

/// A word that is none of those allowed.
pub(super) fn unknown(name: &str, value: &str) -> PyErr {
    refused(Refused::unknown(name, value))
}

pub(super) fn refused(refused: Refused) -> PyErr {
    PyValueError::new_err(refused.0)
}
