//! Rows, and every way in which a COPY is not whole.

use std::thread::JoinHandle;

use _core::error::Error;
use _core::wire::Connection;

use crate::harness::*;

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
        assert!(
            matches!(connection.batch_execute("select 1"), Err(Error::Lost(_))),
            "{name}: the connection is not used on"
        );
        drop(connection);
        server.join().unwrap();
    }
}

#[test]
fn an_error_in_the_middle_of_a_copy() {
    let failed = error("ERROR", "57014", "canceling statement due to user request");
    let (outcome, mut connection, server) =
        copy([copy_out(), row(b"first"), failed, parameter(), ready()].concat(), Then::AnswersOneMore);
    assert!(matches!(&outcome, Err(Error::Server(refused)) if refused.sqlstate == "57014"), "{outcome:?}");
    connection.batch_execute("select 1").unwrap();
    server.join().unwrap();

    let fatal = error("FATAL", "57P01", "terminating connection");
    let (outcome, mut connection, server) = copy([copy_out(), row(b"first"), fatal].concat(), Then::HangsUp);
    assert!(matches!(&outcome, Err(Error::Server(refused)) if refused.sqlstate == "57P01"), "{outcome:?}");
    assert!(matches!(connection.batch_execute("select 1"), Err(Error::Lost(_))));
    server.join().unwrap();

    // The connection breaks before ReadyForQuery: the first error is the one to know.
    let (outcome, connection, server) =
        copy([copy_out(), error("ERROR", "53200", "out of memory")].concat(), Then::HangsUp);
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
