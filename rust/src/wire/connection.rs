//! One backend: simple queries, and the state it is in between them.

use std::io::Write;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::cancel::Canceller;
use super::io::{Deadline, describe_io};
use super::message::{self, Frame, Gate, ReadBuffer, Refusal};
use super::stream::Stream;
use crate::error::{Error, Result};

/// How long a polite end may take where the server does not read.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The server waits for a statement.
    Idle,
    /// A statement runs; its answer has not been read to the end.
    Busy,
    /// The end of the connection, or bytes after which nothing can be read.
    Broken,
}

/// One backend of PostgreSQL. Used by one thread at a time.
///
/// Memory: a read buffer of 256 KB, with TLS about 40 KB more; see [`Connection::set_max_message`].
pub struct Connection {
    pub(super) stream: Stream,
    pub(super) input: ReadBuffer,
    pub(super) state: State,
    canceller: Canceller,
}

impl Connection {
    pub(super) fn new(stream: Stream, input: ReadBuffer, canceller: Canceller) -> Self {
        Connection { stream, input, state: State::Idle, canceller }
    }

    /// The largest message, in bytes, that is accepted from now on; a larger row is `TooLarge`. The read buffer grows
    /// up to it for such a row and shrinks again.
    pub fn set_max_message(&mut self, bytes: usize) {
        self.input.set_max_message(bytes);
    }

    /// Makes every message of more than [`message::LARGE_MESSAGE`] bytes wait for `gate` before memory is taken for it.
    pub fn set_large_message_gate(&mut self, gate: Gate) {
        self.input.set_gate(gate);
    }

    /// Lets no message wait any more, and forgets what the gate held.
    pub fn remove_large_message_gate(&mut self) {
        self.input.remove_gate();
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.stream.is_tls()
    }

    /// Runs one or several statements by the simple protocol and drops their rows.
    ///
    /// # Errors
    /// `Server` for the first ErrorResponse; the connection can be used on unless that ended it.
    pub fn batch_execute(&mut self, sql: &str) -> Result<()> {
        self.query(sql)?;
        loop {
            let frame = self.receive()?;
            match frame.tag {
                message::READY_FOR_QUERY => {
                    self.state = State::Idle;
                    return Ok(());
                }
                message::ERROR_RESPONSE => return Err(self.refused(frame)),
                message::COPY_IN_RESPONSE => self.refuse_copy_in()?,
                _ => {}
            }
        }
    }

    /// What another thread needs to stop this connection.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Polite end (Terminate). Without it (drop) the server notes an unexpected end in its log.
    pub fn close(mut self) {
        if self.state != State::Idle || self.stream.set_deadline(Deadline::after(Some(CLOSE_TIMEOUT))).is_err() {
            return;
        }
        let mut packet = BytesMut::new();
        frontend::terminate(&mut packet);
        // The connection ends either way.
        let _ = self.stream.write_all(&packet).and_then(|()| self.stream.close_notify());
    }

    pub(super) fn query(&mut self, sql: &str) -> Result<()> {
        match self.state {
            State::Idle => {}
            State::Busy => return Err(Error::Internal("the connection is in the middle of a statement".into())),
            State::Broken => return Err(Error::Lost("it had ended before".into())),
        }
        let mut packet = BytesMut::new();
        frontend::query(sql, &mut packet).map_err(|_| Error::Internal("a statement holds a NUL character".into()))?;
        self.state = State::Busy;
        self.send(&packet)
    }

    fn send(&mut self, packet: &[u8]) -> Result<()> {
        match self.stream.write_all(packet) {
            Ok(()) => Ok(()),
            Err(e) => Err(self.last_words().unwrap_or_else(|| Error::Lost(describe_io(&e)))),
        }
    }

    /// What the server said before it closed a connection that we cannot write to any more.
    fn last_words(&mut self) -> Option<Error> {
        while let Ok(frame) = self.receive() {
            if frame.tag == message::ERROR_RESPONSE {
                let refusal = self.refusal(frame);
                self.state = State::Broken;
                return refusal.ok().map(Error::from);
            }
        }
        None
    }

    /// The next message that is not asynchronous.
    pub(super) fn receive(&mut self) -> Result<Frame> {
        loop {
            match self.input.next(&mut self.stream) {
                Ok(frame) if message::is_asynchronous(frame.tag) => {}
                Ok(frame) => return Ok(frame),
                Err(e) => {
                    self.state = State::Broken;
                    return Err(e);
                }
            }
        }
    }

    /// An ErrorResponse as an error, after reading on to ReadyForQuery so that the state is known.
    pub(super) fn refused(&mut self, frame: Frame) -> Error {
        let refusal = match self.refusal(frame) {
            Ok(refusal) => refusal,
            Err(e) => {
                self.state = State::Broken;
                return e;
            }
        };
        if refusal.fatal {
            self.state = State::Broken;
            return refusal.into();
        }
        // Where the connection ends meanwhile, the state says so, and the first error is the one to know.
        while let Ok(frame) = self.receive() {
            if frame.tag == message::READY_FOR_QUERY {
                self.state = State::Idle;
                break;
            }
        }
        refusal.into()
    }

    fn refusal(&self, frame: Frame) -> Result<Refusal> {
        match self.input.parse(frame)? {
            Message::ErrorResponse(body) => message::refusal(body.fields()),
            _ => Err(message::unexpected(frame.tag, "for an error")),
        }
    }

    pub(super) fn check_binary(&mut self, frame: Frame) -> Result<()> {
        match self.input.parse(frame)? {
            Message::CopyOutResponse(body) if body.format() == 1 => Ok(()),
            _ => {
                self.state = State::Broken;
                Err(Error::Internal("a COPY that is not binary was run as one".into()))
            }
        }
    }

    /// We have no rows to give: the server ends the COPY with an error.
    pub(super) fn refuse_copy_in(&mut self) -> Result<()> {
        let mut packet = BytesMut::new();
        frontend::copy_fail("rows are only read here", &mut packet).map_err(|e| Error::Internal(e.to_string()))?;
        self.send(&packet)
    }
}
