//! The zip around the parts (APPNOTE.TXT 6.3.10), as a stream: sizes that are known only later follow a member in its
//! data descriptor, and the directory comes last.
//!
//! No member has 4 GiB, so none needs ZIP64. The file may be longer: then members that begin past 4 GiB say so in the
//! directory by ZIP64's field, and so does the directory itself, which readers take.

use crc32fast::hash;

use crate::compression::RawSum;
use crate::error::{Error, Result};

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const ZIP64_END: &[u8; 4] = b"PK\x06\x06";
const ZIP64_LOCATOR: &[u8; 4] = b"PK\x06\x07";
/// Versions that are needed to extract: deflate, and ZIP64.
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// Sizes and CRC are in the data descriptor.
const STREAMED: u16 = 1 << 3;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// 1980-01-01: the same export gives the same bytes.
const TIME: u16 = 0;
const DATE: u16 = 1 << 5 | 1;
/// In place of a number that ZIP64's field has.
const IN_ZIP64: u32 = u32::MAX;
/// Of the ZIP64 end of the directory, behind this number.
const ZIP64_END_BYTES: u64 = 44;

/// A member as the directory has it.
#[derive(Debug)]
struct Member {
    name: String,
    method: u16,
    flags: u16,
    crc: u32,
    packed: u32,
    bytes: u32,
    start: u64,
}

/// Writes members behind one another.
///
/// Memory: what the directory says of each member, about a hundred bytes.
#[derive(Debug, Default)]
pub(super) struct Zip {
    members: Vec<Member>,
    /// Bytes written so far.
    position: u64,
    /// Of these, when the streamed member began.
    body: u64,
}

impl Zip {
    /// Appends a member that is known whole.
    pub(super) fn stored(&mut self, name: &str, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let length = short(bytes.len() as u64)?;
        let crc = hash(bytes);
        let member = Member { crc, packed: length, bytes: length, ..self.member(name, STORED, 0) };
        self.local_header(member, out)?;
        self.wrote(bytes.len());
        out.extend_from_slice(bytes);
        Ok(())
    }

    /// Begins a deflated member, whose bytes follow.
    pub(super) fn begin(&mut self, name: &str, out: &mut Vec<u8>) -> Result<()> {
        let member = self.member(name, DEFLATED, STREAMED);
        self.local_header(member, out)?;
        self.body = self.position;
        Ok(())
    }

    /// Takes note of bytes of the member that was begun.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.position = self.position.saturating_add(bytes as u64);
    }

    /// Ends the member; `sum` is of what its bytes stand for.
    pub(super) fn end(&mut self, sum: &RawSum, out: &mut Vec<u8>) -> Result<()> {
        let (crc, packed, bytes) = (sum.crc(), short(self.position - self.body)?, short(sum.bytes())?);
        if let Some(member) = self.members.last_mut() {
            (member.crc, member.packed, member.bytes) = (crc, packed, bytes);
        }
        let start = out.len();
        out.extend_from_slice(DESCRIPTOR);
        for number in [crc, packed, bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        self.wrote(out.len() - start);
        Ok(())
    }

    /// Appends the directory.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let from = out.len();
        for member in &self.members {
            member.write_central(out)?;
        }
        let (start, length) = (self.position, (out.len() - from) as u64);
        let count = u16::try_from(self.members.len());
        if start >= IN_ZIP64.into() || count.is_err() {
            self.write_zip64_end(start, length, out);
        }
        out.extend_from_slice(END);
        out.extend_from_slice(&[0; 4]);
        let count = count.unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&short(length)?.to_le_bytes());
        out.extend_from_slice(&u32::try_from(start).unwrap_or(IN_ZIP64).to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        Ok(())
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.members.len() * (size_of::<Member>() + 32)
    }

    fn member(&self, name: &str, method: u16, flags: u16) -> Member {
        Member { name: name.to_owned(), method, flags, crc: 0, packed: 0, bytes: 0, start: self.position }
    }

    fn local_header(&mut self, member: Member, out: &mut Vec<u8>) -> Result<()> {
        let from = out.len();
        out.extend_from_slice(LOCAL);
        member.write_common(VERSION, 0, out)?;
        out.extend_from_slice(member.name.as_bytes());
        self.wrote(out.len() - from);
        self.members.push(member);
        Ok(())
    }

    fn write_zip64_end(&self, start: u64, length: u64, out: &mut Vec<u8>) {
        let count = (self.members.len() as u64).to_le_bytes();
        out.extend_from_slice(ZIP64_END);
        out.extend_from_slice(&ZIP64_END_BYTES.to_le_bytes());
        out.extend_from_slice(&VERSION_ZIP64.to_le_bytes());
        out.extend_from_slice(&VERSION_ZIP64.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&count);
        out.extend_from_slice(&count);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&start.to_le_bytes());
        out.extend_from_slice(ZIP64_LOCATOR);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(start.saturating_add(length)).to_le_bytes());
        out.extend_from_slice(&1_u32.to_le_bytes());
    }
}

