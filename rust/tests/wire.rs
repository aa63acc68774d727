//! The connection against a scripted server: what PostgreSQL would never say, and what it says seldom.
//!
//! Each script is one connection in order; the thread of the server is joined, so that a failed expectation in it fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use _core::error::Error;
use _core::plan::{ChannelBinding, ConnectParams, Host, SslMode, SslParams};
use _core::wire::Connection;

const PASSWORD: &str = "s3cret-never-shown";
const SSL_REQUEST: i32 = 80_877_103;
const CANCEL_REQUEST: i32 = 80_877_102;
const PROTOCOL_3: i32 = 196_608;
/// A test that hangs is worse than one that fails: no read of a script takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

type Script = Box<dyn FnOnce(Peer) + Send>;

/// The server's end of one connection.
struct Peer(TcpStream);

impl Peer {
    fn exactly(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.0.read_exact(&mut bytes).expect("the client sends more");
        bytes
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.exactly(4).try_into().unwrap())
    }

    /// A packet without a type: its code and the rest.
    fn packet(&mut self) -> (i32, Vec<u8>) {
        let length = usize::try_from(self.int()).unwrap();
        let code = self.int();
        (code, self.exactly(length - 8))
    }

    /// A message with a type.
    fn message(&mut self) -> (u8, Vec<u8>) {
        let tag = self.exactly(1)[0];
        let length = usize::try_from(self.int()).unwrap();
        (tag, self.exactly(length - 4))
    }

    fn send(&mut self, bytes: &[u8]) {
        // The client may have gone by then, which is its right.
        let _ = self.0.write_all(bytes);
    }

    fn expect_ssl_request(&mut self) {
        assert_eq!(self.packet(), (SSL_REQUEST, Vec::new()));
    }

    fn expect_startup(&mut self) -> Vec<u8> {
        let (code, parameters) = self.packet();
        assert_eq!(code, PROTOCOL_3);
        parameters
    }

    /// Lets the client in without a password.
    fn welcome(&mut self) {
        self.expect_startup();
        self.send(&[ok(), parameter(), key(), ready()].concat());
    }

    fn expect_query(&mut self) -> String {
        let (tag, body) = self.message();
        assert_eq!(tag, b'Q');
        String::from_utf8(body[..body.len() - 1].to_vec()).unwrap()
    }

    /// Waits until the client is gone; what it still sends is given back.
    fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("the client stays"),
            _ => bytes,
        }
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(i32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

fn auth(code: i32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes(), rest].concat())
}

fn ok() -> Vec<u8> {
    auth(0, b"")
}

fn parameter() -> Vec<u8> {
    message(b'S', b"server_version\x0018.0\0")
}

