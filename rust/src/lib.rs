//! The data plane of Polyglot Export.
//!
//! `wire` (connections) → `copy` (binary COPY to fields) → `encode` (rows to bytes) → `compress` → `pipeline` (segments
//! in parallel, bytes in order) → `py` (the pull stream that Python sees).

pub mod bytes;
pub mod columns;
pub mod compression;
pub mod copy;
pub mod counting;
pub mod error;
pub mod formats;
pub mod pipeline;
pub mod plan;
mod py;
pub mod routing;
pub mod types;
pub mod wire;

#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::py::arrow::{PyArrowBatch, PyArrowSchema, PyArrowStream};
    #[pymodule_export]
    use crate::py::counting::PyRowCounter;
    #[pymodule_export]
    use crate::py::registry::{PyType, formats, types};
    #[pymodule_export]
    use crate::py::routed::{PyRoutedChunk, PyRoutedStream};
    #[pymodule_export]
    use crate::py::sessions::PySessions;
    #[pymodule_export]
    use crate::py::sha256::PySha256;
    #[pymodule_export]
    use crate::py::stream::{PyChunkStream, PyProgress};
    #[pymodule_export]
    use crate::py::writer::PyWriter;

    /// What this build is for: a benchmark of a debug build means nothing.
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const build_profile: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const version: &str = env!("CARGO_PKG_VERSION");
}
