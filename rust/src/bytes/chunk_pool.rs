//! Chunk buffers that are used again: a fresh megabyte a chunk costs page faults.

use std::sync::{Mutex, PoisonError};

/// Rows end where they end: a chunk runs over its size by at most one row, and an ordinary row fits in this.
const OVERRUN_BYTES: usize = 16 * 1024;

/// Buffers that came back from the consumer.
///
/// Memory: never more buffers than were in use at one time, which the window bounds; one that a large row has grown is
/// not kept.
pub struct ChunkPool {
    capacity: usize,
    kept: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

impl ChunkPool {
    /// The workers' next chunks, beside those of the window.
    const KEPT: usize = 4;

    pub fn new(chunk_bytes: usize, window_bytes: usize) -> Self {
        ChunkPool {
            capacity: chunk_bytes.saturating_add(OVERRUN_BYTES),
            kept: Self::KEPT.saturating_add(window_bytes / chunk_bytes.max(1)),
            free: Mutex::new(Vec::new()),
        }
    }

    pub fn take(&self) -> Vec<u8> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| Vec::with_capacity(self.capacity))
    }

    pub fn give_back(&self, mut chunk: Vec<u8>) {
        if chunk.capacity() != self.capacity {
            return;
        }
        chunk.clear();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.kept {
            free.push(chunk);
        }
    }
}
