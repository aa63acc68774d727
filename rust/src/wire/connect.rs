//! Which addresses and which encryption are tried, in which order (PostgreSQL manual, "Connection Strings" and "SSL
//! Support"; `fe-connect.c`).
//!
//! The next address is tried where one does not answer; the other encryption where the server refused us or TLS failed.

use std::io;
use std::sync::Arc;

use super::address::{Address, resolve};
use super::cancel::Canceller;
use super::connection::Connection;
use super::failure::{Failure, Reason};
use super::io::{Deadline, describe_io};
use super::message::{DEFAULT_MAX_MESSAGE, ReadBuffer};
use super::params::{ConnectParams, Host, SslMode};
use super::startup;
use super::stream::{Channel, Stream};
use super::tls::{Negotiated, Tls, TlsFailure};
use crate::error::{Error, Result};

/// Bytes of the largest message that is accepted before we know with whom we speak; libpq has 30,000 for errors.
const MAX_STARTUP_MESSAGE: usize = 64 << 10;

/// Sees every socket before it is connected; `false` ends the attempt.
pub type Watch<'a> = dyn Fn(Canceller) -> bool + 'a;

impl Connection {
    /// Connects, negotiates TLS, authenticates, waits for ReadyForQuery.
    ///
    /// # Errors
    /// `Connect`, with the SQLSTATE where the server refused us. The message names the host and never the password.
    pub fn connect(params: &ConnectParams) -> Result<Connection> {
        connect(params, &|_| true)
    }

    /// The same where another thread may end the attempt: `watch` is given what shuts each new socket down, before it
    /// is connected, and says whether to go on. Only the look-up of a name cannot be ended.
    ///
    /// # Errors
    /// `Cancelled` where `watch` said no; otherwise as [`Connection::connect`].
    pub fn connect_watched(params: &ConnectParams, watch: &Watch<'_>) -> Result<Connection> {
        connect(params, watch)
    }
}

/// Connects to the first address that answers.
fn connect(params: &ConnectParams, watch: &Watch<'_>) -> Result<Connection> {
    let target = describe(&params.host);
    let failed = |reason: Reason| Error::Connect {
        message: format!("cannot connect to {target}: {}", reason.message),
        sqlstate: reason.sqlstate,
    };
    let addresses = resolve(params).map_err(|message| failed(Reason::new(message)))?;
    let mut unreachable: Vec<(Address, String)> = Vec::new();
    for address in addresses {
        match connect_to(&address, params, watch) {
            Ok(connection) => return Ok(connection),
            Err(Failure::Stopped) => return Err(Error::Cancelled),
            Err(Failure::Unreachable(reason)) => unreachable.push((address, reason.message)),
            Err(other) => return Err(failed(other.reason())),
        }
    }
    Err(failed(Reason::new(summarise(&unreachable))))
}

/// `host:port` or the path of the socket, for people.
fn describe(host: &Host) -> String {
    match host {
        Host::Unix { path } => path.clone(),
        Host::Tcp { host, hostaddr, port } => {
            let name = hostaddr.as_deref().filter(|_| host.is_empty()).unwrap_or(host);
            if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") }
        }
    }
}

/// One reason where all addresses have the same.
fn summarise(failures: &[(Address, String)]) -> String {
    let mut reasons: Vec<&str> = failures.iter().map(|(_, reason)| reason.as_str()).collect();
    reasons.dedup();
    if let [one] = reasons.as_slice() {
        return (*one).to_owned();
    }
    let each = failures.iter().map(|(address, reason)| match address.ip() {
        Some(ip) => format!("{ip}: {reason}"),
        None => reason.clone(),
    });
    each.collect::<Vec<_>>().join("; ")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    Plain,
    Tls,
}

/// What is tried in turn. `sslmode` does not count for unix sockets.
fn encryptions(mode: SslMode, unix: bool) -> &'static [Encryption] {
    match mode {
        _ if unix => &[Encryption::Plain],
        SslMode::Disable => &[Encryption::Plain],
        SslMode::Allow => &[Encryption::Plain, Encryption::Tls],
        SslMode::Prefer => &[Encryption::Tls, Encryption::Plain],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Encryption::Tls],
    }
}

