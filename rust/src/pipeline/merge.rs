//! The ordered hand-over: workers take segments in order and push pieces, one consumer pulls them in segment order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::budget::Budget;
use crate::error::{Error, Result};
use crate::formats::base::{Body, Piece, SegmentEnd};

/// What is remembered of bytes that were handed out, to compare with when they come again.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Print {
    bytes: usize,
    rows: u64,
    sum: u32,
}

impl Print {
    /// None of what only its format understands: a row group is a whole segment as a rule.
    fn of(piece: &Piece) -> Option<Self> {
        match &piece.body {
            Body::Bytes(bytes) => Some(Print { bytes: bytes.len(), rows: piece.rows, sum: crc32fast::hash(bytes) }),
            Body::Own(_) => None,
        }
    }
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
    handed_out: usize,
    /// Bytes of all its pieces, and of the largest one.
    pushed: usize,
    largest: usize,
    /// Its worker had to wait for its turn, and cannot notice meanwhile that the server is gone.
    waited: bool,
    /// The pieces that were handed out, where the segment may start again nevertheless; see [`Merge::restart`].
    prints: Vec<Print>,
    /// How many of them are still to come again.
    repeats: usize,
    end: Option<Result<SegmentEnd>>,
}

impl Slot {
    /// Whether a piece is one that was handed out before the segment started again.
    fn is_repeat(&mut self, piece: &Piece) -> Result<bool> {
        let Some(next) = self.prints.len().checked_sub(self.repeats).and_then(|next| self.prints.get(next)) else {
            return Ok(false);
        };
        if Print::of(piece).as_ref() != Some(next) {
            return Err(differs());
        }
        self.repeats -= 1;
        Ok(true)
    }
}

/// A volatile function in a policy or view, say: what was handed out cannot be gone on with.
#[cold]
fn differs() -> Error {
    Error::Lost("and the rows that were read before came differently the second time".into())
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
    /// Workers that have not left.
    active: usize,
    /// Workers that wait for room or for their turn.
    waiting: usize,
    /// Segments that a worker could not do and left to the others, and why.
    returned: BTreeMap<u64, Error>,
    stopped: Option<Error>,
}

impl State {
    fn running(&self) -> Result<()> {
        self.stopped.clone().map_or(Ok(()), Err)
    }

    /// Why nothing can go on: all workers wait for the head segment, which was given back.
    fn stuck(&self) -> Result<()> {
        match self.returned.get(&self.head) {
            Some(error) if self.waiting >= self.active => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// Memory: `window_bytes` of later segments and two chunks of the head segment; see [`Budget`].
pub struct Merge {
    segments: u64,
    state: Mutex<State>,
    /// Signalled when a piece or the end of the head segment was added.
    data: Condvar,
    /// Signalled when the head segment has room. Its worker alone waits here: of many workers one goes on.
    head_room: Condvar,
    /// Signalled when the head moved, which makes room for later segments, and with it for all others that wait.
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
            active: 0,
            waiting: 0,
            returned: BTreeMap::new(),
            stopped: None,
        };
        let (data, head_room, room) = Default::default();
        Merge { segments, state: Mutex::new(state), data, head_room, room }
    }

    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// Segments handed out whole.
    pub fn done(&self) -> u64 {
        self.lock().head
    }

    /// Counts a worker in, before it starts.
    pub fn enlist(&self) {
        self.lock().active += 1;
    }

    /// The next segment to work on, once the window has room for one; `None` when all are taken, where the worker
    /// leaves.
    pub fn take(&self) -> Result<Option<u64>> {
        let mut state = self.lock();
        loop {
            state.running()?;
            if let Some((segment, _)) = state.returned.pop_first() {
                return Ok(Some(segment));
            }
            if state.next == self.segments {
                state.active = state.active.saturating_sub(1);
                return Ok(None);
            }
            if state.budget.may_begin(state.slots.len()) {
                break;
            }
            // It does not count as one that waits for the head: what is given back meanwhile, it takes.
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let segment = state.next;
        state.next += 1;
        state.slots.push_back(Slot::default());
        Ok(Some(segment))
    }

    /// Queues a piece; waits while there is no room for it.
    pub fn push(&self, segment: u64, piece: Piece) -> Result<()> {
        let bytes = piece.bytes;
        let mut state = self.lock();
        loop {
            state.running()?;
            let is_head = segment == state.head;
            if slot(&mut state, segment)?.is_repeat(&piece)? {
                return Ok(());
            }
            if state.budget.has_room(is_head, bytes) {
                state.budget.queued(is_head, bytes);
                let slot = slot(&mut state, segment)?;
                slot.bytes += bytes;
                slot.pushed += bytes;
                slot.largest = slot.largest.max(bytes);
                slot.pieces.push_back(piece);
                drop(state);
                if is_head {
                    self.data.notify_one();
                }
                return Ok(());
            }
            slot(&mut state, segment)?.waited |= !is_head;
            state = self.wait_for_room(state, is_head)?;
        }
    }

    /// Waits until a segment is the one that is handed out.
    pub fn wait_for_turn(&self, segment: u64) -> Result<()> {
        let mut state = self.lock();
        loop {
            state.running()?;
            if segment <= state.head {
                return Ok(());
            }
            state = self.wait_for_room(state, false)?;
        }
    }

    fn wait_for_room<'a>(&self, mut state: MutexGuard<'a, State>, is_head: bool) -> Result<MutexGuard<'a, State>> {
        state.waiting += 1;
        if let Err(error) = state.stuck() {
            state.stopped = Some(error.clone());
            drop(state);
            self.wake_all();
            return Err(error);
        }
        let room = if is_head { &self.head_room } else { &self.room };
        state = room.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        Ok(state)
    }

