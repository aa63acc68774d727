//! `ArrowStream`: batches of rows by the C data interface of Arrow, through PyCapsules (Arrow, "The Arrow PyCapsule
//! Interface").

use std::sync::Arc;

use arrow_array::ffi::to_ffi;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, RecordBatch, RecordBatchReader, StructArray};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::plan::PyPlan;
use super::sessions::PySessions;
use super::stream::PyProgress;
use crate::error::Error;
use crate::formats::arrow::schema;
use crate::pipeline::Pipeline;

type Capsule<'py> = Bound<'py, PyCapsule>;

/// Some rows in memory.
#[pyclass(name = "ArrowBatch", module = "polyglot_export._core", frozen)]
pub struct PyArrowBatch {
    batch: RecordBatch,
    bytes: usize,
}

#[pymethods]
impl PyArrowBatch {
    #[getter]
    fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn __len__(&self) -> usize {
        self.bytes
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Capsule<'py>, Capsule<'py>)> {
        drop(requested_schema);
        let rows = StructArray::from(self.batch.clone()).to_data();
        let (array, _) = to_ffi(&rows).map_err(internal)?;
        let schema = schema_capsule(py, self.batch.schema_ref())?;
        Ok((schema, PyCapsule::new_with_value(py, array, c"arrow_array")?))
    }
}

/// The columns of a plan as Arrow has them.
#[pyclass(name = "ArrowSchema", module = "polyglot_export._core", frozen)]
pub struct PyArrowSchema {
    schema: SchemaRef,
}

#[pymethods]
impl PyArrowSchema {
    #[new]
    fn new(plan: PyPlan) -> PyResult<Self> {
        let metadata = plan.metadata()?;
        Ok(PyArrowSchema { schema: Arc::new(schema(&plan.into_plan()?.columns, &metadata)) })
    }

    fn capsule<'py>(&self, py: Python<'py>) -> PyResult<Capsule<'py>> {
        schema_capsule(py, &self.schema)
    }

    fn reader<'py>(&self, py: Python<'py>, pull: Py<PyAny>, close: Py<PyAny>) -> PyResult<Capsule<'py>> {
        let reader = Batches { schema: Arc::clone(&self.schema), pull, close };
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
    }
}

#[pyclass(name = "ArrowStream", module = "polyglot_export._core", frozen)]
pub struct PyArrowStream {
    pipeline: Pipeline,
}

#[pymethods]
impl PyArrowStream {
    #[new]
    #[pyo3(signature = (plan, sessions=None))]
    fn new(plan: PyPlan, sessions: Option<PyRef<'_, PySessions>>) -> PyResult<Self> {
        let sessions = sessions.map(|kept| kept.shared());
        Ok(PyArrowStream { pipeline: Pipeline::new(plan.into_plan()?, sessions)? })
    }

    fn next_chunk(&self, py: Python<'_>) -> PyResult<Option<PyArrowBatch>> {
        let Some(chunk) = py.detach(|| self.pipeline.next())? else { return Ok(None) };
        let own = chunk.own.ok_or_else(|| Error::Internal("the plan is not one of batches".into()))?;
        let bytes = own.bytes;
        let batch = own.what.downcast::<RecordBatch>();
        let batch = batch.map_err(|_| Error::Internal("the plan is not one of batches".into()))?;
        Ok(Some(PyArrowBatch { batch: *batch, bytes }))
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

/// What a consumer pulls, from whatever thread, with the GIL or without: each batch is asked for in Python, where the
/// export also proves that it is still whole. The GIL is not held while a batch is waited for.
struct Batches {
    schema: SchemaRef,
    pull: Py<PyAny>,
    close: Py<PyAny>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pulled = Python::try_attach(|py| {
            let batch = self.pull.call0(py)?;
            let batch: Option<PyRef<'_, PyArrowBatch>> = batch.bind(py).extract()?;
            Ok::<_, PyErr>(batch.map(|batch| batch.batch.clone()))
        });
        match pulled {
            None => Some(Err(ArrowError::ExternalError("Python is being shut down".into()))),
            Some(Ok(batch)) => batch.map(Ok),
            Some(Err(error)) => Some(Err(ArrowError::ExternalError(Box::new(error)))),
        }
    }
}

impl RecordBatchReader for Batches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for Batches {
    /// The consumer wants no more, which may be before the end.
    fn drop(&mut self) {
        let _ = Python::try_attach(|py| {
            // A reader that failed lets go while its exception is on its way, with which no Python must run.
            let raised = PyErr::take(py);
            if let Err(error) = self.close.call0(py) {
                error.write_unraisable(py, None);
            }
            if let Some(error) = raised {
                error.restore(py);
            }
        });
    }
}

fn schema_capsule<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Capsule<'py>> {
    let schema = FFI_ArrowSchema::try_from(schema).map_err(internal)?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

fn internal(error: ArrowError) -> Error {
    Error::Internal(format!("Arrow: {error}"))
}
