//! The worker's half: rows to encoded row groups.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::file::statistics::Statistics;

use super::encoding::ColumnEncoding;
use super::failure::internal;
use super::layout::{DICTIONARY_COLUMNS, ParquetLayout};
use super::{int96, schema};
use crate::copy::frame::Tuple;
use crate::error::Result;
use crate::formats::columnar::ValueColumn;
use crate::types::ParquetType;

/// Rows that are collected in Arrow arrays before the column writers get them.
const BATCH_ROWS: usize = 4096;
/// Field bytes at which a batch ends earlier, so that rows of 1 MB do not pile up; a batch also stays in the cache.
const BATCH_BYTES: usize = 512 << 10;
/// Capacity that all columns together keep from one batch to the next; a value of 60 MB leaves its buffer.
const KEPT_BYTES: usize = 8 << 20;

/// A finished row group: compressed pages, and the metadata for the footer.
#[derive(Debug)]
pub struct RowGroup {
    pub(super) chunks: Vec<ArrowColumnChunk>,
    bytes: usize,
    rows: u64,
}

impl RowGroup {
    fn new(chunks: Vec<ArrowColumnChunk>) -> Self {
        let bytes: u64 = chunks.iter().map(|c| c.close().bytes_written).sum();
        let rows = chunks.first().map_or(0, |c| c.close().rows_written);
        RowGroup { chunks, bytes: usize::try_from(bytes).unwrap_or(usize::MAX), rows }
    }

    /// Encoded bytes, which are what it holds in memory and adds to the file.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// Encodes the rows of one segment after the other. Where a row group ends depends on the rows of the segment alone.
///
/// Memory: the encoded row group (the option `row_group_bytes`, over which the last batch may reach), one open page a
/// column inside of that bound, and one batch of 512 KB or one row, whichever is more.
pub struct RowGroupEncoder {
    layout: Arc<ParquetLayout>,
    values: Vec<ValueColumn>,
    /// What the factory's column writers do, and the factory.
    choices: Vec<ColumnEncoding>,
    factory: ArrowRowGroupWriterFactory,
    group_rows_limit: usize,
    batch_rows: usize,
    batch_bytes: usize,
    open: Option<OpenGroup>,
    ready: VecDeque<RowGroup>,
}

/// The row group that is being written.
struct OpenGroup {
    writers: Vec<ArrowColumnWriter>,
    rows: usize,
    /// NULLs by column, for the columns without other statistics.
    nulls: Vec<u64>,
}

impl RowGroupEncoder {
    pub fn new(layout: Arc<ParquetLayout>) -> Result<Self> {
        let choices = vec![ColumnEncoding::UNKNOWN; layout.columns.len()];
        Ok(RowGroupEncoder {
            values: layout.value_columns()?,
            factory: layout.writers(&choices)?,
            choices,
            group_rows_limit: layout.row_group_rows(),
            layout,
            batch_rows: 0,
            batch_bytes: 0,
            open: None,
            ready: VecDeque::new(),
        })
    }

    /// Appends one row. Errors name the column; the export has failed then.
    pub fn row(&mut self, tuple: Tuple<'_>) -> Result<()> {
        // A copy of our own can stay in registers.
        let mut tuple = tuple;
        let mut bytes: usize = 0;
        for (values, column) in self.values.iter_mut().zip(&self.layout.columns) {
            let field = tuple.field()?;
            bytes = bytes.saturating_add(field.map_or(0, <[u8]>::len));
            values.append(field).map_err(|e| e.in_column(&column.source))?;
        }
        tuple.end()?;
        self.batch_rows = self.batch_rows.saturating_add(1);
        self.batch_bytes = self.batch_bytes.saturating_add(bytes);
        let group_rows = self.open.as_ref().map_or(0, |o| o.rows).saturating_add(self.batch_rows);
        if self.batch_rows >= BATCH_ROWS || self.batch_bytes >= BATCH_BYTES || group_rows >= self.group_rows_limit {
            self.flush_batch()?;
        }
        Ok(())
    }

    /// A finished row group, if there is one: to be asked after each row. Row groups come in the order of their rows.
    #[inline]
    pub fn take_full(&mut self) -> Result<Option<RowGroup>> {
        Ok(self.ready.pop_front())
    }

