//! Compression of the stream, in two halves that meet at segment borders.
//!
//! gzip: each worker deflates its own segments ([`SegmentDeflate`]); a segment starts with an empty window and ends on
//! a byte boundary, so the merger can put segments behind one another inside *one* member (RFC 1952), since curl and
//! httpx stop after the first of several. [`GzipFrame`] writes the member's header, short stored blocks for what comes
//! between segments, and the trailer with the combined CRC-32.
//!
//! zstd: one frame for the same reason; libzstd's own multi-threaded stream ([`ZstdFrame`]) does the work in the
//! merger.

use std::io::Write;

use crc32fast::Hasher;
use flate2::{Compress, FlushCompress, Status};
use zstd::zstd_safe::CParameter;

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

impl RawSum {
    fn new() -> Self {
        RawSum { crc: Hasher::new(), bytes: 0 }
    }

    fn update(&mut self, raw: &[u8]) {
        self.crc.update(raw);
        self.bytes = self.bytes.wrapping_add(raw.len() as u64);
    }

    fn append(&mut self, next: &RawSum) {
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
        SegmentDeflate { deflate: Compress::new(flate2::Compression::new(level), false), sum: RawSum::new() }
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
        Ok(std::mem::replace(&mut self.sum, RawSum::new()))
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

/// The one gzip member around all segments.
#[derive(Debug)]
pub struct GzipFrame {
    sum: RawSum,
}

impl GzipFrame {
    /// RFC 1952 §2.3: magic, deflate, no flags, no time (the same export gives the same bytes), unknown system.
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    /// A final empty block with fixed codes (RFC 1951 §3.2.6).
    const FINAL_BLOCK: [u8; 2] = [3, 0];
    /// Largest stored block (RFC 1951 §3.2.4).
    const STORED_BLOCK_BYTES: usize = 65_535;

    pub fn new(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(&Self::HEADER);
        GzipFrame { sum: RawSum::new() }
    }

    /// Puts raw bytes between two segments as stored blocks: too short to be worth compressing.
    pub fn stored(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        self.sum.update(raw);
        for block in raw.chunks(Self::STORED_BLOCK_BYTES) {
            let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
            out.push(0);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&(!length).to_le_bytes());
            out.extend_from_slice(block);
        }
    }

    /// Takes note of a segment whose deflated bytes have all been handed out.
    pub fn segment(&mut self, sum: &RawSum) {
        self.sum.append(sum);
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&Self::FINAL_BLOCK);
        let crc = self.sum.crc.clone().finalize();
        out.extend_from_slice(&crc.to_le_bytes());
        // ISIZE is the length modulo 2^32.
        out.extend_from_slice(&((self.sum.bytes & 0xffff_ffff) as u32).to_le_bytes());
    }
}

/// One zstd frame, compressed by libzstd's own threads.
///
/// Memory: the input and the output of each job, some three more of them than there are threads, and a level's tables a
/// thread.
pub struct ZstdFrame {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
}

impl ZstdFrame {
    /// Compressing threads at most: two keep up with two cores. The frame is the same for any number from 1.
    const MOST_THREADS: usize = 2;
    /// Raw bytes of a job, the unit that a thread compresses. libzstd would take four windows (2 MB at level 1, more at
    /// higher ones) and keep several in memory.
    const JOB_BYTES: u32 = 1 << 20;

    /// A frame that as many threads compress as there are workers to feed them, within bounds.
    pub fn new(level: i32, workers: usize) -> Result<Self> {
        let threads = u32::try_from(workers.clamp(1, Self::MOST_THREADS)).unwrap_or(1);
        let start = || -> std::io::Result<_> {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level)?;
            encoder.include_checksum(true)?;
            encoder.set_parameter(CParameter::JobSize(Self::JOB_BYTES))?;
            encoder.multithread(threads)?;
            Ok(encoder)
        };
        start().map(|encoder| ZstdFrame { encoder }).map_err(zstd_failed)
    }

    /// Compresses raw bytes; what is ready is moved to `out`.
    pub fn write(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.encoder.write_all(raw).map_err(zstd_failed)?;
        out.append(self.encoder.get_mut());
        Ok(())
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.encoder.do_finish().map_err(zstd_failed)?;
        out.append(self.encoder.get_mut());
        Ok(())
    }
}

fn zstd_failed(error: std::io::Error) -> Error {
    Error::Internal(format!("zstd failed: {error}"))
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

    #[test]
    fn zstd_is_one_frame_whatever_the_input_is_cut_into_and_the_number_of_workers() {
        let raw: Vec<u8> = (0..9_000_000_u32).map(|i| (i.wrapping_mul(i) >> 9) as u8).collect();
        let frame = |cut: usize, workers: usize| {
            let mut out = Vec::new();
            let mut zstd = ZstdFrame::new(1, workers).unwrap();
            for part in raw.chunks(cut) {
                zstd.write(part, &mut out).unwrap();
            }
            zstd.finish(&mut out).unwrap();
            out
        };
        let first = frame(1 << 20, 2);
        assert!(first == frame(256 << 10, 1));
        assert!(first == frame(777_777, 8));
        assert_eq!(zstd::zstd_safe::find_frame_compressed_size(&first).unwrap(), first.len());
        assert!(zstd::decode_all(&first[..]).unwrap() == raw);
    }
}