impl Member {
    /// What the header of a member and its entry in the directory have in common.
    fn write_common(&self, version: u16, extra: usize, out: &mut Vec<u8>) -> Result<()> {
        for number in [version, self.flags, self.method, TIME, DATE] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.crc, self.packed, self.bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for length in [self.name.len(), extra] {
            let length = u16::try_from(length).map_err(|_| Error::Internal("zip: a long name".into()))?;
            out.extend_from_slice(&length.to_le_bytes());
        }
        Ok(())
    }

    fn write_central(&self, out: &mut Vec<u8>) -> Result<()> {
        let start = u32::try_from(self.start).ok().filter(|start| *start != IN_ZIP64);
        let extra: &[u8] = if start.is_some() { &[] } else { &[1, 0, 8, 0] };
        let version = if start.is_some() { VERSION } else { VERSION_ZIP64 };
        out.extend_from_slice(CENTRAL);
        out.extend_from_slice(&version.to_le_bytes());
        self.write_common(version, if start.is_some() { 0 } else { 12 }, out)?;
        // No comment, the first disk, no attributes.
        out.extend_from_slice(&[0; 10]);
        out.extend_from_slice(&start.unwrap_or(IN_ZIP64).to_le_bytes());
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(extra);
        if start.is_none() {
            out.extend_from_slice(&self.start.to_le_bytes());
        }
        Ok(())
    }
}

/// A size below 4 GiB.
fn short(bytes: u64) -> Result<u32> {
    let length = u32::try_from(bytes).ok().filter(|length| *length != IN_ZIP64);
    length.ok_or_else(|| Error::Internal("zip: a member of 4 GiB".into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
        bytes[at..at + N].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    #[test]
    fn what_begins_past_4_gib_is_found_by_zip64() {
        let (mut zip, mut out) = (Zip::default(), Vec::new());
        zip.stored("a", b"first", &mut out).unwrap();
        zip.position = 5 << 30;
        zip.stored("b", b"second", &mut out).unwrap();
        let mut directory = Vec::new();
        zip.finish(&mut directory).unwrap();
        let start = (5 << 30) + 30 + 1 + 6;
        // Two entries, the second with ZIP64's field.
        assert_eq!((number::<4>(&directory, 42), number::<2>(&directory, 30)), (0, 0));
        let second = &directory[47..];
        assert_eq!((number::<4>(second, 42), number::<2>(second, 30)), (0xffff_ffff, 12));
        assert_eq!((number::<2>(second, 47), number::<2>(second, 49), number::<8>(second, 51)), (1, 8, 5 << 30));
        let end = &second[59..];
        assert_eq!(&end[..4], ZIP64_END);
        assert_eq!((number::<8>(end, 4), number::<8>(end, 32)), (44, 2));
        assert_eq!((number::<8>(end, 40), number::<8>(end, 48)), (47 + 59, start));
        let locator = &end[56..];
        assert_eq!((&locator[..4], number::<8>(locator, 8)), (&ZIP64_LOCATOR[..], start + 47 + 59));
        let last = &locator[20..];
        assert_eq!((&last[..4], last.len()), (&END[..], 22));
        assert_eq!((number::<2>(last, 10), number::<4>(last, 12), number::<4>(last, 16)), (2, 106, 0xffff_ffff));
    }

    #[test]
    fn a_member_of_4_gib_is_refused() {
        let (mut zip, mut out) = (Zip::default(), Vec::new());
        zip.begin("a", &mut out).unwrap();
        assert!(zip.end(&RawSum::of(0, 1 << 32), &mut out).is_err());
    }
}
