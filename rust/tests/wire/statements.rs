//! Simple queries.

use _core::error::Error;

use crate::harness::*;

#[test]
fn rows_of_statements_are_dropped() {
    let (mut connection, server) = after_welcome(|mut peer| {
        assert_eq!(peer.expect_query(), "select 1; select 2");
        let described = message(b'T', &[0, 0]);
        let notice = message(b'N', b"SNOTICE\0C00000\0Mhello\0\0");
        peer.send(
            &[described, message(b'D', &[0, 0]), complete("SELECT 1"), notice, message(b'I', b""), ready()].concat(),
        );
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
    let Err(Error::Server(refused)) = connection.batch_execute("select * from x") else {
        panic!("no error of the server")
    };
    assert_eq!((refused.sqlstate.as_str(), refused.message.as_str()), ("42P01", "no such table"));
    connection.batch_execute("select 1").unwrap();
    server.join().unwrap();
}

#[test]
fn a_fatal_error_keeps_its_reason() {
    let (mut connection, server) = after_welcome(|mut peer| {
        peer.expect_query();
        peer.send(&error("FATAL", "57P01", "terminating connection"));
        // The client does not wait for us to close.
        peer.rest();
    });
    let Err(Error::Server(refused)) = connection.batch_execute("select 1") else { panic!("no error of the server") };
    assert_eq!(refused.sqlstate, "57P01");
    assert!(matches!(connection.batch_execute("select 1"), Err(Error::Lost(_))));
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_nul_in_a_statement_is_not_sent() {
    let (mut connection, server) = after_welcome(|peer| assert_eq!(peer.rest(), b""));
    assert!(matches!(connection.batch_execute("select '\0'"), Err(Error::Internal(_))));
    drop(connection);
    server.join().unwrap();
}
