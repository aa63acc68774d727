//! Whom to connect to and how, with nothing left to look up.

use std::fmt;
use std::time::Duration;

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