fn connect_to(address: &Address, params: &ConnectParams, watch: &Watch<'_>) -> Result<Connection, Failure> {
    let deadline = Deadline::after(params.connect_timeout);
    let mut refused: Option<Reason> = None;
    for encryption in encryptions(params.ssl.mode, address.is_unix()) {
        let attempt = Attempt { address, params, deadline, watch };
        let failure = match attempt.run(*encryption) {
            Ok(connection) => return Ok(connection),
            Err(Failure::Stopped) => return Err(Failure::Stopped),
            Err(failure) if deadline.passed() => {
                Failure::Unreachable(Reason::new(no_answer(params, &failure.reason().message)))
            }
            Err(failure) => failure,
        };
        refused = match (refused, failure) {
            (None, Failure::Refused(reason)) => Some(reason),
            (None, other) => return Err(other),
            (Some(first), second) => return Err(Failure::Final(both(first, second.reason(), *encryption))),
        };
    }
    Err(Failure::Final(refused.unwrap_or_else(|| Reason::new("nothing to try"))))
}

fn no_answer(params: &ConnectParams, reason: &str) -> String {
    match params.connect_timeout {
        Some(time) => format!("no answer within {} s", time.as_secs_f64()),
        None => reason.to_owned(),
    }
}

/// Both ways failed: the first reason is that of the way preferred, and the second is said where it differs.
fn both(first: Reason, second: Reason, encryption: Encryption) -> Reason {
    if first.message == second.message {
        return first;
    }
    let how = if encryption == Encryption::Tls { "with" } else { "without" };
    Reason {
        message: format!("{}; {how} TLS: {}", first.message, second.message),
        sqlstate: first.sqlstate.or(second.sqlstate),
    }
}

/// One way to connect to one address.
struct Attempt<'a> {
    address: &'a Address,
    params: &'a ConnectParams,
    deadline: Deadline,
    watch: &'a Watch<'a>,
}

impl Attempt<'_> {
    fn run(&self, encryption: Encryption) -> Result<Connection, Failure> {
        let unreachable = |e: io::Error| Failure::Unreachable(Reason::new(describe_io(&e)));
        let socket = Arc::new(self.address.socket().map_err(unreachable)?);
        if !(self.watch)(Canceller::new(self.address.clone(), None, None, &socket)) {
            return Err(Failure::Stopped);
        }
        self.address.connect(&socket, self.deadline).map_err(unreachable)?;
        let channel = Channel::new(socket, self.deadline);
        match encryption {
            Encryption::Plain => self.start(Stream::Plain(channel), None),
            Encryption::Tls => self.run_tls(channel),
        }
    }

    fn run_tls(&self, channel: Channel) -> Result<Connection, Failure> {
        let host = match &self.params.host {
            Host::Tcp { host, .. } if !host.is_empty() => Some(host.as_str()),
            _ => None,
        };
        let refused = |message: String| Failure::Refused(Reason::new(message));
        let tls = Tls::new(&self.params.ssl, host, self.address.ip()).map_err(refused)?;
        match tls.negotiate(channel) {
            Ok(Negotiated::Tls(stream)) => self.start(stream, Some(tls)),
            // The same socket goes on without TLS, so there is no second attempt of that kind.
            Ok(Negotiated::Refused(channel)) if self.params.ssl.mode == SslMode::Prefer => {
                self.start(Stream::Plain(channel), None).map_err(|failure| match failure {
                    Failure::Refused(reason) => Failure::Final(reason),
                    other => other,
                })
            }
            Ok(Negotiated::Refused(_)) => Err(refused("the server does not support TLS".into())),
            Err(TlsFailure::Handshake(message)) => Err(refused(message)),
            Err(TlsFailure::Broken(message)) => Err(Failure::last(message)),
        }
    }

    fn start(&self, mut stream: Stream, tls: Option<Tls>) -> Result<Connection, Failure> {
        if self.params.ssl.cert_required && !tls.as_ref().is_some_and(Tls::certificate_was_asked_for) {
            return Err(Failure::last("sslcertmode=require, but the server did not ask for a client certificate"));
        }
        let mut input = ReadBuffer::new(MAX_STARTUP_MESSAGE);
        let key = startup::start(&mut stream, &mut input, self.params)?;
        input.set_max_message(DEFAULT_MAX_MESSAGE);
        stream.set_deadline(Deadline::NONE).map_err(|e| Failure::last(describe_io(&e)))?;
        let canceller = Canceller::new(self.address.clone(), tls, key, stream.socket());
        Ok(Connection::new(stream, input, canceller))
    }
}
