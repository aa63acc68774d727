//! TLS as libpq does it: how it is configured and negotiated.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, SignatureScheme, SupportedProtocolVersion};

use super::errors::describe_tls;
use super::files;
use super::verify::Verifier;
use crate::wire::io::describe_io;
use crate::wire::params::{SslMode, SslParams, TlsVersions};
use crate::wire::stream::{Channel, Stream};

/// PostgreSQL's name for its protocol (manual, "SSL Session Encryption"). With direct negotiation both sides insist on
/// it, so that no other service can be talked to by mistake.
const ALPN: &[u8] = b"postgresql";

/// What is needed for TLS with one server. Cheap to clone; made once a connection, used again for cancel requests.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    direct: bool,
    /// Whether the server has asked for the client's certificate.
    asked: Arc<AtomicBool>,
}

/// The server's answer to the question for TLS.
pub enum Negotiated {
    Tls(Stream),
    /// It has none; the channel can be used without.
    Refused(Channel),
}

/// Why there is no TLS.
#[derive(Debug)]
pub enum TlsFailure {
    /// The socket failed, or what came is not this protocol.
    Broken(String),
    /// Handshake or certificate: another way to connect may do.
    Handshake(String),
}

impl Tls {
    /// Loads certificates and builds the configuration.
    ///
    /// # Errors
    /// The reason as a phrase: a file that is missing, unreadable or not PEM, or settings that contradict each other.
    pub fn new(params: &SslParams, host: Option<&str>, address: Option<IpAddr>) -> Result<Tls, String> {
        check_settings(params, host)?;
        let provider = Arc::new(ring::default_provider());
        let loader = provider.key_provider;
        let verifier = Verifier {
            trust: files::load_trust(params)?,
            host: host.filter(|_| params.mode == SslMode::VerifyFull).map(str::to_owned),
            algorithms: provider.signature_verification_algorithms,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions(params.versions)?)
            .map_err(|e| describe_tls(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let asked = Arc::new(AtomicBool::new(false));
        let mut config = match files::load_client(params, loader)? {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let resolver = Asked { client: client.into(), asked: Arc::clone(&asked) };
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
        };
        config.enable_sni = params.sni;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // PostgreSQL hands out no session tickets.
        config.resumption = Resumption::disabled();
        Ok(Tls { config: Arc::new(config), name: server_name(host, address), direct: params.direct, asked })
    }

    /// Whether the server has asked for the client's certificate, and there was one to send.
    pub fn certificate_was_asked_for(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Asks the server for TLS (unless it is direct) and does the handshake.
    pub fn negotiate(&self, mut channel: Channel) -> Result<Negotiated, TlsFailure> {
        if !self.direct && !ask(&mut channel)? {
            return Ok(Negotiated::Refused(channel));
        }
        let tls = ClientConnection::new(self.config.clone(), self.name.clone())
            .map_err(|e| TlsFailure::Handshake(describe_tls(&e)))?;
        let stream = Stream::handshake(tls, channel).map_err(|e| match e.kind() {
            io::ErrorKind::TimedOut => TlsFailure::Broken(describe_io(&e)),
            _ => TlsFailure::Handshake(describe_io(&e)),
        })?;
        if self.direct && stream.alpn() != Some(ALPN) {
            return Err(TlsFailure::Handshake(
                "the server did not agree to speak PostgreSQL inside direct TLS (ALPN)".into(),
            ));
        }
        Ok(Negotiated::Tls(stream))
    }
}

/// The client's certificate, and whether it was asked for.
#[derive(Debug)]
struct Asked {
    client: SingleCertAndKey,
    asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.client.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.client.has_certs()
    }
}

fn versions(wanted: TlsVersions) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut found = Vec::new();
    if wanted.tls12 {
        found.push(&TLS12);
    }
    if wanted.tls13 {
        found.push(&TLS13);
    }
    if found.is_empty() {
        return Err("ssl_max_protocol_version is below TLSv1.2, the oldest version that is spoken".into());
    }
    Ok(found)
}

/// SSLRequest and its answer of one byte. Bytes behind that were there before any encryption, so someone else may have
/// put them there to be taken for the server's (CVE-2021-23222).
fn ask(channel: &mut Channel) -> Result<bool, TlsFailure> {
    let broken = |e: io::Error| TlsFailure::Broken(describe_io(&e));
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    channel.write_all(&request).map_err(broken)?;
    let mut answer = [0; 16];
    let n = loop {
        match channel.read(&mut answer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => break other.map_err(broken)?,
        }
    };
    match (n, answer.first()) {
        (1, Some(b'S')) => Ok(true),
        (1, Some(b'N')) => Ok(false),
        (0, _) => Err(TlsFailure::Broken("the server closed the connection when it was asked for TLS".into())),
        // An error message of someone whom we do not know yet is not shown (CVE-2024-10977).
        (_, Some(b'E')) => Err(TlsFailure::Handshake("the server answered the request for TLS with an error".into())),
        (_, Some(b'S' | b'N')) => {
            Err(TlsFailure::Broken("unencrypted bytes follow the answer to the request for TLS".into()))
        }
        _ => Err(TlsFailure::Broken("the answer to the request for TLS is not PostgreSQL's".into())),
    }
}

/// What libpq refuses before it connects.
fn check_settings(params: &SslParams, host: Option<&str>) -> Result<(), String> {
    let weak = matches!(params.mode, SslMode::Disable | SslMode::Allow | SslMode::Prefer);
    if params.direct && weak {
        return Err("sslnegotiation=direct needs sslmode=require, verify-ca or verify-full".into());
    }
    if params.root_cert.as_deref() == Some(files::SYSTEM_ROOTS) && params.mode != SslMode::VerifyFull {
        return Err("sslrootcert=system needs sslmode=verify-full".into());
    }
    if params.mode == SslMode::VerifyFull && host.is_none() {
        return Err("sslmode=verify-full needs a host name to compare with the certificate".into());
    }
    Ok(())
}

/// The name for SNI. What is not a DNS name is not sent, and the verifier has its own idea of the host.
fn server_name(host: Option<&str>, address: Option<IpAddr>) -> ServerName<'static> {
    let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
    name.unwrap_or_else(|| ServerName::IpAddress(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).into()))
}
