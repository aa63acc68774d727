//! `Sha256`: the digest of chunks, also of those that never become Python's objects.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use ring::digest::{Context, SHA256};

#[pyclass(name = "Sha256", module = "polyglot_export._core", frozen)]
pub struct PySha256 {
    context: Mutex<Context>,
}

#[pymethods]
impl PySha256 {
    #[new]
    fn new() -> Self {
        PySha256 { context: Mutex::new(Context::new(&SHA256)) }
    }

    fn update(&self, py: Python<'_>, chunk: &[u8]) {
        py.detach(|| self.update_all(&[chunk]));
    }

    fn hexdigest(&self) -> String {
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner).clone();
        context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl PySha256 {
    pub fn update_all(&self, parts: &[&[u8]]) {
        let mut context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().for_each(|part| context.update(part));
    }
}
