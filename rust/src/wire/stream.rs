//! A socket with a deadline, and the same with TLS in it.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::CertificateDer;
use socket2::Socket;

use super::io::Deadline;
use super::tls::errors::describe_tls;

/// A server that closed its end must give us an error, not the signal SIGPIPE: a host process may have set that back
/// to its deadly default.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;
/// Elsewhere the socket library sets the option on the socket, or there is no such signal.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const SEND_FLAGS: i32 = 0;

/// A read of rows that gives less than this has overtaken the server, which sends 8 KB at a time and pays for each time
/// that it has to wake us: the next read waits for [`PAUSE`], in which a backend sends some 70 KB. That saves three of
/// four context switches and 5 % of the processor time of both sides; a segment ends at most that much later. With TLS
/// a read gives one record, so this is for plain sockets only.
const FULL_READ: usize = 64 << 10;
const PAUSE: Duration = Duration::from_micros(200);

/// A connected socket. While it has a deadline, every read and write is bounded by it.
#[derive(Debug)]
pub struct Channel {
    socket: Arc<Socket>,
    deadline: Deadline,
    /// Rows are being read: more are always on their way.
    streaming: bool,
    /// The last read gave less than [`FULL_READ`].
    ahead: bool,
}

impl Channel {
    pub fn new(socket: Arc<Socket>, deadline: Deadline) -> Self {
        Channel { socket, deadline, streaming: false, ahead: false }
    }

    /// The socket, for those who may have to shut it down from another thread.
    pub fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    fn set_deadline(&mut self, deadline: Deadline) -> io::Result<()> {
        self.deadline = deadline;
        if !deadline.is_set() {
            self.socket.set_read_timeout(None)?;
            self.socket.set_write_timeout(None)?;
        }
        Ok(())
    }

    /// A timeout of the socket is reported as `WouldBlock` by some systems.
    fn timed_out(&self, e: io::Error) -> io::Error {
        if e.kind() == io::ErrorKind::WouldBlock && self.deadline.is_set() { io::ErrorKind::TimedOut.into() } else { e }
    }
}

impl Read for Channel {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.deadline.is_set() {
            self.socket.set_read_timeout(self.deadline.remaining()?)?;
        }
        if self.ahead && self.streaming {
            std::thread::sleep(PAUSE);
        }
        let n = (&*self.socket).read(buf).map_err(|e| self.timed_out(e))?;
        self.ahead = n < FULL_READ;
        Ok(n)
    }
}

impl Write for Channel {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.deadline.is_set() {
            self.socket.set_write_timeout(self.deadline.remaining()?)?;
        }
        self.socket.send_with_flags(buf, SEND_FLAGS).map_err(|e| self.timed_out(e))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the protocol is spoken over.
pub enum Stream {
    Plain(Channel),
    Tls(Box<TlsChannel>),
}

/// TLS without a buffer of our own: rustls decrypts a record, and `read` copies it to where it is wanted.
pub struct TlsChannel {
    tls: ClientConnection,
    channel: Channel,
}

impl Stream {
    /// Does the handshake.
    pub fn handshake(tls: ClientConnection, channel: Channel) -> io::Result<Stream> {
        let mut stream = TlsChannel { tls, channel };
        while stream.tls.is_handshaking() {
            stream.flush_records()?;
            if stream.tls.is_handshaking() && stream.receive()? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection during the TLS handshake",
                ));
            }
        }
        stream.flush_records()?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    pub fn is_tls(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// The certificate that the server showed.
    pub fn server_certificate(&self) -> Option<&CertificateDer<'static>> {
        match self {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.tls.peer_certificates().and_then(<[_]>::first),
        }
    }

    /// The application protocol that was agreed upon (ALPN).
    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.tls.alpn_protocol(),
        }
    }

    /// Says whether rows are being read, of which more are always on their way.
    pub fn set_streaming(&mut self, streaming: bool) {
        if let Stream::Plain(channel) = self {
            channel.streaming = streaming;
        }
    }

    pub fn socket(&self) -> &Arc<Socket> {
        match self {
            Stream::Plain(channel) => channel.socket(),
            Stream::Tls(stream) => stream.channel.socket(),
        }
    }

    /// Bounds what follows; `Deadline::NONE` takes the bound away.
    pub fn set_deadline(&mut self, deadline: Deadline) -> io::Result<()> {
        match self {
            Stream::Plain(channel) => channel.set_deadline(deadline),
            Stream::Tls(stream) => stream.channel.set_deadline(deadline),
        }
    }

    /// Says goodbye in TLS; the socket is closed when the stream is dropped.
    pub fn close_notify(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(_) => Ok(()),
            Stream::Tls(stream) => {
                stream.tls.send_close_notify();
                stream.flush_records()
            }
        }
    }
}

impl TlsChannel {
    /// Reads and decrypts what has arrived; 0 at the end of the connection.
    fn receive(&mut self) -> io::Result<usize> {
        let n = loop {
            match self.tls.read_tls(&mut self.channel) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if let Err(e) = self.tls.process_new_packets() {
            // The alert tells the server why; what it makes of that changes nothing for us.
            let _ = self.flush_records();
            return Err(io::Error::new(io::ErrorKind::InvalidData, describe_tls(&e)));
        }
        Ok(n)
    }

    fn flush_records(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.channel) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => other.map(drop)?,
            }
        }
        Ok(())
    }
}

impl Read for TlsChannel {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // The end without close_notify: PostgreSQL's messages say themselves where they end.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            self.receive()?;
            // A key update asks for an answer.
            self.flush_records()?;
        }
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(channel) => channel.read(buf),
            Stream::Tls(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(channel) => channel.write(buf),
            Stream::Tls(stream) => {
                let n = stream.tls.writer().write(buf)?;
                stream.flush_records()?;
                Ok(n)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
