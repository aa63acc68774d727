//! Messages out of a byte stream (PostgreSQL manual, "Message Formats"): a type byte, a length, a body.

use std::io::{self, Read};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{ErrorFields, Message};

use super::io::describe_io;
use crate::error::{Error, Result, ServerError, ValueError};

/// Bytes of the read buffer of a connection. 256 KB takes one read where the system's 8 KB would take 32, and more than
/// that is rarely waiting in a socket; it stays within the second-level cache of a core.
pub const READ_BUFFER: usize = 256 << 10;
/// Bytes of the largest message that is accepted, where the plan does not say otherwise.
pub const DEFAULT_MAX_MESSAGE: usize = 64 << 20;
/// A message beyond this size waits at the gate before memory is taken for it. An ordinary row never does.
pub const LARGE_MESSAGE: usize = 1 << 20;
/// Bytes of a type and a length.
const HEADER: usize = 5;
/// The length counts itself.
const LENGTH: usize = 4;

pub const COMMAND_COMPLETE: u8 = b'C';
pub const COPY_DATA: u8 = b'd';
pub const COPY_DONE: u8 = b'c';
pub const COPY_IN_RESPONSE: u8 = b'G';
pub const COPY_OUT_RESPONSE: u8 = b'H';
pub const ERROR_RESPONSE: u8 = b'E';
pub const NOTICE_RESPONSE: u8 = b'N';
pub const NOTIFICATION_RESPONSE: u8 = b'A';
pub const PARAMETER_STATUS: u8 = b'S';
pub const READY_FOR_QUERY: u8 = b'Z';

/// Where a complete message lies in the buffer; good until the next one is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub tag: u8,
    start: usize,
    body: usize,
    end: usize,
}

/// The read buffer. Messages are given out as slices of it; only the unread tail is ever moved.
///
/// Memory: `READ_BUFFER` bytes, twice that at most between large messages, and a large message while it is being read.
pub struct ReadBuffer {
    buf: Vec<u8>,
    /// Unread bytes are `start..end`.
    start: usize,
    end: usize,
    max_message: usize,
    gate: Option<Gate>,
}

/// Waits until memory may be taken for a large message; its error ends the connection. Called for each read of the
/// message.
pub type Gate = Box<dyn Fn() -> Result<()> + Send>;

impl ReadBuffer {
    pub fn new(max_message: usize) -> Self {
        ReadBuffer { buf: vec![0; READ_BUFFER], start: 0, end: 0, max_message, gate: None }
    }

    /// Bytes that are held now, used or not.
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    pub fn set_gate(&mut self, gate: Gate) {
        self.gate = Some(gate);
    }

    pub fn remove_gate(&mut self) {
        self.gate = None;
    }

    pub fn set_max_message(&mut self, bytes: usize) {
        self.max_message = bytes;
    }

    /// The next message, read from `source` as far as it is not here yet.
    ///
    /// # Errors
    /// `Lost` at the end of the stream or on a failing read, `Protocol` for an impossible length, `TooLarge` for a row
    /// beyond the limit. After any of them the stream cannot be read on.
    #[inline]
    pub fn next(&mut self, source: &mut impl Read) -> Result<Frame> {
        loop {
            match self.buffered()? {
                Ok(frame) => return Ok(frame),
                Err(wanted) => self.fill(wanted, source)?,
            }
        }
    }

    /// The body of a message; empty once the frame is no longer valid.
    #[inline]
    pub fn body(&self, frame: Frame) -> &[u8] {
        self.buf.get(frame.body..frame.end).unwrap_or_default()
    }

