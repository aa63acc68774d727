//! Certificates and keys from files, by libpq's rules (PostgreSQL manual, "SSL Support", "Client Verification of Server
//! Certificates" and "Client Certificates").

use std::fs;
use std::io;

use rustls::crypto::KeyProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error as TlsError, RootCertStore};

use super::certificate::Certificate;
use super::errors::describe_tls;
use super::key::load_key;
use super::verify::Trust;
use crate::wire::io::describe_io;
use crate::wire::params::{SslMode, SslParams};

/// The value of `sslrootcert` that stands for the certificates of the system.
pub const SYSTEM_ROOTS: &str = "system";

/// With a root certificate the chain is verified in every mode, as libpq does; without one only verify-* is an error.
pub fn load_trust(params: &SslParams) -> Result<Option<Trust>, String> {
    let must = matches!(params.mode, SslMode::VerifyCa | SslMode::VerifyFull);
    let Some(path) = params.root_cert.as_deref().filter(|path| !path.is_empty()) else {
        let reason =
            "sslmode=verify-ca and verify-full need a root certificate (sslrootcert=FILE or sslrootcert=system)";
        return if must { Err(reason.into()) } else { Ok(None) };
    };
    if path == SYSTEM_ROOTS {
        return load_system().map(Some);
    }
    if !must && !exists(path) {
        return Ok(None);
    }
    let certificates =
        load_certificates(path).map_err(|reason| format!("the root certificate file \"{path}\" {reason}"))?;
    let unusable = |e: TlsError| format!("the root certificate file \"{path}\" cannot be used: {}", describe_tls(&e));
    Trust::from_file(certificates).map(Some).map_err(unusable)
}

fn load_system() -> Result<Trust, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut anchors = RootCertStore::empty();
    // A system's store may hold one that is too old to be read; the others count.
    let (usable, _) = anchors.add_parsable_certificates(found.certs);
    if usable == 0 {
        return Err("the system has no root certificates that can be read (sslrootcert=system)".into());
    }
    Ok(Trust::from_system(anchors))
}

/// The client's certificate and key. As in libpq, a certificate file that does not exist means that there is none.
pub fn load_client(params: &SslParams, loader: &dyn KeyProvider) -> Result<Option<CertifiedKey>, String> {
    let Some(cert) = params.cert.as_deref().filter(|path| !path.is_empty() && exists(path)) else { return Ok(None) };
    let chain = load_certificates(cert).map_err(|reason| format!("the client certificate file \"{cert}\" {reason}"))?;
    let Some(path) = params.key.as_deref().filter(|path| !path.is_empty()) else {
        return Err(format!("there is a client certificate (\"{cert}\"), but no key for it (sslkey)"));
    };
    let key = load_key(path, params.key_password.as_deref())
        .map_err(|reason| format!("the client key file \"{path}\" {reason}"))?;
    let key = loader
        .load_private_key(key)
        .map_err(|_| format!("the client key file \"{path}\" holds a key that is not supported"))?;
    if !is_key_of(key.as_ref(), chain.first()) {
        return Err(format!("the client key file \"{path}\" does not belong to the certificate in \"{cert}\""));
    }
    Ok(Some(CertifiedKey::new(chain, key)))
}

/// Compared here, since rustls would refuse certificates of version 1 for it. A key that does not tell its public half
/// is left for the server to judge.
fn is_key_of(key: &dyn SigningKey, certificate: Option<&CertificateDer<'_>>) -> bool {
    let certificate = certificate.and_then(|der| Certificate::parse(der).ok());
    match (key.public_key(), certificate) {
        (Some(public), Some(certificate)) => public.as_ref() == certificate.public_key,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

fn load_certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = fs::read(path).map_err(|e| format!("cannot be read: {}", describe_io(&e)))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(found) if found.is_empty() => Err("holds no certificate in PEM form".into()),
        Ok(found) => Ok(found),
        Err(e) => Err(describe_pem(&e)),
    }
}

fn exists(path: &str) -> bool {
    !matches!(fs::metadata(path), Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
}

fn describe_pem(e: &PemError) -> String {
    match e {
        PemError::Io(e) => format!("cannot be read: {}", describe_io(e)),
        _ => "is not in PEM form".into(),
    }
}
