//! The rows of an Arrow stream or file: what the heads of its messages say. Bodies are passed over; that they are all
//! there is counted, and that each holds the buffers that its head speaks of.

use std::mem;

use arrow_ipc::{Block, MessageHeader, RecordBatch};

use super::file::MAGIC;
use super::message::{CONTINUATION, PREFIX_BYTES};
use crate::error::{Error, Result};
use crate::formats::base::RowCounter;

/// A head or footer that is longer is not read: those of 1,664 columns have some hundred KB, and the footer of a
/// terabyte of batches 6 MB.
const MAX_HEAD_BYTES: usize = 64 << 20;
/// In front of the first message of a file.
const LEADING_BYTES: usize = 8;
/// Behind the footer: its length and the magic.
const TAIL_BYTES: usize = 10;

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Leading,
    Prefix,
    Head,
    /// So many bytes of a body are left.
    Body(u64),
    /// Behind the last message.
    Rest,
}

/// Memory: one head, or the footer.
pub(super) struct ArrowCounter {
    is_file: bool,
    part: Part,
    /// Bytes of the part so far, and how many it has.
    held: Vec<u8>,
    wanted: usize,
    position: u64,
    has_schema: bool,
    batches: Blocks,
    rows: u64,
}

/// How many blocks there are, and a sum over where they are: what the footer must say too.
#[derive(Debug, Default, PartialEq, Eq)]
struct Blocks {
    count: u64,
    sum: u32,
}

impl Blocks {
    fn add(&mut self, start: u64, head: u64, body: u64) {
        let mut sum = crc32fast::Hasher::new_with_initial(self.sum);
        [start, head, body].iter().for_each(|number| sum.update(&number.to_le_bytes()));
        *self = Blocks { count: self.count.saturating_add(1), sum: sum.finalize() };
    }
}

impl ArrowCounter {
    pub(super) fn new(is_file: bool) -> Self {
        let (part, wanted) = if is_file { (Part::Leading, LEADING_BYTES) } else { (Part::Prefix, PREFIX_BYTES) };
        ArrowCounter {
            is_file,
            part,
            held: Vec::new(),
            wanted,
            position: 0,
            has_schema: false,
            batches: Blocks::default(),
            rows: 0,
        }
    }

    fn expect(&mut self, part: Part, wanted: usize) {
        (self.part, self.wanted) = (part, wanted);
    }

    /// A part is there as a whole.
    fn see(&mut self, bytes: &[u8]) -> Result<()> {
        match self.part {
            Part::Leading if bytes.starts_with(MAGIC) => self.expect(Part::Prefix, PREFIX_BYTES),
            Part::Leading => return Err(Error::file("it does not begin as an Arrow file")),
            Part::Prefix => self.see_prefix(bytes)?,
            _ => self.see_head(bytes)?,
        }
        Ok(())
    }

    fn see_prefix(&mut self, bytes: &[u8]) -> Result<()> {
        let Some((mark, length)) = bytes.split_first_chunk::<4>() else { return Err(cut()) };
        if *mark != CONTINUATION {
            return Err(Error::file("a message does not begin as one of Arrow"));
        }
        let length = length.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_HEAD_BYTES {
            return Err(Error::file(format!(
                "the head of a message has {length} bytes, at most {MAX_HEAD_BYTES} are read"
            )));
        }
        match length {
            0 if !self.has_schema => return Err(Error::file("it has no schema")),
            0 => self.expect(Part::Rest, usize::MAX),
            length => self.expect(Part::Head, length),
        }
        Ok(())
    }