    /// The message parsed, for all but the rows. This copies it.
    pub fn parse(&self, frame: Frame) -> Result<Message> {
        let whole = self.buf.get(frame.start..frame.end).unwrap_or_default();
        match Message::parse(&mut BytesMut::from(whole)) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(Error::Internal("a message was cut short".into())),
            Err(_) => Err(Error::protocol(format!("a malformed message of type {}", describe_tag(frame.tag)))),
        }
    }

    /// A message that is complete, or how many bytes are wanted for it.
    #[inline]
    fn buffered(&mut self) -> Result<Result<Frame, usize>> {
        let unread = self.buf.get(self.start..self.end).unwrap_or_default();
        let Some(([tag, length @ ..], rest)) = unread.split_first_chunk::<HEADER>() else {
            return Ok(Err(HEADER));
        };
        let length = i32::from_be_bytes(*length);
        let Some(body) = usize::try_from(length).ok().and_then(|length| length.checked_sub(LENGTH)) else {
            return Err(impossible_length(*tag, length));
        };
        if body > self.max_message {
            return Err(too_large(*tag, body, self.max_message));
        }
        if body > rest.len() {
            return Ok(Err(HEADER.saturating_add(body)));
        }
        let start = self.start;
        let end = start + HEADER + body;
        self.start = end;
        Ok(Ok(Frame { tag: *tag, start, body: start + HEADER, end }))
    }

    /// One read of as much as fits, after making room for `wanted` bytes from `start` on.
    fn fill(&mut self, wanted: usize, source: &mut impl Read) -> Result<()> {
        if let (true, Some(gate)) = (wanted > LARGE_MESSAGE, &self.gate) {
            gate()?;
        }
        self.make_room(wanted);
        let room = self.buf.get_mut(self.end..).unwrap_or_default();
        loop {
            match source.read(room) {
                Ok(0) => return Err(Error::Lost("the server closed the connection unexpectedly".into())),
                Ok(n) => {
                    self.end += n.min(room.len());
                    return Ok(());
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::Lost(describe_io(&e))),
            }
        }
    }

    fn make_room(&mut self, wanted: usize) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        // The tail of a read is moved when what follows does not fit, or when the room has become small.
        if self.start + wanted > self.buf.len() || self.start > self.buf.len() / 2 {
            self.move_to_front();
        }
        if wanted > self.buf.len() {
            // Doubling follows the bytes that really come: a length alone makes us reserve nothing.
            if self.end < self.buf.len() {
                return;
            }
            let doubled = self.buf.len().saturating_mul(2);
            self.buf.resize(doubled.min(wanted).max(self.end + 1), 0);
        } else {
            self.give_back(wanted.max(READ_BUFFER));
        }
    }

    /// Between two statements: gives back what a large row of the one needed, before another connection may read one.
    pub fn shrink(&mut self) {
        self.give_back((self.end - self.start).max(READ_BUFFER));
    }

    /// Gives memory back that only an earlier, larger message needed. A series of rows of about one size does not
    /// come here each time, because less than half must be left.
    fn give_back(&mut self, needed: usize) {
        if self.buf.len() / 2 >= needed {
            self.move_to_front();
            self.buf.truncate(needed);
            self.buf.shrink_to_fit();
        }
    }

    fn move_to_front(&mut self) {
        if self.start == 0 {
            return;
        }
        self.buf.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
    }
}

#[cold]
fn impossible_length(tag: u8, length: i32) -> Error {
    Error::protocol(format!("a message of type {} with length {length}", describe_tag(tag)))
}

#[cold]
fn too_large(tag: u8, bytes: usize, limit: usize) -> Error {
    if tag == COPY_DATA {
        let message = format!("a row of {bytes} bytes is larger than the limit of {limit} bytes");
        return Error::TooLarge(Box::new(ValueError { message, ..ValueError::default() }));
    }
    Error::protocol(format!(
        "a message of type {} with {bytes} bytes, more than the limit of {limit}",
        describe_tag(tag)
    ))
}

#[cold]
pub fn unexpected(tag: u8, when: &str) -> Error {
    Error::protocol(format!("unexpected message of type {} {when}", describe_tag(tag)))
}

fn describe_tag(tag: u8) -> String {
    if tag.is_ascii_graphic() { format!("'{}'", char::from(tag)) } else { format!("{tag:#04x}") }
}

/// May come at any time and changes nothing for us (PostgreSQL manual, "Asynchronous Operations").
pub fn is_asynchronous(tag: u8) -> bool {
    matches!(tag, NOTICE_RESPONSE | PARAMETER_STATUS | NOTIFICATION_RESPONSE)
}

/// The error of the server, and whether it ends the connection.
#[derive(Debug)]
pub struct Refusal {
    pub error: ServerError,
    pub fatal: bool,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Server(Box::new(refusal.error))
    }
}

/// Takes an ErrorResponse apart (PostgreSQL manual, "Error and Notice Message Fields"). Text that is not UTF-8 (an
/// error before the encoding is agreed upon) is read as well as it goes.
pub fn refusal(mut fields: ErrorFields<'_>) -> Result<Refusal> {
    let mut error = ServerError::default();
    let mut severity = String::new();
    let malformed = |_| Error::protocol("a malformed error message");
    while let Some(field) = fields.next().map_err(malformed)? {
        let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            // 'V' is never translated; servers before 9.6 send only 'S'.
            b'V' => severity = text,
            b'S' if severity.is_empty() => severity = text,
            b'C' => error.sqlstate = text,
            b'M' => error.message = text,
            b'D' => error.detail = Some(text),
            b'H' => error.hint = Some(text),
            _ => {}
        }
    }
    if error.message.is_empty() {
        error.message = "the server reported an error without a message".into();
    }
    Ok(Refusal { error, fatal: matches!(severity.as_str(), "FATAL" | "PANIC") })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests;
