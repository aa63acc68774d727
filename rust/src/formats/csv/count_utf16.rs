//! The rows of a CSV file in UTF-16: those of the same file in an encoding of bytes.

use super::count::CsvCounter;
use crate::error::{Error, Result};
use crate::formats::base::RowCounter;

/// Units that are looked at together.
const UNITS: usize = 4096;
/// Stands for a unit that is not ASCII, and so is none that the rules for rows know.
const OTHER: u8 = 0x80;

/// Memory: a byte for each of [`UNITS`].
pub(super) struct Utf16Counter {
    inner: CsvCounter,
    big_endian: bool,
    /// The first byte of a unit that was cut.
    half: Option<u8>,
}

impl Utf16Counter {
    pub(super) fn new(inner: CsvCounter, big_endian: bool) -> Self {
        Utf16Counter { inner, big_endian, half: None }
    }

    fn byte_of(&self, unit: [u8; 2]) -> u8 {
        let unit = if self.big_endian { u16::from_be_bytes(unit) } else { u16::from_le_bytes(unit) };
        u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(OTHER)
    }
}

impl RowCounter for Utf16Counter {
    fn update(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        if let (Some(first), Some((&second, after))) = (self.half, rest.split_first()) {
            let unit = self.byte_of([first, second]);
            self.inner.update(&[unit])?;
            (self.half, rest) = (None, after);
        }
        let (units, odd) = rest.as_chunks::<2>();
        let mut ascii = [0; UNITS];
        for block in units.chunks(UNITS) {
            let ascii = ascii.get_mut(..block.len()).unwrap_or_default();
            for (byte, unit) in ascii.iter_mut().zip(block) {
                *byte = self.byte_of(*unit);
            }
            self.inner.update(ascii)?;
        }
        self.half = odd.first().copied().or(self.half);
        Ok(())
    }

    fn finish(&mut self) -> Result<u64> {
        if self.half.is_some() {
            return Err(Error::file("it ends within a character"));
        }
        self.inner.finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::counting::testing::counted_bytes;
    use crate::formats::csv::CsvOptions;

    fn count(text: &str, big_endian: bool) -> Vec<Result<u64>> {
        let options = CsvOptions::default();
        let bytes: Vec<u8> = text
            .encode_utf16()
            .flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect();
        counted_bytes(|| Utf16Counter::new(CsvCounter::new(&options), big_endian), &bytes)
    }

    #[test]
    fn units_are_not_bytes() {
        // Each of these characters has a byte in it that is a quote or a line end.
        for big_endian in [false, true] {
            let found = count("\u{feff}a,b\nĊ,∊\n\"∢\n\",Ģ\n", big_endian);
            assert!(found.into_iter().all(|rows| rows.unwrap() == 2));
        }
    }
}
