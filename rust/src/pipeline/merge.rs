//! The ordered hand-over: workers take segments in order and push pieces, one consumer pulls them in segment order.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::budget::Budget;
use crate::compress::RawSum;
use crate::encode::parquet::RowGroup;
use crate::error::{Error, Result};

/// A finished part of a segment.
pub enum Body {
    Bytes(Vec<u8>),
    RowGroup(RowGroup),
}

pub struct Piece {
    pub body: Body,
    pub rows: u64,
}

impl Piece {
    fn bytes(&self) -> usize {
        match &self.body {
            Body::Bytes(bytes) => bytes.len(),
            Body::RowGroup(group) => group.bytes(),
        }
    }
}

/// What is known of a segment once its last row was encoded.
#[derive(Debug, Default)]
pub struct SegmentEnd {
    /// gzip only.
    pub sum: Option<RawSum>,
    /// Declared losses by column; empty where there are none.
    pub losses: Vec<u64>,
}

/// What the consumer gets.
pub enum Pulled {
    Piece(Piece),
    /// The head segment is complete.
    SegmentEnd(SegmentEnd),
    /// All segments are complete.
    End,
}

#[derive(Default)]
struct Slot {
    pieces: VecDeque<Piece>,
    bytes: usize,
    end: Option<Result<SegmentEnd>>,
}

struct State {
    budget: Budget,
    /// The segment that the next free worker takes.
    next: u64,
    /// The segment that is handed out.
    head: u64,
    /// Rows handed out so far; at an error of the head segment, `rows_before` are those of earlier segments.
    rows_before: u64,
    rows_in_head: u64,
    slots: VecDeque<Slot>,
    stopped: Option<Error>,
}

/// Memory: `window_bytes` of later segments and two chunks of the head segment; see [`Budget`].
pub struct Merge {
    segments: u64,
    state: Mutex<State>,
    /// Signalled when a piece or an end was added.
    data: Condvar,
    /// Signalled when room was made or the head moved.
    room: Condvar,
}

impl Merge {
    pub fn new(segments: u64, chunk_bytes: usize, window_bytes: usize) -> Self {
        let state = State {
            budget: Budget::new(chunk_bytes, window_bytes),
            next: 0,
            head: 0,
            rows_before: 0,
            rows_in_head: 0,
            slots: VecDeque::new(),
            stopped: None,
        };
        Merge { segments, state: Mutex::new(state), data: Condvar::new(), room: Condvar::new() }
    }

    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// Segments handed out whole.
    pub fn done(&self) -> u64 {
        self.lock().head
    }

    /// The next segment to work on; `None` when all are taken.
    pub fn take(&self) -> Result<Option<u64>> {
        let mut state = self.lock();
        if let Some(error) = &state.stopped {
            return Err(error.clone());
        }
        if state.next == self.segments {
            return Ok(None);
        }
        let segment = state.next;
        state.next += 1;
        state.slots.push_back(Slot::default());
        Ok(Some(segment))
    }

