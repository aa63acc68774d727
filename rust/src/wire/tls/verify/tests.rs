//! Chains and names, with certificates of OpenSSL; the expectations are what libpq does with them.

use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;

use super::*;

macro_rules! certificate {
    ($name:literal) => {
        CertificateDer::from_pem_slice(include_bytes!(concat!("../../../../tests/certificates/", $name, ".pem")))
            .unwrap()
    };
}

/// 2020-07-01, within the only year of the certificate `expired`.
const IN_2020: Duration = Duration::from_secs(1_593_561_600);

fn verify_at(
    server: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    trusted: Vec<CertificateDer<'static>>,
    now: UnixTime,
) -> Result<(), TlsError> {
    let algorithms = ring::default_provider().signature_verification_algorithms;
    Trust::from_file(trusted).unwrap().verify(server, between, now, &algorithms)
}

fn verify(
    server: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    trusted: Vec<CertificateDer<'static>>,
) -> Result<(), TlsError> {
    verify_at(server, between, trusted, UnixTime::now())
}

#[test]
fn a_chain_leads_to_a_trusted_root() {
    let (root, other) = (certificate!("root"), certificate!("other"));
    verify(&certificate!("names"), &[], vec![root.clone()]).unwrap();
    verify(&certificate!("names"), &[], vec![other.clone(), root]).unwrap();
    assert_eq!(verify(&certificate!("names"), &[], vec![other]), Err(CertificateError::UnknownIssuer.into()));
}

#[test]
fn intermediates_come_from_the_server_or_the_file() {
    let (root, between, server) = (certificate!("root"), certificate!("between"), certificate!("chained"));
    verify(&server, std::slice::from_ref(&between), vec![root.clone()]).unwrap();
    verify(&server, &[], vec![root.clone(), between.clone()]).unwrap();
    assert!(verify(&server, &[], vec![root]).is_err());
    // As in OpenSSL, a path does not end at an intermediate, nor at the server itself.
    assert!(verify(&server, &[], vec![between]).is_err());
    assert!(verify(&server, &[], vec![server.clone()]).is_err());
}

#[test]
fn a_self_signed_certificate_is_trusted_where_it_is_in_the_file() {
    let server = certificate!("self_signed");
    verify(&server, &[], vec![server.clone()]).unwrap();
    assert!(verify(&server, &[], vec![certificate!("root")]).is_err());
    let before = UnixTime::since_unix_epoch(IN_2020);
    assert_eq!(
        verify_at(&server, &[], vec![server.clone()], before),
        Err(CertificateError::Expired.into()),
        "not valid yet"
    );
}

#[test]
fn version_1_needs_its_issuer_in_the_file() {
    let (server, root) = (certificate!("version_1"), certificate!("root"));
    verify(&server, &[], vec![root.clone()]).unwrap();
    let other = certificate!("version_1_other");
    assert_eq!(verify(&other, &[], vec![root]), Err(CertificateError::UnknownIssuer.into()));
    // The name of the issuer alone proves nothing.
    let mut forged = server.to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let forged = CertificateDer::from(forged);
    assert_eq!(verify(&forged, &[], vec![certificate!("root")]), Err(CertificateError::UnknownIssuer.into()));
    let before = UnixTime::since_unix_epoch(IN_2020);
    assert_eq!(verify_at(&server, &[], vec![certificate!("root")], before), Err(CertificateError::Expired.into()));
}

#[test]
fn time_and_purpose_count() {
    let root = || vec![certificate!("root")];
    let expired = verify(&certificate!("expired"), &[], root());
    assert!(
        matches!(expired, Err(TlsError::InvalidCertificate(CertificateError::ExpiredContext { .. }))),
        "{expired:?}"
    );
    let purpose = verify(&certificate!("clients_only"), &[], root());
    assert!(
        matches!(purpose, Err(TlsError::InvalidCertificate(CertificateError::InvalidPurposeContext { .. }))),
        "{purpose:?}"
    );
}

#[test]
fn a_file_with_a_damaged_certificate_is_refused() {
    let broken = CertificateDer::from(certificate!("root")[..500].to_vec());
    assert!(Trust::from_file(vec![certificate!("root"), broken]).is_err());
}

#[test]
fn host_names() {
    let der = certificate!("names");
    let certificate = Certificate::parse(&der).unwrap();
    let cases = [
        ("localhost", true),
        ("LOCALHOST", true),
        ("localhost.", false),
        ("db.example.com", true),
        ("DB.Example.COM", true),
        ("a.b.example.com", false),
        ("example.com", false),
        (".example.com", false),
        ("*.example.com", true),
        ("127.0.0.1", true),
        ("127.0.0.2", false),
        ("::1", true),
        ("::2", false),
        // There are alternative names of this kind, so the common name does not count.
        ("common.example", false),
        ("", false),
    ];
    for (host, expected) in cases {
        assert_eq!(names_host(&certificate, host).unwrap(), expected, "{host}");
    }
}

#[test]
fn the_common_name_counts_where_no_alternative_name_is_of_the_kind() {
    let der = certificate!("dns_only");
    let certificate = Certificate::parse(&der).unwrap();
    assert!(names_host(&certificate, "db.example.com").unwrap());
    assert!(names_host(&certificate, "127.0.0.1").unwrap(), "the common name, since there is no address");
    for name in ["common_name", "version_1"] {
        let der = if name == "version_1" { certificate!("version_1") } else { certificate!("common_name") };
        let certificate = Certificate::parse(&der).unwrap();
        assert!(names_host(&certificate, "localhost").unwrap(), "{name}");
        assert!(!names_host(&certificate, "127.0.0.1").unwrap(), "{name}");
    }
}

#[test]
fn wildcards_stand_for_one_label_of_a_name() {
    let cases = [
        (&b"*.example.com"[..], "db.example.com", true),
        (b"*.example.com", "x.db.example.com", false),
        (b"*", "localhost", false),
        (b"*.", "localhost.", false),
        (b"d*.example.com", "db.example.com", false),
        (b"*.0.0.1", "127.0.0.1", false),
        (b"good.example\0.evil.example", "good.example", false),
    ];
    for (name, host, expected) in cases {
        assert_eq!(matches_name(name, host, host.parse().ok()), expected, "{host}");
    }
}
