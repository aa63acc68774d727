//! What the planner decided, as plain data. Nothing here is interpreted: Python decides, Rust does.

use std::fmt;
use std::time::Duration;

/// One whole export.
#[derive(Debug, Clone)]
pub struct Plan {
    pub source: Source,
    pub scans: Vec<Scan>,
    pub columns: Vec<Column>,
    pub format: Format,
    pub compression: Compression,
    pub limits: Limits,
}

/// Where the rows come from, and the moment they are seen at.
#[derive(Debug, Clone)]
pub struct Source {
    pub connection: ConnectParams,
    /// `SET LOCAL …` statements, run after BEGIN and before the snapshot is imported.
    pub session: Vec<String>,
    /// The leader's exported snapshot.
    pub snapshot: String,
    /// `server_version_num`, for example 180001.
    pub server_version: u32,
}

/// Resolved connection parameters: no URI, environment or service file is left to read.
#[derive(Clone)]
pub struct ConnectParams {
    pub host: Host,
    pub user: String,
    pub password: Option<String>,
    pub dbname: String,
    pub application_name: String,
    pub ssl: SslParams,
    /// Bound on address, TLS and authentication together; `None` waits as long as the system does.
    pub connect_timeout: Option<Duration>,
    /// Extra start-up options (`-c name=value`), from the connection string's `options`.
    pub options: Option<String>,
}

/// Without the password, so that no log holds it.
impl fmt::Debug for ConnectParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectParams { host, user, dbname, .. } = self;
        f.debug_struct("ConnectParams")
            .field("host", host)
            .field("user", user)
            .field("dbname", dbname)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
pub enum Host {
    Tcp {
        /// The name that certificates are checked against.
        host: String,
        /// An address that spares the look-up (`hostaddr`).
        hostaddr: Option<String>,
        port: u16,
    },
    /// The full path of the socket: `/run/postgresql/.s.PGSQL.5432`.
    Unix { path: String },
}

#[derive(Debug, Clone)]
pub struct SslParams {
    pub mode: SslMode,
    /// A PEM file, or `system` for the system's store.
    pub root_cert: Option<String>,
    /// PEM files of a client certificate and its key.
    pub cert: Option<String>,
    pub key: Option<String>,
    /// `sslnegotiation=direct` (PostgreSQL 17): TLS from the first byte.
    pub direct: bool,
    /// `channel_binding`.
    pub channel_binding: ChannelBinding,
}

/// The six values of libpq's `sslmode` (PostgreSQL manual, "SSL Support", table of modes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

/// A statement that yields rows, and how it is cut. The statement of a segment is
/// `before` + the TID range + `after`; a scan without `ranges` is one segment and has only `before` + `after`.
#[derive(Debug, Clone)]
pub struct Scan {
    pub before: String,
    pub after: String,
    pub ranges: Option<TidRanges>,
}

/// Heap pages cut into equal runs; the last run has no upper end, so that rows on pages appended later are read too.
#[derive(Debug, Clone, Copy)]
pub struct TidRanges {
    pub pages: u32,
    pub pages_per_segment: u32,
}

#[derive(Debug, Clone)]
pub struct Column {
    /// The name in the source, for messages.
    pub source: String,
    /// The name in the file.
    pub target: String,
    pub kind: Kind,
    /// What the column is in Parquet; read by that format only.
    pub parquet: ParquetType,
}

/// What the bytes of a field are (binary COPY), and so which decoder reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    /// text, varchar, bpchar, name and enum labels: the bytes are the text.
    Text,
    /// The type `"char"`: one byte.
    Char,
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    /// An array with native elements; `delimiter` is the element type's `typdelim`.
    Array {
        element: Box<Kind>,
        delimiter: u8,
    },
    /// Text that the server made (`format('%s', c)`): it is what COPY would write.
    ByText,
    /// JSON that the server made (`to_json(c)::text`): spliced in as it is. JSON formats only.
    JsonText,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParquetType {
    Boolean,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    /// DECIMAL(precision, scale), precision up to 38.
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// UTF8 (STRING): the type's text, as COPY writes it.
    String,
    /// UTF8 with the JSON logical type: as `to_json` writes it.
    Json,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    List(Box<ParquetType>),
}

#[derive(Debug, Clone)]
pub enum Format {
    Csv(CsvOptions),
    Json(JsonOptions),
    Xml(XmlOptions),
    Parquet(ParquetOptions),
}

#[derive(Debug, Clone)]
pub struct CsvOptions {
    pub delimiter: u8,
    pub quote: u8,
    pub escape: u8,
    pub null: String,
    pub header: bool,
    /// One flag a column.
    pub force_quote: Vec<bool>,
    /// CRLF instead of LF.
    pub crlf: bool,
    /// A UTF-8 byte order mark first.
    pub bom: bool,
    /// Prefix `'` to a text cell that a spreadsheet would run as a formula.
    pub formula_guard: bool,
    /// Write integers and numerics of more than 15 digits as `="…"`, which spreadsheets keep whole.
    pub long_numbers_as_text: bool,
}

#[derive(Debug, Clone)]
pub struct JsonOptions {
    /// NDJSON: one object a line and no array around them.
    pub lines: bool,
    /// Quote int8 and numeric.
    pub big_numbers_as_strings: bool,
}

#[derive(Debug, Clone)]
pub struct XmlOptions {
    pub root: String,
    pub record: String,
    pub json_types: JsonTypes,
    pub invalid_chars: InvalidXmlChars,
}

/// Where `type="…"` is written on elements that come from json, jsonb and arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonTypes {
    None,
    /// On containers and empty values, where two values would look alike.
    Containers,
    All,
}

/// What happens to a character that XML 1.0 cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidXmlChars {
    Error,
    /// U+FFFD in its place, counted as a loss.
    Replace,
    /// Left out, counted as a loss.
    Drop,
}

#[derive(Debug, Clone)]
pub struct ParquetOptions {
    pub compression: ParquetCompression,
    /// A value the column type cannot hold becomes NULL and is counted, instead of an error.
    pub unrepresentable_as_null: bool,
    /// Bound on the encoded bytes of a row group.
    pub row_group_bytes: usize,
    /// Bound on the rows of a row group.
    pub row_group_rows: usize,
    /// Key-value metadata of the footer that is known at the start.
    pub metadata: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParquetCompression {
    None,
    Snappy,
    Gzip,
    Lz4Raw,
    Zstd,
}

/// Compression of the whole stream; text formats only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip { level: u32 },
    Zstd { level: i32 },
}

/// The sizes that Python's memory budget has granted. Output bytes do not depend on any of them.
#[derive(Debug, Clone)]
pub struct Limits {
    pub workers: usize,
    /// Size of the chunks that are handed out.
    pub chunk_bytes: usize,
    /// Bytes of later segments that may wait for the head segment.
    pub window_bytes: usize,
    /// Largest row that is accepted.
    pub row_bytes: usize,
}
