//! What libpq reads from a server's certificate and rustls does not tell: its names, the hash for channel binding, and
//! certificates of version 1 (RFC 5280, section 4.1; DER is X.690).
//!
//! Only a strict walk over tags and lengths through [`Cursor`], so no crate for it: the path itself is verified by
//! webpki.

use ring::digest;

use crate::bytes::cursor::Cursor;
use crate::error::{Error, Result};

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// A constructed element of the context class: `[0]`, `[3]`.
const CONTEXT: u8 = 0xa0;

/// GeneralName: `dNSName [2]` and `iPAddress [7]` (RFC 5280, section 4.2.1.6).
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// One element: its tag, what is in it, and all of it.
#[derive(Debug, Clone, Copy)]
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// The next element. DER has one way to write a length, and no element of a certificate is as long as 16 MB.
fn element<'a>(cursor: &mut Cursor<'a>) -> Result<Element<'a>> {
    let all = cursor.rest();
    let tag = cursor.u8()?;
    if tag & 0x1f == 0x1f {
        return Err(malformed());
    }
    let length = match cursor.u8()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => at_least(0x80, usize::from(cursor.u8()?))?,
        0x82 => at_least(0x100, usize::from(cursor.u16()?))?,
        0x83 => at_least(0x1_0000, (usize::from(cursor.u8()?) << 16) | usize::from(cursor.u16()?))?,
        _ => return Err(malformed()),
    };
    let content = cursor.take(length)?;
    let whole = all.get(..all.len() - cursor.rest().len()).unwrap_or_default();
    Ok(Element { tag, content, whole })
}

fn at_least(least: usize, length: usize) -> Result<usize> {
    if length >= least { Ok(length) } else { Err(malformed()) }
}

fn expect<'a>(cursor: &mut Cursor<'a>, tag: u8) -> Result<Element<'a>> {
    let found = element(cursor)?;
    if found.tag == tag { Ok(found) } else { Err(malformed()) }
}

/// The next element if it has this tag.
fn optional<'a>(cursor: &mut Cursor<'a>, tag: u8) -> Result<Option<Element<'a>>> {
    if cursor.rest().first() == Some(&tag) { element(cursor).map(Some) } else { Ok(None) }
}

#[cold]
fn malformed() -> Error {
    Error::protocol("the server's certificate is malformed")
}

/// A name under which a server may be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AltName<'a> {
    Dns(&'a [u8]),
    Ip(&'a [u8]),
}

/// The parts of a certificate that are asked for. All slices are of the certificate itself.
#[derive(Debug)]
pub struct Certificate<'a> {
    /// 1, 2 or 3.
    pub version: u8,
    /// What the issuer signed.
    pub signed: &'a [u8],
    /// The inside of the outer AlgorithmIdentifier.
    pub algorithm: &'a [u8],
    pub signature: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    /// SubjectPublicKeyInfo, whole.
    pub public_key: &'a [u8],
    /// Seconds since 1970.
    not_before: i64,
    not_after: i64,
    extensions: &'a [u8],
}

