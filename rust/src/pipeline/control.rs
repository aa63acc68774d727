//! Cancel and progress: what other threads may do to a running export.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::wire::Canceller;

/// Stops connections from outside, and counts what was handed out.
#[derive(Default)]
pub struct Control {
    stopped: AtomicBool,
    connections: Mutex<HashMap<usize, Canceller>>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    rows: AtomicU64,
    bytes: AtomicU64,
    finished: AtomicBool,
    losses: Mutex<Vec<u64>>,
}

/// A moment of an export.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub rows: u64,
    pub bytes: u64,
    pub losses: Vec<u64>,
    pub finished: bool,
}

impl Control {
    /// Makes a worker's connection known, also while it is being made. `false` when the export was stopped meanwhile:
    /// the worker gives up then.
    pub fn register(&self, worker: usize, canceller: Canceller) -> bool {
        let mut connections = lock(&self.connections);
        connections.insert(worker, canceller);
        !self.stopped.load(Ordering::SeqCst)
    }

    /// Makes it unknown. `false` where it was already taken to be stopped: then the connection must not be used again.
    pub fn unregister(&self, worker: usize) -> bool {
        lock(&self.connections).remove(&worker).is_some()
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Cancels the queries in the server, then shuts the sockets down; those that only connect are shut down first.
    /// Returns at once: a thread does it, since each cancel request needs a connection of its own.
    pub fn stop_connections(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let all = std::mem::take(&mut *lock(&self.connections));
        let (connections, connecting): (Vec<_>, Vec<_>) = all.into_values().partition(Canceller::can_cancel);
        connecting.iter().for_each(Canceller::shutdown);
        if connections.is_empty() {
            return;
        }
        let remaining = connections.clone();
        let spawned = std::thread::Builder::new().name("polyglot-cancel".into()).spawn(move || {
            for connection in connections {
                // The socket is shut down in any case, which ends the query within client_connection_check_interval.
                let _ = connection.cancel_query();
                connection.shutdown();
            }
        });
        if spawned.is_err() {
            remaining.iter().for_each(Canceller::shutdown);
        }
    }

    pub fn add_rows(&self, rows: u64) {
        self.counters.rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub fn handed_out(&self, bytes: usize) {
        self.counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn add_losses(&self, losses: &[u64]) {
        let mut total = lock(&self.counters.losses);
        if total.len() < losses.len() {
            total.resize(losses.len(), 0);
        }
        for (sum, more) in total.iter_mut().zip(losses) {
            *sum += more;
        }
    }

    pub fn finish(&self) {
        self.counters.finished.store(true, Ordering::SeqCst);
    }

    pub fn progress(&self) -> Progress {
        Progress {
            rows: self.counters.rows.load(Ordering::Relaxed),
            bytes: self.counters.bytes.load(Ordering::Relaxed),
            losses: lock(&self.counters.losses).clone(),
            finished: self.counters.finished.load(Ordering::SeqCst),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
