//! Compressed files, read anew.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::Compression;
use crate::error::{Error, Result};

/// Bytes that zstd gives at a time, its largest block (RFC 8878 §3.1.1.2.4).
const ZSTD_OUTPUT_BYTES: usize = 128 * 1024;
/// The largest window that is read, 8 MiB: what RFC 8878 §3.1.1.1.2 asks of every reader. Ours has 512 KiB.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Takes what stands around the bytes of a file off again. What comes out is bounded at any time, whatever comes in.
pub enum Unpack {
    None,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd { decoder: Decoder<'static>, out: Vec<u8>, at_end: bool },
}

impl Unpack {
    pub fn new(compression: Compression) -> Result<Self> {
        Ok(match compression {
            Compression::None => Unpack::None,
            Compression::Gzip { .. } => Unpack::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Compression::Zstd { .. } => {
                let internal = |e: std::io::Error| Error::Internal(format!("zstd: {e}"));
                let mut decoder = Decoder::new().map_err(internal)?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(internal)?;
                Unpack::Zstd { decoder, out: vec![0; ZSTD_OUTPUT_BYTES], at_end: false }
            }
        })
    }

    /// The next bytes of the file; `take` gets what they stand for, piece by piece.
    ///
    /// # Errors
    /// `Error::File` where they are not of the compression, and whatever `take` returns.
    pub fn update(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self {
            Unpack::None => take(bytes),
            Unpack::Gzip(decoder) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let used = decoder.write(rest).map_err(|e| damaged("gzip", &e))?;
                    if used == 0 && decoder.get_ref().is_empty() {
                        return Err(Error::file("gzip: bytes after the end"));
                    }
                    rest = rest.get(used..).unwrap_or_default();
                    take(decoder.get_ref())?;
                    decoder.get_mut().clear();
                }
                Ok(())
            }
            Unpack::Zstd { decoder, out, at_end } => {
                let mut input = InBuffer::around(bytes);
                loop {
                    let mut output = OutBuffer::around(out.as_mut_slice());
                    let left = decoder.run(&mut input, &mut output).map_err(|e| damaged("zstd", &e))?;
                    let given = output.pos();
                    *at_end = left == 0;
                    take(out.get(..given).unwrap_or_default())?;
                    if input.pos() >= bytes.len() && given < out.len() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// All bytes were given.
    ///
    /// # Errors
    /// As [`Unpack::update`], and `Error::File` where the end is missing.
    pub fn finish(&mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self {
            Unpack::None | Unpack::Zstd { at_end: true, .. } => Ok(()),
            Unpack::Gzip(decoder) => {
                decoder.try_finish().map_err(|e| damaged("gzip", &e))?;
                take(decoder.get_ref())
            }
            Unpack::Zstd { .. } => Err(Error::file("zstd: it ends before its frame does")),
        }
    }
}

fn damaged(name: &str, error: &std::io::Error) -> Error {
    Error::file(format!("{name}: {error}"))
}
