//! The connection against a scripted server: what PostgreSQL would never say, and what it says seldom.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod auth;
mod cancel;
mod copy;
mod harness;
mod segments;
mod startup;
mod statements;
mod tls;
