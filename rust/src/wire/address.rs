//! From a host to connected sockets.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::io::{Deadline, describe_io};
use super::params::{ConnectParams, Host, TcpParams};

/// One address of the server: what is tried, and what a cancel request is sent to later.
#[derive(Debug, Clone)]
pub enum Address {
    Tcp(SocketAddr, TcpParams),
    Unix(String),
}

/// What looks into an address is not inlined. Where it was, LLVM hoisted the port of a `SocketAddr` out of the loop
/// over the encryptions, to where the variant is not known yet: its place in there depends on the family, so that for a
/// unix socket it was read at an offset made of whatever was in memory, now and then outside of the stack.
impl Address {
    /// The address alone where the server has one.
    #[inline(never)]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Tcp(address, _) => Some(address.ip()),
            Address::Unix(_) => None,
        }
    }

    pub fn is_unix(&self) -> bool {
        matches!(self, Address::Unix(_))
    }

    /// A socket that is not connected yet, so that another thread can already shut it down.
    #[inline(never)]
    pub fn socket(&self) -> io::Result<Socket> {
        match self {
            Address::Tcp(address, tcp) => tcp_socket(*address, tcp),
            Address::Unix(_) => Socket::new(Domain::UNIX, Type::STREAM, None),
        }
    }

    /// Connects the socket within the deadline.
    #[inline(never)]
    pub fn connect(&self, socket: &Socket, deadline: Deadline) -> io::Result<()> {
        match self {
            Address::Tcp(address, _) => connect_tcp(socket, *address, deadline),
            Address::Unix(path) => connect_unix(socket, path, deadline),
        }
    }
}

/// All addresses of the host in the order in which the system prefers them. `hostaddr` spares the look-up.
///
/// # Errors
/// The reason as a phrase: the name is unknown, or `hostaddr` is not an address.
pub fn resolve(params: &ConnectParams) -> Result<Vec<Address>, String> {
    resolve_host(&params.host, params.tcp)
}

fn resolve_host(host: &Host, tcp: TcpParams) -> Result<Vec<Address>, String> {
    match host {
        Host::Unix { path } => Ok(vec![Address::Unix(path.clone())]),
        Host::Tcp { hostaddr: Some(address), port, .. } if !address.is_empty() => {
            if !is_numeric(address) {
                return Err(format!("hostaddr \"{address}\" is not an IP address"));
            }
            look_up(address, *port, tcp)
        }
        Host::Tcp { host, port, .. } => look_up(host, *port, tcp),
    }
}

fn look_up(host: &str, port: u16, tcp: TcpParams) -> Result<Vec<Address>, String> {
    let found: Vec<Address> = (host, port)
        .to_socket_addrs()
        .map_err(|e| format!("the name \"{host}\" cannot be resolved ({})", describe_io(&e)))?
        .map(|address| Address::Tcp(address, tcp))
        .collect();
    if found.is_empty() { Err(format!("the name \"{host}\" has no address")) } else { Ok(found) }
}

/// An IPv6 address may name its interface after a percent sign (RFC 4007, section 11).
fn is_numeric(address: &str) -> bool {
    address.split('%').next().is_some_and(|ip| ip.parse::<IpAddr>().is_ok())
}

fn tcp_socket(address: SocketAddr, tcp: &TcpParams) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    if tcp.keepalives {
        socket.set_tcp_keepalive(&keepalive(tcp))?;
    }
    #[cfg(target_os = "linux")]
    if tcp.user_timeout.is_some() {
        socket.set_tcp_user_timeout(tcp.user_timeout)?;
    }
    Ok(socket)
}

fn keepalive(tcp: &TcpParams) -> TcpKeepalive {
    let mut keepalive = TcpKeepalive::new();
    if let Some(idle) = tcp.idle {
        keepalive = keepalive.with_time(idle);
    }
    if let Some(interval) = tcp.interval {
        keepalive = keepalive.with_interval(interval);
    }
    if let Some(probes) = tcp.probes {
        keepalive = keepalive.with_retries(probes);
    }
    keepalive
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
        let resolve = |host: Host| resolve_host(&host, TcpParams::default());
        let found = resolve(host("127.0.0.1")).unwrap();
        assert!(matches!(found.as_slice(), [Address::Tcp(a, _)] if a.to_string() == "127.0.0.1:5432"));
        assert!(
            matches!(resolve(host("::1")).unwrap().as_slice(), [Address::Tcp(a, _)] if a.to_string() == "[::1]:5432")
        );
        assert!(resolve(host("localhost")).unwrap_err().contains("not an IP address"));
    }
}
