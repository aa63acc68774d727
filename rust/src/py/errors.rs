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
    let class = match error {
        Error::Connect { sqlstate, .. } => {
            attributes.set_item("sqlstate", sqlstate)?;
            "ConnectionFailed"
        }
        Error::Lost(_) => "ConnectionLost",
        Error::Server(server) => {
            attributes.set_item("sqlstate", &server.sqlstate)?;
            attributes.set_item("detail", &server.detail)?;
            attributes.set_item("hint", &server.hint)?;
            server_class(&server.sqlstate)
        }
        Error::Value(value) | Error::TooLarge(value) => {
            attributes.set_item("row", value.row)?;
            attributes.set_item("column", &value.column)?;
            if matches!(error, Error::TooLarge(_)) { "RowTooLarge" } else { "UnsupportedValue" }
        }
        Error::Protocol(_) => "MalformedData",
        Error::Cancelled => "Cancelled",
        Error::Internal(_) => "InternalError",
    };
    let class = py.import(MODULE)?.getattr(class)?;
    let value = class.call((error.to_string(),), Some(&attributes))?;
    if value.is_instance_of::<pyo3::exceptions::PyException>() {
        Ok(PyErr::from_value(value))
    } else {
        Err(PyRuntimeError::new_err(error.to_string()))
    }
}

/// Which class stands for a SQLSTATE; the Python side asks the same table (`errors.statement_error`).
fn server_class(sqlstate: &str) -> &'static str {
    match sqlstate {
        "42501" => "AccessDenied",
        // query_canceled is a statement timeout here: our own cancel is `Cancelled` before the server says so.
        "57014" | "25P03" | "25P04" => "StatementTimeout",
        _ if sqlstate.starts_with("57P") || sqlstate.starts_with("08") => "ConnectionLost",
        _ => "StatementFailed",
    }
}
