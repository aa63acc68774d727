//! A worker: one thread, one connection on the leader's snapshot, segment after segment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::control::Control;
use super::merge::{Merge, SegmentEnd};
use super::pool::ChunkPool;
use super::segment::SegmentWriter;
use super::segments::Segments;
use crate::copy::frame::Frames;
use crate::encode::parquet::ParquetLayout;
use crate::error::{Error, Result};
use crate::plan::{Plan, Source};
use crate::wire::Connection;

/// What all workers of an export share.
pub struct Shared {
    pub plan: Plan,
    pub segments: Segments,
    pub layout: Option<Arc<ParquetLayout>>,
    pub merge: Merge,
    pub control: Control,
    pub pool: Arc<ChunkPool>,
}

/// The thread's body. Every way out leaves the merge informed, so that the consumer never waits for a dead worker.
pub fn run(shared: &Arc<Shared>, worker: usize) {
    let mut guard = Guard { shared: shared.as_ref(), worker, armed: true };
    let outcome = work(shared, worker);
    guard.armed = false;
    drop(guard);
    match outcome {
        Ok(()) => {}
        // Output does not depend on the number of workers: where the server has no more connections, the others go on.
        Err(error) if worker > 0 && is_out_of_connections(&error) => {}
        Err(error) => {
            shared.merge.stop(error);
            shared.control.stop_connections();
        }
    }
}

/// Tells the merge when the thread unwinds.
struct Guard<'a> {
    shared: &'a Shared,
    worker: usize,
    armed: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.shared.control.unregister(self.worker);
        if self.armed {
            self.shared.merge.stop(Error::Internal("a worker died".into()));
            self.shared.control.stop_connections();
        }
    }
}

/// SQLSTATE class 53, "insufficient resources": too many connections, out of memory, disk full.
fn is_out_of_connections(error: &Error) -> bool {
    matches!(error, Error::Connect { sqlstate: Some(state), .. } if state.starts_with("53"))
}

fn work(shared: &Arc<Shared>, worker: usize) -> Result<()> {
    let mut connection = Connection::connect(&shared.plan.source.connection)?;
    connection.set_max_message(shared.plan.limits.row_bytes);
    let current = gate_large_rows(shared, &mut connection);
    if !shared.control.register(worker, connection.canceller()) {
        return Err(Error::Cancelled);
    }
    join_snapshot(&mut connection, &shared.plan.source)?;
    let mut writer = SegmentWriter::new(&shared.plan, shared.layout.clone(), shared.pool.clone())?;
    while let Some(segment) = shared.merge.take()? {
        current.store(segment, Ordering::Relaxed);
        let sql = shared.segments.sql(&shared.plan.scans, segment)?;
        match export_segment(shared, &mut connection, &mut writer, segment, &sql) {
            Ok(end) => shared.merge.end(segment, Ok(end))?,
            // The error of a value waits for its turn; this worker is done, the ones before it go on.
            Err(error @ (Error::Value(_) | Error::TooLarge(_))) => {
                shared.merge.end(segment, Err(error))?;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    connection.close();
    Ok(())
}

/// A large row is read only by the worker of the head segment: one such row an export, however many workers there are. No
/// dead-lock, since the head always has room.
fn gate_large_rows(shared: &Arc<Shared>, connection: &mut Connection) -> Arc<AtomicU64> {
    let current = Arc::new(AtomicU64::new(0));
    let (gated, segment) = (Arc::clone(shared), Arc::clone(&current));
    connection.set_large_message_gate(Box::new(move || gated.merge.wait_for_turn(segment.load(Ordering::Relaxed))));
    current
}

/// Settings first, since `SET TRANSACTION SNAPSHOT` must be the first statement that could take a snapshot.
fn join_snapshot(connection: &mut Connection, source: &Source) -> Result<()> {
    let mut sql = String::from("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;");
    for statement in &source.session {
        sql.push_str(statement);
        sql.push(';');
    }
    sql.push_str("SET TRANSACTION SNAPSHOT '");
    sql.push_str(&source.snapshot.replace('\'', "''"));
    sql.push('\'');
    connection.batch_execute(&sql)
}

fn export_segment(shared: &Shared, connection: &mut Connection, writer: &mut SegmentWriter, segment: u64, sql: &str) -> Result<SegmentEnd> {
    let mut frames = Frames::new(shared.plan.columns.len());
    let mut copy = connection.copy_out(sql)?;
    // A row beyond the limit is refused before it is a tuple: it is the one after those that were written.
    while let Some(payload) = copy.next().map_err(|e| e.in_row(writer.rows().saturating_add(1)))? {
        if let Some(tuple) = frames.message(payload)? {
            writer.row(segment, tuple, &shared.merge)?;
        }
    }
    frames.finish()?;
    let (sent, written) = (copy.rows(), writer.rows());
    if sent.is_some_and(|sent| sent != written) {
        return Err(Error::protocol(format!("the server says that it sent {} rows, {written} arrived", sent.unwrap_or_default())));
    }
    writer.finish(segment, &shared.merge)
}
