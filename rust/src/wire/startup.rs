//! From the first packet to the first ReadyForQuery (PostgreSQL manual, "Message Flow", "Start-up").

use std::io::Write;

use bytes::BytesMut;
use postgres_protocol::message::backend::{ErrorFields, Message};
use postgres_protocol::message::frontend;

use super::address::describe_io;
use super::auth;
use super::cancel::BackendKey;
use super::connect::{Failure, Reason};
use super::message::{self, ReadBuffer};
use super::stream::Stream;
use crate::plan::ConnectParams;

/// SQLSTATE `cannot_connect_now`: the server starts or stops, and no other encryption changes that.
const CANNOT_CONNECT_NOW: &str = "57P03";

/// Logs in and waits until the server is ready. Gives back what a cancel request needs.
pub fn start(
    stream: &mut Stream,
    input: &mut ReadBuffer,
    params: &ConnectParams,
) -> Result<Option<BackendKey>, Failure> {
    send_parameters(stream, params)?;
    auth::authenticate(stream, input, params)?;
    let mut key = None;
    loop {
        match receive(stream, input)? {
            Message::BackendKeyData(body) => {
                key = Some(BackendKey { process: body.process_id(), secret: body.secret_key() })
            }
            Message::ReadyForQuery(_) => return Ok(key),
            // Authentication is behind us: the database does not exist, has no room, and the like.
            Message::ErrorResponse(body) => return Err(Failure::Final(server_reason(body.fields())?)),
            Message::NoticeResponse(_) | Message::ParameterStatus(_) | Message::NotificationResponse(_) => {}
            _ => return Err(Failure::last("the server sent an unexpected message after authentication")),
        }
    }
}

fn send_parameters(stream: &mut Stream, params: &ConnectParams) -> Result<(), Failure> {
    let mut parameters = vec![
        ("user", params.user.as_str()),
        ("database", params.dbname.as_str()),
        ("application_name", params.application_name.as_str()),
        ("client_encoding", "UTF8"),
    ];
    if let Some(options) = params.options.as_deref().filter(|options| !options.is_empty()) {
        parameters.push(("options", options));
    }
    let mut packet = BytesMut::new();
    frontend::startup_message(parameters, &mut packet)
        .map_err(|_| Failure::last("a connection parameter holds a NUL character"))?;
    send(stream, &packet)
}

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

fn server_reason(fields: ErrorFields<'_>) -> Result<Reason, Failure> {
    let error = message::refusal(fields).map_err(failure)?.error;
    Ok(Reason { message: error.message, sqlstate: Some(error.sqlstate).filter(|code| !code.is_empty()) })
}

fn failure(e: crate::error::Error) -> Failure {
    match e {
        crate::error::Error::Lost(reason) => Failure::last(reason),
        other => Failure::last(other.to_string()),
    }
}
