//! The key of a client certificate: PEM or DER, in the clear or encrypted with `sslpassword`, as OpenSSL writes them.
//!
//! There are two kinds of encrypted files: PKCS#8 (RFC 5958, with PBES2 of RFC 8018), and the traditional one of
//! OpenSSL, whose header names the cipher (RFC 1421, section 4.6; `PEM_read_bio_PrivateKey`).

use std::fs;

use aes::{Aes128, Aes192, Aes256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use des::TdesEde3;
use md5::{Digest, Md5};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::PrivateKeyDer;

use crate::wire::io::describe_io;

/// Bytes of a key file that are read; the largest RSA keys have some 12 KB.
const MAX_FILE: u64 = 1 << 20;
const ENCRYPTED_PKCS8: &str = "ENCRYPTED PRIVATE KEY";
/// Labels of the sections that hold a key (RFC 7468, section 10 and 11; RFC 5915; PKCS#1).
const LABELS: [&str; 4] = ["PRIVATE KEY", ENCRYPTED_PKCS8, "RSA PRIVATE KEY", "EC PRIVATE KEY"];
const NO_KEY: &str = "holds no key in PEM or DER form";
const NO_PASSWORD: &str = "is encrypted, and no sslpassword was given";
const WRONG_PASSWORD: &str = "cannot be decrypted: sslpassword is wrong, or the file is damaged";

/// Reads the first key of a file.
///
/// # Errors
/// What is wrong with the file, as a phrase that follows its name. It never has the password.
pub fn load_key(path: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let cannot = |e: &std::io::Error| format!("cannot be read: {}", describe_io(e));
    if fs::metadata(path).map_err(|e| cannot(&e))?.len() > MAX_FILE {
        return Err("is too large for a key".into());
    }
    parse_key(&fs::read(path).map_err(|e| cannot(&e))?, password.filter(|text| !text.is_empty()))
}

fn parse_key(file: &[u8], password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let section = std::str::from_utf8(file).ok().and_then(Section::find);
    let Some(section) = section else { return from_der(file, password) };
    let body = section.body()?;
    match section.header("DEK-Info") {
        Some(info) => as_key(decrypt_traditional(&body, info, password.ok_or(NO_PASSWORD)?)?).ok_or_else(wrong),
        None if section.label == ENCRYPTED_PKCS8 => decrypt_pkcs8(&body, password),
        None => as_key(body).ok_or_else(|| NO_KEY.into()),
    }
}

fn from_der(file: &[u8], password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    match as_key(file.to_vec()) {
        Some(key) => Ok(key),
        None if EncryptedPrivateKeyInfoRef::try_from(file).is_ok() => decrypt_pkcs8(file, password),
        None => Err(NO_KEY.into()),
    }
}

/// PKCS#1, PKCS#8 or SEC1, told apart by what they hold.
fn as_key(der: Vec<u8>) -> Option<PrivateKeyDer<'static>> {
    PrivateKeyDer::try_from(der).ok()
}

fn wrong() -> String {
    WRONG_PASSWORD.into()
}

fn decrypt_pkcs8(der: &[u8], password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|_| "is encrypted in a way that is not supported (PKCS#8 with PBES2 is)".to_owned())?;
    let clear = encrypted.decrypt(password.ok_or(NO_PASSWORD)?).map_err(|_| wrong())?;
    as_key(clear.as_bytes().to_vec()).ok_or_else(wrong)
}

/// `DEK-Info: AES-256-CBC,<initialisation vector in hexadecimal digits>`
fn decrypt_traditional(body: &[u8], info: &str, password: &str) -> Result<Vec<u8>, String> {
    let (cipher, vector) = info.split_once(',').ok_or(NO_KEY)?;
    let vector = from_hex(vector.trim()).ok_or(NO_KEY)?;
    match cipher.trim() {
        "AES-128-CBC" => decrypt::<Decryptor<Aes128>>(body, &vector, password, 16),
        "AES-192-CBC" => decrypt::<Decryptor<Aes192>>(body, &vector, password, 24),
        "AES-256-CBC" => decrypt::<Decryptor<Aes256>>(body, &vector, password, 32),
        "DES-EDE3-CBC" => decrypt::<Decryptor<TdesEde3>>(body, &vector, password, 24),
        other => Err(format!("is encrypted with {other}, which is not supported (AES-CBC and DES-EDE3-CBC are)")),
    }
}

fn decrypt<D: KeyIvInit + BlockModeDecrypt>(
    body: &[u8],
    vector: &[u8],
    password: &str,
    length: usize,
) -> Result<Vec<u8>, String> {
    let key = derive(password, vector.get(..8).ok_or(NO_KEY)?, length);
    let cipher = D::new_from_slices(&key, vector).map_err(|_| NO_KEY.to_owned())?;
    cipher.decrypt_padded_vec::<Pkcs7>(body).map_err(|_| wrong())
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round: MD5(last, password, salt), until there is enough.
fn derive(password: &str, salt: &[u8], length: usize) -> Vec<u8> {
    let mut key = Vec::new();
    let mut last = Vec::new();
    while key.len() < length {
        last = Md5::new().chain_update(&last).chain_update(password).chain_update(salt).finalize().to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    key
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    digits?
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect()
}

/// One `-----BEGIN …-----` to `-----END …-----`.
struct Section<'a> {
    label: &'a str,
    text: &'a str,
}

impl<'a> Section<'a> {
    /// The first one that holds a key.
    fn find(file: &'a str) -> Option<Self> {
        let mut found: Vec<(usize, Self)> = Vec::new();
        for label in LABELS {
            let Some((before, rest)) = file.split_once(&format!("-----BEGIN {label}-----")) else { continue };
            let Some((text, _)) = rest.split_once(&format!("-----END {label}-----")) else { continue };
            found.push((before.len(), Section { label, text }));
        }
        found.into_iter().min_by_key(|(at, _)| *at).map(|(_, section)| section)
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        self.text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// What stands in base64 behind the headers.
    fn body(&self) -> Result<Vec<u8>, String> {
        let digits: String = self
            .text
            .lines()
            .filter(|line| !line.contains(':'))
            .flat_map(str::chars)
            .filter(|character| !character.is_whitespace())
            .collect();
        STANDARD.decode(digits).map_err(|_| "is not in PEM form".into())
    }
}