    fn see_head(&mut self, bytes: &[u8]) -> Result<()> {
        let message = arrow_ipc::root_as_message(bytes).map_err(malformed)?;
        let body = u64::try_from(message.bodyLength()).map_err(malformed)?;
        match message.header_type() {
            MessageHeader::Schema if !self.has_schema && body == 0 => self.has_schema = true,
            MessageHeader::RecordBatch if self.has_schema => {
                let batch = message.header_as_record_batch().ok_or_else(|| malformed("a batch without a head"))?;
                self.rows = self.rows.checked_add(rows(batch, body)?).ok_or_else(|| malformed("too many rows"))?;
                let head = PREFIX_BYTES.saturating_add(bytes.len()) as u64;
                self.batches.add(self.position.saturating_sub(head), head, body);
            }
            _ => return Err(Error::file("it has a message that we do not write")),
        }
        if body == 0 {
            self.expect(Part::Prefix, PREFIX_BYTES)
        } else {
            self.expect(Part::Body(body), 0)
        }
        Ok(())
    }

    /// The footer of a file, which must know all batches.
    fn see_footer(&self) -> Result<()> {
        let ends = || Error::file("it does not end as an Arrow file");
        let (footer, tail) = self.held.split_last_chunk::<TAIL_BYTES>().ok_or_else(ends)?;
        let (length, magic) = tail.split_first_chunk::<4>().ok_or_else(ends)?;
        if magic != MAGIC || usize::try_from(u32::from_le_bytes(*length)).ok() != Some(footer.len()) {
            return Err(ends());
        }
        let footer = arrow_ipc::root_as_footer(footer).map_err(malformed)?;
        let mut found = Blocks::default();
        for block in footer.recordBatches().iter().flatten() {
            let (start, head, body) = numbers(block).ok_or_else(|| malformed("a batch at a negative place"))?;
            found.add(start, head, body);
        }
        if found != self.batches {
            return Err(Error::file("its footer speaks of other batches than it has"));
        }
        Ok(())
    }
}

impl RowCounter for ArrowCounter {
    fn update(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Part::Body(left) = self.part {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                rest = rest.get(now..).unwrap_or_default();
                self.position = self.position.saturating_add(now as u64);
                match left.saturating_sub(now as u64) {
                    0 => self.expect(Part::Prefix, PREFIX_BYTES),
                    left => self.part = Part::Body(left),
                }
                continue;
            }
            let missing = self.wanted.saturating_sub(self.held.len());
            let (now, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            if self.part == Part::Rest && (!self.is_file || self.held.len().saturating_add(now.len()) > MAX_HEAD_BYTES)
            {
                return Err(Error::file("it goes on behind its end"));
            }
            self.held.extend_from_slice(now);
            self.position = self.position.saturating_add(now.len() as u64);
            rest = after;
            if self.held.len() >= self.wanted {
                let part = mem::take(&mut self.held);
                self.see(&part)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64> {
        if self.part != Part::Rest {
            return Err(cut());
        }
        if self.is_file {
            self.see_footer()?;
        }
        Ok(self.rows)
    }
}

/// The rows of a batch whose body has all the buffers that it speaks of.
fn rows(batch: RecordBatch<'_>, body: u64) -> Result<u64> {
    let rows = u64::try_from(batch.length()).map_err(malformed)?;
    for buffer in batch.buffers().iter().flatten() {
        let end = buffer.offset().checked_add(buffer.length()).and_then(|end| u64::try_from(end).ok());
        if end.is_none_or(|end| end > body) || buffer.offset() < 0 || buffer.length() < 0 {
            return Err(Error::file("a batch has fewer bytes than it says"));
        }
    }
    Ok(rows)
}

fn numbers(block: &Block) -> Option<(u64, u64, u64)> {
    Some((
        u64::try_from(block.offset()).ok()?,
        u64::try_from(block.metaDataLength()).ok()?,
        u64::try_from(block.bodyLength()).ok()?,
    ))
}

#[cold]
fn cut() -> Error {
    Error::file("it ends before its last message does")
}

#[cold]
fn malformed(error: impl std::fmt::Display) -> Error {
    Error::file(format!("the head of a message is not what Arrow writes: {error}"))
}
