//! zstd: one frame, by libzstd's own threads.

use std::io::Write;

use ::zstd::stream::write::Encoder;
use ::zstd::zstd_safe::CParameter;

use crate::error::{Error, Result};

/// One zstd frame, compressed by libzstd's own threads.
///
/// Memory: the input and the output of each job, some three more of them than there are threads, and a level's tables a
/// thread.
pub struct ZstdFrame {
    encoder: Encoder<'static, Vec<u8>>,
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
            let mut encoder = Encoder::new(Vec::new(), level)?;
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
    #![allow(clippy::unwrap_used)]
    use super::*;

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
        assert_eq!(::zstd::zstd_safe::find_frame_compressed_size(&first).unwrap(), first.len());
        assert!(::zstd::decode_all(&first[..]).unwrap() == raw);
    }
}
