//! `ChunkStream`: the pull stream that Python sees.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::plan::PyPlan;
use super::sessions::PySessions;
use super::sha256::PySha256;
use super::writer::PyWriter;
use crate::error::Error;
use crate::formats::base::Chunk;
use crate::pipeline::Pipeline;

#[pyclass(name = "Progress", module = "polyglot_export._core", frozen, get_all)]
pub struct PyProgress {
    rows: u64,
    bytes: u64,
    segments_done: u64,
    segments_total: u64,
    losses: Vec<u64>,
    finished: bool,
}

impl PyProgress {
    pub fn of(pipeline: &Pipeline) -> Self {
        let progress = pipeline.progress();
        let mut losses = progress.losses;
        losses.resize(pipeline.columns().count(), 0);
        PyProgress {
            rows: progress.rows,
            bytes: progress.bytes,
            segments_done: pipeline.segments_done(),
            segments_total: pipeline.segments_total(),
            losses,
            finished: progress.finished,
        }
    }
}

#[pyclass(name = "ChunkStream", module = "polyglot_export._core", frozen)]
pub struct PyChunkStream {
    pipeline: Pipeline,
}

#[pymethods]
impl PyChunkStream {
    #[new]
    #[pyo3(signature = (plan, sessions=None))]
    fn new(plan: PyPlan, sessions: Option<PyRef<'_, PySessions>>) -> PyResult<Self> {
        let sessions = sessions.map(|kept| kept.shared());
        Ok(PyChunkStream { pipeline: Pipeline::new(plan.into_plan()?, sessions)? })
    }

    fn next_chunk<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some(chunk) = py.detach(|| self.pipeline.next())? else {
            return Ok(None);
        };
        let bytes = to_bytes(py, &chunk)?;
        self.pipeline.give_back(chunk);
        Ok(Some(bytes))
    }

    /// Without a copy: from the buffer of the worker to the system.
    #[pyo3(signature = (writer, hasher=None))]
    fn write_chunk(
        &self,
        py: Python<'_>,
        writer: &Bound<'_, PyWriter>,
        hasher: Option<&Bound<'_, PySha256>>,
    ) -> PyResult<Option<usize>> {
        let (writer, hasher) = (writer.get(), hasher.map(Bound::get));
        py.detach(|| {
            let Some(chunk) = self.pipeline.next_whole()? else { return Ok(None) };
            let written = writer.write_all(&chunk.prefix, &chunk.body, || self.go_on());
            if let Err(error) = written {
                // What comes next must not be taken for what follows these bytes.
                self.pipeline.cancel();
                return Err(error);
            }
            if let Some(hasher) = hasher {
                hasher.update_all(&[&chunk.prefix, &chunk.body]);
            }
            let bytes = chunk.len();
            self.pipeline.give_back(chunk);
            Ok(Some(bytes))
        })
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

impl PyChunkStream {
    fn go_on(&self) -> PyResult<()> {
        if self.pipeline.is_stopped() { Err(Error::Cancelled.into()) } else { Ok(()) }
    }
}

/// One copy, into the object that Python owns.
pub fn to_bytes<'py>(py: Python<'py>, chunk: &Chunk) -> PyResult<Bound<'py, PyBytes>> {
    if chunk.prefix.is_empty() {
        // Most chunks: `new_with` would first fill the buffer with zeros.
        return Ok(PyBytes::new(py, &chunk.body));
    }
    PyBytes::new_with(py, chunk.len(), |buffer| {
        if let Some((prefix, body)) = buffer.split_at_mut_checked(chunk.prefix.len()) {
            prefix.copy_from_slice(&chunk.prefix);
            body.copy_from_slice(&chunk.body);
        }
        Ok(())
    })
}
