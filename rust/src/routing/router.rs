//! Rows to files by the value of a partition column, in bounded memory.
//!
//! Rows wait in lanes. When too many wait, lanes are emptied into their files, the largest first, and those first whose
//! file is open: it costs no new one. When too many files are open, the one is finished that was not written to for the
//! longest time; rows of its value that come later get another file. So a table that lies in the order of the value has
//! few files and needs no memory, and one in random order has more files and needs no more memory. All of that depends
//! on the rows and their order alone.

use std::cmp::Reverse;

use super::Files;
use super::lanes::Lanes;
use super::open_file::{OpenFile, add};
use crate::copy::frame::Tuple;
use crate::error::{Error, Result};
use crate::formats::base::{PieceSink, SegmentEncoder, SegmentEnd};
use crate::plan::Route;

/// The folder of rows without a value, as Hive names it. A text that reads so goes there too.
const DEFAULT_PARTITION: &[u8] = b"__HIVE_DEFAULT_PARTITION__";
/// A value longer than this cannot stand for a folder: it is in the manifest with each of its files.
const VALUE_BYTES: usize = 4 << 10;
/// A row from this size on is not copied: the rows before it are written, and it behind them.
const LARGE_ROW_BYTES: usize = 1 << 20;
/// What an open file gets at least at a time, as long as other lanes have more: each time makes a row group.
const LEAST_BYTES: usize = 64 << 10;
/// What is left waiting when lanes are emptied, of [`EMPTIED`] parts: the lanes are looked through less often.
const LEFT: usize = 7;
const EMPTIED: usize = 8;
/// What all open files may hold until their ends (the footers of Parquet).
const FOOTERS_BYTES: usize = 4 << 20;

/// Memory: `waiting_bytes` of the route and a quarter of it, `open_files` with a chunk each, [`FOOTERS_BYTES`], and
/// that of one encoder.
pub(super) struct Router {
    encoder: Box<dyn SegmentEncoder>,
    make: Files,
    route: Route,
    lanes: Lanes,
    /// Lanes with an open file.
    open: Vec<usize>,
    /// How many files were begun.
    files: u32,
    /// Counts what is written to files.
    clock: u64,
    /// Rows of the segment so far.
    rows: u64,
    segments_left: u64,
    columns: usize,
    losses: Vec<u64>,
}

impl Router {
    pub(super) fn new(
        encoder: Box<dyn SegmentEncoder>,
        make: Files,
        route: Route,
        segments: u64,
        columns: usize,
    ) -> Self {
        Router {
            encoder,
            make,
            route,
            lanes: Lanes::default(),
            open: Vec::new(),
            files: 0,
            clock: 0,
            rows: 0,
            segments_left: segments,
            columns,
            losses: Vec::new(),
        }
    }

    /// Empties lanes until few enough rows wait.
    fn make_room(&mut self, pieces: &mut dyn PieceSink) -> Result<()> {
        let left = self.route.waiting_bytes / EMPTIED * LEFT;
        let mut order: Vec<_> = self
            .lanes
            .all()
            .filter(|(_, lane)| lane.waiting > 0)
            .map(|(number, lane)| {
                let free = lane.file.is_some() && lane.waiting >= LEAST_BYTES;
                (!free, Reverse(lane.waiting), lane.born, number)
            })
            .collect();
        order.sort_unstable();
        for (.., number) in order {
            if self.lanes.waiting <= left {
                break;
            }
            self.empty(number, None, pieces)?;
        }
        Ok(())
    }

    /// Writes what waits in a lane, and a row behind it that does not wait, to the file of the lane.
    fn empty(&mut self, number: usize, last: Option<Tuple<'_>>, pieces: &mut dyn PieceSink) -> Result<()> {
        let waiting = self.lanes.take(number)?;
        self.open_file(number, pieces)?;
        let lane = self.lanes.lane(number)?;
        let file = lane.file.as_mut().ok_or_else(|| Error::Internal("a lane has no file".into()))?;
        self.clock += 1;
        file.used = self.clock;
        file.replaced += waiting.replaced;
        file.raw = file.raw.saturating_add(waiting.counted);
        let end = file.append(&mut *self.encoder, &self.make, pieces, &mut |encoder, pieces| {
            for row in waiting.rows() {
                encoder.row(Tuple::of_fields(row), pieces)?;
            }
            last.map_or(Ok(()), |tuple| encoder.row(tuple, pieces))
        })?;
        add(&mut self.losses, &end.losses);
        drop(waiting);
        self.bound_footers(pieces)
    }

