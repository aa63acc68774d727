//! Failures of TLS in plain words.

use rustls::{CertificateError, Error as TlsError};

/// A failure of TLS as a phrase that says what to look at.
pub fn describe_tls(e: &TlsError) -> String {
    match e {
        TlsError::General(message) => message.clone(),
        TlsError::InvalidCertificate(reason) => describe_certificate(reason),
        TlsError::AlertReceived(alert) => format!("the server ended TLS with the alert {alert:?}"),
        TlsError::InvalidMessage(_) => "the server's TLS data is malformed".into(),
        other => format!("TLS failed ({other})"),
    }
}

fn describe_certificate(reason: &CertificateError) -> String {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet".into()
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate is not signed by a trusted authority (sslrootcert)".into()
        }
        CertificateError::BadEncoding => "the server's certificate is malformed".into(),
        CertificateError::BadSignature => "a signature of the server's certificate is wrong".into(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not made for servers (extended key usage)".into()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the server's certificate is signed with an algorithm that is not supported".into()
        }
        // The one case of practice: a self-signed certificate, which is an authority's too, that is not in the file.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the server's certificate is that of an authority and not among the trusted ones (sslrootcert)".into()
        }
        other => format!("the server's certificate is not accepted ({other})"),
    }
}
