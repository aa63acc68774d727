//! `Writer`: a descriptor of Python's that chunks are written to without becoming Python's objects.

use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::bytes::outlet::Outlet;

#[pyclass(name = "Writer", module = "polyglot_export._core", frozen)]
pub struct PyWriter {
    /// `None` once it is closed.
    outlet: Mutex<Option<Arc<Outlet>>>,
}

#[pymethods]
impl PyWriter {
    #[new]
    fn new(descriptor: RawFd) -> PyResult<Self> {
        let outlet = Outlet::of(descriptor).map_err(os_error)?;
        Ok(PyWriter { outlet: Mutex::new(Some(Arc::new(outlet))) })
    }

    fn write(&self, py: Python<'_>, chunk: &[u8]) -> PyResult<()> {
        py.detach(|| self.write_all(&[], chunk, || Ok(())))
    }

    fn close(&self) {
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl PyWriter {
    /// Writes all of it, without the GIL. Where a signal waits for the main thread, its handler is run, and may raise;
    /// `go_on` may end the writing as well.
    pub fn write_all(&self, prefix: &[u8], body: &[u8], go_on: impl Fn() -> PyResult<()>) -> PyResult<()> {
        let outlet = self.outlet.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let closed = || Failure(os_error(io::Error::from_raw_os_error(libc::EBADF)));
        let written = outlet.ok_or_else(closed).and_then(|outlet| {
            outlet.write(prefix, body, || {
                go_on()?;
                Ok(Python::attach(|py| py.check_signals())?)
            })
        });
        written.map_err(|failure| failure.0)
    }
}

/// What ends the writing, as Python's exception.
struct Failure(PyErr);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure(os_error(error))
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Failure(error)
    }
}

/// `OSError` with the system's number and its words for it, from which Python makes the subclass. (`PyErr::from` would
/// leave the number out.)
fn os_error(error: io::Error) -> PyErr {
    let Some(number) = error.raw_os_error() else { return error.into() };
    Python::attach(|py| {
        let words = py.import("os").and_then(|os| os.call_method1("strerror", (number,)));
        words.map_or_else(|failed| failed, |words| PyOSError::new_err((number, words.unbind())))
    })
}
