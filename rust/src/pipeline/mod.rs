//! Workers in parallel, bytes in order.
//!
//! [`Pipeline`] is pulled by one consumer; `worker` threads fill `merge`, the format's assembler puts the file
//! together. A pull that fails makes all later pulls fail: an export that failed can never look complete.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

mod budget;
pub mod control;
mod merge;
mod segments;
mod session;
pub mod sessions;
mod shared;
mod worker;

use control::{Control, Progress};
use merge::{Merge, Pulled};
use segments::Segments;
use sessions::Sessions;
use shared::Shared;

use crate::bytes::chunk_pool::ChunkPool;
use crate::error::{Error, Result};
use crate::formats::base::{Chunk, Encoding, Export, FileAssembler, Totals};
use crate::plan::Plan;
use crate::routing::{self, Routed};

/// One running export.
///
/// Memory: see [`Merge`], [`segment::TextSegments`] and [`segment::ParquetSegments`] (one a worker), and a read buffer
/// a connection.
pub struct Pipeline {
    shared: Arc<Shared>,
    consumer: Mutex<Consumer>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What only the pulling thread touches.
struct Consumer {
    started: bool,
    assembler: Box<dyn FileAssembler>,
    /// The footer is written.
    assembled: bool,
    /// What is left of a chunk that a large row has made large, and how much of it was handed out.
    large: Option<(Vec<u8>, usize)>,
}

impl Consumer {
    /// The next bytes to hand out. A chunk much larger than the others is handed out in parts, so that its copies
    /// outside of here stay small.
    fn next_part(&mut self, chunk_bytes: usize) -> Option<Chunk> {
        if self.large.is_none() {
            let chunk = self.assembler.take_chunk()?;
            if chunk.mark.is_some() || chunk.own.is_some() || chunk.body.len() <= chunk_bytes.saturating_mul(2) {
                return Some(chunk);
            }
            self.large = Some((chunk.body, 0));
            if !chunk.prefix.is_empty() {
                return Some(Chunk { prefix: chunk.prefix, ..Chunk::default() });
            }
        }
        let (body, from) = self.large.as_mut()?;
        let rest = body.get(*from..).unwrap_or_default();
        let part = rest.get(..chunk_bytes).unwrap_or(rest).to_vec();
        *from += part.len();
        if *from >= body.len() {
            self.large = None;
        }
        Some(Chunk { body: part, ..Chunk::default() })
    }
}

impl Pipeline {
    /// With `sessions`, connections are taken from there and given back.
    pub fn new(plan: Plan, sessions: Option<Arc<Sessions>>) -> Result<Self> {
        let segments = Segments::new(&plan.scans);
        let chunk_bytes = match plan.route {
            Some(_) => plan.limits.chunk_bytes.min(routing::CHUNK_BYTES),
            None => plan.limits.chunk_bytes,
        };
        let encoding = encoding(&plan, chunk_bytes, segments.total())?;
        let merge = Merge::new(segments.total(), plan.limits.chunk_bytes, plan.limits.window_bytes);
        let pool = Arc::new(ChunkPool::new(chunk_bytes, plan.limits.window_bytes));
        let assembler = encoding.file_assembler()?;
        let (control, retries) = (Control::default(), AtomicU32::new(0));
        let shared = Arc::new(Shared { plan, segments, encoding, merge, control, pool, retries, sessions });
        let consumer = Mutex::new(Consumer { started: false, assembler, assembled: false, large: None });
        Ok(Pipeline { shared, consumer, threads: Mutex::new(Vec::new()) })
    }

    /// Waits for the next chunk; `None` means that every segment and the footer have been handed out.
    pub fn next(&self) -> Result<Option<Chunk>> {
        self.next_within(self.shared.plan.limits.chunk_bytes)
    }

    /// The same for who makes no copy of it: a chunk that a large row has made large comes whole.
    pub fn next_whole(&self) -> Result<Option<Chunk>> {
        self.next_within(usize::MAX)
    }

