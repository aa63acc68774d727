//! The rows of a `COPY … TO STDOUT` (PostgreSQL manual, "COPY Operations").

use postgres_protocol::message::backend::Message;

use super::connection::{Connection, State};
use super::message::{self, Frame};
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Rows,
    /// CopyDone has come.
    RowsDone,
    /// CommandComplete has come.
    Complete,
    /// ReadyForQuery has come.
    Finished,
    Failed,
}

/// A running COPY. The connection is free again when [`CopyOut::next`] has given `None` or a `Server` error; when it is
/// dropped before, the connection can only be closed.
pub struct CopyOut<'a> {
    connection: &'a mut Connection,
    phase: Phase,
    rows: Option<u64>,
}

impl Connection {
    /// Starts `COPY (…) TO STDOUT (FORMAT binary)`; its rows are read through the [`CopyOut`].
    ///
    /// # Errors
    /// `Server` for an ErrorResponse, after which the connection can be used on; `Internal` where the statement is no
    /// such COPY.
    pub fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>> {
        self.query(sql)?;
        loop {
            let frame = self.receive()?;
            match frame.tag {
                message::COPY_OUT_RESPONSE => break self.check_binary(frame)?,
                message::ERROR_RESPONSE => return Err(self.refused(frame)),
                message::READY_FOR_QUERY => {
                    self.state = State::Idle;
                    return Err(Error::Internal("a statement that is not COPY TO STDOUT was run as one".into()));
                }
                message::COPY_IN_RESPONSE => self.refuse_copy_in()?,
                _ => {}
            }
        }
        Ok(CopyOut::new(self))
    }
}

impl<'a> CopyOut<'a> {
    fn new(connection: &'a mut Connection) -> Self {
        connection.stream.set_streaming(true);
        CopyOut { connection, phase: Phase::Rows, rows: None }
    }

    /// The payload of the next CopyData, borrowed from the read buffer. `None` only after the server has sent CopyDone,
    /// CommandComplete and ReadyForQuery: then the COPY is whole.
    ///
    /// # Errors
    /// `Server` for an ErrorResponse, `Lost`, `Protocol`, `TooLarge`. Every later call fails too.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "an Iterator cannot lend its items")]
    pub fn next(&mut self) -> Result<Option<&[u8]>> {
        match self.advance()? {
            Some(frame) => Ok(Some(self.connection.input.body(frame))),
            None => Ok(None),
        }
    }

    /// How many rows the server says it has sent; known once `next` has given `None`.
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }

    #[inline]
    fn advance(&mut self) -> Result<Option<Frame>> {
        if self.phase == Phase::Rows {
            let connection = &mut *self.connection;
            match connection.input.next(&mut connection.stream) {
                Ok(frame) if frame.tag == message::COPY_DATA => return Ok(Some(frame)),
                Ok(frame) => return self.other(frame),
                Err(e) => return Err(self.broken(e)),
            }
        }
        self.after_rows()
    }

    /// Called again after the end.
    #[cold]
    fn after_rows(&mut self) -> Result<Option<Frame>> {
        match self.phase {
            Phase::Finished => Ok(None),
            _ => Err(Error::Internal("a COPY that has failed was read on".into())),
        }
    }

    /// Everything but a row. Reads on to the end of the COPY, or to the next row after an asynchronous message.
    #[cold]
    fn other(&mut self, mut frame: Frame) -> Result<Option<Frame>> {
        loop {
            match (frame.tag, self.phase) {
                (message::COPY_DATA, Phase::Rows) => return Ok(Some(frame)),
                (message::COPY_DONE, Phase::Rows) => self.phase = Phase::RowsDone,
                (message::COMMAND_COMPLETE, Phase::RowsDone) => {
                    self.rows = self.tagged_rows(frame);
                    self.phase = Phase::Complete;
                }
                (message::READY_FOR_QUERY, Phase::Complete) => {
                    self.phase = Phase::Finished;
                    self.connection.state = State::Idle;
                    self.connection.input.shrink();
                    self.connection.stream.set_streaming(false);
                    return Ok(None);
                }
                (message::ERROR_RESPONSE, _) => {
                    self.phase = Phase::Failed;
                    return Err(self.connection.refused(frame));
                }
                (tag, _) if message::is_asynchronous(tag) => {}
                (tag, _) => return Err(self.broken(message::unexpected(tag, "during COPY"))),
            }
            frame = match self.connection.receive() {
                Ok(frame) => frame,
                Err(e) => return Err(self.broken(e)),
            };
        }
    }

    #[cold]
    fn broken(&mut self, e: Error) -> Error {
        self.phase = Phase::Failed;
        self.connection.state = State::Broken;
        e
    }

    /// The number in the command tag `COPY 42`.
    fn tagged_rows(&self, frame: Frame) -> Option<u64> {
        match self.connection.input.parse(frame) {
            Ok(Message::CommandComplete(body)) => body.tag().ok()?.strip_prefix("COPY ")?.parse().ok(),
            _ => None,
        }
    }
}
