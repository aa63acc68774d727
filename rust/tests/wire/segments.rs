//! Whole exports against a scripted server: what is read again, what is not, and what a cancel interrupts.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use _core::compression::Compression;
use _core::error::Error;
use _core::formats::json::JsonOptions;
use _core::pipeline::Pipeline;
use _core::plan::{Limits, Plan, Scan, Source};
use _core::types::text::TEXT;
use _core::types::{Column, Kind, ParquetType};
use _core::wire::params::SslMode;

use super::harness::*;

/// The header of binary COPY (PostgreSQL manual, "COPY", binary format).
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: &[u8] = b"\xff\xff";

fn plan(port: u16, segments: usize, workers: usize) -> Plan {
    Plan {
        route: None,
        source: Source {
            connection: params(port, SslMode::Disable),
            session: Vec::new(),
            snapshot: "1-1".into(),
            server_version: 180_000,
        },
        scans: (0..segments)
            .map(|n| Scan { before: format!("COPY {n}"), after: String::new(), ranges: None })
            .collect(),
        columns: vec![Column {
            source: "a".into(),
            target: "a".into(),
            kind: Kind::Scalar(&TEXT),
            parquet: ParquetType::String,
        }],
        format: Arc::new(JsonOptions { lines: true, big_numbers_as_strings: false }),
        compression: Compression::None,
        limits: Limits { workers, chunk_bytes: 1 << 20, window_bytes: 1 << 20, row_bytes: 1 << 20 },
    }
}

/// A row with one field of text.
fn text_row(text: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text.as_bytes());
    row(&body)
}

/// A COPY with these rows to its end; the server says that there were `said`.
fn whole_copy(rows: &[&str], said: usize) -> Vec<u8> {
    let mut bytes = [copy_out(), row(HEADER)].concat();
    rows.iter().for_each(|text| bytes.extend(text_row(text)));
    bytes.extend([row(TRAILER), message(b'c', b""), complete(&format!("COPY {said}")), ready()].concat());
    bytes
}

/// Lets a worker in and onto the snapshot.
fn join(peer: &mut Peer) {
    peer.welcome();
    assert!(peer.expect_query().ends_with("SET TRANSACTION SNAPSHOT '1-1'"));
    peer.send(&[complete("SET"), ready()].concat());
}

/// The bytes of an export by one worker, or the error in its place.
fn exported(scripts: Vec<Script>, segments: usize) -> Result<String, Error> {
    let (port, server) = serve(scripts);
    let pipeline = Pipeline::new(plan(port, segments, 1), None).unwrap();
    let mut bytes = Vec::new();
    let outcome = loop {
        match pipeline.next() {
            Ok(Some(chunk)) => {
                bytes.extend(chunk.prefix);
                bytes.extend(chunk.body);
            }
            Ok(None) => break Ok(String::from_utf8(bytes).unwrap()),
            Err(error) => break Err(error),
        }
    };
    pipeline.close();
    server.join().unwrap();
    outcome
}

