//! The rows of a workbook: those of its sheets, without their headers.
//!
//! The zip is read as it was written, from its first byte on: members behind one another, whose sizes follow them, then
//! the directory. The sheets are unpacked and looked through for rows; each sum is compared.

use flate2::{Decompress, FlushDecompress, Status};
use memchr::memmem::Finder;

use super::parts::SHEETS;
use crate::compression::RawSum;
use crate::error::{Error, Result};
use crate::formats::base::RowCounter;

/// What is unpacked at a time.
const OUTPUT_BYTES: usize = 64 << 10;
const ROW: &[u8] = b"<row>";
const SHEET_END: &[u8] = b"</worksheet>";
const STREAMED: u16 = 1 << 3;
const DEFLATED: u16 = 8;
/// In place of a number that ZIP64 has elsewhere.
const MANY: u16 = u16::MAX;

/// What comes next in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Signature,
    /// The header of a member, its name, and how many bytes follow that.
    Local,
    Name {
        extra: usize,
        is_streamed: bool,
        bytes: u32,
    },
    /// A sheet, or another deflated member.
    Deflated {
        is_sheet: bool,
    },
    Descriptor {
        is_sheet: bool,
    },
    /// An entry of the directory.
    Entry,
    Zip64End,
    End,
    /// Bytes that say nothing.
    Skip(u64),
    Nothing,
}

/// Reads the zip and counts.
pub(super) struct SheetCounter {
    next: Next,
    /// Bytes of what comes next that are there already.
    held: Vec<u8>,
    /// How many it has.
    wanted: usize,
    inflate: Decompress,
    unpacked: Vec<u8>,
    sum: RawSum,
    packed_bytes: u64,
    rows_in_sheet: u64,
    /// The last bytes of the sheet so far, shorter than what is looked for.
    tail: Vec<u8>,
    finder: Finder<'static>,
    rows: u64,
    members: u64,
    entries: u64,
}

impl SheetCounter {
    pub(super) fn new() -> Self {
        SheetCounter {
            next: Next::Signature,
            held: Vec::new(),
            wanted: 4,
            inflate: Decompress::new(false),
            unpacked: Vec::with_capacity(OUTPUT_BYTES),
            sum: RawSum::default(),
            packed_bytes: 0,
            rows_in_sheet: 0,
            tail: Vec::new(),
            finder: Finder::new(ROW),
            rows: 0,
            members: 0,
            entries: 0,
        }
    }

    fn expect(&mut self, next: Next, wanted: usize) {
        (self.next, self.wanted) = (next, wanted);
    }

    /// All bytes of what comes next are there.
    fn see(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        match self.next {
            Next::Signature => self.see_signature(&held)?,
            Next::Local => {
                let (flags, method, packed) = (short(&held, 2), short(&held, 4), long(&held, 14));
                let is_streamed = flags & STREAMED != 0;
                if is_streamed != (method == DEFLATED) {
                    return Err(strange());
                }
                let name = usize::from(short(&held, 22));
                let extra = usize::from(short(&held, 24));
                self.expect(Next::Name { extra, is_streamed, bytes: packed }, name + extra);
            }
            Next::Name { extra, is_streamed, bytes } => {
                let name = held.get(..held.len().saturating_sub(extra)).unwrap_or_default();
                let is_sheet = name.starts_with(SHEETS.as_bytes());
                self.members = self.members.saturating_add(1);
                match (is_streamed, is_sheet) {
                    (true, _) => self.begin(is_sheet),
                    (false, true) => return Err(strange()),
                    (false, false) => self.expect(Next::Skip(bytes.into()), 0),
                }
            }
            Next::Descriptor { is_sheet } => self.see_descriptor(&held, is_sheet)?,
            Next::Entry => {
                self.entries = self.entries.saturating_add(1);
                let more = [24, 26, 28].iter().map(|at| u64::from(short(&held, *at))).sum();
                self.expect(Next::Skip(more), 0);
            }
            Next::Zip64End => self.expect(Next::Skip(long(&held, 0).into()), 0),
            Next::End => self.see_end(&held)?,
            Next::Deflated { .. } | Next::Skip(_) | Next::Nothing => {}
        }
        Ok(())
    }

    fn see_signature(&mut self, held: &[u8]) -> Result<()> {
        match held {
            b"PK\x03\x04" if self.entries == 0 => self.expect(Next::Local, 26),
            b"PK\x01\x02" => self.expect(Next::Entry, 42),
            b"PK\x06\x06" => self.expect(Next::Zip64End, 8),
            b"PK\x06\x07" => self.expect(Next::Skip(16), 0),
            b"PK\x05\x06" => self.expect(Next::End, 18),
            _ => return Err(strange()),
        }
        Ok(())
    }

