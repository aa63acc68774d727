//! Texts of at most sixteen bytes, held in registers: put together by shifts, appended by one store. Most fields of
//! most tables are such texts, and a buffer's length that is read and written for every part of one is what they would
//! wait for.

use super::block::push_block;

/// A text of at most [`InlineText::MAX`] bytes.
#[derive(Debug, Clone, Copy)]
pub struct InlineText {
    /// The first byte is the lowest; those behind the text are zero.
    bytes: u128,
    length: usize,
}

impl InlineText {
    pub const MAX: usize = 16;
    pub const EMPTY: InlineText = InlineText { bytes: 0, length: 0 };

    /// The first `length` bytes of a word, lowest first; those behind them must be zero.
    #[inline]
    pub const fn new(bytes: u128, length: usize) -> Self {
        InlineText { bytes, length }
    }

    /// As `new`, with what lies behind the text still in the word.
    #[inline]
    pub fn cut(bytes: u128, length: usize) -> Self {
        // Without a shift by all 128 bits, which there is not.
        let kept = if length < Self::MAX { bytes & !(u128::MAX << (8 * length)) } else { bytes };
        InlineText { bytes: kept, length }
    }

    /// Its bytes, the first one lowest, with zeros behind them.
    #[inline]
    pub const fn word(self) -> u128 {
        self.bytes
    }

    #[inline]
    pub const fn length(self) -> usize {
        self.length
    }

    /// The text behind one byte, if that is short enough.
    #[inline]
    pub fn behind_byte(self, before: Option<u8>) -> Option<Self> {
        match before {
            None => Some(self),
            Some(_) if self.length == Self::MAX => None,
            Some(byte) => Some(InlineText { bytes: self.bytes << 8 | u128::from(byte), length: self.length + 1 }),
        }
    }

    /// The text behind a minus sign where there is one, if that is short enough. There is no branch on the sign, since
    /// those of numbers often follow no pattern.
    #[inline]
    pub fn with_sign(self, negative: bool) -> Option<Self> {
        let sign = usize::from(negative);
        let bytes = self.bytes << (8 * sign) | u128::from(b'-' * u8::from(negative));
        if self.length + sign <= Self::MAX { Some(InlineText { bytes, length: self.length + sign }) } else { None }
    }

    #[inline]
    pub fn push(self, out: &mut Vec<u8>) {
        push_block(&self.bytes.to_le_bytes(), self.length, out);
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    const TEXT: [u8; 16] = *b"abcdefghijklmnop";

    #[test]
    fn any_short_text_is_appended_with_what_stands_in_front() {
        for length in 0..=InlineText::MAX {
            let short = InlineText::cut(u128::from_le_bytes(TEXT), length);
            assert_eq!(
                (short.length(), short.word() == u128::from_le_bytes(TEXT)),
                (length, length == InlineText::MAX)
            );
            let fronts: [(Option<InlineText>, &[u8]); 5] = [
                (Some(short), b""),
                (short.behind_byte(None), b""),
                (short.behind_byte(Some(b',')), b","),
                (short.with_sign(false), b""),
                (short.with_sign(true), b"-"),
            ];
            for (joined, front) in fronts {
                assert_eq!(joined.is_some(), front.len() + length <= InlineText::MAX);
                let Some(joined) = joined else { continue };
                let mut out = b"x".to_vec();
                joined.push(&mut out);
                assert_eq!(out, [b"x", front, &TEXT[..length]].concat());
            }
        }
    }
}
