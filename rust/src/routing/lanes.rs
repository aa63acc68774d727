//! The rows that wait, apart by their value.

use std::collections::HashMap;

use super::open_file::OpenFile;
use crate::error::{Error, Result};

/// What a lane takes beside its rows and its value: itself, and its places in the tables.
const LANE_BYTES: usize = 192;
/// Before each row that waits: its length.
const LENGTH_BYTES: usize = 4;
/// By what part of itself a buffer of rows grows: twice its size would be twice the memory that is counted.
const GROWTH: usize = 4;

/// The rows of one value that wait, and its file if one is open.
#[derive(Default)]
pub(super) struct Lane {
    /// Empty for the rows without a value.
    pub(super) value: Box<[u8]>,
    /// Which lane of all it was.
    pub(super) born: u64,
    rows: Vec<u8>,
    /// What its rows count for.
    pub(super) waiting: usize,
    /// Of the waiting rows, those whose value the folder does not tell.
    pub(super) replaced: u64,
    pub(super) file: Option<Box<OpenFile>>,
}

impl Lane {
    /// Takes the rows that wait.
    pub(super) fn take(&mut self) -> Waiting {
        let waiting = Waiting { rows: std::mem::take(&mut self.rows), counted: self.waiting, replaced: self.replaced };
        (self.waiting, self.replaced) = (0, 0);
        waiting
    }

    /// Bytes of its file and of the rows that wait for it.
    pub(super) fn raw(&self) -> usize {
        self.waiting.saturating_add(self.file.as_ref().map_or(0, |file| file.raw))
    }

    fn push(&mut self, row: &[u8]) -> Result<()> {
        let length = u32::try_from(row.len()).map_err(|_| Error::Internal("a row of more than 4 GiB".into()))?;
        let more = row.len().saturating_add(LENGTH_BYTES);
        if self.rows.capacity().saturating_sub(self.rows.len()) < more {
            self.rows.reserve_exact(more.max(self.rows.len() / GROWTH));
        }
        self.rows.extend_from_slice(&length.to_ne_bytes());
        self.rows.extend_from_slice(row);
        Ok(())
    }
}

/// Rows that were taken out of a lane.
pub(super) struct Waiting {
    rows: Vec<u8>,
    pub(super) counted: usize,
    pub(super) replaced: u64,
}

impl Waiting {
    /// The rows, in the order in which they came.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.rows.as_slice();
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first_chunk::<LENGTH_BYTES>()?;
            let (row, behind) = behind.split_at_checked(u32::from_ne_bytes(*length) as usize)?;
            rest = behind;
            Some(row)
        })
    }
}

/// All lanes, by a number that stays theirs while they have rows or a file.
#[derive(Default)]
pub(super) struct Lanes {
    numbers: HashMap<Box<[u8]>, usize>,
    lanes: Vec<Lane>,
    free: Vec<usize>,
    born: u64,
    /// The lane of the row before: most tables have runs of one value.
    last: Option<usize>,
    /// What all waiting rows count for.
    pub(super) waiting: usize,
}

impl Lanes {
    /// The lane of a value, which is made where there is none.
    pub(super) fn number(&mut self, value: &[u8]) -> usize {
        if let Some(last) = self.last
            && self.lanes.get(last).is_some_and(|lane| *lane.value == *value)
        {
            return last;
        }
        let number = self.numbers.get(value).copied().unwrap_or_else(|| self.add(value));
        self.last = Some(number);
        number
    }

    fn add(&mut self, value: &[u8]) -> usize {
        self.born += 1;
        let lane = Lane { value: value.into(), born: self.born, ..Lane::default() };
        let number = match self.free.pop() {
            Some(free) => {
                if let Some(place) = self.lanes.get_mut(free) {
                    *place = lane;
                }
                free
            }
            None => {
                self.lanes.push(lane);
                self.lanes.len() - 1
            }
        };
        self.numbers.insert(value.into(), number);
        number
    }

    pub(super) fn lane(&mut self, number: usize) -> Result<&mut Lane> {
        self.lanes.get_mut(number).ok_or_else(|| Error::Internal(format!("there is no lane {number}")))
    }

    /// Lets a row wait.
    pub(super) fn push(&mut self, number: usize, row: &[u8], replaced: bool) -> Result<()> {
        let lane = self.lane(number)?;
        let first = if lane.waiting == 0 { LANE_BYTES.saturating_add(lane.value.len()) } else { 0 };
        let counted = row.len().saturating_add(LENGTH_BYTES).saturating_add(first);
        lane.push(row)?;
        lane.waiting = lane.waiting.saturating_add(counted);
        lane.replaced += u64::from(replaced);
        self.waiting = self.waiting.saturating_add(counted);
        Ok(())
    }

    /// Takes the rows of a lane that wait.
    pub(super) fn take(&mut self, number: usize) -> Result<Waiting> {
        let waiting = self.lane(number)?.take();
        self.waiting = self.waiting.saturating_sub(waiting.counted);
        Ok(waiting)
    }

    /// Forgets a lane that has neither rows nor a file.
    pub(super) fn forget_if_empty(&mut self, number: usize) {
        let Some(lane) = self.lanes.get_mut(number).filter(|lane| lane.waiting == 0 && lane.file.is_none()) else {
            return;
        };
        if self.numbers.remove(&lane.value).is_some() {
            *lane = Lane::default();
            self.free.push(number);
            self.last = None;
        }
    }

    /// Those that have something, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Lane)> {
        self.lanes.iter().enumerate().filter(|(_, lane)| lane.waiting > 0 || lane.file.is_some())
    }
}
