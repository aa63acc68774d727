//! A file that is begun and not finished.

use super::Files;
use crate::error::Result;
use crate::formats::base::{FileAssembler, FileEnd, FileMark, Piece, PieceSink, SegmentEncoder, SegmentEnd, Totals};

/// Memory: that of its assembler, and at most one chunk.
pub(super) struct OpenFile {
    number: u32,
    assembler: Box<dyn FileAssembler>,
    rows: u64,
    /// Rows that no chunk was handed on for yet.
    rows_untold: u64,
    losses: Vec<u64>,
    pub(super) replaced: u64,
    /// Bytes of its rows as they were read.
    pub(super) raw: usize,
    /// When it was last written to.
    pub(super) used: u64,
}

impl OpenFile {
    pub(super) fn begin(
        number: u32,
        value: Option<String>,
        files: &Files,
        pieces: &mut dyn PieceSink,
    ) -> Result<OpenFile> {
        let assembler = files.encoding.file_assembler()?;
        pieces.push(files.mark(FileMark::Begin { number, value }, 0))?;
        let (rows, rows_untold, losses) = (0, 0, Vec::new());
        Ok(OpenFile { number, assembler, rows, rows_untold, losses, replaced: 0, raw: 0, used: 0 })
    }

    /// Appends rows, which `feed` gives to the encoder, as a segment of the file.
    pub(super) fn append(
        &mut self,
        encoder: &mut dyn SegmentEncoder,
        files: &Files,
        pieces: &mut dyn PieceSink,
        feed: &mut dyn FnMut(&mut dyn SegmentEncoder, &mut dyn PieceSink) -> Result<()>,
    ) -> Result<SegmentEnd> {
        let mut into = Into { file: self, files, pieces };
        feed(encoder, &mut into)?;
        let rows = encoder.rows();
        let end = encoder.finish(&mut into)?;
        self.rows += rows;
        add(&mut self.losses, &end.losses);
        self.assembler.segment_end(&end);
        Ok(end)
    }

    /// What waits for the end of the file.
    pub(super) fn memory_bytes(&self) -> usize {
        self.assembler.memory_bytes()
    }

    pub(super) fn finish(mut self, files: &Files, pieces: &mut dyn PieceSink) -> Result<()> {
        let OpenFile { number, rows, replaced, .. } = self;
        let losses = std::mem::take(&mut self.losses);
        let totals = Totals { rows, losses };
        self.assembler.finish(&totals)?;
        self.hand_on(files, pieces)?;
        let end = FileEnd { rows, losses: totals.losses, replaced };
        pieces.push(files.mark(FileMark::End { number, end }, self.rows_untold))
    }

    fn hand_on(&mut self, files: &Files, pieces: &mut dyn PieceSink) -> Result<()> {
        while let Some(chunk) = self.assembler.take_chunk() {
            let rows = std::mem::take(&mut self.rows_untold);
            pieces.push(files.piece(chunk, FileMark::Body { number: self.number }, rows))?;
        }
        Ok(())
    }
}

/// Where the encoder's pieces go: through the assembler of the file.
struct Into<'a> {
    file: &'a mut OpenFile,
    files: &'a Files,
    pieces: &'a mut dyn PieceSink,
}

impl PieceSink for Into<'_> {
    fn push(&mut self, piece: Piece) -> Result<()> {
        self.file.rows_untold += piece.rows;
        self.file.assembler.piece(piece.body)?;
        self.file.hand_on(self.files, self.pieces)
    }
}

/// Adds counts by column.
pub(super) fn add(sums: &mut Vec<u64>, more: &[u64]) {
    if sums.len() < more.len() {
        sums.resize(more.len(), 0);
    }
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}