    /// Sees that a lane has a file that is open.
    fn open_file(&mut self, number: usize, pieces: &mut dyn PieceSink) -> Result<()> {
        if self.lanes.lane(number)?.file.is_some() {
            return Ok(());
        }
        while self.open.len() >= self.route.open_files.max(1) {
            let used = |lanes: &mut Lanes, each: usize| lanes.lane(each).ok()?.file.as_ref().map(|file| file.used);
            let oldest = self.open.iter().copied().min_by_key(|each| used(&mut self.lanes, *each));
            self.close(oldest.unwrap_or_default(), pieces)?;
        }
        let lane = self.lanes.lane(number)?;
        let value = (!lane.value.is_empty()).then(|| String::from_utf8(lane.value.to_vec())).transpose();
        let value = value.map_err(|_| Error::protocol("a partition value that is not UTF-8"))?;
        lane.file = Some(Box::new(OpenFile::begin(self.files, value, &self.make, pieces)?));
        self.files = self.files.checked_add(1).ok_or_else(|| Error::Internal("too many files".into()))?;
        self.open.push(number);
        Ok(())
    }

    /// Finishes the file of a lane, if it has one.
    fn close(&mut self, number: usize, pieces: &mut dyn PieceSink) -> Result<()> {
        self.open.retain(|each| *each != number);
        if let Some(file) = self.lanes.lane(number)?.file.take() {
            file.finish(&self.make, pieces)?;
        }
        self.lanes.forget_if_empty(number);
        Ok(())
    }

    /// Finishes the file that holds most, where all of them hold too much.
    fn bound_footers(&mut self, pieces: &mut dyn PieceSink) -> Result<()> {
        let mut held = Vec::with_capacity(self.open.len());
        for each in &self.open {
            held.push((self.lanes.lane(*each)?.file.as_ref().map_or(0, |file| file.memory_bytes()), *each));
        }
        let sum: usize = held.iter().map(|(bytes, _)| bytes).sum();
        match held.into_iter().max() {
            Some((_, largest)) if sum > FOOTERS_BYTES => self.close(largest, pieces),
            _ => Ok(()),
        }
    }

    /// Writes and finishes everything: first the open files, then the others, one after the other.
    fn finish_all(&mut self, pieces: &mut dyn PieceSink) -> Result<()> {
        let mut order: Vec<_> =
            self.lanes.all().map(|(number, lane)| (lane.file.is_none(), lane.born, number)).collect();
        order.sort_unstable();
        for (.., number) in order {
            if self.lanes.lane(number)?.waiting > 0 {
                self.empty(number, None, pieces)?;
            }
            self.close(number, pieces)?;
        }
        Ok(())
    }
}

impl SegmentEncoder for Router {
    /// The first field is the value, the others are the row.
    fn row(&mut self, mut tuple: Tuple<'_>, pieces: &mut dyn PieceSink) -> Result<()> {
        let value = tuple.field()?;
        self.rows += 1;
        let text = value.unwrap_or_default();
        if text.len() > VALUE_BYTES {
            let length = text.len();
            let message = format!("a value of {length} bytes cannot name a folder, which may have {VALUE_BYTES}");
            return Err(Error::value(message).in_column(&self.route.column));
        }
        // The folder of no value is that of empty text too, as Hive has it: readers tell them apart by nothing.
        let is_default = text.is_empty() || text == DEFAULT_PARTITION;
        let replaced = value.is_some() && is_default;
        let number = self.lanes.number(if is_default { &[] } else { text });
        let row = tuple.rest();
        if row.len() >= LARGE_ROW_BYTES {
            self.empty(number, Some(tuple), pieces)?;
            if let Some(file) = &mut self.lanes.lane(number)?.file {
                file.replaced += u64::from(replaced);
                file.raw = file.raw.saturating_add(row.len());
            }
        } else {
            self.lanes.push(number, row, replaced)?;
        }
        if self.route.file_bytes.is_some_and(|most| self.lanes.lane(number).is_ok_and(|lane| lane.raw() >= most)) {
            if self.lanes.lane(number)?.waiting > 0 {
                self.empty(number, None, pieces)?;
            }
            self.close(number, pieces)?;
        }
        if self.lanes.waiting > self.route.waiting_bytes { self.make_room(pieces) } else { Ok(()) }
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn finish(&mut self, pieces: &mut dyn PieceSink) -> Result<SegmentEnd> {
        self.rows = 0;
        self.segments_left = self.segments_left.saturating_sub(1);
        if self.segments_left == 0 {
            self.finish_all(pieces)?;
        }
        let mut losses = std::mem::take(&mut self.losses);
        losses.resize(self.columns, 0);
        Ok(SegmentEnd { sum: None, losses })
    }
}
