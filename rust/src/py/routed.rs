//! `RoutedStream`: the pull stream of an export whose rows go into several files.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::plan::PyPlan;
use super::sessions::PySessions;
use super::stream::{PyProgress, to_bytes};
use crate::error::Error;
use crate::formats::base::{FileEnd, FileMark};
use crate::pipeline::Pipeline;

/// What happens to one of the files.
#[pyclass(name = "RoutedChunk", module = "polyglot_export._core", frozen, get_all)]
pub struct PyRoutedChunk {
    number: u32,
    begins: bool,
    value: Option<String>,
    content: Py<PyBytes>,
    ends: bool,
    rows: u64,
    losses: Vec<u64>,
    replaced: u64,
}

#[pyclass(name = "RoutedStream", module = "polyglot_export._core", frozen)]
pub struct PyRoutedStream {
    pipeline: Pipeline,
}

#[pymethods]
impl PyRoutedStream {
    #[new]
    #[pyo3(signature = (plan, sessions=None))]
    fn new(plan: PyPlan, sessions: Option<PyRef<'_, PySessions>>) -> PyResult<Self> {
        let sessions = sessions.map(|kept| kept.shared());
        let plan = plan.into_plan()?;
        if plan.route.is_none() {
            return Err(Error::Internal("the plan has no route".into()).into());
        }
        Ok(PyRoutedStream { pipeline: Pipeline::new(plan, sessions)? })
    }

    fn next_chunk(&self, py: Python<'_>) -> PyResult<Option<PyRoutedChunk>> {
        let Some(mut chunk) = py.detach(|| self.pipeline.next())? else {
            return Ok(None);
        };
        let mark = chunk.mark.take().ok_or_else(|| Error::Internal("a chunk of no file".into()))?;
        let content = to_bytes(py, &chunk)?.unbind();
        self.pipeline.give_back(chunk);
        let (number, begins, value, end) = match mark {
            FileMark::Begin { number, value } => (number, true, value, None),
            FileMark::Body { number } => (number, false, None, None),
            FileMark::End { number, end } => (number, false, None, Some(end)),
        };
        let ends = end.is_some();
        let FileEnd { rows, mut losses, replaced } = end.unwrap_or_default();
        losses.resize(self.pipeline.columns().count(), 0);
        Ok(Some(PyRoutedChunk { number, begins, value, content, ends, rows, losses, replaced }))
    }

    fn cancel(&self, py: Python<'_>) {
        py.detach(|| self.pipeline.cancel());
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.pipeline.close());
    }

    fn progress(&self, py: Python<'_>) -> PyProgress {
        py.detach(|| PyProgress::of(&self.pipeline))
    }
}
