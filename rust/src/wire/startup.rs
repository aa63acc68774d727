//! From the first packet to the first ReadyForQuery (PostgreSQL manual, "Message Flow", "Start-up").

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::auth;
use super::cancel::BackendKey;
use super::exchange::{receive, send, server_reason};
use super::failure::Failure;
use super::message::ReadBuffer;
use super::params::ConnectParams;
use super::stream::Stream;

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
