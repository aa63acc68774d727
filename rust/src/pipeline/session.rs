//! A worker's connection on the leader's snapshot, and which of its failures pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::merge::Merge;
use super::shared::Shared;
use crate::copy::frame::Frames;
use crate::error::{Error, Result, ServerError};
use crate::formats::base::{Piece, PieceSink, SegmentEncoder, SegmentEnd};
use crate::plan::Source;
use crate::wire::Connection;

/// What is waited before each attempt to connect again: a backend that was terminated can be replaced at once, a
/// connection limit or a failing network takes a moment. The snapshot does not survive a restart of the server, so
/// there is no use in more.
const RECONNECT_PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// No attempt begins later than this: an address that does not answer takes the whole `connect_timeout` each time.
const RECONNECT_TIME: Duration = Duration::from_secs(15);

/// One connection and its encoder, used for segment after segment.
pub struct Session {
    connection: Connection,
    encoder: Box<dyn SegmentEncoder>,
    /// The segment that is read, for the gate of large rows.
    current: Arc<AtomicU64>,
}

impl Session {
    /// Takes a connection that is kept, or connects, and joins the snapshot. A cancel of the export ends the attempt.
    pub fn open(shared: &Arc<Shared>, worker: usize) -> Result<Session> {
        while let Some(connection) = shared.sessions.as_ref().and_then(|kept| kept.take()) {
            match Session::on(connection, shared, worker, "ROLLBACK;") {
                // The server has ended it while it was idle.
                Err(error) if is_lost(&error) => {}
                outcome => return outcome,
            }
        }
        let watch = |canceller| shared.control.register(worker, canceller);
        let connection = Connection::connect_watched(&shared.plan.source.connection, &watch)?;
        Session::on(connection, shared, worker, "")
    }

    /// Joins the snapshot on a connection, after what ends its transaction before.
    fn on(mut connection: Connection, shared: &Arc<Shared>, worker: usize, before: &str) -> Result<Session> {
        connection.set_max_message(shared.plan.limits.row_bytes);
        let current = gate_large_rows(shared, &mut connection);
        if !shared.control.register(worker, connection.canceller()) {
            return Err(Error::Cancelled);
        }
        join_snapshot(&mut connection, &shared.plan.source, before)?;
        let encoder = shared.encoding.segment_encoder(&shared.pool)?;
        Ok(Session { connection, encoder, current })
    }

    /// Opens a new one in place of one that was lost; `None` where that does not work within a bounded number of
    /// attempts, or the snapshot is gone.
    ///
    /// # Errors
    /// Only where the export was stopped meanwhile.
    pub fn reopen(shared: &Arc<Shared>, worker: usize) -> Result<Option<Session>> {
        let started = Instant::now();
        for pause in RECONNECT_PAUSES {
            shared.merge.pause(pause)?;
            match Session::open(shared, worker) {
                Ok(session) => return Ok(Some(session)),
                Err(error) if passes(&error) && started.elapsed() < RECONNECT_TIME => {}
                Err(_) => break,
            }
        }
        Ok(None)
    }

    /// Reads, encodes and queues one segment. After an error the session cannot be used again.
    pub fn export(&mut self, shared: &Shared, segment: u64) -> Result<SegmentEnd> {
        self.current.store(segment, Ordering::Relaxed);
        let sql = shared.segments.sql(&shared.plan.scans, segment)?;
        match self.read(shared, segment, &sql) {
            Err(Error::Server(error)) if is_conversion(&error.sqlstate) => Err(self.name_column(shared, &sql, *error)),
            outcome => outcome,
        }
    }

    fn read(&mut self, shared: &Shared, segment: u64, sql: &str) -> Result<SegmentEnd> {
        let mut frames = Frames::new(shared.plan.fields());
        let mut copy = self.connection.copy_out(sql)?;
        let encoder = &mut *self.encoder;
        let mut pieces = Queue { segment, merge: &shared.merge };
        // A row beyond the limit is refused before it is a tuple: it is the one after those that were written.
        while let Some(payload) = copy.next().map_err(|e| e.in_row(encoder.rows().saturating_add(1)))? {
            if let Some(tuple) = frames.message(payload)? {
                encoder.row(tuple, &mut pieces)?;
            }
        }
        frames.finish()?;
        let (sent, written) = (copy.rows(), encoder.rows());
        if sent.is_some_and(|sent| sent != written) {
            return Err(Error::protocol(format!(
                "the server says that it sent {} rows, {written} arrived",
                sent.unwrap_or_default()
            )));
        }
        encoder.finish(&mut pieces)
    }

    /// The server sends rows in the client's encoding. Where it cannot, it names the bytes, and neither row nor column.
    /// The row is the one after those that came; the column is the one that fails alone. Where none does, the error
    /// arose elsewhere, in an expression of a view for example, and stays what it was.
    fn name_column(&mut self, shared: &Shared, sql: &str, error: ServerError) -> Error {
        let row = self.encoder.rows();
        let columns = shared.plan.fields();
        // A value that routes the row stands in front of the columns.
        let first = usize::from(shared.plan.route.is_some());
        let failing = (first..).zip(&shared.plan.columns).find(|(index, _)| {
            let fails = |session: &mut Session, field: String| {
                let Some(probe) = one_field(sql, columns, &field, row) else { return false };
                let outcome = session.restarted(shared).and_then(|()| session.run(&probe));
                matches!(outcome, Err(Error::Server(again)) if is_conversion(&again.sqlstate))
            };
            // What already fails without being sent is an expression's error.
            fails(self, format!("c{index}")) && !fails(self, format!("c{index} IS NULL"))
        });
        match failing {
            Some((_, column)) => Error::value(error.message).in_row(row.saturating_add(1)).in_column(&column.source),
            None => Error::Server(Box::new(error)),
        }
    }

