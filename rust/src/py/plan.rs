//! The plan as it comes from Python: the dataclasses of `polyglot_export.plan`, read attribute by attribute.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::kinds;
use crate::plan::{
    ChannelBinding, Column, Compression, ConnectParams, CsvOptions, Format, Host, InvalidXmlChars, JsonOptions,
    JsonTypes, Limits, ParquetCompression, ParquetOptions, Plan, Scan, Source, SslMode, SslParams, TidRanges,
    XmlOptions,
};

#[derive(FromPyObject)]
pub struct PyPlan {
    connection: PyConnection,
    session: Vec<String>,
    snapshot: String,
    server_version: u32,
    scans: Vec<PyScan>,
    columns: Vec<PyColumn>,
    encoder: PyEncoderOptions,
    compression: Option<String>,
    compression_level: i32,
    limits: PyLimits,
}

#[derive(FromPyObject)]
struct PyConnection {
    host: String,
    port: u16,
    user: String,
    dbname: String,
    password: Option<String>,
    hostaddr: Option<String>,
    sslmode: String,
    sslrootcert: Option<String>,
    sslcert: Option<String>,
    sslkey: Option<String>,
    sslnegotiation: String,
    channel_binding: String,
    connect_timeout: Option<f64>,
    application_name: String,
    options: Option<String>,
}

#[derive(FromPyObject)]
struct PyScan {
    before: String,
    after: String,
    pages: Option<u32>,
    pages_per_segment: u32,
}

#[derive(FromPyObject)]
struct PyColumn {
    source: String,
    target: String,
    kind: String,
    parquet: String,
}

#[derive(FromPyObject)]
struct PyLimits {
    workers: usize,
    chunk_bytes: usize,
    window_bytes: usize,
    row_bytes: usize,
}

#[derive(FromPyObject)]
struct PyEncoderOptions {
    format: String,
    delimiter: String,
    quote: String,
    escape: String,
    null: String,
    header: bool,
    force_quote: Vec<bool>,
    crlf: bool,
    bom: bool,
    formula_guard: bool,
    long_numbers_as_text: bool,
    big_numbers_as_strings: bool,
    root: String,
    record: String,
    json_types: String,
    invalid_xml_chars: String,
    parquet_compression: String,
    unrepresentable_as_null: bool,
    row_group_bytes: usize,
    row_group_rows: usize,
    metadata: Vec<(String, String)>,
}

impl PyPlan {
    pub fn into_plan(self) -> PyResult<Plan> {
        let compression = match self.compression.as_deref() {
            None => Compression::None,
            Some("gzip") => Compression::Gzip {
                level: u32::try_from(self.compression_level).map_err(|_| unknown("compression_level", "negative"))?,
            },
            Some("zstd") => Compression::Zstd { level: self.compression_level },
            Some(other) => return Err(unknown("compression", other)),
        };
        Ok(Plan {
            source: Source {
                connection: self.connection.into_params()?,
                session: self.session,
                snapshot: self.snapshot,
                server_version: self.server_version,
            },
            scans: self.scans.into_iter().map(PyScan::into_scan).collect(),
            columns: self.columns.into_iter().map(PyColumn::into_column).collect::<PyResult<_>>()?,
            format: self.encoder.into_format()?,
            compression,
            limits: Limits {
                workers: self.limits.workers,
                chunk_bytes: self.limits.chunk_bytes,
                window_bytes: self.limits.window_bytes,
                row_bytes: self.limits.row_bytes,
            },
        })
    }
}

