//! The merger's half: strips to sheets, and what stands around them.

use std::sync::Arc;

use super::bounds::Bounds;
use super::parts::{
    self, CONTENT_TYPES_NAME, Layout, RELS_NAME, STYLES, STYLES_NAME, WORKBOOK_NAME, WORKBOOK_RELS_NAME,
};
use super::strip::unseal;
use super::zip::Zip;
use crate::compression::{FINAL_BLOCK, RawSum, push_stored};
use crate::error::{Error, Result};
use crate::formats::base::{Body, Chunk, FileAssembler, SegmentEnd, Totals};

/// Memory: a few hundred bytes a sheet.
pub(super) struct Workbook {
    layout: Arc<Layout>,
    bounds: Bounds,
    zip: Zip,
    /// Bytes that go in front of the next piece.
    pending: Vec<u8>,
    ready: Option<Chunk>,
    /// The sheet that is being written.
    sheet: Option<Sheet>,
    /// Rows of each sheet that is complete.
    rows: Vec<u32>,
    /// The next piece is the first of its strip.
    strip_starts: bool,
}

#[derive(Default)]
struct Sheet {
    /// Without the header.
    rows: u32,
    sum: RawSum,
}

impl Workbook {
    pub(super) fn new(layout: Arc<Layout>, bounds: Bounds) -> Self {
        Workbook {
            layout,
            bounds,
            zip: Zip::default(),
            pending: Vec::new(),
            ready: None,
            sheet: None,
            rows: Vec::new(),
            strip_starts: true,
        }
    }

    /// Sees that there is a sheet, one that can take another strip.
    fn make_room(&mut self) -> Result<()> {
        let has_room = |sheet: &Sheet| {
            let rows = 1 + u64::from(sheet.rows) + u64::from(self.bounds.strip_rows);
            rows <= self.bounds.sheet_rows.into() && sheet.sum.bytes() < self.bounds.sheet_bytes
        };
        if self.sheet.as_ref().is_some_and(has_room) {
            return Ok(());
        }
        self.end_sheet()?;
        if self.rows.is_empty() {
            // In this order other programs know by its first bytes what the file is.
            self.zip.stored(RELS_NAME, &parts::rels(), &mut self.pending)?;
            self.zip.stored(STYLES_NAME, STYLES.as_bytes(), &mut self.pending)?;
        }
        let number = self.rows.len() + 1;
        self.zip.begin(&parts::sheet_part(number), &mut self.pending)?;
        self.sheet = Some(Sheet::default());
        let before_rows = self.layout.before_rows(number == 1);
        self.write_stored(&before_rows);
        Ok(())
    }

    /// Ends the sheet, if there is one.
    fn end_sheet(&mut self) -> Result<()> {
        let Some(rows) = self.sheet.as_ref().map(|sheet| sheet.rows) else { return Ok(()) };
        let after_rows = self.layout.after_rows(rows);
        self.write_stored(&after_rows);
        self.pending.extend_from_slice(&FINAL_BLOCK);
        self.zip.wrote(FINAL_BLOCK.len());
        if let Some(sheet) = self.sheet.take() {
            self.zip.end(&sheet.sum, &mut self.pending)?;
            self.rows.push(rows);
        }
        Ok(())
    }

    /// XML of the sheet that is not a strip's.
    fn write_stored(&mut self, xml: &[u8]) {
        let start = self.pending.len();
        push_stored(xml, &mut self.pending);
        self.zip.wrote(self.pending.len() - start);
        if let Some(sheet) = &mut self.sheet {
            sheet.sum.update(xml);
        }
    }

    fn hand_out(&mut self, body: Vec<u8>) {
        let chunk = Chunk { prefix: std::mem::take(&mut self.pending), body, ..Chunk::default() };
        self.ready = Some(chunk).filter(|chunk| !chunk.is_empty());
    }
}

impl FileAssembler for Workbook {
    fn piece(&mut self, body: Body) -> Result<()> {
        let Body::Bytes(mut bytes) = body else { return Err(Error::Internal("a piece of another format".into())) };
        let end = unseal(&mut bytes)?;
        if std::mem::replace(&mut self.strip_starts, end.is_some()) {
            self.make_room()?;
        }
        self.zip.wrote(bytes.len());
        if let (Some(end), Some(sheet)) = (end, &mut self.sheet) {
            sheet.rows = sheet.rows.saturating_add(end.rows);
            sheet.sum.append(&end.sum);
        }
        self.hand_out(bytes);
        Ok(())
    }

    fn segment_end(&mut self, _end: &SegmentEnd) {}

    /// A workbook has a sheet, also where there is no row.
    fn finish(&mut self, _totals: &Totals) -> Result<()> {
        if self.sheet.is_none() {
            self.make_room()?;
        }
        self.end_sheet()?;
        let sheets = self.rows.len();
        self.zip.stored(WORKBOOK_NAME, &self.layout.workbook(&self.rows), &mut self.pending)?;
        self.zip.stored(WORKBOOK_RELS_NAME, &parts::workbook_rels(sheets), &mut self.pending)?;
        self.zip.stored(CONTENT_TYPES_NAME, &parts::content_types(sheets), &mut self.pending)?;
        self.zip.finish(&mut self.pending)?;
        self.hand_out(Vec::new());
        Ok(())
    }

    fn take_chunk(&mut self) -> Option<Chunk> {
        self.ready.take()
    }

    fn memory_bytes(&self) -> usize {
        // The parts at the end say a few hundred bytes of each sheet.
        self.zip.memory_bytes() + self.rows.len() * 512
    }
}
