//! Bytes in flight. The head segment always has room, so the pipeline cannot dead-lock; later segments wait under one
//! window, so it cannot grow.

/// What the head segment may have queued before its worker waits for the consumer: enough to keep both busy.
const HEAD_CHUNKS: usize = 2;
/// So many segments may always be worked on: the system's buffers of their connections hold some megabytes too.
const LEAST_IN_FLIGHT: usize = 4;

/// Counts queued bytes and says who may add more.
#[derive(Debug)]
pub struct Budget {
    head_room: usize,
    window: usize,
    head: usize,
    later: usize,
    /// Segments that were handed out whole, and the bytes that each of them would have had to queue while it waited.
    done: usize,
    queued: usize,
}

impl Budget {
    pub fn new(chunk_bytes: usize, window_bytes: usize) -> Self {
        let head_room = chunk_bytes.saturating_mul(HEAD_CHUNKS);
        Budget { head_room, window: window_bytes, head: 0, later: 0, done: 0, queued: 0 }
    }

    /// Whether a chunk may be queued now. An empty head takes any chunk: one row may be larger than the room.
    pub fn has_room(&self, is_head: bool, bytes: usize) -> bool {
        if is_head {
            self.head == 0 || self.head.saturating_add(bytes) <= self.head_room
        } else {
            self.later.saturating_add(bytes) <= self.window
        }
    }

    /// Whether a segment may be begun beside so many that are worked on or wait.
    ///
    /// Workers whose segments end one after the other are half-way through them on average, and the window has room for
    /// so much. Beginnings of more segments would fill it, and then all would wait for the head: 16 workers were slower
    /// than four.
    pub fn may_begin(&self, in_flight: usize) -> bool {
        let mean = self.queued.checked_div(self.done).unwrap_or(0);
        in_flight < LEAST_IN_FLIGHT || in_flight.saturating_mul(mean) / 2 <= self.window
    }

    /// A segment was handed out whole.
    ///
    /// `queued` is what it would have had to queue while it waited: its bytes without its largest piece, which its
    /// worker holds itself (all of it where a segment is one row group).
    pub fn segment_done(&mut self, queued: usize) {
        self.done = self.done.saturating_add(1);
        self.queued = self.queued.saturating_add(queued);
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

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn most_in_flight(window: usize, queued: &[usize]) -> usize {
        let mut budget = Budget::new(MIB, window);
        queued.iter().for_each(|bytes| budget.segment_done(*bytes));
        (1..100).take_while(|in_flight| budget.may_begin(*in_flight)).last().unwrap_or(0) + 1
    }

    #[test]
    fn no_more_segments_are_begun_than_fit_the_window_by_halves() {
        assert_eq!(most_in_flight(16 * MIB, &[8 * MIB]), 5);
        assert_eq!(most_in_flight(64 * MIB, &[7 * MIB, 9 * MIB]), 17);
        assert_eq!(most_in_flight(112 * MIB, &[16 * MIB]), 15);
    }

    #[test]
    fn four_may_always_be_worked_on() {
        assert_eq!(most_in_flight(0, &[8 * MIB]), 4);
    }

    #[test]
    fn nothing_holds_back_what_is_not_known_or_needs_no_room() {
        assert_eq!(most_in_flight(16 * MIB, &[]), 100);
        assert_eq!(most_in_flight(16 * MIB, &[0, 0]), 100);
    }
}
