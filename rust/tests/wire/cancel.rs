//! Stopping from another thread.

use std::thread;
use std::time::{Duration, Instant};

use _core::error::Error;
use _core::wire::Connection;
use _core::wire::params::SslMode;

use crate::harness::*;

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
