//! Bytes as a server sends them, made without a server, and a plan around an encoder.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use _core::bytes::chunk_pool::ChunkPool;
use _core::copy::frame::Frames;
use _core::error::Result;
use _core::formats::base::{Export, FileAssembler, Piece, PieceSink, Totals};

mod kinds;

pub use kinds::*;

/// A server that prints everything as the newest one does.
pub const VERSION: u32 = 180_000;

/// A plan without a server behind it; its names are those of the columns.
pub fn plan(columns: &[(&str, Kind)], format: Arc<dyn Format>) -> Plan {
    let ssl = SslParams {
        mode: SslMode::Disable,
        root_cert: None,
        cert: None,
        key: None,
        key_password: None,
        cert_required: false,
        sni: true,
        versions: TlsVersions { tls12: true, tls13: true },
        direct: false,
        channel_binding: ChannelBinding::Disable,
    };
    let connection = ConnectParams {
        host: Host::Unix { path: String::new() },
        user: String::new(),
        password: None,
        dbname: String::new(),
        application_name: String::new(),
        ssl,
        tcp: TcpParams::default(),
        methods: Methods::ALL,
        connect_timeout: None,
        options: None,
    };
    Plan {
        route: None,
        source: Source { connection, session: Vec::new(), snapshot: String::new(), server_version: VERSION },
        scans: Vec::new(),
        columns: columns
            .iter()
            .map(|(name, kind)| Column {
                source: (*name).to_owned(),
                target: (*name).to_owned(),
                kind: *kind,
                parquet: ParquetType::String,
            })
            .collect(),
        format,
        compression: Compression::None,
        limits: Limits { workers: 1, chunk_bytes: 1 << 20, window_bytes: 1 << 20, row_bytes: 1 << 20 },
    }
}

pub fn csv() -> CsvOptions {
    CsvOptions::default()
}

/// One CopyData payload: a row of fields.
pub fn payload(fields: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut out = i16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
    for field in fields {
        push_field(field.as_deref(), &mut out);
    }
    out
}

/// A length word and the bytes, as rows and arrays have them.
pub fn push_field(field: Option<&[u8]>, out: &mut Vec<u8>) {
    match field {
        Some(bytes) => {
            out.extend_from_slice(&i32::try_from(bytes.len()).unwrap().to_be_bytes());
            out.extend_from_slice(bytes);
        }
        None => out.extend_from_slice(&(-1i32).to_be_bytes()),
    }
}

/// The header of binary COPY without flags or extension.
pub fn copy_header() -> Vec<u8> {
    let mut out = b"PGCOPY\n\xff\r\n\0".to_vec();
    out.extend_from_slice(&[0; 8]);
    out
}

/// What a format is told of the plan's export.
pub fn export(plan: &Plan) -> Export<'_> {
    Export {
        columns: &plan.columns,
        server_version: plan.source.server_version,
        compression: plan.compression,
        chunk_bytes: plan.limits.chunk_bytes,
        workers: plan.limits.workers,
    }
}

/// The whole file that a format makes of the rows, as one segment.
pub fn encode(plan: &Plan, rows: &[Vec<Option<Vec<u8>>>]) -> Result<Vec<u8>> {
    encode_in_pieces(plan, rows, plan.limits.chunk_bytes).map(|(file, _)| file)
}

/// The same with a buffer that is handed on once it has `full` bytes; and the most bytes that were in it.
pub fn encode_in_pieces(plan: &Plan, rows: &[Vec<Option<Vec<u8>>>], full: usize) -> Result<(Vec<u8>, usize)> {
    let mut plan = plan.clone();
    plan.limits.chunk_bytes = full;
    let encoding = plan.format.encoding(&export(&plan))?;
    let mut encoder = encoding.segment_encoder(&Arc::new(ChunkPool::new(full, full)))?;
    let mut assembler = encoding.file_assembler()?;
    let mut frames = Frames::new(plan.columns.len());
    assert!(frames.message(&copy_header())?.is_none());
    let mut sent = Sent::default();
    for row in rows {
        let payload = payload(row);
        encoder.row(frames.message(&payload)?.unwrap(), &mut sent)?;
    }
    let end = encoder.finish(&mut sent)?;
    let most = sent.0.iter().map(|piece| piece.bytes).max().unwrap_or(0);
    let mut file = Vec::new();
    let mut take = |assembler: &mut dyn FileAssembler| {
        while let Some(chunk) = assembler.take_chunk() {
            file.extend(chunk.prefix);
            file.extend(chunk.body);
        }
    };
    for piece in sent.0 {
        assembler.piece(piece.body)?;
        take(&mut *assembler);
    }
    assembler.segment_end(&end);
    assembler.finish(&Totals { rows: rows.len() as u64, losses: end.losses })?;
    take(&mut *assembler);
    Ok((file, most))
}

/// The pieces of a segment, in order.
#[derive(Default)]
struct Sent(Vec<Piece>);

impl PieceSink for Sent {
    fn push(&mut self, piece: Piece) -> Result<()> {
        self.0.push(piece);
        Ok(())
    }
}

/// An array field: dimensions as (length, lower bound), then the elements.
pub fn array(dimensions: &[(i32, i32)], elements: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut out = i32::try_from(dimensions.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&25u32.to_be_bytes());
    for (length, lower) in dimensions {
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&lower.to_be_bytes());
    }
    for element in elements {
        push_field(element.as_deref(), &mut out);
    }
    out
}

/// A numeric field from decimal digits: whole part without leading zeros (or `0`), fraction with all its zeros.
pub fn numeric(negative: bool, whole: &str, fraction: &str) -> Vec<u8> {
    let whole = if whole == "0" { "" } else { whole };
    let padded = format!("{}{whole}", "0".repeat(whole.len().next_multiple_of(4) - whole.len()));
    let tail = format!("{fraction}{}", "0".repeat(fraction.len().next_multiple_of(4) - fraction.len()));
    let groups: Vec<u16> = format!("{padded}{tail}")
        .as_bytes()
        .chunks(4)
        .map(|c| std::str::from_utf8(c).unwrap().parse().unwrap())
        .collect();
    let leading = groups.iter().take_while(|g| **g == 0).count();
    let end = groups.iter().rposition(|g| *g != 0).map_or(leading, |i| i + 1);
    let stored = &groups[leading..end.max(leading)];
    let weight = if stored.is_empty() { 0 } else { (padded.len() / 4) as i16 - 1 - leading as i16 };
    let sign: u16 = if negative && !stored.is_empty() { 0x4000 } else { 0 };
    let mut out = (stored.len() as u16).to_be_bytes().to_vec();
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&(fraction.len() as u16).to_be_bytes());
    stored.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
    out
}
