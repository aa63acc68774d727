//! The connection to PostgreSQL: protocol 3.0 over blocking sockets (PostgreSQL manual, "Frontend/Backend Protocol").
//!
//! A worker thread owns one [`Connection`]; any thread may hold its [`Canceller`]. The conventions (`sslmode`,
//! `channel_binding`, timeouts, which failures are tried again) are those of libpq, so that an export connects
//! exactly where psql does. The way of a connection through the files:
//!
//! `address` (names to sockets) → `connect` (which encryption is tried when) → `tls` → `startup` with `auth`, which go
//! step by step through `exchange` → `connection` and `copy_out`, which read through `message`; `cancel` stops them.
//! `params`, `io` and `failure` are what all of them know.

mod address;
mod auth;
mod cancel;
mod connect;
mod connection;
mod copy_out;
mod exchange;
mod failure;
mod io;
mod message;
pub mod params;
mod startup;
mod stream;
mod tls;

pub use cancel::Canceller;
pub use connection::Connection;
pub use copy_out::CopyOut;
pub use message::{DEFAULT_MAX_MESSAGE, READ_BUFFER, ReadBuffer, refusal};