    fn next_within(&self, chunk_bytes: usize) -> Result<Option<Chunk>> {
        let mut consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let chunk = self.pull(&mut consumer, chunk_bytes);
        if let Err(error) = &chunk {
            self.shared.merge.stop(error.clone());
            self.shared.control.stop_connections();
        }
        chunk
    }

    /// The buffer of a chunk that is no longer needed.
    pub fn give_back(&self, chunk: Chunk) {
        self.shared.pool.give_back(chunk.body);
    }

    fn pull(&self, consumer: &mut Consumer, chunk_bytes: usize) -> Result<Option<Chunk>> {
        if !consumer.started {
            consumer.started = true;
            self.start()?;
        }
        let shared = &*self.shared;
        loop {
            if let Some(chunk) = consumer.next_part(chunk_bytes) {
                shared.control.handed_out(chunk.len());
                return Ok(Some(chunk));
            }
            if consumer.assembled {
                // Only now: whoever saw `finished` has been given every byte.
                shared.control.finish();
                return Ok(None);
            }
            match shared.merge.pull()? {
                Pulled::Piece(piece) => {
                    shared.control.add_rows(piece.rows);
                    consumer.assembler.piece(piece.body)?;
                }
                Pulled::SegmentEnd(end) => {
                    shared.control.add_losses(&end.losses);
                    consumer.assembler.segment_end(&end);
                }
                Pulled::End => {
                    let progress = shared.control.progress();
                    consumer.assembler.finish(&Totals { rows: progress.rows, losses: progress.losses })?;
                    consumer.assembled = true;
                }
            }
        }
    }

    fn start(&self) -> Result<()> {
        let wanted = u64::try_from(self.shared.plan.limits.workers).unwrap_or(u64::MAX);
        let workers = wanted.clamp(1, self.shared.segments.total().max(1));
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        // All are counted before the first one starts: it may be done before the last one is there.
        (0..workers).for_each(|_| self.shared.merge.enlist());
        for worker in 0..usize::try_from(workers).unwrap_or(1) {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name(format!("polyglot-worker-{worker}"));
            match thread.spawn(move || worker::run(&shared, worker)) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    let error = Error::Internal(format!("no thread for a worker: {error}"));
                    // The others do the work.
                    if !self.shared.merge.give_back(None, &error) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Stops the workers and their queries. Does not block.
    pub fn cancel(&self) {
        if !self.shared.control.progress().finished {
            self.shared.merge.stop(Error::Cancelled);
            self.shared.control.stop_connections();
        }
    }

    /// Cancels what still runs and waits until every worker is gone.
    pub fn close(&self) {
        self.cancel();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A worker that unwound has told the merge so.
            let _ = thread.join();
        }
    }

    pub fn progress(&self) -> Progress {
        self.shared.control.progress()
    }

    /// Whether somebody has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.shared.control.is_stopped()
    }

    pub fn segments_done(&self) -> u64 {
        self.shared.merge.done()
    }

    pub fn segments_total(&self) -> u64 {
        self.shared.merge.segments()
    }

    /// The source names of the columns, for the losses.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.shared.plan.columns.iter().map(|column| column.source.as_str())
    }
}

/// What makes the bytes of one file, or of several.
fn encoding(plan: &Plan, chunk_bytes: usize, segments: u64) -> Result<Arc<dyn Encoding>> {
    let encoding = plan.format.encoding(&Export {
        columns: &plan.columns,
        server_version: plan.source.server_version,
        compression: plan.compression,
        chunk_bytes,
        workers: plan.limits.workers,
    })?;
    let Some(route) = &plan.route else { return Ok(encoding) };
    if plan.limits.workers != 1 {
        // Its lanes run on from segment to segment.
        return Err(Error::Internal("one worker routes rows".into()));
    }
    Ok(Arc::new(Routed::new(encoding, route.clone(), segments, plan.columns.len())))
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.cancel();
    }
}
