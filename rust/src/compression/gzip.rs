//! gzip: raw deflate of segments, and the one member around them.

use crc32fast::Hasher;
use flate2::{Compress, FlushCompress, Status};

use crate::error::{Error, Result};

/// Raw bytes handed to a compressor at once. Deflate's choices may depend on how its input is cut, so the cut is fixed
/// here and does not follow the chunk size: the same plan gives the same bytes.
pub const COMPRESSOR_INPUT_BYTES: usize = 256 * 1024;

/// Room added to the output buffer whenever deflate has filled it.
const DEFLATE_OUTPUT_STEP: usize = 64 * 1024;

/// The CRC and length of the raw bytes of a segment, from which the merger makes the trailer.
#[derive(Debug, Clone)]
pub struct RawSum {
    crc: Hasher,
    bytes: u64,
}

impl Default for RawSum {
    fn default() -> Self {
        RawSum { crc: Hasher::new(), bytes: 0 }
    }
}

impl RawSum {
    /// Of bytes whose CRC-32 and number are known.
    pub fn of(crc: u32, bytes: u64) -> Self {
        RawSum { crc: Hasher::new_with_initial_len(crc, bytes), bytes }
    }

    /// The CRC-32 of all bytes.
    pub fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// How many there were.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn update(&mut self, raw: &[u8]) {
        self.crc.update(raw);
        self.bytes = self.bytes.wrapping_add(raw.len() as u64);
    }

    /// Adds the bytes that follow.
    pub fn append(&mut self, next: &RawSum) {
        self.crc.combine(&next.crc);
        self.bytes = self.bytes.wrapping_add(next.bytes);
    }
}

/// Raw deflate of one segment at a time.
///
/// Memory: about 400 KB of deflate state, reused for every segment.
#[derive(Debug)]
pub struct SegmentDeflate {
    deflate: Compress,
    sum: RawSum,
}

impl SegmentDeflate {
    pub fn new(level: u32) -> Self {
        SegmentDeflate { deflate: Compress::new(flate2::Compression::new(level), false), sum: RawSum::default() }
    }

    /// Compresses raw bytes; what is ready is appended to `out`.
    pub fn write(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.sum.update(raw);
        self.run(raw, FlushCompress::None, out)
    }

    /// Ends the segment on a byte boundary and starts the next one with an empty window.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<RawSum> {
        self.run(&[], FlushCompress::Sync, out)?;
        self.deflate.reset();
        Ok(std::mem::take(&mut self.sum))
    }

    fn run(&mut self, raw: &[u8], flush: FlushCompress, out: &mut Vec<u8>) -> Result<()> {
        let start = self.deflate.total_in();
        loop {
            out.reserve(DEFLATE_OUTPUT_STEP);
            let consumed =
                usize::try_from(self.deflate.total_in() - start).map_err(|e| Error::Internal(e.to_string()))?;
            let rest = raw.get(consumed..).unwrap_or_default();
            let status = self
                .deflate
                .compress_vec(rest, out, flush)
                .map_err(|e| Error::Internal(format!("deflate failed: {e}")))?;
            let all_in = self.deflate.total_in() - start == raw.len() as u64;
            // Output space left over means that deflate has nothing more to say (zlib manual, `deflate`).
            if (all_in && out.len() < out.capacity()) || status == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}

/// A final empty block with fixed codes (RFC 1951 §3.2.6): what follows the last segment.
pub const FINAL_BLOCK: [u8; 2] = [3, 0];

/// Largest stored block (RFC 1951 §3.2.4).
const STORED_BLOCK_BYTES: usize = 65_535;

/// Appends raw bytes as stored blocks of deflate, for what stands between segments.
pub fn push_stored(raw: &[u8], out: &mut Vec<u8>) {
    for block in raw.chunks(STORED_BLOCK_BYTES) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
}

/// The one gzip member around all segments.
#[derive(Debug)]
pub struct GzipFrame {
    sum: RawSum,
}

impl GzipFrame {
    /// RFC 1952 §2.3: magic, deflate, no flags, no time (the same export gives the same bytes), unknown system.
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

    pub fn new(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(&Self::HEADER);
        GzipFrame { sum: RawSum::default() }
    }

    /// Puts raw bytes between two segments: too short to be worth compressing.
    pub fn stored(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        self.sum.update(raw);
        push_stored(raw, out);
    }

    /// Takes note of a segment whose deflated bytes have all been handed out.
    pub fn segment(&mut self, sum: &RawSum) {
        self.sum.append(sum);
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&FINAL_BLOCK);
        out.extend_from_slice(&self.sum.crc().to_le_bytes());
        // ISIZE is the length modulo 2^32.
        out.extend_from_slice(&((self.sum.bytes & 0xffff_ffff) as u32).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    /// Header, segments with a separator between them, footer: as the merger does it.
    fn member(segments: &[Vec<u8>], cut: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut frame = GzipFrame::new(&mut out);
        frame.stored(b"header", &mut out);
        let mut deflate = SegmentDeflate::new(2);
        for segment in segments {
            for raw in segment.chunks(cut.max(1)) {
                deflate.write(raw, &mut out).unwrap();
            }
            let sum = deflate.finish(&mut out).unwrap();
            frame.segment(&sum);
            frame.stored(b",\n", &mut out);
        }
        frame.finish(&mut out);
        out
    }

    fn expected(segments: &[Vec<u8>]) -> Vec<u8> {
        let mut raw = b"header".to_vec();
        for segment in segments {
            raw.extend_from_slice(segment);
            raw.extend_from_slice(b",\n");
        }
        raw
    }

    proptest! {
        #[test]
        fn segments_join_to_one_member(
            segments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..6),
            cut in 1_usize..3000,
        ) {
            let packed = member(&segments, cut);
            // Reads one member only: whatever stood behind it would be missing.
            let mut raw = Vec::new();
            flate2::bufread::GzDecoder::new(&packed[..]).read_to_end(&mut raw).unwrap();
            prop_assert_eq!(raw, expected(&segments));
        }
    }

    #[test]
    fn long_segments_and_long_stored_bytes_join_too() {
        let segments: Vec<Vec<u8>> = (0..3_u32)
            .map(|n| (0..900_000_u32).map(|i| ((i.wrapping_mul(i).wrapping_add(n)) >> 7) as u8).collect())
            .collect();
        let packed = member(&segments, COMPRESSOR_INPUT_BYTES);
        let mut raw = Vec::new();
        flate2::bufread::GzDecoder::new(&packed[..]).read_to_end(&mut raw).unwrap();
        assert!(raw == expected(&segments));

        let header = vec![b'x'; 200_000];
        let mut out = Vec::new();
        let mut frame = GzipFrame::new(&mut out);
        frame.stored(&header, &mut out);
        frame.finish(&mut out);
        let mut raw = Vec::new();
        flate2::bufread::GzDecoder::new(&out[..]).read_to_end(&mut raw).unwrap();
        assert!(raw == header);
    }
}
