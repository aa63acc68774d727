//! The one error type of the data plane.
//!
//! A variant says who has to act: the operator (`Connect`, `Lost`), the owner of the data (`Value`, `TooLarge`), the
//! author of the statement (`Server`), or us (`Protocol`, `Internal`). `py/errors.rs` holds the only map to Python
//! exceptions.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The server was not reached, or refused us before the first statement (address, TLS, authentication).
    #[error("{message}")]
    Connect { message: String, sqlstate: Option<String> },
    /// A connection that worked ended.
    #[error("connection to the database lost: {0}")]
    Lost(String),
    /// The server answered a statement with an error.
    #[error("{0}")]
    Server(Box<ServerError>),
    /// Bytes that are not the PostgreSQL protocol or not binary COPY.
    #[error("malformed data from the server: {0}")]
    Protocol(String),
    /// Bytes of a file that are not of its format.
    #[error("{0}")]
    File(String),
    /// A value that the format cannot hold, or a field that is not what its type says.
    #[error("{}", describe_value(.0))]
    Value(Box<ValueError>),
    /// A row larger than the limit that keeps memory bounded.
    #[error("{}", describe_value(.0))]
    TooLarge(Box<ValueError>),
    #[error("the export was cancelled")]
    Cancelled,
    /// A defect of ours: a plan that contradicts itself, a worker that died.
    #[error("internal error: {0}")]
    Internal(String),
}

/// An ErrorResponse (PostgreSQL manual, "Error and Notice Message Fields").
#[derive(Debug, Clone, Default)]
pub struct ServerError {
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

/// Where a value is and why it cannot be written. The encoder fills in `column`, the worker the row within its
/// segment, and the merger turns that into the row of the whole export.
#[derive(Debug, Clone, Default)]
pub struct ValueError {
    /// Row of the export, counted from 1 without the header.
    pub row: Option<u64>,
    /// The source name of the column.
    pub column: Option<String>,
    pub message: String,
}

fn describe_value(e: &ValueError) -> String {
    match (e.row, &e.column) {
        (Some(row), Some(column)) => format!("row {row}, column \"{column}\": {}", e.message),
        (None, Some(column)) => format!("column \"{column}\": {}", e.message),
        (Some(row), None) => format!("row {row}: {}", e.message),
        (None, None) => e.message.clone(),
    }
}

impl Error {
    /// A value error that does not yet know its row and column.
    pub fn value(message: impl Into<String>) -> Self {
        Error::Value(Box::new(ValueError { message: message.into(), ..ValueError::default() }))
    }

    pub fn file(message: impl Into<String>) -> Self {
        Error::File(message.into())
    }

    pub fn protocol(message: impl Into<String>) -> Self {
        Error::Protocol(message.into())
    }

    /// Names the column where the error does not have one yet.
    #[must_use]
    #[cold]
    pub fn in_column(mut self, name: &str) -> Self {
        if let Error::Value(e) | Error::TooLarge(e) = &mut self {
            e.column.get_or_insert_with(|| name.to_owned());
        }
        self
    }

    /// Names the row (within the segment, from 1) where the error does not have one yet.
    #[must_use]
    #[cold]
    pub fn in_row(mut self, row: u64) -> Self {
        if let Error::Value(e) | Error::TooLarge(e) = &mut self {
            e.row.get_or_insert(row);
        }
        self
    }

    /// Forgets the row, where its number would mean nothing.
    #[must_use]
    #[cold]
    pub fn without_row(mut self) -> Self {
        if let Error::Value(e) | Error::TooLarge(e) = &mut self {
            e.row = None;
        }
        self
    }

    /// Turns a row within a segment into a row of the export, given the rows of the segments before it.
    #[must_use]
    pub fn after_rows(mut self, before: u64) -> Self {
        if let Error::Value(e) | Error::TooLarge(e) = &mut self {
            e.row = e.row.map(|row| row.saturating_add(before));
        }
        self
    }
}
