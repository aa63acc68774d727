//! Requests for passwords, and servers that want more than they should.

use _core::wire::Connection;
use _core::wire::params::{ChannelBinding, SslMode};

use crate::harness::*;

const SCRAM: &[u8] = b"SCRAM-SHA-256\0\0";

/// One login on a server that asks like this, given a password and a demand for channel binding.
fn log_in(
    run: impl FnOnce(Peer) + Send + 'static,
    password: Option<&str>,
    binding: ChannelBinding,
) -> (String, Option<String>) {
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
    let (message, _) =
        log_in(|mut peer| peer.send(&auth(10, b"SCRAM-SHA-1\0\0")), Some(PASSWORD), ChannelBinding::Prefer);
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