impl<'a> Certificate<'a> {
    pub fn parse(der: &'a [u8]) -> Result<Self> {
        let mut outer = Cursor::new(der);
        let mut fields = Cursor::new(expect(&mut outer, SEQUENCE)?.content);
        outer.end()?;
        let signed = expect(&mut fields, SEQUENCE)?;
        let algorithm = expect(&mut fields, SEQUENCE)?.content;
        let signature = bits(expect(&mut fields, BIT_STRING)?.content)?;
        fields.end()?;

        let mut tbs = Cursor::new(signed.content);
        let version = version(&mut tbs)?;
        expect(&mut tbs, INTEGER)?;
        expect(&mut tbs, SEQUENCE)?;
        let issuer = expect(&mut tbs, SEQUENCE)?.whole;
        let mut validity = Cursor::new(expect(&mut tbs, SEQUENCE)?.content);
        let not_before = time(element(&mut validity)?)?;
        let not_after = time(element(&mut validity)?)?;
        let subject = expect(&mut tbs, SEQUENCE)?.whole;
        let public_key = expect(&mut tbs, SEQUENCE)?.whole;
        // issuerUniqueID [1] and subjectUniqueID [2] are primitive: nobody uses them.
        optional(&mut tbs, 0x81)?;
        optional(&mut tbs, 0x82)?;
        let extensions = match optional(&mut tbs, CONTEXT | 3)? {
            Some(wrapper) => expect(&mut Cursor::new(wrapper.content), SEQUENCE)?.content,
            None => &[],
        };
        tbs.end()?;
        Ok(Certificate {
            version,
            signed: signed.whole,
            algorithm,
            signature,
            issuer,
            subject,
            public_key,
            not_before,
            not_after,
            extensions,
        })
    }

    /// Whether the moment, in seconds since 1970, lies in its time of validity.
    pub fn valid_at(&self, seconds: u64) -> bool {
        i64::try_from(seconds).is_ok_and(|now| self.not_before <= now && now <= self.not_after)
    }