    /// Ends the segment: gives its last row group, or none if all rows were given already. (Row groups that `take_full`
    /// was not asked for come first: call again until there is none.)
    pub fn finish_segment(&mut self) -> Result<Option<RowGroup>> {
        if self.batch_rows > 0 {
            self.flush_batch()?;
        }
        self.close_group()?;
        Ok(self.ready.pop_front())
    }

    /// Values that were not representable and became NULL, by column, since the last call.
    pub fn take_losses(&mut self) -> Vec<u64> {
        self.values.iter_mut().map(ValueColumn::take_losses).collect()
    }

    /// An estimate of what is buffered, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let open: usize = self.open.iter().flat_map(|o| &o.writers).map(ArrowColumnWriter::memory_size).sum();
        let ready: usize = self.ready.iter().map(RowGroup::bytes).sum();
        open.saturating_add(ready).saturating_add(self.batch_bytes)
    }

    /// Hands the batch to the column writers, and closes the row group if it has reached a bound.
    fn flush_batch(&mut self) -> Result<()> {
        let arrays: Result<Vec<_>> = self.values.iter_mut().map(ValueColumn::finish).collect();
        let arrays = arrays?;
        if self.open.is_none() {
            self.open = Some(self.open_group(&arrays)?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let fields = self.layout.arrow.fields().iter();
        let targets = self.values.iter_mut().zip(&mut open.writers).zip(&mut open.nulls);
        let kept = KEPT_BYTES / self.layout.columns.len().max(1);
        let mut encoded = 0_usize;
        for ((array, field), ((values, writer), nulls)) in arrays.into_iter().zip(fields).zip(targets) {
            *nulls = nulls.saturating_add(u64::try_from(array.null_count()).map_err(internal)?);
            for leaf in compute_leaves(field, &array).map_err(internal)? {
                writer.write(&leaf).map_err(internal)?;
            }
            values.reclaim(array, kept);
            encoded = encoded.saturating_add(writer.get_estimated_total_bytes());
        }
        open.rows = open.rows.saturating_add(self.batch_rows);
        self.batch_rows = 0;
        self.batch_bytes = 0;
        if encoded >= self.layout.options.row_group_bytes || open.rows >= self.group_rows_limit {
            self.close_group()?;
        }
        Ok(())
    }

    fn open_group(&mut self, first_batch: &[ArrayRef]) -> Result<OpenGroup> {
        let mut left = DICTIONARY_COLUMNS;
        let chosen: Vec<ColumnEncoding> = first_batch
            .iter()
            .map(|array| {
                let choice = ColumnEncoding::of(array, self.layout.options.compression, left > 0);
                left = left.saturating_sub(usize::from(choice.dictionary));
                choice
            })
            .collect();
        if chosen != self.choices {
            self.factory = self.layout.writers(&chosen)?;
            self.choices = chosen;
        }
        // The index of the row group matters to encryption only.
        let writers = self.factory.create_column_writers(0).map_err(internal)?;
        Ok(OpenGroup { nulls: vec![0; writers.len()], writers, rows: 0 })
    }

    fn close_group(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let mut chunks = Vec::with_capacity(open.writers.len());
        // One after the other, so that each writer's buffers and codec are gone before the next one compresses.
        let columns = self.layout.columns.iter().zip(self.layout.schema.columns());
        for ((writer, nulls), (column, leaf)) in open.writers.into_iter().zip(open.nulls).zip(columns) {
            let mut chunk = writer.close().map_err(internal)?;
            if column.parquet == ParquetType::Json {
                count_nulls(&mut chunk, nulls)?;
            } else if schema::is_int96(&column.parquet) {
                // What is counted of a list are lists, and not the values of its leaf.
                let nulls = (column.parquet == ParquetType::Int96).then_some(nulls);
                int96::relabel(&mut chunk, Arc::clone(leaf), nulls)?;
            }
            chunks.push(chunk);
        }
        self.ready.push_back(RowGroup::new(chunks));
        Ok(())
    }
}

/// JSON columns have no minimum and maximum, but readers use the number of NULLs.
fn count_nulls(chunk: &mut ArrowColumnChunk, nulls: u64) -> Result<()> {
    let close = chunk.close_mut();
    let statistics = Statistics::byte_array(None, None, None, Some(nulls), false);
    close.metadata = close.metadata.clone().into_builder().set_statistics(statistics).build().map_err(internal)?;
    Ok(())
}