    /// Waits for a time, or less when the export is stopped.
    pub fn pause(&self, time: Duration) -> Result<()> {
        let state = self.room.wait_timeout_while(self.lock(), time, |state| state.stopped.is_none());
        state.unwrap_or_else(PoisonError::into_inner).0.running()
    }

    /// Forgets what is queued of a segment, so that it can be read again. `false` when some of it was handed out
    /// already.
    ///
    /// A segment that had to wait for its turn is the exception: its backend may have ended long before, unnoticed,
    /// since its last bytes were in the buffers of the network. It starts again, and what was handed out must come
    /// again byte for byte.
    pub fn restart(&self, segment: u64) -> Result<bool> {
        let mut state = self.lock();
        state.running()?;
        let is_head = segment == state.head;
        let slot = slot(&mut state, segment)?;
        if slot.prints.len() < slot.handed_out {
            return Ok(false);
        }
        slot.repeats = slot.prints.len();
        slot.pieces.clear();
        (slot.pushed, slot.largest) = (0, 0);
        let bytes = std::mem::take(&mut slot.bytes);
        state.budget.dropped(is_head, bytes);
        drop(state);
        // The worker of the head is the one that starts again.
        self.room.notify_all();
        Ok(true)
    }

    /// A worker leaves, and the others do its segment, of which nothing is queued. `false` when there is nobody who
    /// can.
    pub fn give_back(&self, segment: Option<u64>, error: &Error) -> bool {
        let mut state = self.lock();
        if state.active <= 1 || state.stopped.is_some() {
            return false;
        }
        state.active -= 1;
        if let Some(segment) = segment {
            state.returned.insert(segment, error.clone());
            // For who waits until it may begin one.
            self.room.notify_all();
        }
        state.stuck().is_ok()
    }

    /// Marks a segment as complete, or as failed at a value: such an error waits for its turn, so that the error
    /// reported is the first in the order of the rows and can say which row of the export it was.
    pub fn end(&self, segment: u64, end: Result<SegmentEnd>) -> Result<()> {
        let mut state = self.lock();
        if end.is_err() {
            // Nothing after this segment will be handed out, and its worker leaves.
            state.next = self.segments;
            state.active = state.active.saturating_sub(1);
            self.room.notify_all();
        }
        let is_head = segment == state.head;
        let slot = slot(&mut state, segment)?;
        slot.end = Some(if slot.repeats > 0 && end.is_ok() { Err(differs()) } else { end });
        drop(state);
        if is_head {
            self.data.notify_one();
        }
        Ok(())
    }

    /// Waits for what comes next in segment order.
    pub fn pull(&self) -> Result<Pulled> {
        let mut state = self.lock();
        loop {
            state.running()?;
            if state.head == self.segments {
                return Ok(Pulled::End);
            }
            if let Some(pulled) = take_head(&mut state) {
                drop(state);
                match pulled {
                    Ok(Pulled::Piece(_)) => self.head_room.notify_one(),
                    _ => self.wake_workers(),
                }
                return pulled;
            }
            state = self.data.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes every waiting and later call fail with this error; the first error stays.
    pub fn stop(&self, error: Error) {
        self.lock().stopped.get_or_insert(error);
        self.wake_all();
    }

    fn wake_all(&self) {
        self.data.notify_all();
        self.wake_workers();
    }

    fn wake_workers(&self) {
        self.head_room.notify_all();
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
        let bytes = piece.bytes;
        slot.bytes = slot.bytes.saturating_sub(bytes);
        slot.handed_out += 1;
        if slot.waited {
            slot.prints.extend(Print::of(&piece));
        }
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
            state.budget.segment_done(slot.pushed.saturating_sub(slot.largest));
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
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests;
