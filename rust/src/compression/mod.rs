//! Compression of the stream, in two halves that meet at segment borders.
//!
//! gzip: each worker deflates its own segments ([`SegmentDeflate`]); a segment starts with an empty window and ends on
//! a byte boundary, so the merger can put segments behind one another inside *one* member (RFC 1952), since curl and
//! httpx stop after the first of several. [`GzipFrame`] writes the member's header, short stored blocks for what comes
//! between segments, and the trailer with the combined CRC-32.
//!
//! zstd: one frame for the same reason; libzstd's own multi-threaded stream ([`ZstdFrame`]) does the work in the
//! merger.

use crate::error::Result;

mod gzip;
mod unpack;
mod zstd;

pub use gzip::{COMPRESSOR_INPUT_BYTES, FINAL_BLOCK, GzipFrame, RawSum, SegmentDeflate, push_stored};
pub use unpack::Unpack;
pub use zstd::ZstdFrame;

/// Compression of the whole stream; text formats only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip { level: u32 },
    Zstd { level: i32 },
}

impl Compression {
    /// From its name in a plan; none for any other text, or a level below zero where there is none.
    pub fn named(name: Option<&str>, level: i32) -> Option<Self> {
        match name {
            None => Some(Compression::None),
            Some("gzip") => Some(Compression::Gzip { level: u32::try_from(level).ok()? }),
            Some("zstd") => Some(Compression::Zstd { level }),
            Some(_) => None,
        }
    }
}

/// What is put around all of a file: the merger's half.
pub enum Frame {
    None,
    Gzip(GzipFrame),
    Zstd(ZstdFrame),
}

impl Frame {
    /// Starts the frame; its first bytes are appended to `out`. `workers` feed it.
    pub fn start(compression: Compression, workers: usize, out: &mut Vec<u8>) -> Result<Frame> {
        Ok(match compression {
            Compression::None => Frame::None,
            Compression::Gzip { .. } => Frame::Gzip(GzipFrame::new(out)),
            Compression::Zstd { level } => Frame::Zstd(ZstdFrame::new(level, workers)?),
        })
    }

    /// Raw bytes that are not a segment's: a header, what stands between segments, a footer.
    pub fn between(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Frame::None => out.extend_from_slice(raw),
            Frame::Gzip(gzip) => gzip.stored(raw, out),
            Frame::Zstd(zstd) => zstd.write(raw, out)?,
        }
        Ok(())
    }

    /// Takes note of a segment that was deflated by its worker.
    pub fn segment(&mut self, sum: Option<&RawSum>) {
        if let (Frame::Gzip(gzip), Some(sum)) = (self, sum) {
            gzip.segment(sum);
        }
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Frame::None => {}
            Frame::Gzip(gzip) => gzip.finish(out),
            Frame::Zstd(zstd) => zstd.finish(out)?,
        }
        Ok(())
    }
}
