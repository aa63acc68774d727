//! The first packet, and servers that are none.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use _core::wire::Connection;
use _core::wire::params::SslMode;

use crate::harness::*;

#[test]
fn startup_parameters() {
    let (port, server) = serve(vec![script(|mut peer| {
        let sent = peer.expect_startup();
        let expected =
            "user\0reader\0database\0db\0application_name\0polyglot test\0client_encoding\0UTF8\0options\0-c x=1\0\0";
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
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"220 mail.example ESMTP\r\n",
        b"E\xff\xff\xff\xff",
        b"R\0\0\0\x03",
        &[0; 64],
    ] {
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