    fn begin(&mut self, is_sheet: bool) {
        self.inflate.reset(false);
        self.sum = RawSum::default();
        self.packed_bytes = 0;
        self.rows_in_sheet = 0;
        self.tail.clear();
        self.expect(Next::Deflated { is_sheet }, 0);
    }

    /// Unpacks; gives how many bytes were taken.
    fn unpack(&mut self, bytes: &[u8], is_sheet: bool) -> Result<usize> {
        let before = self.inflate.total_in();
        self.unpacked.clear();
        let status = self
            .inflate
            .decompress_vec(bytes, &mut self.unpacked, FlushDecompress::None)
            .map_err(|e| Error::file(format!("a sheet cannot be unpacked: {e}")))?;
        let taken = self.inflate.total_in() - before;
        self.packed_bytes = self.packed_bytes.saturating_add(taken);
        self.sum.update(&self.unpacked);
        if is_sheet {
            self.look_for_rows();
        }
        if status == Status::StreamEnd {
            self.expect(Next::Descriptor { is_sheet }, 16);
        } else if taken == 0 && self.unpacked.is_empty() && !bytes.is_empty() {
            return Err(Error::file("a sheet cannot be unpacked"));
        }
        usize::try_from(taken).map_err(|_| strange())
    }

    /// Text has no bare `<`, so what looks like a row is one.
    fn look_for_rows(&mut self) {
        let seam = self.unpacked.get(..ROW.len().min(self.unpacked.len())).unwrap_or_default();
        let kept = self.tail.len().saturating_sub(ROW.len() - 1);
        let joint = [self.tail.get(kept..).unwrap_or_default(), seam].concat();
        // Those that begin before the bytes that are new.
        let begun = self.tail.len() - kept;
        let over = self.finder.find_iter(&joint).filter(|at| *at < begun).count();
        let rows = over + self.finder.find_iter(&self.unpacked).count();
        self.rows_in_sheet = self.rows_in_sheet.saturating_add(rows as u64);
        self.tail.extend_from_slice(last(&self.unpacked, SHEET_END.len()));
        let tail = last(&self.tail, SHEET_END.len()).to_vec();
        self.tail = tail;
    }

    fn see_descriptor(&mut self, held: &[u8], is_sheet: bool) -> Result<()> {
        let sums = (u64::from(long(held, 8)), u64::from(long(held, 12)));
        if !held.starts_with(b"PK\x07\x08")
            || long(held, 4) != self.sum.crc()
            || sums != (self.packed_bytes, self.sum.bytes())
        {
            return Err(Error::file(format!("its part {} is not what its sums say", self.members)));
        }
        if is_sheet {
            let rows = self.rows_in_sheet.checked_sub(1).filter(|_| self.tail == SHEET_END);
            self.rows = self.rows.saturating_add(rows.ok_or_else(strange)?);
        }
        self.expect(Next::Signature, 4);
        Ok(())
    }

    fn see_end(&mut self, held: &[u8]) -> Result<()> {
        let count = short(held, 6);
        if self.entries != self.members || count != MANY && u64::from(count) != self.members || short(held, 16) != 0 {
            return Err(Error::file("its directory is of another file"));
        }
        self.expect(Next::Nothing, 0);
        Ok(())
    }
}

impl RowCounter for SheetCounter {
    fn update(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.next {
                Next::Nothing => return Err(Error::file("bytes follow its end")),
                Next::Deflated { is_sheet } => self.unpack(rest, is_sheet)?,
                Next::Skip(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    match left - taken as u64 {
                        0 => self.expect(Next::Signature, 4),
                        left => self.next = Next::Skip(left),
                    }
                    taken
                }
                _ => {
                    let taken = self.wanted.saturating_sub(self.held.len()).min(rest.len());
                    self.held.extend_from_slice(rest.get(..taken).unwrap_or_default());
                    if self.held.len() >= self.wanted {
                        self.see()?;
                    }
                    taken
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64> {
        if self.next == Next::Nothing { Ok(self.rows) } else { Err(Error::file("it ends before its directory does")) }
    }
}

#[cold]
fn strange() -> Error {
    Error::file("it is no workbook of ours")
}

fn last(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(bytes.len().saturating_sub(length)..).unwrap_or(bytes)
}

fn short(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u16::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_le_bytes)
}
