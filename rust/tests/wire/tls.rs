//! Negotiation: what is tried, and what is never said without TLS.

use _core::wire::Connection;
use _core::wire::params::SslMode;

use crate::harness::*;

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
    let (message, sqlstate) = refusal(outcome);
    assert!(message.ends_with(": not you"), "a second attempt was made: {message}");
    assert_eq!(sqlstate.as_deref(), Some("28000"));
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
    let (message, sqlstate) = refusal(outcome);
    assert!(message.ends_with(": the database system is starting up"), "a second attempt was made: {message}");
    assert_eq!(sqlstate.as_deref(), Some("57P03"));
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
