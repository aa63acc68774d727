//! Stopping a connection from another thread (PostgreSQL manual, "Canceling Requests in Progress").

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use socket2::Socket;

use super::address::Address;
use super::io::{Deadline, describe_io};
use super::stream::{Channel, Stream};
use super::tls::{Negotiated, Tls, TlsFailure};
use crate::error::{Error, Result};

/// A cancel request takes a new connection. One that is not through by then would come too late: whoever cancels waits.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// What proves to the server that the request comes from the owner of the connection.
#[derive(Debug, Clone, Copy)]
pub struct BackendKey {
    pub process: i32,
    pub secret: i32,
}

/// What another thread needs to stop a connection. It does not keep the connection open.
#[derive(Clone)]
pub struct Canceller {
    target: Arc<Target>,
    socket: Weak<Socket>,
}

struct Target {
    address: Address,
    tls: Option<Tls>,
    key: Option<BackendKey>,
}

impl Canceller {
    /// Without a key, which comes only at the end of the login, it can only shut the socket down.
    pub(super) fn new(address: Address, tls: Option<Tls>, key: Option<BackendKey>, socket: &Arc<Socket>) -> Self {
        Canceller { target: Arc::new(Target { address, tls, key }), socket: Arc::downgrade(socket) }
    }

    /// Whether the server knows the connection, so that a query of it can be stopped.
    pub fn can_cancel(&self) -> bool {
        self.target.key.is_some()
    }

    /// Asks the server to stop what the connection runs, over a new connection to the same address and with TLS where
    /// the first has it. Returns when the server has taken the request, which is not yet the end of the query; after at
    /// most five seconds.
    ///
    /// # Errors
    /// `Connect` where the request did not reach the server.
    pub fn cancel_query(&self) -> Result<()> {
        if self.socket.strong_count() == 0 {
            // The connection is closed: there is nothing to stop, and its process number may be another's by now.
            return Ok(());
        }
        self.target
            .request()
            .map_err(|reason| Error::Connect { message: format!("cannot cancel the query: {reason}"), sqlstate: None })
    }

    /// Shuts the socket down, so that a read which blocks returns at once. The server notices when it next sends.
    pub fn shutdown(&self) {
        if let Some(socket) = self.socket.upgrade() {
            // It fails only where the connection is gone already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Target {
    fn request(&self) -> Result<(), String> {
        let key = self.key.ok_or("the server gave no key for it")?;
        let deadline = Deadline::after(Some(CANCEL_TIMEOUT));
        let phrase = |e: io::Error| describe_io(&e);
        let socket = self.address.socket().map_err(phrase)?;
        self.address.connect(&socket, deadline).map_err(phrase)?;
        let mut stream = self.secure(Channel::new(Arc::new(socket), deadline))?;
        let mut packet = BytesMut::new();
        frontend::cancel_request(key.process, key.secret, &mut packet);
        stream.write_all(&packet).map_err(phrase)?;
        wait_for_end(&mut stream).map_err(phrase)
    }

    fn secure(&self, channel: Channel) -> Result<Stream, String> {
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(channel)) };
        match tls.negotiate(channel) {
            Ok(Negotiated::Tls(stream)) => Ok(stream),
            Ok(Negotiated::Refused(_)) => Err("the server no longer supports TLS".into()),
            Err(TlsFailure::Broken(reason) | TlsFailure::Handshake(reason)) => Err(reason),
        }
    }
}

/// The server closes the connection once it has dealt with the request; it sends nothing.
fn wait_for_end(stream: &mut Stream) -> io::Result<()> {
    let mut ignored = [0; 64];
    loop {
        match stream.read(&mut ignored) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::TimedOut => return Err(e),
            // A reset is an end too.
            Err(_) => return Ok(()),
        }
    }
}
