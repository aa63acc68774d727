//! Connections that are kept between the exports of one moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::wire::Connection;

/// Idle connections, each in a transaction on the snapshot of the moment. Where many small tables are read, opening
/// a connection for each would take longer than reading it.
///
/// They must all be of one moment: the next export only begins its own transaction in them.
#[derive(Default)]
pub struct Sessions {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    closed: bool,
}

impl Sessions {
    /// A connection that waits for its next statement.
    pub fn take(&self) -> Option<Connection> {
        self.lock().idle.pop()
    }

    /// Keeps a connection that no other thread knows any more.
    pub fn keep(&self, connection: Connection) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            connection.close();
        } else {
            state.idle.push(connection);
        }
    }

    /// Ends those that are idle; those in use are ended when they are given back.
    pub fn close(&self) {
        let idle = {
            let mut state = self.lock();
            state.closed = true;
            std::mem::take(&mut state.idle)
        };
        idle.into_iter().for_each(Connection::close);
    }

    pub fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
