//! The rows of NDJSON: lines, each of them an object.

use memchr::memchr_iter;

use crate::error::{Error, Result};
use crate::formats::base::RowCounter;

const LINE_END: u8 = b'\n';

/// Counts lines. In a string a line end is escaped, so each one ends a row.
#[derive(Debug)]
pub(super) struct LineCounter {
    rows: u64,
    last: u8,
}

impl LineCounter {
    pub(super) fn new() -> Self {
        LineCounter { rows: 0, last: LINE_END }
    }
}

impl RowCounter for LineCounter {
    fn update(&mut self, bytes: &[u8]) -> Result<()> {
        let mut start = 0;
        for at in memchr_iter(LINE_END, bytes) {
            let line = bytes.get(start..at).unwrap_or_default();
            self.begins(line)?;
            if line.last().copied().unwrap_or(self.last) != b'}' {
                return Err(Error::file(format!("row {} does not end as an object does", self.rows.saturating_add(1))));
            }
            self.rows = self.rows.saturating_add(1);
            self.last = LINE_END;
            start = at.saturating_add(1);
        }
        let rest = bytes.get(start..).unwrap_or_default();
        self.begins(rest)?;
        self.last = rest.last().copied().unwrap_or(self.last);
        Ok(())
    }

    fn finish(&mut self) -> Result<u64> {
        if self.last == LINE_END { Ok(self.rows) } else { Err(Error::file("it ends within a row")) }
    }
}

impl LineCounter {
    /// Sees the first byte of a line, where these bytes have it.
    fn begins(&self, line: &[u8]) -> Result<()> {
        match line.first() {
            Some(&first) if self.last == LINE_END && first != b'{' => {
                Err(Error::file(format!("row {} is no object", self.rows.saturating_add(1))))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::counting::testing::counted;

    fn count(text: &str) -> Vec<Result<u64>> {
        counted(LineCounter::new, text)
    }

    #[test]
    fn each_line_is_a_row() {
        for (text, rows) in [("", 0), ("{}\n", 1), ("{\"a\":\"\\n{\"}\n{}\n", 2)] {
            assert!(count(text).into_iter().all(|found| found.unwrap() == rows), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_row_is_seen() {
        for text in ["{}", "{}\n{", "\n", "{}\n\n", "1\n", "{}\n{\"a\":1\n", "[{}]\n"] {
            assert!(count(text).into_iter().all(|found| found.is_err()), "{text:?}");
        }
    }
}