    /// The first common name of the subject, as its bytes.
    pub fn common_name(&self) -> Result<Option<&'a [u8]>> {
        let mut names = Cursor::new(expect(&mut Cursor::new(self.subject), SEQUENCE)?.content);
        while !names.is_empty() {
            let mut set = Cursor::new(expect(&mut names, SET)?.content);
            while !set.is_empty() {
                let mut attribute = Cursor::new(expect(&mut set, SEQUENCE)?.content);
                if expect(&mut attribute, OBJECT_ID)?.content == COMMON_NAME {
                    return Ok(Some(element(&mut attribute)?.content));
                }
            }
        }
        Ok(None)
    }

    /// The DNS names and addresses among the subject alternative names.
    pub fn alt_names(&self) -> Result<Vec<AltName<'a>>> {
        let mut found = Vec::new();
        let Some(extension) = self.extension(SUBJECT_ALT_NAME)? else { return Ok(found) };
        let mut names = Cursor::new(expect(&mut Cursor::new(extension), SEQUENCE)?.content);
        while !names.is_empty() {
            let name = element(&mut names)?;
            match name.tag {
                DNS_NAME => found.push(AltName::Dns(name.content)),
                IP_ADDRESS => found.push(AltName::Ip(name.content)),
                _ => {}
            }
        }
        Ok(found)
    }

    fn extension(&self, id: &[u8]) -> Result<Option<&'a [u8]>> {
        let mut all = Cursor::new(self.extensions);
        while !all.is_empty() {
            let mut extension = Cursor::new(expect(&mut all, SEQUENCE)?.content);
            let found = expect(&mut extension, OBJECT_ID)?.content;
            optional(&mut extension, BOOLEAN)?;
            let value = expect(&mut extension, OCTET_STRING)?.content;
            if found == id {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

fn version(tbs: &mut Cursor<'_>) -> Result<u8> {
    let Some(wrapper) = optional(tbs, CONTEXT)? else { return Ok(1) };
    match expect(&mut Cursor::new(wrapper.content), INTEGER)?.content {
        [version @ 0..=2] => Ok(version + 1),
        _ => Err(malformed()),
    }
}

/// The bytes of a BIT STRING whose last byte is full.
fn bits(content: &[u8]) -> Result<&[u8]> {
    match content.split_first() {
        Some((0, bytes)) => Ok(bytes),
        _ => Err(malformed()),
    }
}

/// UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ` (RFC 5280, section 4.1.2.5) in seconds since 1970.
fn time(element: Element<'_>) -> Result<i64> {
    let digits = element.content.strip_suffix(b"Z").ok_or_else(malformed)?;
    let mut pairs = digits.chunks_exact(2).map(|pair| match pair {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Ok(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => Err(malformed()),
    });
    let mut pair = || pairs.next().unwrap_or_else(|| Err(malformed()));
    let year = match (element.tag, digits.len()) {
        (UTC_TIME, 12) => match pair()? {
            year @ 50.. => 1900 + year,
            year => 2000 + year,
        },
        (GENERALIZED_TIME, 14) => pair()? * 100 + pair()?,
        _ => return Err(malformed()),
    };
    let (month, day) = (pair()?, pair()?);
    if !(1..=12).contains(&month) {
        return Err(malformed());
    }
    Ok(days_since_1970(year, month, day) * 86_400 + pair()? * 3_600 + pair()? * 60 + pair()?)
}

/// Days of the Gregorian calendar, counting years from March so that the leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days from 0000-03-01 to 1970-01-01; months from March have 30.6 days but for a fraction.
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Splits a SubjectPublicKeyInfo into the inside of its AlgorithmIdentifier and the key.
pub fn split_public_key(info: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut fields = Cursor::new(expect(&mut Cursor::new(info), SEQUENCE)?.content);
    let algorithm = expect(&mut fields, SEQUENCE)?.content;
    let key = bits(expect(&mut fields, BIT_STRING)?.content)?;
    Ok((algorithm, key))
}

/// The hash of a certificate for channel binding `tls-server-end-point` (RFC 5929, section 4.1): that of its
/// signature, SHA-256 in place of MD5 and SHA-1. `None` where the signature has no single hash, such as Ed25519.
pub fn end_point_hash(der: &[u8]) -> Result<Option<Vec<u8>>> {
    let certificate = Certificate::parse(der)?;
    let hash = signature_hash(certificate.algorithm)?;
    Ok(hash.map(|hash| digest::digest(hash, der).as_ref().to_vec()))
}

fn signature_hash(algorithm: &[u8]) -> Result<Option<&'static digest::Algorithm>> {
    /// 1.2.840.113549.1.1: PKCS #1; the next number names the hash (RFC 8017, appendix C).
    const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    /// 1.2.840.10045.4: signatures of ANSI X9.62 (RFC 5758, section 3.2).
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
    let mut fields = Cursor::new(algorithm);
    let id = expect(&mut fields, OBJECT_ID)?.content;
    if let Some(rest) = id.strip_prefix(PKCS1) {
        return match rest {
            // MD5, SHA-1 and SHA-256.
            [4 | 5 | 11] => Ok(Some(&digest::SHA256)),
            [12] => Ok(Some(&digest::SHA384)),
            [13] => Ok(Some(&digest::SHA512)),
            [10] => pss_hash(&mut fields),
            _ => Ok(None),
        };
    }
    Ok(match id.strip_prefix(ECDSA) {
        // SHA-1 and SHA-256.
        Some([1] | [3, 2]) => Some(&digest::SHA256),
        Some([3, 3]) => Some(&digest::SHA384),
        Some([3, 4]) => Some(&digest::SHA512),
        _ => None,
    })
}

/// RSASSA-PSS names its hash in its parameters, and SHA-1 where it does not (RFC 8017, appendix A.2.3).
fn pss_hash(fields: &mut Cursor<'_>) -> Result<Option<&'static digest::Algorithm>> {
    /// 2.16.840.1.101.3.4.2: the hashes of NIST.
    const NIST: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    let mut parameters = Cursor::new(expect(fields, SEQUENCE)?.content);
    let Some(wrapper) = optional(&mut parameters, CONTEXT)? else { return Ok(Some(&digest::SHA256)) };
    let mut hash = Cursor::new(expect(&mut Cursor::new(wrapper.content), SEQUENCE)?.content);
    Ok(match expect(&mut hash, OBJECT_ID)?.content.strip_prefix(NIST) {
        Some([1]) => Some(&digest::SHA256),
        Some([2]) => Some(&digest::SHA384),
        Some([3]) => Some(&digest::SHA512),
        _ => None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
