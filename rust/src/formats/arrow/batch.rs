//! Rows to record batches.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};

use super::layout::ArrowLayout;
use super::logical::logical;
use super::message::internal;
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::formats::columnar::ValueColumn;

/// Rows of a batch at most: readers work on a batch at a time, and this many keep them busy.
const BATCH_ROWS: usize = 65_536;
/// Bytes of values at which a batch ends earlier: what one worker holds, and what is handed over at a time.
const BATCH_BYTES: usize = 4 << 20;
/// Capacity that all columns together keep from one batch to the next.
const KEPT_BYTES: usize = 8 << 20;

/// Collects the rows of one segment after the other. Where a batch ends depends on the rows of the segment alone.
///
/// Memory: the arrays of one batch, of 4 MB or one row, whose buffers grow by doubling.
pub(super) struct BatchBuilder {
    layout: Arc<ArrowLayout>,
    values: Vec<ValueColumn>,
    rows: usize,
    bytes: usize,
    /// Rows of the segment so far.
    pub(super) segment_rows: u64,
}

/// A batch, and the arrays that it was made of, whose buffers the builder takes back.
pub(super) struct Batch {
    pub(super) record: RecordBatch,
    physical: Vec<ArrayRef>,
}

impl BatchBuilder {
    pub(super) fn new(layout: Arc<ArrowLayout>) -> Result<Self> {
        Ok(BatchBuilder { values: layout.value_columns()?, layout, rows: 0, bytes: 0, segment_rows: 0 })
    }

    /// Appends one row, and says whether the batch is full. Errors name row and column; the export has failed then.
    pub(super) fn row(&mut self, tuple: Tuple<'_>) -> Result<bool> {
        self.segment_rows = self.segment_rows.saturating_add(1);
        // A copy of our own can stay in registers.
        let mut tuple = tuple;
        let mut bytes: usize = 0;
        for ((values, column), width) in self.values.iter_mut().zip(&self.layout.columns).zip(&self.layout.widths) {
            let field = tuple.field()?;
            bytes = bytes.saturating_add(field.map_or(0, <[u8]>::len).max(*width));
            values.append(field).map_err(|e| e.in_column(&column.source).in_row(self.segment_rows))?;
        }
        tuple.end()?;
        self.rows = self.rows.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES)
    }

    /// The batch of what was appended since the last call; none where that is nothing.
    pub(super) fn finish(&mut self) -> Result<Option<Batch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.rows = 0;
        self.bytes = 0;
        let physical: Vec<ArrayRef> = self.values.iter_mut().map(ValueColumn::finish).collect::<Result<_>>()?;
        let columns = physical.iter().zip(&self.layout.columns);
        let columns: Vec<ArrayRef> = columns.map(|(array, c)| logical(array, &c.parquet)).collect::<Result<_>>()?;
        let record = RecordBatch::try_new(Arc::clone(&self.layout.schema), columns).map_err(internal)?;
        Ok(Some(Batch { record, physical }))
    }

    /// Takes the buffers of a batch that nobody reads any more.
    pub(super) fn reclaim(&mut self, batch: Batch) {
        let Batch { record, physical } = batch;
        drop(record);
        let kept = KEPT_BYTES / self.values.len().max(1);
        for (values, array) in self.values.iter_mut().zip(physical) {
            values.reclaim(array, kept);
        }
    }

    /// Ends the segment: its rows are counted anew, and what was nulled is told.
    pub(super) fn end_segment(&mut self) -> Vec<u64> {
        self.segment_rows = 0;
        self.values.iter_mut().map(ValueColumn::take_losses).collect()
    }
}

impl Batch {
    pub(super) fn rows(&self) -> u64 {
        u64::try_from(self.record.num_rows()).unwrap_or(u64::MAX)
    }

    /// For somebody who keeps it: without the arrays it was made of, and no larger than its values.
    pub(super) fn into_kept(self) -> Result<RecordBatch> {
        let Batch { record, physical } = self;
        drop(physical);
        let (schema, mut columns, _) = record.into_parts();
        columns.iter_mut().for_each(Array::shrink_to_fit);
        RecordBatch::try_new(schema, columns).map_err(internal)
    }
}
