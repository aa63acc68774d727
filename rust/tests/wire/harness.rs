//! A scripted server. Each script is one connection, in order; the thread of the server is joined, so that a failed
//! expectation in it fails the test.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use _core::error::Error;
use _core::wire::Connection;
use _core::wire::params::{ChannelBinding, ConnectParams, Host, Methods, SslMode, SslParams, TcpParams, TlsVersions};

pub const PASSWORD: &str = "s3cret-never-shown";
pub const SSL_REQUEST: i32 = 80_877_103;
pub const CANCEL_REQUEST: i32 = 80_877_102;
pub const PROTOCOL_3: i32 = 196_608;
/// A test that hangs is worse than one that fails: no read of a script takes longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Script = Box<dyn FnOnce(Peer) + Send>;

/// The server's end of one connection.
pub struct Peer(pub TcpStream);

impl Peer {
    pub fn exactly(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.0.read_exact(&mut bytes).expect("the client sends more");
        bytes
    }

    pub fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.exactly(4).try_into().unwrap())
    }

    /// A packet without a type: its code and the rest.
    pub fn packet(&mut self) -> (i32, Vec<u8>) {
        let length = usize::try_from(self.int()).unwrap();
        let code = self.int();
        (code, self.exactly(length - 8))
    }

    /// A message with a type.
    pub fn message(&mut self) -> (u8, Vec<u8>) {
        let tag = self.exactly(1)[0];
        let length = usize::try_from(self.int()).unwrap();
        (tag, self.exactly(length - 4))
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // The client may have gone by then, which is its right.
        let _ = self.0.write_all(bytes);
    }

    pub fn expect_ssl_request(&mut self) {
        assert_eq!(self.packet(), (SSL_REQUEST, Vec::new()));
    }

    pub fn expect_startup(&mut self) -> Vec<u8> {
        let (code, parameters) = self.packet();
        assert_eq!(code, PROTOCOL_3);
        parameters
    }

    /// Lets the client in without a password.
    pub fn welcome(&mut self) {
        self.expect_startup();
        self.send(&[ok(), parameter(), key(), ready()].concat());
    }

    pub fn expect_query(&mut self) -> String {
        let (tag, body) = self.message();
        assert_eq!(tag, b'Q');
        String::from_utf8(body[..body.len() - 1].to_vec()).unwrap()
    }

    /// Waits until the client is gone; what it still sends is given back.
    pub fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("the client stays"),
            _ => bytes,
        }
    }
}

pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(i32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

pub fn auth(code: i32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes(), rest].concat())
}

pub fn ok() -> Vec<u8> {
    auth(0, b"")
}

pub fn parameter() -> Vec<u8> {
    message(b'S', b"server_version\x0018.0\0")
}

pub fn key() -> Vec<u8> {
    message(b'K', &[7i32.to_be_bytes(), 42i32.to_be_bytes()].concat())
}

pub fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

pub fn error(severity: &str, sqlstate: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0").as_bytes())
}

pub fn complete(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

pub fn copy_out() -> Vec<u8> {
    message(b'H', &[1, 0, 1, 0, 1])
}

pub fn row(bytes: &[u8]) -> Vec<u8> {
    message(b'd', bytes)
}

pub fn script(run: impl FnOnce(Peer) + Send + 'static) -> Script {
    Box::new(run)
}

/// A server on 127.0.0.1 that takes one connection a script.
pub fn serve(scripts: Vec<Script>) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        for run in scripts {
            let (socket, _) = listener.accept().unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            run(Peer(socket));
        }
    });
    (port, server)
}

pub fn params(port: u16, mode: SslMode) -> ConnectParams {
    ConnectParams {
        host: Host::Tcp { host: "127.0.0.1".into(), hostaddr: None, port },
        user: "reader".into(),
        password: Some(PASSWORD.into()),
        dbname: "db".into(),
        application_name: "polyglot test".into(),
        ssl: SslParams {
            mode,
            root_cert: None,
            cert: None,
            key: None,
            key_password: None,
            cert_required: false,
            sni: true,
            versions: TlsVersions { tls12: true, tls13: true },
            direct: false,
            channel_binding: ChannelBinding::Prefer,
        },
        tcp: TcpParams::default(),
        methods: Methods::ALL,
        connect_timeout: Some(PATIENCE),
        options: None,
    }
}

/// Connects without TLS to a server with these scripts.
pub fn connect(scripts: Vec<Script>) -> (Result<Connection, Error>, JoinHandle<()>) {
    connect_by(scripts, SslMode::Disable)
}

pub fn connect_by(scripts: Vec<Script>, mode: SslMode) -> (Result<Connection, Error>, JoinHandle<()>) {
    let (port, server) = serve(scripts);
    (Connection::connect(&params(port, mode)), server)
}

/// The message and SQLSTATE of a connection that must fail.
pub fn refusal(outcome: Result<Connection, Error>) -> (String, Option<String>) {
    match outcome {
        Err(Error::Connect { message, sqlstate }) => {
            assert!(message.starts_with("cannot connect to 127.0.0.1:"), "{message}");
            assert!(!message.contains(PASSWORD), "the password is shown: {message}");
            (message, sqlstate)
        }
        Err(other) => panic!("another error: {other:?}"),
        Ok(_) => panic!("connected"),
    }
}

/// Lets the client in without TLS or password, then runs the script.
pub fn after_welcome(run: impl FnOnce(Peer) + Send + 'static) -> (Connection, JoinHandle<()>) {
    let (outcome, server) = connect(vec![script(move |mut peer| {
        peer.welcome();
        run(peer);
    })]);
    (outcome.unwrap(), server)
}
