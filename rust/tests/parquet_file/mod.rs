//! Writes Parquet files as the pipeline does, and reads them with the readers of the `parquet` crate.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;

use _core::copy::frame::Frames;
use _core::error::Result;
use _core::formats::parquet::{FileWriter, ParquetLayout, RowGroupEncoder};
use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use crate::common::{self, Column, Kind, ParquetCompression, ParquetOptions, ParquetType};

pub type Row = Vec<Option<Vec<u8>>>;

pub fn options() -> ParquetOptions {
    ParquetOptions {
        compression: ParquetCompression::Snappy,
        unrepresentable_as_null: false,
        row_group_bytes: 16 << 20,
        row_group_rows: 1_000_000,
        metadata: Vec::new(),
    }
}

/// The columns of a file and its options.
pub struct ParquetPlan {
    pub columns: Vec<Column>,
    pub options: ParquetOptions,
}

pub fn plan(columns: &[(&str, Kind, ParquetType)], options: ParquetOptions) -> ParquetPlan {
    let columns = columns.iter().map(|(name, kind, parquet)| Column {
        source: (*name).to_owned(),
        target: (*name).to_owned(),
        kind: *kind,
        parquet: parquet.clone(),
    });
    ParquetPlan { columns: columns.collect(), options }
}

/// What workers and merger share.
pub fn layout(plan: &ParquetPlan) -> Result<ParquetLayout> {
    ParquetLayout::new(&plan.options, &plan.columns, common::VERSION)
}

/// How a test drives the encoder.
#[derive(Clone, Copy)]
pub struct Drive {
    /// Rows after which finished row groups are asked for.
    pub take_every: usize,
    pub chunk_bytes: usize,
}

pub const EACH_ROW: Drive = Drive { take_every: 1, chunk_bytes: 1 << 20 };

/// A finished file, and what was seen on the way.
pub struct Written {
    pub chunks: Vec<Vec<u8>>,
    pub losses: Vec<u64>,
    pub group_bytes: Vec<usize>,
    pub peak_memory: usize,
}

impl Written {
    pub fn bytes(&self) -> Bytes {
        self.chunks.concat().into()
    }
}

pub fn write(plan: &ParquetPlan, rows: &[Row], drive: Drive) -> Result<Written> {
    let layout = Arc::new(layout(plan)?);
    let mut encoder = RowGroupEncoder::new(Arc::clone(&layout))?;
    let mut file = FileWriter::new(layout, drive.chunk_bytes)?;
    let mut frames = Frames::new(plan.columns.len());
    assert!(frames.message(&common::copy_header())?.is_none());
    let (mut group_bytes, mut peak_memory) = (Vec::new(), 0);
    for (i, row) in rows.iter().enumerate() {
        let payload = common::payload(row);
        encoder.row(frames.message(&payload)?.unwrap()).map_err(|e| e.in_row(i as u64 + 1))?;
        peak_memory = peak_memory.max(encoder.memory_bytes());
        if (i + 1) % drive.take_every == 0 {
            while let Some(group) = encoder.take_full()? {
                group_bytes.push(group.bytes());
                file.append(group)?;
            }
        }
    }
    while let Some(group) = encoder.finish_segment()? {
        group_bytes.push(group.bytes());
        file.append(group)?;
    }
    file.finish(vec![("late".into(), rows.len().to_string())])?;
    let chunks = std::iter::from_fn(|| file.take_chunk()).collect();
    Ok(Written { chunks, losses: encoder.take_losses(), group_bytes, peak_memory })
}

/// The footer, with the page index where there is one.
pub fn metadata(file: &Bytes) -> ParquetMetaData {
    ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional).parse_and_finish(file).unwrap()
}

/// All rows as one batch.
pub fn read(file: &Bytes) -> RecordBatch {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap().with_batch_size(1 << 20).build().unwrap();
    let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
    assert!(batches.len() <= 1, "a test's file fits in one batch");
    batches.into_iter().next().unwrap()
}

/// Bytes that no codec makes smaller, the same in each run.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b' ' + (state % 90) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}
