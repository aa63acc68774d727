//! Chunk buffers that are used again: a fresh megabyte a chunk costs page faults.

use std::sync::{Mutex, PoisonError};

/// Rows end where they end: a chunk runs over its size by at most one row, and an ordinary row fits in this.
const OVERRUN_BYTES: usize = 16 * 1024;

/// Buffers that came back from the consumer.
///
/// Memory: at most [`ChunkPool::KEPT`] buffers of a chunk each; a buffer that a large row has grown is not kept.
pub struct ChunkPool {
    capacity: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

impl ChunkPool {
    /// Enough for the workers' next chunks; the rest of the window goes back to the allocator.
    const KEPT: usize = 4;

    pub fn new(chunk_bytes: usize) -> Self {
        ChunkPool { capacity: chunk_bytes.saturating_add(OVERRUN_BYTES), free: Mutex::new(Vec::new()) }
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
        if free.len() < Self::KEPT {
            free.push(chunk);
        }
    }
}