impl PyConnection {
    fn into_params(self) -> PyResult<ConnectParams> {
        // libpq's rule: a host that starts with a slash is the directory of the server's socket, and one with an at
        // sign the same in the abstract namespace.
        let host = if self.host.starts_with(['/', '@']) {
            Host::Unix { path: format!("{}/.s.PGSQL.{}", self.host.trim_end_matches('/'), self.port) }
        } else {
            Host::Tcp { host: self.host, hostaddr: self.hostaddr, port: self.port }
        };
        let mode = match self.sslmode.as_str() {
            "disable" => SslMode::Disable,
            "allow" => SslMode::Allow,
            "prefer" => SslMode::Prefer,
            "require" => SslMode::Require,
            "verify-ca" => SslMode::VerifyCa,
            "verify-full" => SslMode::VerifyFull,
            other => return Err(unknown("sslmode", other)),
        };
        let channel_binding = match self.channel_binding.as_str() {
            "disable" => ChannelBinding::Disable,
            "prefer" => ChannelBinding::Prefer,
            "require" => ChannelBinding::Require,
            other => return Err(unknown("channel_binding", other)),
        };
        let connect_timeout = match self.connect_timeout {
            None => None,
            Some(seconds) => {
                Some(Duration::try_from_secs_f64(seconds).map_err(|e| PyValueError::new_err(e.to_string()))?)
            }
        };
        Ok(ConnectParams {
            host,
            user: self.user,
            password: self.password,
            dbname: self.dbname,
            application_name: self.application_name,
            ssl: SslParams {
                mode,
                root_cert: self.sslrootcert,
                cert: self.sslcert,
                key: self.sslkey,
                direct: self.sslnegotiation == "direct",
                channel_binding,
            },
            connect_timeout,
            options: self.options,
        })
    }
}

impl PyScan {
    fn into_scan(self) -> Scan {
        let ranges = self.pages.map(|pages| TidRanges { pages, pages_per_segment: self.pages_per_segment });
        Scan { before: self.before, after: self.after, ranges }
    }
}

impl PyColumn {
    fn into_column(self) -> PyResult<Column> {
        Ok(Column {
            kind: kinds::kind(&self.kind)?,
            parquet: kinds::parquet_type(&self.parquet)?,
            source: self.source,
            target: self.target,
        })
    }
}

impl PyEncoderOptions {
    fn into_format(self) -> PyResult<Format> {
        match self.format.as_str() {
            "csv" => self.csv().map(Format::Csv),
            "json" | "ndjson" => Ok(Format::Json(JsonOptions {
                lines: self.format == "ndjson",
                big_numbers_as_strings: self.big_numbers_as_strings,
            })),
            "xml" => self.xml().map(Format::Xml),
            "parquet" => self.parquet().map(Format::Parquet),
            other => Err(unknown("format", other)),
        }
    }

    fn csv(self) -> PyResult<CsvOptions> {
        Ok(CsvOptions {
            delimiter: one_byte("delimiter", &self.delimiter)?,
            quote: one_byte("quote", &self.quote)?,
            escape: one_byte("escape", &self.escape)?,
            null: self.null,
            header: self.header,
            force_quote: self.force_quote,
            crlf: self.crlf,
            bom: self.bom,
            formula_guard: self.formula_guard,
            long_numbers_as_text: self.long_numbers_as_text,
        })
    }

    fn xml(self) -> PyResult<XmlOptions> {
        let json_types = match self.json_types.as_str() {
            "none" => JsonTypes::None,
            "containers" => JsonTypes::Containers,
            "all" => JsonTypes::All,
            other => return Err(unknown("json_types", other)),
        };
        let invalid_chars = match self.invalid_xml_chars.as_str() {
            "error" => InvalidXmlChars::Error,
            "replace" => InvalidXmlChars::Replace,
            "drop" => InvalidXmlChars::Drop,
            other => return Err(unknown("invalid_xml_chars", other)),
        };
        Ok(XmlOptions { root: self.root, record: self.record, json_types, invalid_chars })
    }

    fn parquet(self) -> PyResult<ParquetOptions> {
        let compression = match self.parquet_compression.as_str() {
            "none" => ParquetCompression::None,
            "snappy" => ParquetCompression::Snappy,
            "gzip" => ParquetCompression::Gzip,
            "lz4_raw" => ParquetCompression::Lz4Raw,
            "zstd" => ParquetCompression::Zstd,
            other => return Err(unknown("parquet_compression", other)),
        };
        Ok(ParquetOptions {
            compression,
            unrepresentable_as_null: self.unrepresentable_as_null,
            row_group_bytes: self.row_group_bytes,
            row_group_rows: self.row_group_rows,
            metadata: self.metadata,
        })
    }
}

fn one_byte(name: &str, value: &str) -> PyResult<u8> {
    match value.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(PyValueError::new_err(format!("{name} must be one byte, got {value:?}"))),
    }
}

pub(super) fn unknown(name: &str, value: &str) -> PyErr {
    PyValueError::new_err(format!("plan.{name}: unknown value {value:?}"))
}
