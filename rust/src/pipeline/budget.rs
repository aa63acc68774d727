//! Bytes in flight. The head segment always has room, so the pipeline cannot dead-lock; later segments wait under one
//! window, so it cannot grow.

/// What the head segment may have queued before its worker waits for the consumer: enough to keep both busy.
const HEAD_CHUNKS: usize = 2;

/// Counts queued bytes and says who may add more.
#[derive(Debug)]
pub struct Budget {
    head_room: usize,
    window: usize,
    head: usize,
    later: usize,
}

impl Budget {
    pub fn new(chunk_bytes: usize, window_bytes: usize) -> Self {
        Budget { head_room: chunk_bytes.saturating_mul(HEAD_CHUNKS), window: window_bytes, head: 0, later: 0 }
    }

    /// Whether a chunk may be queued now. An empty head takes any chunk: one row may be larger than the room.
    pub fn has_room(&self, is_head: bool, bytes: usize) -> bool {
        if is_head {
            self.head == 0 || self.head.saturating_add(bytes) <= self.head_room
        } else {
            self.later.saturating_add(bytes) <= self.window
        }
    }

    pub fn queued(&mut self, is_head: bool, bytes: usize) {
        let side = if is_head { &mut self.head } else { &mut self.later };
        *side = side.saturating_add(bytes);
    }

    /// A chunk of the head segment was handed out.
    pub fn handed_out(&mut self, bytes: usize) {
        self.head = self.head.saturating_sub(bytes);
    }

    /// What a segment had queued is thrown away.
    pub fn dropped(&mut self, is_head: bool, bytes: usize) {
        let side = if is_head { &mut self.head } else { &mut self.later };
        *side = side.saturating_sub(bytes);
    }

    /// The next segment, with this many queued bytes, is now the head.
    pub fn new_head(&mut self, bytes: usize) {
        self.head = bytes;
        self.later = self.later.saturating_sub(bytes);
    }
}