#[test]
fn the_row_count_of_the_server_must_agree() {
    for said in [1, 3] {
        let outcome = exported(
            vec![script(move |mut peer| {
                join(&mut peer);
                assert_eq!(peer.expect_query(), "COPY 0");
                peer.send(&whole_copy(&["x", "y"], said));
                peer.rest();
            })],
            1,
        );
        let Err(Error::Protocol(message)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(message, format!("the server says that it sent {said} rows, 2 arrived"));
    }
}

#[test]
fn a_segment_whose_connection_ends_is_read_again() {
    let endings: [Vec<u8>; 3] = [Vec::new(), error("FATAL", "57P01", "terminated"), error("ERROR", "08006", "failure")];
    for ending in endings {
        let outcome = exported(
            vec![
                script(move |mut peer| {
                    join(&mut peer);
                    assert_eq!(peer.expect_query(), "COPY 0");
                    peer.send(&whole_copy(&["a"], 1));
                    assert_eq!(peer.expect_query(), "COPY 1");
                    peer.send(
                        &[copy_out(), row(HEADER), text_row("b"), text_row("of an attempt that fails"), ending]
                            .concat(),
                    );
                }),
                script(|mut peer| {
                    join(&mut peer);
                    assert_eq!(peer.expect_query(), "COPY 1");
                    peer.send(&whole_copy(&["b", "c"], 2));
                    assert_eq!(peer.rest()[0], b'X');
                }),
            ],
            2,
        );
        assert_eq!(outcome.unwrap(), "{\"a\":\"a\"}\n{\"a\":\"b\"}\n{\"a\":\"c\"}\n");
    }
}

#[test]
fn a_server_that_starts_is_waited_for() {
    let outcome = exported(
        vec![
            script(|mut peer| {
                join(&mut peer);
                peer.expect_query();
            }),
            script(|mut peer| {
                peer.expect_startup();
                peer.send(&error("FATAL", "57P03", "the database system is starting up"));
            }),
            script(|mut peer| {
                join(&mut peer);
                peer.expect_query();
                peer.send(&whole_copy(&["a"], 1));
                peer.rest();
            }),
        ],
        1,
    );
    assert_eq!(outcome.unwrap(), "{\"a\":\"a\"}\n");
}

#[test]
fn what_is_no_fault_of_the_connection_is_not_tried_again() {
    let cases = [
        error("ERROR", "22012", "division by zero"),
        error("ERROR", "57014", "statement timeout"),
        message(b'd', b"\0"),
    ];
    for answer in cases {
        let outcome = exported(
            vec![script(move |mut peer| {
                join(&mut peer);
                peer.expect_query();
                peer.send(&[copy_out(), answer, ready()].concat());
                peer.rest();
            })],
            1,
        );
        assert!(matches!(outcome, Err(Error::Server(_) | Error::Protocol(_))), "{outcome:?}");
    }
}

#[test]
fn a_snapshot_that_is_gone_ends_it_with_the_first_reason() {
    let outcome = exported(
        vec![
            script(|mut peer| {
                join(&mut peer);
                peer.expect_query();
                peer.send(&error("FATAL", "57P01", "terminating connection due to administrator command"));
            }),
            script(|mut peer| {
                peer.welcome();
                peer.expect_query();
                peer.send(&[error("ERROR", "22023", "invalid snapshot identifier: \"1-1\""), ready()].concat());
                peer.rest();
            }),
        ],
        1,
    );
    let Err(Error::Server(server)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(server.sqlstate, "57P01");
}

#[test]
fn attempts_are_bounded() {
    // Eleven connections: the first one, and ten after it.
    let lost = || {
        script(|mut peer: Peer| {
            join(&mut peer);
            peer.expect_query();
        })
    };
    let outcome = exported((0..11).map(|_| lost()).collect(), 1);
    assert!(matches!(outcome, Err(Error::Lost(_))), "{outcome:?}");
}

#[test]
fn a_worker_without_a_lock_leaves_its_part_to_the_others() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let mut peers: Vec<Peer> = (0..2)
            .map(|_| {
                let (socket, _) = listener.accept().unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut peer = Peer(socket);
                join(&mut peer);
                peer
            })
            .collect();
        let mut other = peers.pop().unwrap();
        let mut unlucky = peers.pop().unwrap();
        let given_back = unlucky.expect_query();
        unlucky.send(&[error("ERROR", "55P03", "canceling statement due to lock timeout"), ready()].concat());
        assert_eq!(unlucky.rest(), b"", "no other statement");
        let mut seen = vec![given_back];
        for _ in 0..3 {
            let statement = other.expect_query();
            other.send(&whole_copy(&[&statement], 1));
            seen.push(statement);
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen, ["COPY 0", "COPY 1", "COPY 2"]);
        other.rest();
    });
    let pipeline = Pipeline::new(plan(port, 3, 2), None).unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = pipeline.next().unwrap() {
        bytes.extend(chunk.prefix);
        bytes.extend(chunk.body);
    }
    assert_eq!(bytes, b"{\"a\":\"COPY 0\"}\n{\"a\":\"COPY 1\"}\n{\"a\":\"COPY 2\"}\n");
    pipeline.close();
    server.join().unwrap();
}

#[test]
fn a_cancel_ends_a_worker_that_connects() {
    // It listens and never accepts: the connection is made by the system, and nobody answers.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let pipeline = Pipeline::new(plan(listener.local_addr().unwrap().port(), 1, 1), None).unwrap();
    let started = Instant::now();
    thread::scope(|scope| {
        let pulling = scope.spawn(|| pipeline.next().map(|chunk| chunk.is_some()));
        thread::sleep(Duration::from_millis(100));
        pipeline.cancel();
        assert!(matches!(pulling.join().unwrap(), Err(Error::Cancelled)));
    });
    pipeline.close();
    assert!(started.elapsed() < PATIENCE / 2, "it waited for the time limit of the connection");
}