fn key() -> Vec<u8> {
    message(b'K', &[7i32.to_be_bytes(), 42i32.to_be_bytes()].concat())
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn error(severity: &str, sqlstate: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0").as_bytes())
}

fn complete(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

fn copy_out() -> Vec<u8> {
    message(b'H', &[1, 0, 1, 0, 1])
}

fn row(bytes: &[u8]) -> Vec<u8> {
    message(b'd', bytes)
}

fn script(run: impl FnOnce(Peer) + Send + 'static) -> Script {
    Box::new(run)
}

/// A server on 127.0.0.1 that takes one connection a script.
fn serve(scripts: Vec<Script>) -> (u16, JoinHandle<()>) {
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

fn params(port: u16, mode: SslMode) -> ConnectParams {
    ConnectParams {
        host: Host::Tcp { host: "127.0.0.1".into(), hostaddr: None, port },
        user: "reader".into(),
        password: Some(PASSWORD.into()),
        dbname: "db".into(),
        application_name: "polyglot test".into(),
        ssl: SslParams { mode, root_cert: None, cert: None, key: None, direct: false, channel_binding: ChannelBinding::Prefer },
        connect_timeout: Some(PATIENCE),
        options: None,
    }
}

/// Connects without TLS to a server with these scripts.
fn connect(scripts: Vec<Script>) -> (Result<Connection, Error>, JoinHandle<()>) {
    connect_by(scripts, SslMode::Disable)
}

fn connect_by(scripts: Vec<Script>, mode: SslMode) -> (Result<Connection, Error>, JoinHandle<()>) {
    let (port, server) = serve(scripts);
    (Connection::connect(&params(port, mode)), server)
}

/// The message and SQLSTATE of a connection that must fail.
fn refusal(outcome: Result<Connection, Error>) -> (String, Option<String>) {
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
fn after_welcome(run: impl FnOnce(Peer) + Send + 'static) -> (Connection, JoinHandle<()>) {
    let (outcome, server) = connect(vec![script(move |mut peer| {
        peer.welcome();
        run(peer);
    })]);
    (outcome.unwrap(), server)
}

/// What the server does after its answer to the COPY.
#[derive(Clone, Copy)]
enum Then {
    HangsUp,
    AnswersOneMore,
}

/// All rows of a COPY that the server answers with these bytes.
fn copy(answer: Vec<u8>, then: Then) -> (Result<Vec<Vec<u8>>, Error>, Connection, JoinHandle<()>) {
    let (mut connection, server) = after_welcome(move |mut peer| {
        peer.expect_query();
        peer.send(&answer);
        if matches!(then, Then::AnswersOneMore) {
            peer.expect_query();
            peer.send(&[complete("SELECT 1"), ready()].concat());
        }
    });
    let rows = read_all(&mut connection);
    (rows, connection, server)
}

fn read_all(connection: &mut Connection) -> Result<Vec<Vec<u8>>, Error> {
    let mut copy = connection.copy_out("COPY x TO STDOUT (FORMAT binary)")?;
    let mut rows = Vec::new();
    while let Some(row) = copy.next()? {
        rows.push(row.to_vec());
    }
    assert_eq!(copy.next().unwrap(), None, "the end stays the end");
    assert_eq!(copy.rows(), Some(2));
    Ok(rows)
}

// --- start-up ---------------------------------------------------------------------------------------------------

#[test]
fn startup_parameters() {
    let (port, server) = serve(vec![script(|mut peer| {
        let sent = peer.expect_startup();
        let expected = "user\0reader\0database\0db\0application_name\0polyglot test\0client_encoding\0UTF8\0options\0-c x=1\0\0";
        assert_eq!(String::from_utf8(sent).unwrap(), expected);
        peer.send(&[ok(), ready()].concat());
        assert_eq!(peer.rest(), message(b'X', b""), "a polite end");
    })]);
    let mut params = params(port, SslMode::Disable);
    params.options = Some("-c x=1".into());
    Connection::connect(&params).unwrap().close();
    server.join().unwrap();
}

#[test]
fn a_server_of_another_protocol() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"220 mail.example ESMTP\r\n", b"E\xff\xff\xff\xff", b"R\0\0\0\x03", &[0; 64]]
    {
        let (outcome, server) = connect(vec![script(move |mut peer| {
            peer.expect_startup();
            peer.send(answer);
        })]);
        let (message, sqlstate) = refusal(outcome);
        assert!(message.contains("malformed data"), "{message}");
        assert_eq!(sqlstate, None);
        server.join().unwrap();
    }
}

#[test]
fn a_server_that_hangs_up() {
    for answer in [vec![], b"R\0\0".to_vec(), ok(), [ok(), parameter(), key()].concat()] {
        let (outcome, server) = connect(vec![script(move |mut peer| {
            peer.expect_startup();
            peer.send(&answer);
        })]);
        assert!(refusal(outcome).0.contains("closed the connection unexpectedly"));
        server.join().unwrap();
    }
}

#[test]
fn a_server_that_says_nothing() {
    for mode in [SslMode::Disable, SslMode::Prefer, SslMode::Require] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut params = params(listener.local_addr().unwrap().port(), mode);
        params.connect_timeout = Some(Duration::from_millis(300));
        let start = Instant::now();
        let (message, _) = refusal(Connection::connect(&params));
        assert!(message.ends_with("no answer within 0.3 s"), "{message}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

/// Each byte comes in time, but all of them together do not.
#[test]
fn a_server_that_trickles() {
    let (port, server) = serve(vec![script(|mut peer| {
        peer.expect_startup();
        for byte in message(b'N', &[b'x'; 400]) {
            peer.send(&[byte]);
            thread::sleep(Duration::from_millis(10));
        }
    })]);
    let mut params = params(port, SslMode::Disable);
    params.connect_timeout = Some(Duration::from_millis(300));
    let start = Instant::now();
    assert!(refusal(Connection::connect(&params)).0.contains("no answer within"));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    server.join().unwrap();
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (message, _) = refusal(Connection::connect(&params(port, SslMode::Prefer)));
    assert_eq!(message, format!("cannot connect to 127.0.0.1:{port}: connection refused"));
}

#[test]
fn the_servers_refusal_is_kept() {
    let (outcome, server) = connect(vec![script(|mut peer| {
        peer.expect_startup();
        peer.send(&[ok(), error("FATAL", "3D000", "database \"db\" does not exist")].concat());
    })]);
    let (message, sqlstate) = refusal(outcome);
    assert!(message.ends_with("database \"db\" does not exist"), "{message}");
    assert_eq!(sqlstate.as_deref(), Some("3D000"));
    server.join().unwrap();
}

// --- TLS --------------------------------------------------------------------------------------------------------

/// What comes in one packet with the answer is from before any encryption (CVE-2021-23222).
#[test]
fn surplus_bytes_after_the_answer_to_sslrequest() {
    for answer in [&b"SR\0\0\0\x08\0\0\0\0"[..], b"NR\0\0\0\x08\0\0\0\0"] {
        for mode in [SslMode::Prefer, SslMode::Require] {
            let (outcome, server) = connect_by(
                vec![script(move |mut peer| {
                    peer.expect_ssl_request();
                    peer.send(answer);
                    assert_eq!(peer.rest(), b"", "nothing more is said to such a server");
                })],
                mode,
            );
            assert!(refusal(outcome).0.contains("unencrypted bytes"));
            server.join().unwrap();
        }
    }
}

#[test]
fn an_answer_to_sslrequest_that_is_none() {
    let cases = [
        (&b"X"[..], "is not PostgreSQL's"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not PostgreSQL's"),
        (b"", "closed the connection when it was asked for TLS"),
    ];
    for (answer, expected) in cases {
        let (outcome, server) = connect_by(
            vec![script(move |mut peer| {
                peer.expect_ssl_request();
                peer.send(answer);
            })],
            SslMode::Require,
        );
        let (message, _) = refusal(outcome);
        assert!(message.contains(expected), "{message}");
        server.join().unwrap();
    }
}

/// The text of an error from someone whom we do not know yet is not shown (CVE-2024-10977).
#[test]
fn an_error_in_answer_to_sslrequest_is_not_shown() {
    let (outcome, server) = connect_by(
        vec![script(|mut peer| {
            peer.expect_ssl_request();
            peer.send(&error("FATAL", "08P01", "call this number"));
        })],
        SslMode::Require,
    );
    let (message, _) = refusal(outcome);
    assert!(!message.contains("call this number"), "{message}");
    server.join().unwrap();
}

#[test]
fn a_server_without_tls() {
    for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        let (port, server) = serve(vec![script(|mut peer| {
            peer.expect_ssl_request();
            peer.send(b"N");
            assert_eq!(peer.rest(), b"", "nothing is said without TLS");
        })]);
        let mut params = params(port, mode);
        params.ssl.root_cert = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates/root.pem").into());
        assert!(refusal(Connection::connect(&params)).0.contains("does not support TLS"));
        server.join().unwrap();
    }
    let (outcome, server) = connect_by(
        vec![script(|mut peer| {
            peer.expect_ssl_request();
            peer.send(b"N");
            peer.welcome();
        })],
        SslMode::Prefer,
    );
    assert!(!outcome.unwrap().is_encrypted());
    server.join().unwrap();
}

/// Refused once on the socket that went on without TLS, `prefer` has nothing left to try.
#[test]
fn prefer_does_not_try_the_same_twice() {
    let (outcome, server) = connect_by(
        vec![script(|mut peer| {
            peer.expect_ssl_request();
            peer.send(b"N");
            peer.expect_startup();
            peer.send(&error("FATAL", "28000", "not you"));
        })],
        SslMode::Prefer,
    );
    assert_eq!(refusal(outcome).1.as_deref(), Some("28000"));
    server.join().unwrap();
}

#[test]
fn prefer_goes_on_without_tls_where_the_handshake_fails() {
    let broken = || {
        script(|mut peer| {
            peer.expect_ssl_request();
            peer.send(b"S");
            peer.exactly(5);
            peer.send(b"this is not a TLS record");
        })
    };
    let (outcome, server) = connect_by(vec![broken(), script(|mut peer| peer.welcome())], SslMode::Prefer);
    assert!(!outcome.unwrap().is_encrypted());
    server.join().unwrap();

    let (outcome, server) = connect_by(vec![broken()], SslMode::Require);
    assert!(refusal(outcome).0.contains("TLS"));
    server.join().unwrap();
}

#[test]
fn allow_asks_for_tls_where_it_is_refused_without() {
    let (outcome, server) = connect_by(
        vec![
            script(|mut peer| {
                peer.expect_startup();
                peer.send(&error("FATAL", "28000", "no entry without encryption"));
            }),
            script(|mut peer| {
                peer.expect_ssl_request();
                peer.send(b"N");
            }),
        ],
        SslMode::Allow,
    );
    let (message, sqlstate) = refusal(outcome);
    assert!(message.ends_with("no entry without encryption; with TLS: the server does not support TLS"), "{message}");
    assert_eq!(sqlstate.as_deref(), Some("28000"));
    server.join().unwrap();
}

/// A server that starts up or shuts down is the same with any encryption.
#[test]
fn no_second_attempt_while_the_server_starts() {
    let (outcome, server) = connect_by(
        vec![script(|mut peer| {
            peer.expect_startup();
            peer.send(&error("FATAL", "57P03", "the database system is starting up"));
        })],
        SslMode::Allow,
    );
    assert_eq!(refusal(outcome).1.as_deref(), Some("57P03"));
    server.join().unwrap();
}

#[test]
fn settings_that_libpq_refuses() {
    let root = || Some("system".to_owned());
    let cases = [
        (SslMode::Require, root(), false, "sslrootcert=system needs sslmode=verify-full"),
        (SslMode::VerifyCa, root(), false, "sslrootcert=system needs sslmode=verify-full"),
        (SslMode::VerifyCa, None, false, "need a root certificate"),
        (SslMode::VerifyFull, None, true, "need a root certificate"),
        (SslMode::VerifyCa, Some("/no/such/file".to_owned()), false, "\"/no/such/file\" cannot be read"),
        (SslMode::Require, Some(env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml"), false, "holds no certificate"),
    ];
    for (mode, root_cert, direct, expected) in cases {
        let (port, server) = serve(vec![script(|peer| assert_eq!(peer.rest(), b"", "nothing is sent"))]);
        let mut params = params(port, mode);
        params.ssl.root_cert = root_cert;
        params.ssl.direct = direct;
        let (message, _) = refusal(Connection::connect(&params));
        assert!(message.contains(expected), "{message}");
        server.join().unwrap();
    }
}

/// Direct TLS speaks to a server that knows it or to none.
#[test]
fn direct_tls_begins_with_a_handshake() {
    let (port, server) = serve(vec![script(|mut peer| {
        // A TLS record of type handshake.
        assert_eq!(peer.exactly(3)[..2], [0x16, 0x03]);
        peer.send(&error("FATAL", "08P01", "unsupported frontend protocol"));
        peer.rest();
    })]);
    let mut params = params(port, SslMode::Require);
    params.ssl.direct = true;
    let (message, _) = refusal(Connection::connect(&params));
    assert!(message.contains("TLS"), "{message}");
    server.join().unwrap();
}

// --- authentication ---------------------------------------------------------------------------------------------

const SCRAM: &[u8] = b"SCRAM-SHA-256\0\0";

/// One login on a server that asks like this, given a password and a demand for channel binding.
fn log_in(run: impl FnOnce(Peer) + Send + 'static, password: Option<&str>, binding: ChannelBinding) -> (String, Option<String>) {
    let (port, server) = serve(vec![script(move |mut peer| {
        peer.expect_startup();
        run(peer);
    })]);
    let mut params = params(port, SslMode::Disable);
    params.password = password.map(str::to_owned);
    params.ssl.channel_binding = binding;
    let found = refusal(Connection::connect(&params));
    server.join().unwrap();
    found
}

#[test]
fn no_password_for_a_server_that_asks() {
    for request in [auth(3, b""), auth(5, b"salt"), auth(10, SCRAM)] {
        for password in [None, Some("")] {
            let request = request.clone();
            let ask = move |mut peer: Peer| {
                peer.send(&request);
                assert_eq!(peer.rest(), b"");
            };
            let (message, _) = log_in(ask, password, ChannelBinding::Prefer);
            assert!(message.ends_with("the server asks for a password, and none was given"), "{message}");
        }
    }
}

#[test]
fn methods_that_are_not_supported() {
    for code in [2, 7, 9] {
        let (message, _) = log_in(move |mut peer| peer.send(&auth(code, b"")), Some(PASSWORD), ChannelBinding::Prefer);
        assert!(message.contains("not supported"), "{message}");
    }
    let (message, _) = log_in(|mut peer| peer.send(&auth(10, b"SCRAM-SHA-1\0\0")), Some(PASSWORD), ChannelBinding::Prefer);
    assert!(message.contains("no SASL mechanism"), "{message}");
}

/// With channel_binding=require the password leaves in no other way.
#[test]
fn required_channel_binding() {
    for request in [auth(3, b""), auth(5, b"salt"), auth(10, SCRAM), ok()] {
        let ask = move |mut peer: Peer| {
            peer.send(&request);
            assert_eq!(peer.rest(), b"");
        };
        let (message, _) = log_in(ask, Some(PASSWORD), ChannelBinding::Require);
        assert!(message.contains("channel_binding=require"), "{message}");
    }
}

/// A second request could come from someone who wants the password in the clear.
#[test]
fn one_method_is_enough() {
    let ask_twice = |mut peer: Peer| {
        peer.send(&auth(10, SCRAM));
        peer.message();
        peer.send(&auth(3, b""));
        assert_eq!(peer.rest(), b"", "the password is not sent");
    };
    let (message, _) = log_in(ask_twice, Some(PASSWORD), ChannelBinding::Prefer);
    assert!(message.contains("out of order"), "{message}");
}

#[test]
fn scram_needs_the_servers_proof() {
    let skip_the_proof = |mut peer: Peer| {
        peer.send(&auth(10, SCRAM));
        peer.message();
        peer.send(&ok());
    };
    assert!(log_in(skip_the_proof, Some(PASSWORD), ChannelBinding::Prefer).0.contains("without proving"));

    let wrong_proof = |mut peer: Peer| {
        peer.send(&auth(10, SCRAM));
        let (_, first) = peer.message();
        let first = String::from_utf8_lossy(&first).into_owned();
        let nonce = first.split("r=").nth(1).unwrap();
        peer.send(&auth(11, format!("r={nonce}server,s=c2FsdHNhbHQ=,i=4096").as_bytes()));
        peer.message();
        peer.send(&[auth(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), ok(), ready()].concat());
    };
    assert!(log_in(wrong_proof, Some(PASSWORD), ChannelBinding::Prefer).0.contains("does not know the password"));

    for answer in [&b"r=someone-else,s=c2FsdA==,i=4096"[..], b"", b"\xff\xfe", b"r=x,s=%,i=0"] {
        let wrong_answer = move |mut peer: Peer| {
            peer.send(&auth(10, SCRAM));
            peer.message();
            peer.send(&auth(11, answer));
        };
        assert!(log_in(wrong_answer, Some(PASSWORD), ChannelBinding::Prefer).0.contains("SCRAM authentication failed"));
    }
}

#[test]
fn sasl_messages_out_of_order() {
    for request in [auth(11, b"r=x,s=eA==,i=1"), auth(12, b"v=eA==")] {
        let (message, _) = log_in(move |mut peer| peer.send(&request), Some(PASSWORD), ChannelBinding::Prefer);
        assert!(message.contains("out of order"), "{message}");
    }
}

// --- statements -------------------------------------------------------------------------------------------------

#[test]
fn rows_of_statements_are_dropped() {
    let (mut connection, server) = after_welcome(|mut peer| {
        assert_eq!(peer.expect_query(), "select 1; select 2");
        let described = message(b'T', &[0, 0]);
        let notice = message(b'N', b"SNOTICE\0C00000\0Mhello\0\0");
        peer.send(&[described, message(b'D', &[0, 0]), complete("SELECT 1"), notice, message(b'I', b""), ready()].concat());
    });
    connection.batch_execute("select 1; select 2").unwrap();
    server.join().unwrap();
}

#[test]
fn an_error_leaves_the_connection_usable() {
    let (mut connection, server) = after_welcome(|mut peer| {
        peer.expect_query();
        peer.send(&[error("ERROR", "42P01", "no such table"), ready()].concat());
        peer.expect_query();
        peer.send(&[complete("SELECT 1"), ready()].concat());
    });
    let Err(Error::Server(refused)) = connection.batch_execute("select * from x") else { panic!("no error of the server") };
    assert_eq!((refused.sqlstate.as_str(), refused.message.as_str()), ("42P01", "no such table"));
    connection.batch_execute("select 1").unwrap();
    server.join().unwrap();
}

#[test]
fn a_fatal_error_keeps_its_reason() {
    let (mut connection, server) = after_welcome(|mut peer| {
        peer.expect_query();
        peer.send(&error("FATAL", "57P01", "terminating connection"));
    });
    let Err(Error::Server(refused)) = connection.batch_execute("select 1") else { panic!("no error of the server") };
    assert_eq!(refused.sqlstate, "57P01");
    assert!(matches!(connection.batch_execute("select 1"), Err(Error::Lost(_))));
    server.join().unwrap();
}

#[test]
fn a_nul_in_a_statement_is_not_sent() {
    let (mut connection, server) = after_welcome(|peer| assert_eq!(peer.rest(), b""));
    assert!(matches!(connection.batch_execute("select '\0'"), Err(Error::Internal(_))));
    drop(connection);
    server.join().unwrap();
}

// --- COPY -------------------------------------------------------------------------------------------------------

#[test]
fn rows_between_asynchronous_messages() {
    let notice = message(b'N', b"SWARNING\0C01000\0Mx\0\0");
    let notification = message(b'A', &[&7i32.to_be_bytes()[..], b"channel\0payload\0"].concat());
    let done = message(b'c', b"");
    let answer = [
        copy_out(),
        notice.clone(),
        row(b"first"),
        parameter(),
        notification,
        row(b""),
        notice,
        done,
        complete("COPY 2"),
        parameter(),
        ready(),
    ];
    let (rows, mut connection, server) = copy(answer.concat(), Then::AnswersOneMore);
    assert_eq!(rows.unwrap(), [&b"first"[..], b""]);
    connection.batch_execute("select 1").unwrap();
    server.join().unwrap();
}

/// Every end but the right one is an error: a COPY must not look whole when it is not.
#[test]
fn a_copy_that_is_not_whole() {
    let done = || message(b'c', b"");
    let rows = || [copy_out(), row(b"first"), row(b"second")].concat();
    let cases = [
        ("the end of the stream", rows()),
        ("half a row", [rows(), row(b"third")[..7].to_vec()].concat()),
        ("half a header", [rows(), row(b"third")[..3].to_vec()].concat()),
        ("after CopyDone", [rows(), done()].concat()),
        ("after CommandComplete", [rows(), done(), complete("COPY 2")].concat()),
        ("ReadyForQuery at once", [rows(), ready()].concat()),
        ("no CopyDone", [rows(), complete("COPY 2"), ready()].concat()),
        ("no CommandComplete", [rows(), done(), ready()].concat()),
        ("a row after CopyDone", [rows(), done(), row(b"third"), complete("COPY 2"), ready()].concat()),
        ("two CopyDone", [rows(), done(), done(), complete("COPY 2"), ready()].concat()),
        ("a row of a SELECT", [rows(), message(b'D', &[0, 0])].concat()),
        ("a negative length", [rows(), b"d\xff\xff\xff\xff".to_vec()].concat()),
        ("a length below its own", [rows(), b"d\0\0\0\x03abc".to_vec()].concat()),
    ];
    for (name, answer) in cases {
        let (outcome, mut connection, server) = copy(answer, Then::HangsUp);
        assert!(matches!(outcome, Err(Error::Lost(_) | Error::Protocol(_))), "{name}: {outcome:?}");
        assert!(matches!(connection.batch_execute("select 1"), Err(Error::Lost(_))), "{name}: the connection is not used on");
        drop(connection);
        server.join().unwrap();
    }
}

#[test]
fn an_error_in_the_middle_of_a_copy() {
    let failed = error("ERROR", "57014", "canceling statement due to user request");
    let (outcome, mut connection, server) = copy([copy_out(), row(b"first"), failed, parameter(), ready()].concat(), Then::AnswersOneMore);
    assert!(matches!(&outcome, Err(Error::Server(refused)) if refused.sqlstate == "57014"), "{outcome:?}");
    connection.batch_execute("select 1").unwrap();
    server.join().unwrap();

    let fatal = error("FATAL", "57P01", "terminating connection");
    let (outcome, mut connection, server) = copy([copy_out(), row(b"first"), fatal].concat(), Then::HangsUp);
    assert!(matches!(&outcome, Err(Error::Server(refused)) if refused.sqlstate == "57P01"), "{outcome:?}");
    assert!(matches!(connection.batch_execute("select 1"), Err(Error::Lost(_))));
    server.join().unwrap();

    // The connection breaks before ReadyForQuery: the first error is the one to know.
    let (outcome, connection, server) = copy([copy_out(), error("ERROR", "53200", "out of memory")].concat(), Then::HangsUp);
    assert!(matches!(&outcome, Err(Error::Server(refused)) if refused.sqlstate == "53200"), "{outcome:?}");
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_failed_copy_cannot_be_read_on() {
    let (mut connection, server) = after_welcome(|mut peer| {
        peer.expect_query();
        peer.send(&[copy_out(), error("ERROR", "22012", "division by zero"), ready()].concat());
        peer.rest();
    });
    let mut copy = connection.copy_out("COPY x TO STDOUT (FORMAT binary)").unwrap();
    assert!(matches!(copy.next(), Err(Error::Server(_))));
    for _ in 0..3 {
        assert!(copy.next().is_err(), "never the end of a whole COPY");
    }
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_statement_that_is_no_binary_copy() {
    for answer in [[complete("SELECT 1"), ready()].concat(), [message(b'H', &[0, 0, 1, 0, 0]), row(b"1\n")].concat()] {
        let (outcome, connection, server) = copy(answer, Then::HangsUp);
        assert!(matches!(outcome, Err(Error::Internal(_))), "{outcome:?}");
        drop(connection);
        server.join().unwrap();
    }
}

#[test]
fn a_row_beyond_the_limit() {
    let (mut connection, server) = after_welcome(|mut peer| {
        peer.expect_query();
        peer.send(&[copy_out(), row(&[1; 1000]), row(&[2; 1001])].concat());
        peer.rest();
    });
    connection.set_max_message(1000);
    let mut copy = connection.copy_out("COPY x TO STDOUT (FORMAT binary)").unwrap();
    assert_eq!(copy.next().unwrap().unwrap().len(), 1000);
    let Err(Error::TooLarge(error)) = copy.next() else { panic!("the row is accepted") };
    assert!(error.message.contains("1001 bytes"), "{}", error.message);
    drop(connection);
    server.join().unwrap();
}

/// The rest of an abandoned COPY must not be taken for the answer to the next statement.
#[test]
fn a_connection_in_the_middle_of_a_copy_is_not_used() {
    let (mut connection, server) = after_welcome(|mut peer| {
        peer.expect_query();
        peer.send(&[copy_out(), row(b"first"), row(b"second")].concat());
        assert_eq!(peer.rest(), b"");
    });
    let mut copy = connection.copy_out("COPY x TO STDOUT (FORMAT binary)").unwrap();
    copy.next().unwrap();
    assert!(matches!(connection.batch_execute("select 1"), Err(Error::Internal(_))));
    connection.close();
    server.join().unwrap();
}

// --- cancel -----------------------------------------------------------------------------------------------------

#[test]
fn cancel_sends_the_key_on_a_connection_of_its_own() {
    let (port, server) = serve(vec![
        script(|mut peer| {
            peer.welcome();
            // The first connection stays open while the second comes.
            thread::spawn(move || peer.rest());
        }),
        script(|mut peer| {
            let (code, keys) = peer.packet();
            assert_eq!(code, CANCEL_REQUEST);
            assert_eq!(keys, [7i32.to_be_bytes(), 42i32.to_be_bytes()].concat());
        }),
    ]);
    let connection = Connection::connect(&params(port, SslMode::Disable)).unwrap();
    connection.canceller().cancel_query().unwrap();
    server.join().unwrap();
    let error = connection.canceller().cancel_query().unwrap_err();
    assert!(error.to_string().contains("cannot cancel the query: connection refused"), "{error}");
}

/// The process number of a closed connection may be another's by now.
#[test]
fn a_closed_connection_is_not_cancelled() {
    let (connection, server) = after_welcome(|peer| drop(peer.rest()));
    let canceller = connection.canceller();
    connection.close();
    server.join().unwrap();
    canceller.cancel_query().unwrap();
    canceller.shutdown();
}

#[test]
fn shutdown_wakes_a_blocked_read() {
    let (mut connection, server) = after_welcome(|mut peer| {
        peer.expect_query();
        peer.rest();
    });
    let canceller = connection.canceller();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        canceller.shutdown();
    });
    let start = Instant::now();
    assert!(matches!(connection.batch_execute("select pg_sleep(1000)"), Err(Error::Lost(_))));
    assert!(start.elapsed() < Duration::from_secs(5));
    other.join().unwrap();
    drop(connection);
    server.join().unwrap();
}
