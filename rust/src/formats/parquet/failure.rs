//! What a failure of the libraries is to us.

use crate::error::Error;

/// An error of the Parquet or Arrow library: all input was checked before, so it is a defect of ours.
pub(super) fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("Parquet: {error}"))
}
