//! The plan as it comes from Python: the dataclasses of `polyglot_export.plan`, read attribute by attribute.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::options::PyOptions;
use super::words::{meaning, refused, unknown};
use crate::compression::Compression;
use crate::formats;
use crate::formats::options::Options;
use crate::plan::{Limits, Plan, Route, Scan, Source, TidRanges};
use crate::types::{self, Column, ParquetType};
use crate::wire::params::{ChannelBinding, ConnectParams, Host, Methods, SslMode, SslParams, TcpParams, TlsVersions};

const SSL_MODES: &[(&str, SslMode)] = &[
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];
const CHANNEL_BINDINGS: &[(&str, ChannelBinding)] =
    &[("disable", ChannelBinding::Disable), ("prefer", ChannelBinding::Prefer), ("require", ChannelBinding::Require)];

#[derive(FromPyObject)]
pub struct PyPlan {
    connection: PyConnection,
    session: Vec<String>,
    snapshot: String,
    server_version: u32,
    scans: Vec<PyScan>,
    columns: Vec<PyColumn>,
    encoder: PyOptions,
    compression: Option<String>,
    compression_level: i32,
    limits: PyLimits,
    route: Option<PyRoute>,
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
    sslpassword: Option<String>,
    sslcertmode: String,
    sslsni: bool,
    tls_versions: Vec<String>,
    sslnegotiation: String,
    channel_binding: String,
    require_auth: Vec<String>,
    keepalives: bool,
    keepalives_idle: Option<u32>,
    keepalives_interval: Option<u32>,
    keepalives_count: Option<u32>,
    tcp_user_timeout: Option<u32>,
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
    first_page: u32,
    open_end: bool,
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
struct PyRoute {
    column: String,
    open_files: usize,
    waiting_bytes: usize,
    file_bytes: Option<usize>,
}

impl PyPlan {
    /// What the schema of a columnar format says beside its fields.
    pub fn metadata(&self) -> PyResult<Vec<(String, String)>> {
        self.encoder.pairs("metadata").map_err(refused)
    }

    pub fn into_plan(self) -> PyResult<Plan> {
        let (word, level) = (self.compression.as_deref(), self.compression_level);
        let compression = Compression::named(word, level)
            .ok_or_else(|| unknown("compression", &format!("{} {level}", word.unwrap_or("none"))))?;
        let format = formats::open(&self.encoder.format()?, &self.encoder).map_err(refused)?;
        Ok(Plan {
            source: Source {
                connection: self.connection.into_params()?,
                session: self.session,
                snapshot: self.snapshot,
                server_version: self.server_version,
            },
            scans: self.scans.into_iter().map(PyScan::into_scan).collect(),
            columns: self.columns.into_iter().map(PyColumn::into_column).collect::<PyResult<_>>()?,
            format,
            compression,
            limits: Limits {
                workers: self.limits.workers,
                chunk_bytes: self.limits.chunk_bytes,
                window_bytes: self.limits.window_bytes,
                row_bytes: self.limits.row_bytes,
            },
            route: self.route.map(|route| Route {
                column: route.column,
                open_files: route.open_files,
                waiting_bytes: route.waiting_bytes,
                file_bytes: route.file_bytes,
            }),
        })
    }
}

impl PyConnection {
    fn into_params(self) -> PyResult<ConnectParams> {
        // libpq's rule: a host that starts with a slash is the directory of the server's socket, and one with an at
        // sign the same in the abstract namespace.
        let host = if self.host.starts_with(['/', '@']) {
            Host::Unix { path: format!("{}/.s.PGSQL.{}", self.host, self.port) }
        } else {
            Host::Tcp { host: self.host, hostaddr: self.hostaddr, port: self.port }
        };
        let mode = meaning("sslmode", &self.sslmode, SSL_MODES)?;
        let channel_binding = meaning("channel_binding", &self.channel_binding, CHANNEL_BINDINGS)?;
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
                key_password: self.sslpassword,
                cert_required: self.sslcertmode == "require",
                sni: self.sslsni,
                versions: TlsVersions {
                    tls12: has(&self.tls_versions, "TLSv1.2"),
                    tls13: has(&self.tls_versions, "TLSv1.3"),
                },
                direct: self.sslnegotiation == "direct",
                channel_binding,
            },
            tcp: TcpParams {
                keepalives: self.keepalives,
                idle: seconds(self.keepalives_idle),
                interval: seconds(self.keepalives_interval),
                probes: self.keepalives_count,
                user_timeout: self.tcp_user_timeout.map(|time| Duration::from_millis(time.into())),
            },
            methods: Methods {
                none: has(&self.require_auth, "none"),
                password: has(&self.require_auth, "password"),
                md5: has(&self.require_auth, "md5"),
                scram: has(&self.require_auth, "scram-sha-256"),
            },
            connect_timeout,
            options: self.options,
        })
    }
}

fn has(words: &[String], word: &str) -> bool {
    words.iter().any(|each| each == word)
}

fn seconds(time: Option<u32>) -> Option<Duration> {
    time.map(|time| Duration::from_secs(time.into()))
}

impl PyScan {
    fn into_scan(self) -> Scan {
        let ranges = self.pages.map(|pages| TidRanges {
            first_page: self.first_page,
            pages,
            pages_per_segment: self.pages_per_segment,
            open_end: self.open_end,
        });
        Scan { before: self.before, after: self.after, ranges }
    }
}

impl PyColumn {
    fn into_column(self) -> PyResult<Column> {
        let kind = types::kind(&self.kind).ok_or_else(|| unknown("column.kind", &self.kind))?;
        let parquet = ParquetType::named(&self.parquet).ok_or_else(|| unknown("column.parquet", &self.parquet))?;
        Ok(Column { source: self.source, target: self.target, kind, parquet })
    }
}
