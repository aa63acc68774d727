//! `Sessions`: the connections of a moment that wait for its next export.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::pipeline::sessions::Sessions;

#[pyclass(name = "Sessions", module = "polyglot_export._core", frozen)]
pub struct PySessions {
    sessions: Arc<Sessions>,
}

impl PySessions {
    pub fn shared(&self) -> Arc<Sessions> {
        Arc::clone(&self.sessions)
    }
}

#[pymethods]
impl PySessions {
    #[new]
    fn new() -> Self {
        PySessions { sessions: Arc::default() }
    }

    #[getter]
    fn idle(&self) -> usize {
        self.sessions.idle()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.sessions.close());
    }
}
