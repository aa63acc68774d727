//! Short texts as blocks of fixed size: all of a block is appended, and what is too much is taken back. That is a
//! store or two, where a copy of a length that is known only at run time is a call.

/// Bytes of a block: enough for most tags and keys. Larger ones would cost more than they spare.
const BLOCK: usize = 32;

/// Appends the first `length` bytes of a block, whose own length must be known at compile time to be of use.
#[inline]
pub fn push_block(block: &[u8], length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length.min(block.len());
    out.extend_from_slice(block);
    out.truncate(end);
}

/// Appends a text of a few bytes. From four to 32 its end is appended over what is too much of its beginning: two
/// stores of fixed size.
#[inline]
pub fn push_small(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    if let (17..=32, Some(first), Some(last)) = (text.len(), text.first_chunk::<16>(), text.last_chunk::<16>()) {
        out.extend_from_slice(first);
        out.truncate(start + (text.len() - 16));
        out.extend_from_slice(last);
    } else if let (8..=16, Some(first), Some(last)) = (text.len(), text.first_chunk::<8>(), text.last_chunk::<8>()) {
        out.extend_from_slice(first);
        out.truncate(start + (text.len() - 8));
        out.extend_from_slice(last);
    } else if let (4..=7, Some(first), Some(last)) = (text.len(), text.first_chunk::<4>(), text.last_chunk::<4>()) {
        out.extend_from_slice(first);
        out.truncate(start + (text.len() - 4));
        out.extend_from_slice(last);
    } else {
        out.extend_from_slice(text);
    }
}

/// A text that is known when this is compiled, of at most a block.
#[derive(Debug)]
pub struct Fixed {
    block: [u8; BLOCK],
    length: usize,
}

impl Fixed {
    #[allow(clippy::indexing_slicing)] // Evaluated by the compiler, which refuses an index out of range.
    pub const fn new(text: &str) -> Self {
        let mut block = [0; BLOCK];
        let mut at = 0;
        while at < text.len() {
            block[at] = text.as_bytes()[at];
            at += 1;
        }
        Fixed { block, length: text.len() }
    }

    #[inline]
    pub fn push(&self, out: &mut Vec<u8>) {
        push_block(&self.block, self.length, out);
    }

    #[inline]
    pub const fn len(&self) -> usize {
        self.length
    }

    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// A text that is appended again and again: a tag, a key.
#[derive(Debug, Clone)]
pub struct Snippet {
    block: [u8; BLOCK],
    length: usize,
    /// The text where it is longer than a block.
    long: Vec<u8>,
}

impl Snippet {
    pub fn new(text: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        for (to, from) in block.iter_mut().zip(text) {
            *to = *from;
        }
        Snippet { block, length: text.len(), long: if text.len() > BLOCK { text.to_vec() } else { Vec::new() } }
    }

    #[inline]
    pub fn push(&self, out: &mut Vec<u8>) {
        if self.length <= BLOCK { push_block(&self.block, self.length, out) } else { out.extend_from_slice(&self.long) }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_is_appended_whole() {
        let text: Vec<u8> = (0..100).collect();
        for length in 0..=text.len() {
            let mut out = b"x".to_vec();
            Snippet::new(&text[..length]).push(&mut out);
            assert_eq!(out, [b"x", &text[..length]].concat());
            let mut out = b"x".to_vec();
            push_small(&text[..length], &mut out);
            assert_eq!(out, [b"x", &text[..length]].concat());
        }
    }
}
