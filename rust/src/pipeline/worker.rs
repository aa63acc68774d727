//! A worker: one thread that does segment after segment.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::session::{Session, concerns_one_worker, is_lost};
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::formats::base::SegmentEnd;

/// How often an export may read a segment again after its connection was lost, all workers together. Someone who ends
/// backends one after the other does not want it to go on.
const SEGMENT_RETRIES: u32 = 10;

/// The thread's body. Every way out leaves the merge informed, so that the consumer never waits for a dead worker.
pub fn run(shared: &Arc<Shared>, worker: usize) {
    let mut guard = Guard { shared: shared.as_ref(), worker, armed: true };
    let outcome = work(shared, worker);
    guard.armed = false;
    drop(guard);
    if let Err(error) = outcome {
        shared.merge.stop(error);
        shared.control.stop_connections();
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

fn work(shared: &Arc<Shared>, worker: usize) -> Result<()> {
    // It lives until a segment that failed is given back: only then may the server see that this worker has gone.
    let mut session = match Session::open(shared, worker) {
        Ok(session) => Some(session),
        Err(error) => return leave(shared, None, error),
    };
    while let Some(segment) = shared.merge.take()? {
        match export(shared, worker, &mut session, segment) {
            Ok(end) => shared.merge.end(segment, Ok(end))?,
            // The error of a value waits for its turn; this worker is done, the ones before it go on.
            Err(error @ (Error::Value(_) | Error::TooLarge(_))) => {
                // Rows that are routed are encoded in another order than they are read in.
                let error = if shared.plan.route.is_some() { error.without_row() } else { error };
                return shared.merge.end(segment, Err(error));
            }
            Err(error) => return leave(shared, Some(segment), error),
        }
    }
    if let Some(session) = session {
        session.end(shared, worker);
    }
    Ok(())
}

/// Exports a segment. Where its connection is lost before any of its bytes were handed out, it is read again on a new
/// one: the same statement on the same snapshot gives the same bytes.
fn export(shared: &Arc<Shared>, worker: usize, session: &mut Option<Session>, segment: u64) -> Result<SegmentEnd> {
    loop {
        let current = session.as_mut().ok_or_else(|| Error::Internal("a worker has no session".into()))?;
        let error = match current.export(shared, segment) {
            Ok(end) => return Ok(end),
            Err(error) => error,
        };
        // What the router of a session has taken in of earlier segments is lost with it.
        if !is_lost(&error)
            || shared.plan.route.is_some()
            || !shared.merge.restart(segment)?
            || shared.retries.fetch_add(1, Ordering::Relaxed) >= SEGMENT_RETRIES
        {
            return Err(error);
        }
        // Its buffers are given back before the new one takes its own.
        *session = None;
        *session = Some(Session::reopen(shared, worker)?.ok_or(error)?);
    }
}

/// A worker that cannot go on. The others do its part where they can, since the output does not depend on their number;
/// otherwise the export fails with the reason.
fn leave(shared: &Shared, segment: Option<u64>, error: Error) -> Result<()> {
    let alone = concerns_one_worker(&error) && segment.map_or(Ok(true), |segment| shared.merge.restart(segment))?;
    if alone && shared.merge.give_back(segment, &error) { Ok(()) } else { Err(error) }
}
