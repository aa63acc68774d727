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
    pub tcp: TcpParams,
    /// `require_auth`: the ways to log in that are accepted.
    pub methods: Methods,
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

/// How a TCP connection notices that its peer is gone. What is `None` is left to the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpParams {
    /// `keepalives`: whether probes are sent at all.
    pub keepalives: bool,
    pub idle: Option<Duration>,
    pub interval: Option<Duration>,
    pub probes: Option<u32>,
    /// How long what we sent may stay unacknowledged. Keep-alive does not run while data is in flight.
    pub user_timeout: Option<Duration>,
}

/// The ways to log in that a server may ask for (PostgreSQL manual, `require_auth`).
#[derive(Debug, Clone, Copy)]
pub struct Methods {
    /// It asks for nothing: `trust`, `peer`, or a client certificate.
    pub none: bool,
    pub password: bool,
    pub md5: bool,
    pub scram: bool,
}

impl Methods {
    pub const ALL: Methods = Methods { none: true, password: true, md5: true, scram: true };
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

#[derive(Clone)]
pub struct SslParams {
    pub mode: SslMode,
    /// A PEM file, or `system` for the system's store.
    pub root_cert: Option<String>,
    /// PEM file of a client certificate, and the file of its key, in PEM or DER form.
    pub cert: Option<String>,
    pub key: Option<String>,
    /// `sslpassword`: what the key is encrypted with.
    pub key_password: Option<String>,
    /// `sslcertmode=require`: the server must ask for the certificate.
    pub cert_required: bool,
    /// `sslsni`: whether the server is told the name that is asked for.
    pub sni: bool,
    /// `ssl_min_protocol_version` and `ssl_max_protocol_version`.
    pub versions: TlsVersions,
    /// `sslnegotiation=direct` (PostgreSQL 17): TLS from the first byte.
    pub direct: bool,
    /// `channel_binding`.
    pub channel_binding: ChannelBinding,
}

/// Which versions of TLS may be spoken; older ones than 1.2 never are.
#[derive(Debug, Clone, Copy)]
pub struct TlsVersions {
    pub tls12: bool,
    pub tls13: bool,
}

/// Without the password of the key.
impl fmt::Debug for SslParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SslParams { mode, root_cert, cert, key, .. } = self;
        f.debug_struct("SslParams")
            .field("mode", mode)
            .field("root_cert", root_cert)
            .field("cert", cert)
            .field("key", key)
            .finish_non_exhaustive()
    }
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
