//! TLS by libpq's rules: `files` (certificates and keys from disk) → `negotiate` (configuration and handshake) with
//! `verify` over `certificate` (is the server believed); `errors` says what went wrong in plain words.

mod certificate;
pub mod errors;
mod files;
mod key;
mod negotiate;
mod verify;

pub use certificate::end_point_hash;
pub use negotiate::{Negotiated, Tls, TlsFailure};
