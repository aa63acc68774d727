//! Pages as they were before they were compressed.

use std::io::Read;

use crate::error::{Error, Result};

/// `CompressionCodec` (parquet.thrift); the ones that an export may have.
const UNCOMPRESSED: i64 = 0;
const SNAPPY: i64 = 1;
const GZIP: i64 = 2;
const ZSTD: i64 = 6;
const LZ4_RAW: i64 = 7;

/// Unpacks pages, with one buffer for all.
#[derive(Default)]
pub(super) struct Codec {
    out: Vec<u8>,
    /// Made with the first page.
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Codec {
    /// What a page was, which the file says has `size` bytes.
    pub(super) fn unpack<'a>(&'a mut self, codec: i64, packed: &'a [u8], size: usize) -> Result<&'a [u8]> {
        if codec == UNCOMPRESSED {
            return if packed.len() == size { Ok(packed) } else { Err(other_size(packed.len(), size)) };
        }
        if self.out.len() < size {
            self.out.resize(size, 0);
        }
        let out = self.out.get_mut(..size).unwrap_or_default();
        let given = match codec {
            SNAPPY => unpack_snappy(packed, out)?,
            GZIP => unpack_gzip(packed, out)?,
            ZSTD => {
                let decoder = match &mut self.zstd {
                    Some(decoder) => decoder,
                    none => none.insert(zstd::bulk::Decompressor::new().map_err(damaged)?),
                };
                decoder.decompress_to_buffer(packed, out).map_err(damaged)?
            }
            LZ4_RAW => lz4_flex::block::decompress_into(packed, out).map_err(damaged)?,
            other => return Err(Error::file(format!("no export has the codec {other}"))),
        };
        if given == size { Ok(out) } else { Err(other_size(given, size)) }
    }

    /// Gives room back that a large page took.
    pub(super) fn shrink(&mut self, kept: usize) {
        if self.out.len() > kept {
            self.out.truncate(kept);
            self.out.shrink_to(kept);
        }
    }
}

fn unpack_snappy(packed: &[u8], out: &mut [u8]) -> Result<usize> {
    let said = snap::raw::decompress_len(packed).map_err(damaged)?;
    if said != out.len() {
        return Err(other_size(said, out.len()));
    }
    snap::raw::Decoder::new().decompress(packed, out).map_err(damaged)
}

fn unpack_gzip(packed: &[u8], out: &mut [u8]) -> Result<usize> {
    let mut decoder = flate2::bufread::MultiGzDecoder::new(packed);
    decoder.read_exact(out).map_err(damaged)?;
    // Reading on also compares the checksum.
    let more = decoder.read(&mut [0]).map_err(damaged)?;
    Ok(out.len().saturating_add(more))
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::file(error.to_string())
}

#[cold]
fn other_size(found: usize, said: usize) -> Error {
    Error::file(format!("it has {found} bytes, and its header says {said}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    fn packed(codec: i64, raw: &[u8]) -> Vec<u8> {
        match codec {
            SNAPPY => snap::raw::Encoder::new().compress_vec(raw).unwrap(),
            GZIP => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(raw).unwrap();
                encoder.finish().unwrap()
            }
            ZSTD => zstd::bulk::compress(raw, 1).unwrap(),
            LZ4_RAW => lz4_flex::block::compress(raw),
            _ => raw.to_vec(),
        }
    }

    #[test]
    fn a_page_is_what_it_was_and_of_the_size_that_is_said() {
        let raw: Vec<u8> = (0..5000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for codec in [UNCOMPRESSED, SNAPPY, GZIP, ZSTD, LZ4_RAW] {
            let page = packed(codec, &raw);
            let mut codecs = Codec::default();
            assert_eq!(codecs.unpack(codec, &page, raw.len()).unwrap(), raw);
            assert!(codecs.unpack(codec, &page, raw.len() - 1).is_err(), "{codec}");
            assert!(codecs.unpack(codec, &page, raw.len() + 1).is_err(), "{codec}");
            assert!(codecs.unpack(codec, page.get(..page.len() / 2).unwrap(), raw.len()).is_err(), "{codec}");
            assert_eq!(codecs.unpack(codec, &packed(codec, &[]), 0).unwrap(), &[0_u8; 0], "{codec}");
        }
    }

    #[test]
    fn another_codec_is_refused() {
        assert!(Codec::default().unpack(4, &[1, 2, 3], 3).is_err());
    }
}