    /// Queues a piece; waits while there is no room for it.
    pub fn push(&self, segment: u64, piece: Piece) -> Result<()> {
        let bytes = piece.bytes();
        let mut state = self.lock();
        loop {
            if let Some(error) = &state.stopped {
                return Err(error.clone());
            }
            let is_head = segment == state.head;
            if state.budget.has_room(is_head, bytes) {
                state.budget.queued(is_head, bytes);
                let slot = slot(&mut state, segment)?;
                slot.bytes += bytes;
                slot.pieces.push_back(piece);
                drop(state);
                self.data.notify_one();
                return Ok(());
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until a segment is the one that is handed out.
    pub fn wait_for_turn(&self, segment: u64) -> Result<()> {
        let mut state = self.lock();
        loop {
            if let Some(error) = &state.stopped {
                return Err(error.clone());
            }
            if segment <= state.head {
                return Ok(());
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Marks a segment as complete, or as failed at a value: such an error waits for its turn, so that the error reported is
    /// the first in the order of the rows and can say which row of the export it was.
    pub fn end(&self, segment: u64, end: Result<SegmentEnd>) -> Result<()> {
        let mut state = self.lock();
        if end.is_err() {
            // Nothing after this segment will be handed out.
            state.next = self.segments;
        }
        slot(&mut state, segment)?.end = Some(end);
        drop(state);
        self.data.notify_one();
        Ok(())
    }

    /// Waits for what comes next in segment order.
    pub fn pull(&self) -> Result<Pulled> {
        let mut state = self.lock();
        loop {
            if let Some(error) = &state.stopped {
                return Err(error.clone());
            }
            if state.head == self.segments {
                return Ok(Pulled::End);
            }
            if let Some(pulled) = take_head(&mut state) {
                drop(state);
                self.room.notify_all();
                return pulled;
            }
            state = self.data.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes every waiting and later call fail with this error; the first error stays.
    pub fn stop(&self, error: Error) {
        self.lock().stopped.get_or_insert(error);
        self.data.notify_all();
        self.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn slot(state: &mut State, segment: u64) -> Result<&mut Slot> {
    segment
        .checked_sub(state.head)
        .and_then(|index| usize::try_from(index).ok())
        .and_then(|index| state.slots.get_mut(index))
        .ok_or_else(|| Error::Internal(format!("segment {segment} is not in flight")))
}

/// The next piece or the end of the head segment, if it is there.
fn take_head(state: &mut State) -> Option<Result<Pulled>> {
    let slot = state.slots.front_mut()?;
    if let Some(piece) = slot.pieces.pop_front() {
        let bytes = piece.bytes();
        slot.bytes = slot.bytes.saturating_sub(bytes);
        state.budget.handed_out(bytes);
        state.rows_in_head += piece.rows;
        return Some(Ok(Pulled::Piece(piece)));
    }
    match slot.end.take()? {
        Err(error) => {
            let error = error.after_rows(state.rows_before);
            state.stopped.get_or_insert(error.clone());
            Some(Err(error))
        }
        Ok(end) => {
            state.slots.pop_front();
            state.head += 1;
            state.rows_before += state.rows_in_head;
            state.rows_in_head = 0;
            let bytes = state.slots.front().map_or(0, |slot| slot.bytes);
            state.budget.new_head(bytes);
            Some(Ok(Pulled::SegmentEnd(end)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::error::ValueError;

    fn piece(bytes: Vec<u8>) -> Piece {
        Piece { rows: bytes.len() as u64, body: Body::Bytes(bytes) }
    }

    /// Runs workers that push `segments` and returns what the consumer pulled, and the most bytes that waited.
    fn merged(segments: &[Vec<Vec<u8>>], workers: usize, window: usize) -> (Vec<u8>, usize) {
        let merge = Merge::new(segments.len() as u64, 8, window);
        let waiting = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let mut out = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(segment) = merge.take().unwrap() {
                        for bytes in &segments[segment as usize] {
                            let length = bytes.len();
                            merge.push(segment, piece(bytes.clone())).unwrap();
                            most.fetch_max(waiting.fetch_add(length, Ordering::SeqCst) + length, Ordering::SeqCst);
                        }
                        merge.end(segment, Ok(SegmentEnd::default())).unwrap();
                    }
                });
            }
            loop {
                match merge.pull().unwrap() {
                    Pulled::Piece(Piece { body: Body::Bytes(bytes), .. }) => {
                        waiting.fetch_sub(bytes.len().min(waiting.load(Ordering::SeqCst)), Ordering::SeqCst);
                        out.extend(bytes);
                    }
                    Pulled::Piece(_) => panic!("no row groups here"),
                    Pulled::SegmentEnd(_) => {}
                    Pulled::End => break,
                }
            }
        });
        (out, most.load(Ordering::SeqCst))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn order_is_that_of_the_segments(
            segments in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6), 0..20),
            workers in 1_usize..5,
            window in 0_usize..64,
        ) {
            let expected: Vec<u8> = segments.iter().flatten().flatten().copied().collect();
            prop_assert_eq!(merged(&segments, workers, window).0, expected);
        }
    }

    #[test]
    fn a_later_segment_waits_when_the_window_is_full() {
        let merge = Merge::new(2, 8, 10);
        assert_eq!(merge.take().unwrap(), Some(0));
        assert_eq!(merge.take().unwrap(), Some(1));
        merge.push(1, piece(vec![0; 10])).unwrap();
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| merge.push(1, piece(vec![0; 1])));
            std::thread::sleep(Duration::from_millis(30));
            assert!(!blocked.is_finished());
            merge.stop(Error::Cancelled);
            assert!(matches!(blocked.join().unwrap(), Err(Error::Cancelled)));
        });
    }

    #[test]
    fn the_turn_of_a_segment_comes_when_those_before_it_are_handed_out() {
        let merge = Merge::new(2, 8, 10);
        merge.take().unwrap();
        merge.take().unwrap();
        merge.wait_for_turn(0).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| merge.wait_for_turn(1));
            std::thread::sleep(Duration::from_millis(30));
            assert!(!waiting.is_finished());
            merge.end(0, Ok(SegmentEnd::default())).unwrap();
            assert!(matches!(merge.pull().unwrap(), Pulled::SegmentEnd(_)));
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn the_head_takes_a_piece_of_any_size() {
        let merge = Merge::new(1, 8, 0);
        merge.take().unwrap();
        merge.push(0, piece(vec![0; 1000])).unwrap();
    }

    #[test]
    fn a_value_error_waits_for_its_turn_and_names_the_row_of_the_export() {
        let merge = Merge::new(3, 8, 100);
        for _ in 0..3 {
            merge.take().unwrap();
        }
        let error = Error::Value(Box::new(ValueError { row: Some(3), ..ValueError::default() }));
        merge.end(1, Err(error)).unwrap();
        assert_eq!(merge.take().unwrap(), None);
        merge.push(0, piece(vec![7; 5])).unwrap();
        merge.end(0, Ok(SegmentEnd::default())).unwrap();
        assert!(matches!(merge.pull().unwrap(), Pulled::Piece(_)));
        assert!(matches!(merge.pull().unwrap(), Pulled::SegmentEnd(_)));
        for _ in 0..2 {
            match merge.pull() {
                Err(Error::Value(value)) => assert_eq!(value.row, Some(8)),
                _ => panic!("the error of segment 1 was expected"),
            }
        }
    }
}