    /// A new transaction on the same snapshot, after an error in the one before.
    fn restarted(&mut self, shared: &Shared) -> Result<()> {
        join_snapshot(&mut self.connection, &shared.plan.source, "ROLLBACK;")
    }

    /// Runs a COPY whose rows nobody wants.
    fn run(&mut self, sql: &str) -> Result<()> {
        let mut copy = self.connection.copy_out(sql)?;
        while copy.next()?.is_some() {}
        Ok(())
    }

    /// Keeps the connection for the next export of the moment, or says goodbye to the server.
    pub fn end(mut self, shared: &Shared, worker: usize) {
        match &shared.sessions {
            None => self.connection.close(),
            // A cancel of this export must not reach the next one.
            Some(kept) if shared.control.unregister(worker) => {
                self.connection.remove_large_message_gate();
                kept.keep(self.connection);
            }
            Some(_) => {}
        }
    }
}

/// Where the pieces of one segment wait for their turn.
struct Queue<'a> {
    segment: u64,
    merge: &'a Merge,
}

impl PieceSink for Queue<'_> {
    fn push(&mut self, piece: Piece) -> Result<()> {
        self.merge.push(self.segment, piece)
    }
}

/// A large row is read only by the worker of the head segment: one such row an export, however many workers there are.
/// No dead-lock, since the head always has room.
fn gate_large_rows(shared: &Arc<Shared>, connection: &mut Connection) -> Arc<AtomicU64> {
    let current = Arc::new(AtomicU64::new(0));
    let (gated, segment) = (Arc::clone(shared), Arc::clone(&current));
    connection.set_large_message_gate(Box::new(move || gated.merge.wait_for_turn(segment.load(Ordering::Relaxed))));
    current
}

/// `character_not_in_repertoire` and `untranslatable_character`.
fn is_conversion(sqlstate: &str) -> bool {
    matches!(sqlstate, "22021" | "22P05")
}

/// The COPY of one field of one row of a segment, counted from 0; the columns are called `c0` and so on.
fn one_field(sql: &str, columns: usize, field: &str, row: u64) -> Option<String> {
    let select = sql.strip_prefix("COPY (")?.strip_suffix(") TO STDOUT (FORMAT binary)")?;
    let names: Vec<String> = (0..columns).map(|index| format!("c{index}")).collect();
    Some(format!(
        "COPY (SELECT {field} FROM ({select}) AS s({}) OFFSET {row} LIMIT 1) TO STDOUT (FORMAT binary)",
        names.join(", ")
    ))
}

/// Settings first, since `SET TRANSACTION SNAPSHOT` must be the first statement that could take a snapshot.
fn join_snapshot(connection: &mut Connection, source: &Source, before: &str) -> Result<()> {
    let mut sql = format!("{before}BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;");
    for statement in &source.session {
        sql.push_str(statement);
        sql.push(';');
    }
    sql.push_str("SET TRANSACTION SNAPSHOT '");
    sql.push_str(&source.snapshot.replace('\'', "''"));
    sql.push('\'');
    connection.batch_execute(&sql)
}

/// Whether a connection that worked has ended (PostgreSQL manual, "PostgreSQL Error Codes", classes 08 and 57P).
pub fn is_lost(error: &Error) -> bool {
    match error {
        Error::Lost(_) => true,
        Error::Server(server) => ends_connections(&server.sqlstate),
        _ => false,
    }
}

/// Whether the same attempt to connect may work a moment later.
fn passes(error: &Error) -> bool {
    match error {
        Error::Connect { sqlstate, .. } => {
            sqlstate.as_deref().is_none_or(|state| ends_connections(state) || lacks_resources(state))
        }
        other => is_lost(other),
    }
}

/// Whether it is this worker's bad luck only: the others may do its part.
pub fn concerns_one_worker(error: &Error) -> bool {
    /// `lock_not_available`: another session waits to lock what this worker has not locked yet; those that have may go
    /// on.
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    match error {
        Error::Server(server) => {
            let state = server.sqlstate.as_str();
            state == LOCK_NOT_AVAILABLE || lacks_resources(state) || ends_connections(state)
        }
        other => passes(other),
    }
}

/// Class 53, "insufficient resources": too many connections, out of memory, disk full.
fn lacks_resources(sqlstate: &str) -> bool {
    sqlstate.starts_with("53")
}

/// Class 08, and of class 57 the shutdown of a backend, of the server, its crash, its start, and a database that was
/// dropped.
fn ends_connections(sqlstate: &str) -> bool {
    sqlstate.starts_with("08") || sqlstate.starts_with("57P")
}
