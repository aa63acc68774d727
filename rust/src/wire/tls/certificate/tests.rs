//! Real certificates of OpenSSL, and what becomes of damaged ones.

use proptest::prelude::*;
use ring::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;

macro_rules! certificate {
    ($name:literal) => {
        CertificateDer::from_pem_slice(include_bytes!(concat!("../../../../tests/certificates/", $name, ".pem")))
            .unwrap()
    };
}

/// 2020-01-01 and the last second of that year, as `date -d … +%s` gives them.
const START_OF_2020: u64 = 1_577_836_800;
const END_OF_2020: u64 = 1_609_459_199;

#[test]
fn names_are_found() {
    let der = certificate!("names");
    let certificate = Certificate::parse(&der).unwrap();
    assert_eq!(certificate.version, 3);
    assert_eq!(certificate.common_name().unwrap(), Some(&b"common.example"[..]));
    let ipv6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let expected =
        [AltName::Dns(b"localhost"), AltName::Dns(b"*.example.com"), AltName::Ip(&[127, 0, 0, 1]), AltName::Ip(&ipv6)];
    assert_eq!(certificate.alt_names().unwrap(), expected);
}

#[test]
fn a_certificate_of_version_1_has_no_alternative_names() {
    let der = certificate!("version_1");
    let certificate = Certificate::parse(&der).unwrap();
    assert_eq!(certificate.version, 1);
    assert_eq!(certificate.common_name().unwrap(), Some(&b"localhost"[..]));
    assert!(certificate.alt_names().unwrap().is_empty());
}

#[test]
fn validity_is_inclusive() {
    let der = certificate!("expired");
    let certificate = Certificate::parse(&der).unwrap();
    let valid: Vec<bool> =
        [START_OF_2020 - 1, START_OF_2020, END_OF_2020, END_OF_2020 + 1].map(|at| certificate.valid_at(at)).to_vec();
    assert_eq!(valid, [false, true, true, false]);
}

/// Dates after 2049 are written with four digits of the year.
#[test]
fn both_forms_of_time_are_read() {
    let der = certificate!("root");
    let certificate = Certificate::parse(&der).unwrap();
    let days = (certificate.not_after - certificate.not_before) as f64 / 86_400.0;
    assert_eq!(days, 36_500.0);
}

#[test]
fn leap_years() {
    let cases = [
        ((1970, 1, 1), 0),
        ((1969, 12, 31), -1),
        ((2000, 2, 29), 11_016),
        ((2000, 3, 1), 11_017),
        ((2100, 3, 1), 47_541),
    ];
    for ((year, month, day), days) in cases {
        assert_eq!(days_since_1970(year, month, day), days, "{year}-{month}-{day}");
    }
}

#[test]
fn channel_binding_hashes_as_the_signature_does() {
    let cases = [
        (certificate!("names"), Some(&digest::SHA256)),
        (certificate!("version_1"), Some(&digest::SHA256)),
        (certificate!("sha384"), Some(&digest::SHA384)),
        (certificate!("sha512"), Some(&digest::SHA512)),
        (certificate!("pss384"), Some(&digest::SHA384)),
        (certificate!("ecdsa384"), Some(&digest::SHA384)),
        (certificate!("ed25519"), None),
    ];
    for (i, (der, algorithm)) in cases.iter().enumerate() {
        let expected = algorithm.map(|algorithm| digest::digest(algorithm, der).as_ref().to_vec());
        assert_eq!(end_point_hash(der).unwrap(), expected, "case {i}");
    }
}

/// MD5 and SHA-1 are replaced by SHA-256 (RFC 5929), also where RSASSA-PSS means SHA-1 by saying nothing.
#[test]
fn weak_hashes_become_sha_256() {
    let pkcs1 =
        |last| [&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last][..], &[0x05, 0x00]].concat();
    let ecdsa_sha1 = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01].to_vec();
    let mut pss_default = pkcs1(10);
    pss_default.truncate(11);
    pss_default.extend([0x30, 0x00]);
    for algorithm in [pkcs1(4), pkcs1(5), ecdsa_sha1, pss_default] {
        assert_eq!(signature_hash(&algorithm).unwrap(), Some(&digest::SHA256), "{algorithm:x?}");
    }
}

#[test]
fn a_certificate_cut_anywhere_is_malformed() {
    let der = certificate!("names");
    for cut in 0..der.len() {
        assert!(Certificate::parse(&der[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [&der[..], &[0]].concat();
    assert!(Certificate::parse(&longer).is_err());
}

/// DER has one way to write a length: none of these is it.
#[test]
fn lengths_that_are_not_der() {
    for bytes in [
        &[0x30, 0x80, 0, 0][..],
        &[0x30, 0x81, 0x01, 0],
        &[0x30, 0x82, 0, 0x01, 0],
        &[0x30, 0x84, 0, 0, 0, 1, 0],
        &[0x1f, 0x01, 0],
    ] {
        assert!(element(&mut Cursor::new(bytes)).is_err(), "{bytes:x?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damage_gives_an_error_or_another_certificate(at in 0usize..900, byte in any::<u8>()) {
        let mut der = certificate!("names").to_vec();
        let at = at % der.len();
        der[at] = byte;
        if let Ok(certificate) = Certificate::parse(&der) {
            let _ = (certificate.common_name(), certificate.alt_names());
            let _ = (split_public_key(certificate.public_key), end_point_hash(&der));
        }
    }
}
