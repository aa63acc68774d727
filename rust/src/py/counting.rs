//! `RowCounter`: the rows of a file that is read anew.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use super::options::PyOptions;
use super::words::refused;
use crate::compression::Compression;
use crate::counting::FileCounter;
use crate::error::Error;
use crate::formats;

#[pyclass(name = "RowCounter", module = "polyglot_export._core", frozen)]
pub struct PyRowCounter {
    counter: Mutex<FileCounter>,
}

#[pymethods]
impl PyRowCounter {
    #[new]
    #[pyo3(signature = (encoder, compression=None))]
    fn new(encoder: PyOptions, compression: Option<&str>) -> PyResult<Self> {
        let format = formats::open(&encoder.format()?, &encoder).map_err(refused)?;
        let compression = Compression::named(compression, 0)
            .ok_or_else(|| Error::Internal("there is no such compression".to_owned()))?;
        Ok(PyRowCounter { counter: Mutex::new(FileCounter::new(&*format, compression)?) })
    }

    fn wants(&self, file_bytes: u64) -> PyResult<Option<(u64, usize)>> {
        Ok(self.locked(|counter| counter.wants(file_bytes))?)
    }

    fn look(&self, py: Python<'_>, content: &[u8]) -> PyResult<()> {
        Ok(py.detach(|| self.locked(|counter| counter.look(content)))?)
    }

    fn update(&self, py: Python<'_>, chunk: &[u8]) -> PyResult<()> {
        Ok(py.detach(|| self.locked(|counter| counter.update(chunk)))?)
    }

    fn finish(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(py.detach(|| self.locked(FileCounter::finish))?)
    }
}

impl PyRowCounter {
    fn locked<T>(&self, work: impl FnOnce(&mut FileCounter) -> Result<T, Error>) -> Result<T, Error> {
        work(&mut self.counter.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
