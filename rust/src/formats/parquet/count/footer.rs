//! Where the footer says that the column chunks are, and how many rows and values they have (parquet.thrift).

use crate::error::{Error, Result};
use crate::formats::parquet::footer::MAGIC;
use crate::formats::parquet::thrift::{Fields, each_struct, integer};

/// After the footer: its length and the magic.
pub(super) const TAIL_BYTES: usize = 8;
/// The longest footer that is read: half a million column chunks.
const MAX_FOOTER_BYTES: usize = 64 << 20;
/// `FieldRepetitionType.REPEATED`.
const REPEATED: i64 = 2;

/// What is known of a file's rows.
#[derive(Debug)]
pub(super) struct Footer {
    /// In the order of their bytes; they do not overlap.
    pub(super) chunks: Vec<ColumnChunk>,
    pub(super) rows: u64,
}

/// The values of a column in a row group.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ColumnChunk {
    /// Its first byte in the file, and the first one that is not of it.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) values: u64,
    /// Rows of the row group.
    pub(super) rows: u64,
    pub(super) codec: i64,
    /// How many lists a value may be in.
    pub(super) max_repetition: u8,
    /// Which one it is, from 0.
    pub(super) row_group: u32,
    pub(super) column: u32,
}

/// The length of the footer, from the end of the file.
pub(super) fn length(bytes: &[u8]) -> Result<usize> {
    let tail = bytes.last_chunk::<TAIL_BYTES>().ok_or_else(|| Error::file("it is too short for a Parquet file"))?;
    let (length, magic) = tail.split_at(TAIL_BYTES / 2);
    if magic != MAGIC {
        return Err(Error::file("it does not end as a Parquet file does"));
    }
    let length = length.iter().rev().fold(0, |length, &byte| (length << 8) | usize::from(byte));
    if length > MAX_FOOTER_BYTES {
        return Err(Error::file(format!("its footer has {length} bytes, and at most {MAX_FOOTER_BYTES} are read")));
    }
    Ok(length)
}

/// Reads the footer that begins at `start` of the file.
pub(super) fn read(bytes: &[u8], start: u64) -> Result<Footer> {
    let footer = parse(bytes).map_err(|error| match error {
        Error::File(reason) => Error::file(format!("its footer: {reason}")),
        _ => Error::file("its footer cannot be read"),
    })?;
    let mut from = MAGIC.len() as u64;
    for chunk in &footer.chunks {
        if chunk.start < from || chunk.end < chunk.start {
            return Err(Error::file("its footer has column chunks that overlap"));
        }
        from = chunk.end;
    }
    if from > start {
        return Err(Error::file("its footer has column chunks behind the file's end"));
    }
    Ok(footer)
}

fn parse(bytes: &[u8]) -> Result<Footer> {
    let mut footer = Footer { chunks: Vec::new(), rows: 0 };
    let mut repetitions = Vec::new();
    let mut row_group = 0;
    let mut rows_said = None;
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next()? {
        match field.id {
            2 => repetitions = leaf_repetitions(field.value)?,
            3 => rows_said = Some(count(field.value)?),
            4 => each_struct(field.value, |fields| {
                let rows = read_group(fields, row_group, &repetitions, &mut footer.chunks)?;
                footer.rows = footer.rows.saturating_add(rows);
                row_group = row_group.saturating_add(1);
                Ok(())
            })?,
            _ => {}
        }
    }
    if rows_said != Some(footer.rows) {
        return Err(Error::file("the rows of its row groups do not add up"));
    }
    // A row group without rows may have columns without pages, which are nowhere in the file.
    footer.chunks.retain(|chunk| chunk.end > chunk.start || chunk.values > 0 || chunk.rows > 0);
    footer.chunks.sort_unstable_by_key(|chunk| (chunk.start, chunk.end));
    Ok(footer)
}

/// Reads a `RowGroup`; gives its rows.
fn read_group(
    fields: &mut Fields<'_>,
    row_group: u32,
    repetitions: &[u8],
    chunks: &mut Vec<ColumnChunk>,
) -> Result<u64> {
    let first = chunks.len();
    let mut rows = 0;
    while let Some(field) = fields.next()? {
        match field.id {
            1 => each_struct(field.value, |fields| {
                let column = chunks.len().saturating_sub(first);
                let max_repetition = *repetitions.get(column).ok_or_else(|| Error::file("too many columns"))?;
                let column = u32::try_from(column).unwrap_or(u32::MAX);
                chunks.push(ColumnChunk { row_group, column, max_repetition, ..read_chunk(fields)? });
                Ok(())
            })?,
            3 => rows = count(field.value)?,
            _ => {}
        }
    }
    if chunks.len().saturating_sub(first) != repetitions.len() {
        return Err(Error::file("too few columns"));
    }
    for chunk in chunks.iter_mut().skip(first) {
        chunk.rows = rows;
    }
    Ok(rows)
}

/// Reads a `ColumnChunk`.
fn read_chunk(fields: &mut Fields<'_>) -> Result<ColumnChunk> {
    let mut chunk = ColumnChunk::default();
    let (mut bytes, mut data, mut dictionary) = (0, 0, None);
    while let Some(field) = fields.next()? {
        if field.id != 3 {
            continue;
        }
        let mut metadata = Fields::new(field.value);
        while let Some(field) = metadata.next()? {
            match field.id {
                4 => chunk.codec = integer(field.value)?,
                5 => chunk.values = count(field.value)?,
                7 => bytes = count(field.value)?,
                9 => data = count(field.value)?,
                11 => dictionary = Some(count(field.value)?),
                _ => {}
            }
        }
    }
    chunk.start = dictionary.unwrap_or(data);
    chunk.end = chunk.start.saturating_add(bytes);
    Ok(chunk)
}

/// For each column of values, how many lists a value may be in: from the tree of `SchemaElement`, parents first.
fn leaf_repetitions(list: &[u8]) -> Result<Vec<u8>> {
    let mut leaves = Vec::new();
    // Elements that are open: how many children are to come, and the lists that they are in.
    let mut open: Vec<(u64, u8)> = Vec::new();
    each_struct(list, |fields| {
        let (mut repetition, mut children) = (0, 0);
        while let Some(field) = fields.next()? {
            match field.id {
                3 => repetition = integer(field.value)?,
                5 => children = count(field.value)?,
                _ => {}
            }
        }
        while open.last().is_some_and(|(left, _)| *left == 0) {
            open.pop();
        }
        let is_root = open.is_empty();
        let mut lists = 0;
        if let Some((left, above)) = open.last_mut() {
            *left = left.saturating_sub(1);
            lists = above.saturating_add(u8::from(repetition == REPEATED));
        }
        if children > 0 || is_root {
            open.push((children, lists));
        } else {
            leaves.push(lists);
        }
        Ok(())
    })?;
    Ok(leaves)
}

/// An integer that is not negative.
fn count(value: &[u8]) -> Result<u64> {
    u64::try_from(integer(value)?).map_err(|_| Error::file("a count below zero"))
}
