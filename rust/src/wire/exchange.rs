//! One step of the login: a packet out, a message in, and what the server refused us with.

use std::io::Write;

use postgres_protocol::message::backend::{ErrorFields, Message};

use super::failure::{Failure, Reason};
use super::io::describe_io;
use super::message::{self, ReadBuffer};
use super::stream::Stream;
use crate::error::Error;

/// SQLSTATE `cannot_connect_now`: the server starts or stops, and no other encryption changes that.
const CANNOT_CONNECT_NOW: &str = "57P03";

/// Sends a whole packet.
pub fn send(stream: &mut Stream, packet: &[u8]) -> Result<(), Failure> {
    stream.write_all(packet).map_err(|e| Failure::last(describe_io(&e)))
}

/// The next message, parsed.
pub fn receive(stream: &mut Stream, input: &mut ReadBuffer) -> Result<Message, Failure> {
    input.next(stream).and_then(|frame| input.parse(frame)).map_err(failure)
}

/// What the server refused us with, before authentication was over.
pub fn refused(fields: ErrorFields<'_>) -> Failure {
    match server_reason(fields) {
        Ok(reason) if reason.sqlstate.as_deref() == Some(CANNOT_CONNECT_NOW) => Failure::Final(reason),
        Ok(reason) => Failure::Refused(reason),
        Err(failure) => failure,
    }
}

/// The server's own words as a reason.
pub fn server_reason(fields: ErrorFields<'_>) -> Result<Reason, Failure> {
    let error = message::refusal(fields).map_err(failure)?.error;
    Ok(Reason { message: error.message, sqlstate: Some(error.sqlstate).filter(|code| !code.is_empty()) })
}

fn failure(e: Error) -> Failure {
    match e {
        Error::Lost(reason) => Failure::last(reason),
        other => Failure::last(other.to_string()),
    }
}
