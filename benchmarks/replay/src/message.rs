//! As much of the protocol as is needed to see where messages begin and end (PostgreSQL manual, "Message Formats").

use std::io::{self, Read, Write};

const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;
/// PostgreSQL's own limit of a start-up packet.
const LARGEST_START: usize = 10_000;
/// A statement is shorter.
const LARGEST_QUERY: usize = 1 << 20;
const READY: u8 = b'Z';
const READ_BYTES: usize = 256 << 10;
/// Tag and length of a message.
const HEAD: usize = 5;

pub fn protocol_error(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// How a connection begins.
pub enum Start {
    /// The packet, with its length.
    Session(Vec<u8>),
    Cancel,
}

/// Reads the packet of a session; encryption is refused before.
pub fn start(client: &mut (impl Read + Write)) -> io::Result<Start> {
    loop {
        let mut head = [0; 8];
        client.read_exact(&mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        let length = usize::try_from(i32::from_be_bytes([a, b, c, d])).unwrap_or(0);
        match i32::from_be_bytes([e, f, g, h]) {
            SSL_REQUEST | GSS_REQUEST => client.write_all(b"N")?,
            CANCEL_REQUEST => return Ok(Start::Cancel),
            _ if !(head.len()..=LARGEST_START).contains(&length) => return Err(protocol_error("no start-up packet")),
            _ => {
                let mut packet = head.to_vec();
                client.take((length - head.len()) as u64).read_to_end(&mut packet)?;
                return Ok(Start::Session(packet));
            }
        }
    }
}

/// A message of a client.
pub struct Message {
    /// With its head.
    pub bytes: Vec<u8>,
}

impl Message {
    /// The next one; `None` where the client has gone.
    pub fn read(client: &mut impl Read) -> io::Result<Option<Message>> {
        let mut head = [0; HEAD];
        match client.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let rest = body_length(head)?;
        if rest > LARGEST_QUERY {
            return Err(protocol_error("a statement is longer than a megabyte"));
        }
        let mut bytes = head.to_vec();
        client.take(rest as u64).read_to_end(&mut bytes)?;
        Ok(Some(Message { bytes }))
    }

    pub fn is_query(&self) -> bool {
        self.bytes.first() == Some(&b'Q')
    }

    /// Behind the head.
    pub fn text(&self) -> &[u8] {
        self.bytes.get(HEAD..).unwrap_or_default()
    }
}

/// All that a server sends until it is ready for the next query, that message included.
pub fn until_ready(server: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    // Where the next message begins.
    let mut at = 0;
    loop {
        while let Some(&[tag, a, b, c, d]) = answer.get(at..).and_then(|rest: &[u8]| rest.first_chunk::<HEAD>()) {
            let end = at + HEAD + body_length([tag, a, b, c, d])?;
            if answer.len() < end {
                break;
            }
            if tag == READY {
                return Ok(answer);
            }
            at = end;
        }
        let count = server.read(&mut buffer)?;
        if count == 0 {
            return Err(protocol_error("the server behind closed the connection"));
        }
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

fn body_length([_, a, b, c, d]: [u8; HEAD]) -> io::Result<usize> {
    usize::try_from(i32::from_be_bytes([a, b, c, d]))
        .ok()
        .and_then(|length| length.checked_sub(4))
        .ok_or_else(|| protocol_error("a message has no length"))
}
