//! The only map from [`Error`] to Python exceptions: `polyglot_export.errors`.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Error;

const MODULE: &str = "polyglot_export.errors";

impl From<Error> for PyErr {
    fn from(error: Error) -> PyErr {
        Python::attach(|py| to_python(py, &error).unwrap_or_else(|failed| failed))
    }
}

fn to_python(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let attributes = PyDict::new(py);
    let errors = py.import(MODULE)?;
    let class = match error {
        Error::Connect { sqlstate, .. } => {
            attributes.set_item("sqlstate", sqlstate)?;
            errors.getattr("ConnectionFailed")?
        }
        Error::Lost(_) => errors.getattr("ConnectionLost")?,
        Error::Server(server) => {
            attributes.set_item("sqlstate", &server.sqlstate)?;
            attributes.set_item("detail", &server.detail)?;
            attributes.set_item("hint", &server.hint)?;
            // Python has the only table of what a SQLSTATE becomes.
            errors.call_method1("statement_error", (&server.sqlstate,))?
        }
        Error::Value(value) | Error::TooLarge(value) => {
            attributes.set_item("row", value.row)?;
            attributes.set_item("column", &value.column)?;
            errors.getattr(if matches!(error, Error::TooLarge(_)) { "RowTooLarge" } else { "UnsupportedValue" })?
        }
        Error::Protocol(_) | Error::File(_) => errors.getattr("MalformedData")?,
        Error::Cancelled => errors.getattr("Cancelled")?,
        Error::Internal(_) => errors.getattr("InternalError")?,
    };
    let value = class.call((error.to_string(),), Some(&attributes))?;
    if value.is_instance_of::<pyo3::exceptions::PyException>() {
        Ok(PyErr::from_value(value))
    } else {
        Err(PyRuntimeError::new_err(error.to_string()))
    }
}
