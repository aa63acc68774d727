//! Whether a server's certificate is believed (PostgreSQL manual, "SSL Support", and `fe-secure-openssl.c`).
//!
//! libpq verifies the chain as soon as there is a root certificate, whatever the mode, and the name only for
//! `verify-full`. The signature of the handshake is always verified: without it not even the certificate shown is known
//! to be the peer's.

use std::net::IpAddr;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, PeerMisbehaved, RootCertStore, SignatureScheme,
};

use super::certificate::{AltName, Certificate, split_public_key};
use crate::error::Result;

/// The certificates that are trusted. As in OpenSSL a path ends at a self-signed certificate, and the others of the
/// file may only stand in between.
#[derive(Debug)]
pub struct Trust {
    /// The self-signed ones, as anchors for paths.
    anchors: RootCertStore,
    /// The same whole, where they come from a file of the user's.
    roots: Vec<CertificateDer<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
}

#[derive(Debug)]
pub struct Verifier {
    /// `None`: any certificate will do.
    pub trust: Option<Trust>,
    /// The name that must be in the certificate (`verify-full`).
    pub host: Option<String>,
    pub algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if let Some(trust) = &self.trust {
            trust.verify(server, intermediates, now, &self.algorithms)?;
        }
        if let Some(host) = &self.host {
            let certificate = Certificate::parse(server).map_err(|_| CertificateError::BadEncoding)?;
            match names_host(&certificate, host) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(TlsError::General(format!(
                        "the server's certificate is not for the host name \"{host}\""
                    )));
                }
                Err(_) => return Err(CertificateError::BadEncoding.into()),
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        match version_1(server) {
            None => verify_tls12_signature(message, server, signed, &self.algorithms),
            Some(old) => {
                let candidates = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
                let (_, candidates) = candidates.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
                verify_with_key(old.public_key, candidates, None, message, signed.signature())?;
                Ok(HandshakeSignatureValid::assertion())
            }
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        match version_1(server) {
            None => verify_tls13_signature(message, server, signed, &self.algorithms),
            Some(old) => {
                let key = SubjectPublicKeyInfoDer::from(old.public_key);
                verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
            }
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Trust {
    /// Trusts the certificates of a file.
    pub fn from_file(certificates: Vec<CertificateDer<'static>>) -> Result<Trust, TlsError> {
        let mut trust = Trust { anchors: RootCertStore::empty(), roots: Vec::new(), intermediates: Vec::new() };
        for certificate in certificates {
            let parsed = Certificate::parse(&certificate).map_err(|_| CertificateError::BadEncoding)?;
            if parsed.issuer == parsed.subject {
                trust.anchors.add(certificate.clone())?;
                trust.roots.push(certificate);
            } else {
                trust.intermediates.push(certificate);
            }
        }
        Ok(trust)
    }

    /// Trusts what the system trusts.
    pub fn from_system(anchors: RootCertStore) -> Trust {
        Trust { anchors, roots: Vec::new(), intermediates: Vec::new() }
    }

    /// Verifies that the certificate is now valid and leads to a trusted one.
    fn verify(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), TlsError> {
        // A self-signed certificate handed to the clients, which is the manual's first recipe. It is no path for
        // webpki, which takes certificate authorities for anchors only.
        if self.roots.iter().any(|trusted| trusted == server) {
            let certificate = Certificate::parse(server).map_err(|_| CertificateError::BadEncoding)?;
            return in_time(&certificate, now);
        }
        match version_1(server) {
            Some(old) => self.verify_version_1(&old, now, algorithms),
            None => {
                let parsed = ParsedCertificate::try_from(server)?;
                let between: Vec<_> = intermediates.iter().chain(&self.intermediates).cloned().collect();
                verify_server_cert_signed_by_trust_anchor(&parsed, &self.anchors, &between, now, algorithms.all)
            }
        }
    }

    /// Certificates of version 1, which webpki does not read: what `openssl x509 -req` makes before OpenSSL 3.2 when it
    /// is called as the manual does ("Creating Certificates"). They have no extensions, so nothing but name, time and
    /// signature is to be checked; the issuer must be one of the trusted certificates itself.
    fn verify_version_1(
        &self,
        old: &Certificate<'_>,
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), TlsError> {
        in_time(old, now)?;
        for trusted in &self.roots {
            let Ok(issuer) = Certificate::parse(trusted) else { continue };
            let signed_by = issuer.subject == old.issuer
                && verify_with_key(issuer.public_key, algorithms.all, Some(old.algorithm), old.signed, old.signature)
                    .is_ok();
            if signed_by {
                return in_time(&issuer, now);
            }
        }
        Err(CertificateError::UnknownIssuer.into())
    }
}

fn version_1<'a>(der: &'a CertificateDer<'_>) -> Option<Certificate<'a>> {
    Certificate::parse(der).ok().filter(|certificate| certificate.version == 1)
}

fn in_time(certificate: &Certificate<'_>, now: UnixTime) -> Result<(), TlsError> {
    if certificate.valid_at(now.as_secs()) { Ok(()) } else { Err(CertificateError::Expired.into()) }
}

/// Verifies a signature with the provider's functions: by the algorithms that fit the key, and `named` where it is
/// given.
fn verify_with_key(
    public_key: &[u8],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    named: Option<&[u8]>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), TlsError> {
    let (kind, key) = split_public_key(public_key).map_err(|_| CertificateError::BadEncoding)?;
    let fitting = algorithms.iter().filter(|algorithm| {
        algorithm.public_key_alg_id().as_ref() == kind
            && named.is_none_or(|named| algorithm.signature_alg_id().as_ref() == named)
    });
    for algorithm in fitting {
        if algorithm.verify_signature(key, message, signature).is_ok() {
            return Ok(());
        }
    }
    Err(CertificateError::BadSignature.into())
}

/// libpq's rule: any alternative name may match; the common name counts only where there is no alternative name of the
/// kind of the host (DNS name or address).
pub fn names_host(certificate: &Certificate<'_>, host: &str) -> Result<bool> {
    let address = host.parse::<IpAddr>().ok();
    let alternatives = certificate.alt_names()?;
    if alternatives.iter().any(|name| matches_alternative(*name, host, address)) {
        return Ok(true);
    }
    let same_kind = alternatives.iter().any(|name| matches!(name, AltName::Ip(_)) == address.is_some());
    if same_kind {
        return Ok(false);
    }
    Ok(certificate.common_name()?.is_some_and(|name| matches_name(name, host, address)))
}

fn matches_alternative(name: AltName<'_>, host: &str, address: Option<IpAddr>) -> bool {
    match name {
        AltName::Dns(name) => matches_name(name, host, address),
        AltName::Ip(bytes) => match address {
            Some(IpAddr::V4(address)) => bytes == address.octets(),
            Some(IpAddr::V6(address)) => bytes == address.octets(),
            None => false,
        },
    }
}

/// Case is ignored, and a wildcard stands for one label, the first (RFC 2818, section 3.1); for an address it stands
/// for nothing. A NUL in the name is part of it, and so never matches.
fn matches_name(name: &[u8], host: &str, address: Option<IpAddr>) -> bool {
    let host = host.as_bytes();
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = name.strip_prefix(b"*").filter(|suffix| suffix.starts_with(b".") && suffix.len() > 1) else {
        return false;
    };
    if address.is_some() {
        return false;
    }
    let Some((label, rest)) = host.len().checked_sub(suffix.len()).and_then(|at| host.split_at_checked(at)) else {
        return false;
    };
    !label.is_empty() && !label.contains(&b'.') && rest.eq_ignore_ascii_case(suffix)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
