//! The options of a format as Python has them: attributes of an object, whatever its class.

use pyo3::conversion::FromPyObjectOwned;
use pyo3::prelude::*;

use crate::formats::options::{Options, Refused};

#[derive(FromPyObject)]
#[pyo3(transparent)]
pub struct PyOptions(Py<PyAny>);

impl PyOptions {
    /// The name of the format.
    pub fn format(&self) -> PyResult<String> {
        Python::attach(|py| self.0.bind(py).getattr("format")?.extract())
    }

    fn read<T: for<'py> FromPyObjectOwned<'py>>(&self, name: &'static str) -> Result<T, Refused> {
        let refused = |error: PyErr| Refused(format!("plan.{name}: {error}"));
        Python::attach(|py| {
            let value = self.0.bind(py).getattr(name).map_err(refused)?;
            value.extract::<T>().map_err(|error| refused(error.into()))
        })
    }
}

impl Options for PyOptions {
    fn text(&self, name: &'static str) -> Result<String, Refused> {
        self.read(name)
    }

    fn flag(&self, name: &'static str) -> Result<bool, Refused> {
        self.read(name)
    }

    fn size(&self, name: &'static str) -> Result<usize, Refused> {
        self.read(name)
    }

    fn size_if_any(&self, name: &'static str) -> Result<Option<usize>, Refused> {
        self.read(name)
    }

    fn flags(&self, name: &'static str) -> Result<Vec<bool>, Refused> {
        self.read(name)
    }

    fn pairs(&self, name: &'static str) -> Result<Vec<(String, String)>, Refused> {
        self.read(name)
    }
}
