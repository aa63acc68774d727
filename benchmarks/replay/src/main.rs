//! A PostgreSQL server in front of another one that costs next to nothing: what a COPY has answered once is answered
//! from memory ever after, on any number of connections. The rest goes to the server behind it, which must let
//! everybody in without a password.
//!
//! ```text
//! polyglot-replay FOLDER PORT [BYTES]
//! ```
//!
//! It listens on a unix socket in `FOLDER`, whose buffers in the kernel are small: what a client does not read waits here.
//! `PORT` is that of the server behind it, on 127.0.0.1; `BYTES` limits each connection to so many bytes a second, as a
//! server with enough processors would. It prints a line when it is ready, and ends with its standard input. What it
//! remembers is valid as long as nobody writes to the tables.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

mod message;
mod pace;

use message::{Message, Start, protocol_error};
use pace::Pace;

/// Bytes of answers that are kept: a table of ten million rows. Beyond it the program ends.
const MEMORY: usize = 4 << 30;
/// `CommandComplete` of a SET, and `ReadyForQuery` in a transaction.
const DONE: &[u8] = b"C\0\0\0\x08SET\0Z\0\0\0\x05T";
/// What the statement begins with by which a worker joins a snapshot; nobody else speaks first like this.
const JOINS: &[u8] = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;";
const COPY: &[u8] = b"COPY ";
/// The name of the socket of a server with the usual port.
const SOCKET: &str = ".s.PGSQL.5432";

/// What is known, by the bytes that were asked.
#[derive(Default)]
struct Known {
    answers: HashMap<Vec<u8>, Arc<[u8]>>,
    bytes: usize,
}

/// What all connections share.
struct Replay {
    behind: u16,
    rate: Option<f64>,
    known: Mutex<Known>,
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "usage: polyglot-replay FOLDER PORT [BYTES]");
    let folder = arguments.next().ok_or_else(usage)?;
    let behind = arguments.next().and_then(|port| port.parse().ok()).ok_or_else(usage)?;
    let rate = match arguments.next() {
        Some(bytes) => Some(bytes.parse().ok().filter(|rate| *rate > 0.0).ok_or_else(usage)?),
        None => None,
    };
    let replay = Arc::new(Replay { behind, rate, known: Mutex::default() });
    let listener = UnixListener::bind(Path::new(&folder).join(SOCKET))?;
    println!("ready");
    thread::spawn(|| {
        // Whoever started this program may be killed: then its pipe ends as well.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    for client in listener.incoming() {
        let (client, replay) = (client?, Arc::clone(&replay));
        thread::spawn(move || {
            if let Err(error) = replay.serve(client) {
                eprintln!("a connection ended: {error}");
            }
        });
    }
    Ok(())
}

impl Replay {
    fn serve(&self, mut client: UnixStream) -> io::Result<()> {
        let packet = match message::start(&mut client)? {
            Start::Session(packet) => packet,
            // A query from memory cannot be cancelled, and ends with its connection.
            Start::Cancel => return Ok(()),
        };
        let greeting = match self.get(&packet) {
            Some(greeting) => greeting,
            None => {
                let mut behind = self.connect(&packet)?;
                let greeting = message::until_ready(&mut behind)?;
                self.keep(packet.clone(), greeting)?
            }
        };
        client.write_all(&greeting)?;
        let Some(first) = Message::read(&mut client)? else {
            return Ok(());
        };
        if first.is_query() && first.text().starts_with(JOINS) {
            return Worker { replay: self, client, packet, before: Vec::new() }.run(first);
        }
        let mut behind = self.connect(&packet)?;
        message::until_ready(&mut behind)?;
        behind.write_all(&first.bytes)?;
        relay(client, behind)
    }

    /// A connection to the server behind, which has been sent the packet.
    fn connect(&self, packet: &[u8]) -> io::Result<TcpStream> {
        let mut behind = TcpStream::connect(("127.0.0.1", self.behind))?;
        behind.set_nodelay(true)?;
        behind.write_all(packet)?;
        Ok(behind)
    }

    fn get(&self, asked: &[u8]) -> Option<Arc<[u8]>> {
        self.lock().answers.get(asked).map(Arc::clone)
    }

    fn keep(&self, asked: Vec<u8>, answer: Vec<u8>) -> io::Result<Arc<[u8]>> {
        let answer: Arc<[u8]> = answer.into();
        let mut known = self.lock();
        known.bytes += answer.len();
        if known.bytes > MEMORY {
            eprintln!("more than {MEMORY} bytes to remember; take a smaller table");
            std::process::exit(1);
        }
        known.answers.insert(asked, Arc::clone(&answer));
        Ok(answer)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that reads segments.
struct Worker<'a> {
    replay: &'a Replay,
    client: UnixStream,
    /// The packet it has started with.
    packet: Vec<u8>,
    /// What it has said before its COPY, for a connection that has to say it as well.
    before: Vec<Message>,
}

impl Worker<'_> {
    fn run(mut self, first: Message) -> io::Result<()> {
        let mut pace = Pace::new(self.replay.rate);
        let mut next = Some(first);
        while let Some(asked) = next.filter(Message::is_query) {
            if asked.text().starts_with(COPY) {
                let answer = match self.replay.get(&asked.bytes) {
                    Some(answer) => answer,
                    None => self.ask(&asked)?,
                };
                pace.write(&mut self.client, &answer)?;
            } else {
                self.client.write_all(DONE)?;
                self.before.push(asked);
            }
            next = Message::read(&mut self.client)?;
        }
        Ok(())
    }

    /// The answer of the server behind, which is kept. The snapshot is still there, since the export is.
    fn ask(&self, asked: &Message) -> io::Result<Arc<[u8]>> {
        let mut behind = self.replay.connect(&self.packet)?;
        message::until_ready(&mut behind)?;
        let mut answer = Vec::new();
        for each in self.before.iter().chain([asked]) {
            behind.write_all(&each.bytes)?;
            answer = message::until_ready(&mut behind)?;
            if answer.first() == Some(&b'E') {
                return Err(protocol_error("the server behind refused a statement"));
            }
        }
        self.replay.keep(asked.bytes.clone(), answer)
    }
}

/// Both ways, until one side has ended.
fn relay(client: UnixStream, behind: TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_behind) = (client.try_clone()?, behind.try_clone()?);
    let there = thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_behind);
        let _ = to_behind.shutdown(Shutdown::Both);
    });
    let (mut from_behind, mut to_client) = (behind, client);
    let _ = io::copy(&mut from_behind, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Both);
    there.join().map_err(|_| protocol_error("a relay died"))?;
    Ok(())
}
