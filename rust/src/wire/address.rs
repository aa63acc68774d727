//! From a host to connected sockets.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::io::{Deadline, describe_io};
use super::params::Host;

/// A peer that is gone without a word (power, cable, firewall) is noticed after 15 s + 3 × 5 s of silence; the
/// system's own default is more than two hours.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;
/// How long what we sent may stay unacknowledged. Keep-alive does not run while data is in flight.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// One address of the server: what is tried, and what a cancel request is sent to later.
#[derive(Debug, Clone)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(String),
}

impl Address {
    /// The address alone where the server has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Tcp(address) => Some(address.ip()),
            Address::Unix(_) => None,
        }
    }

    pub fn is_unix(&self) -> bool {
        matches!(self, Address::Unix(_))
    }

    /// A socket that is not connected yet, so that another thread can already shut it down.
    pub fn socket(&self) -> io::Result<Socket> {
        match self {
            Address::Tcp(address) => tcp_socket(*address),
            Address::Unix(_) => Socket::new(Domain::UNIX, Type::STREAM, None),
        }
    }

    /// Connects the socket within the deadline.
    pub fn connect(&self, socket: &Socket, deadline: Deadline) -> io::Result<()> {
        match self {
            Address::Tcp(address) => connect_tcp(socket, *address, deadline),
            Address::Unix(path) => connect_unix(socket, path, deadline),
        }
    }
}

/// All addresses of the host in the order in which the system prefers them. `hostaddr` spares the look-up.
///
/// # Errors
/// The reason as a phrase: the name is unknown, or `hostaddr` is not an address.
pub fn resolve(host: &Host) -> Result<Vec<Address>, String> {
    match host {
        Host::Unix { path } => Ok(vec![Address::Unix(path.clone())]),
        Host::Tcp { hostaddr: Some(address), port, .. } if !address.is_empty() => {
            if !is_numeric(address) {
                return Err(format!("hostaddr \"{address}\" is not an IP address"));
            }
            look_up(address, *port)
        }
        Host::Tcp { host, port, .. } => look_up(host, *port),
    }
}

fn look_up(host: &str, port: u16) -> Result<Vec<Address>, String> {
    let found: Vec<Address> = (host, port)
        .to_socket_addrs()
        .map_err(|e| format!("the name \"{host}\" cannot be resolved ({})", describe_io(&e)))?
        .map(Address::Tcp)
        .collect();
    if found.is_empty() { Err(format!("the name \"{host}\" has no address")) } else { Ok(found) }
}

/// An IPv6 address may name its interface after a percent sign (RFC 4007, section 11).
fn is_numeric(address: &str) -> bool {
    address.split('%').next().is_some_and(|ip| ip.parse::<IpAddr>().is_ok())
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_PROBES))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(socket)
}

fn connect_tcp(socket: &Socket, address: SocketAddr, deadline: Deadline) -> io::Result<()> {
    let target = SockAddr::from(address);
    match deadline.remaining()? {
        Some(left) => socket.connect_timeout(&target, left),
        None => connect_uninterrupted(socket, &target),
    }
}

/// A unix socket connects at once, or waits for room in the queue of the listener: on Linux the send timeout bounds
/// that. A path that begins with `@` is of the abstract namespace, whose names begin with NUL (unix(7)).
fn connect_unix(socket: &Socket, path: &str, deadline: Deadline) -> io::Result<()> {
    socket.set_write_timeout(deadline.remaining()?)?;
    let target = match path.strip_prefix('@') {
        Some(name) => SockAddr::unix(format!("\0{name}"))?,
        None => SockAddr::unix(path)?,
    };
    connect_uninterrupted(socket, &target)
}

/// A blocking connect that a signal interrupts goes on in the background and must be waited for, not called again
/// (connect(2), EINTR). Without a deadline of ours the system's own bound holds, so any long wait will do.
fn connect_uninterrupted(socket: &Socket, target: &SockAddr) -> io::Result<()> {
    const LONGER_THAN_THE_SYSTEM: Duration = Duration::from_secs(600);
    match socket.connect(target) {
        Err(e) if e.kind() == io::ErrorKind::Interrupted => {
            match socket.connect_timeout(target, LONGER_THAN_THE_SYSTEM) {
                // The first call has arrived by now.
                Err(e) if e.raw_os_error() == already_connected() => Ok(()),
                other => other,
            }
        }
        other => other,
    }
}

#[cfg(unix)]
fn already_connected() -> Option<i32> {
    Some(libc::EISCONN)
}

#[cfg(not(unix))]
fn already_connected() -> Option<i32> {
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn hostaddr_must_be_numeric() {
        let host =
            |hostaddr: &str| Host::Tcp { host: "ignored.invalid".into(), hostaddr: Some(hostaddr.into()), port: 5432 };
        let found = resolve(&host("127.0.0.1")).unwrap();
        assert!(matches!(found.as_slice(), [Address::Tcp(a)] if a.to_string() == "127.0.0.1:5432"));
        assert!(
            matches!(resolve(&host("::1")).unwrap().as_slice(), [Address::Tcp(a)] if a.to_string() == "[::1]:5432")
        );
        assert!(resolve(&host("localhost")).unwrap_err().contains("not an IP address"));
    }
}
